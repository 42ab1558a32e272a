import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.config.load import ensure_token
from openclaw.config.secret_refs import pointer_parts
from openclaw.errors import ConfigError
from tests.host.config.conftest import Home


def ref(source: str, name: str, provider: str = "default") -> str:
    return json.dumps({"source": source, "provider": provider, "id": name})


def test_an_environment_secret(home: Home):
    home.write(f"{{gateway: {{auth: {{token: {ref('env', 'MY_TOKEN')}}}}}}}")
    assert home.with_env(MY_TOKEN="abc").load().access.token == "abc"


def test_a_plugin_block_gets_the_secret_itself(home: Home):
    block = f"{{twilio: {{authToken: {ref('env', 'TW')}, accountSid: 'AC1'}}}}"
    home.write(f'{{plugins: {{entries: {{"voice-call": {{config: {block}}}}}}}}}')
    assert home.with_env(TW="s3cret").load().plugin_config("voice-call") == {
        "twilio": {"authToken": "s3cret", "accountSid": "AC1"}
    }


def test_a_file_secret_by_json_pointer(home: Home):
    home.write(json.dumps({"openai": {"a/b": "sk-1"}}), "secrets.json")
    home.write(
        "{secrets: {providers: {mine: {source: 'file', path: '~/.openclaw/secrets.json'}},"
        " defaults: {file: 'mine'}},"
        " models: {providers: {openai: {apiKey: {source: 'file', id: '/openai/a~1b'}}}}}"
    )
    key = home.load().config.models.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == "sk-1"


def test_a_file_that_is_the_secret(home: Home):
    home.write("sk-2\n", "key.txt")
    home.write(
        "{secrets: {providers: {k: {source: 'file', path: '~/.openclaw/key.txt'}}},"
        f" gateway: {{auth: {{token: {ref('file', 'value', 'k')}}}}}}}"
    )
    assert home.load().access.token == "sk-2"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (ref("env", "NOT_THERE"), "environment variable NOT_THERE is not set or empty"),
        (ref("exec", "vault/key"), "secrets from commands (source exec) are not supported yet"),
        (ref("file", "/x", "nowhere"), "secrets.providers.nowhere.path is not set"),
    ],
)
def test_a_secret_that_is_not_there_is_a_warning_until_it_is_needed(
    home: Home, reference: str, reason: str
):
    home.write(f"{{gateway: {{auth: {{token: {reference}}}}}}}")
    loaded = home.load()
    (warning,) = loaded.unresolved("gateway")
    assert (warning.path, warning.message) == ("gateway.auth.token", reason)
    assert loaded.access.token is None
    with pytest.raises(ConfigError, match=r"gateway\.auth\.token: "):
        ensure_token(loaded.state_dir, loaded)


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        (
            '{source: "vault", id: "x"}',
            'gateway.auth.token.source: not a source of secrets (allowed: "env", "file", "exec")',
        ),
        ('{source: "env"}', "gateway.auth.token.id: a secret reference needs an id"),
        (
            '{source: "env", id: "lower"}',
            "gateway.auth.token.id: an environment id must match [A-Z][A-Z0-9_]{0,127}",
        ),
        (
            '{source: "env", id: "A", name: "b"}',
            (
                'gateway.auth.token.name: Unrecognized key: "name"'
                ' (allowed: "id", "provider", "source")'
            ),
        ),
    ],
)
def test_a_malformed_reference_is_an_error(home: Home, reference: str, line: str):
    home.write(f"{{gateway: {{auth: {{token: {reference}}}}}}}")
    assert home.lines() == [line]


@given(st.lists(st.text(), min_size=1))
def test_pointers(parts: list[str]):
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
    assert pointer_parts(pointer) == tuple(parts)
