import subprocess
import sys

import pytest

from openclaw.config.light import find_gateway
from openclaw.config.load import ensure_token
from openclaw.errors import ConfigError
from tests.host.config.conftest import Home

FILES = [
    None,
    "{}",
    "{gateway: {port: 4000, auth: {token: 'a'}}}",
    "{gateway: {auth: {password: 'p'}}}",
    "{gateway: {auth: {mode: 'password', token: 'a', password: 'p'}}}",
    "{gateway: {auth: {token: '${TOK}'}}, env: {TOK: 'inline'}}",
    "{gateway: {auth: {token: {source: 'env', provider: 'default', id: 'TOK'}}}, env: {TOK: 'x'}}",
    "{gateway: {$include: './gateway.json5', port: 4001}}",
    "{gateway: {bind: 'custom', customBindHost: '10.9.9.9'}}",
]
ENVIRONMENTS = [
    {},
    {"OPENCLAW_GATEWAY_TOKEN": "env"},
    {"OPENCLAW_GATEWAY_PASSWORD": "env"},
    {"OPENCLAW_GATEWAY_PORT": "4002", "TOK": "process"},
    {"OPENCLAW_PROFILE": "dev"},
]


@pytest.mark.parametrize("text", FILES)
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_client_looks_where_the_gateway_listens_with_the_secret_that_it_wants(
    home: Home, text: str | None, env: dict[str, str]
):
    home.write("{port: 1, auth: {token: 'included'}}", "gateway.json5")
    if text is not None:
        home.write(text)
    home = home.with_env(**env)
    loaded = home.load()
    access = loaded.access
    wanted = ensure_token(loaded.state_dir, loaded) if access.mode == "token" else access.secret
    target = home.target()
    assert target.url.rpartition(":")[2] == str(loaded.config.gateway.port)
    assert (target.password if access.mode == "password" else target.token) == wanted
    assert (target.config_path, target.state_dir) == (loaded.path, loaded.state_dir)
    assert target.local


def test_without_anything_it_is_this_machine(home: Home):
    target = home.target()
    assert target.url == "ws://127.0.0.1:18789"
    assert (target.token, target.password) == (None, None)
    assert target.identity_path == home.state_dir / "identity" / "device.json"


@pytest.mark.parametrize(
    ("gateway", "url"),
    [
        ("bind: 'lan'", "ws://127.0.0.1:18789"),
        ("bind: 'custom', customBindHost: '10.9.9.9'", "ws://10.9.9.9:18789"),
        ("bind: 'custom', customBindHost: '0.0.0.0'", "ws://127.0.0.1:18789"),
        ("bind: 'custom', customBindHost: '::1'", "ws://[::1]:18789"),
    ],
)
def test_the_address_follows_the_bind(home: Home, gateway: str, url: str):
    home.write(f"{{gateway: {{{gateway}}}}}")
    assert home.target().url == url


def test_flags_win(home: Home):
    home.write("{gateway: {port: 4000, auth: {token: 'a'}}}")
    target = find_gateway(home.env, home.cwd, port=5000, token="flag")
    assert (target.url, target.token) == ("ws://127.0.0.1:5000", "flag")


def test_a_remote_gateway_has_its_own_secret(home: Home):
    home.write(
        "{gateway: {mode: 'remote', auth: {token: 'mine'},"
        " remote: {url: 'wss://gw.example.com', token: 'theirs'}}}"
    )
    target = home.target()
    assert (target.url, target.token, target.local) == ("wss://gw.example.com", "theirs", False)


def test_a_url_from_elsewhere_needs_its_own_credentials(home: Home):
    home.write("{gateway: {auth: {token: 'mine'}}}")
    with pytest.raises(ConfigError, match="--url: gateway url override requires explicit cred"):
        find_gateway(home.env, home.cwd, url="wss://gw.example.com")
    at_env = home.with_env(OPENCLAW_GATEWAY_URL="wss://gw.example.com")
    with pytest.raises(ConfigError, match="OPENCLAW_GATEWAY_URL: gateway url override requires"):
        at_env.target()
    assert at_env.with_env(OPENCLAW_GATEWAY_TOKEN="theirs").target().token == "theirs"


def test_an_env_file_cannot_lead_clients_to_another_gateway(home: Home):
    (home.cwd / ".env").write_text(
        "OPENCLAW_GATEWAY_URL=wss://evil.example.com\nOPENCLAW_STATE_DIR=/nowhere\n"
    )
    home = home.with_env(OPENCLAW_GATEWAY_TOKEN="t")
    target = home.target()
    assert (target.url, target.state_dir) == ("ws://127.0.0.1:18789", home.state_dir)


def test_credentials_do_not_travel_in_clear_to_another_machine(home: Home):
    url = "ws://10.0.0.9:18789"
    with pytest.raises(ConfigError, match=r"--url: refusing to send credentials .* to 10\.0\.0\.9"):
        find_gateway(home.env, home.cwd, url=url, token="t")
    allowed = home.with_env(OPENCLAW_ALLOW_INSECURE_PRIVATE_WS="1")
    assert find_gateway(allowed.env, home.cwd, url=url, token="t").url == url
    local = find_gateway(home.env, home.cwd, url="ws://localhost:1", token="t")
    assert local.url == "ws://localhost:1"


@pytest.mark.parametrize("url", ["http://x", "wss://", "wss://h:99999", "nonsense"])
def test_a_url_must_be_one(home: Home, url: str):
    with pytest.raises(ConfigError, match="--url: expected a URL such as"):
        find_gateway(home.env, home.cwd, url=url, token="t")


def test_a_secret_that_is_not_there_is_named(home: Home):
    home.write("{gateway: {auth: {token: '${GONE}'}}}")
    with pytest.raises(ConfigError, match=r"gateway\.auth\.token: environment variable GONE is"):
        home.target()


def test_a_malformed_reference_is_not_sent_as_a_token(home: Home):
    home.write("{gateway: {auth: {token: {source: 'vault', id: 'x'}}}}")
    with pytest.raises(ConfigError, match=r"gateway\.auth\.token\.source: not a source of secret"):
        home.target()


def test_secrets_are_not_in_its_repr(home: Home):
    home.write("{gateway: {auth: {token: 'hunter2', password: 'hunter3'}}}")
    assert "hunter" not in repr(home.target())
    assert "hunter" not in repr(home.load())


def test_clients_do_not_pay_for_the_typed_models():
    code = "import sys, openclaw.config.light; sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
