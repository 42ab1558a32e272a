import pytest

from openclaw.config.gateway_rules import start_refusals
from tests.host.config.conftest import Home


@pytest.mark.parametrize(
    "gateway",
    [
        "",
        "mode: 'local'",
        "bind: 'lan'",
        "bind: 'auto', auth: {mode: 'none'}",
        "auth: {mode: 'none'}",
        "auth: {mode: 'password', token: 'a', password: 'b'}",
        "bind: 'custom', customBindHost: '127.0.0.2', auth: {mode: 'none'}",
        "tls: {enabled: false, certPath: 'x'}",
    ],
)
def test_what_may_start(home: Home, gateway: str):
    home.write(f"{{gateway: {{{gateway}}}}}")
    assert start_refusals(home.load()) == ()


@pytest.mark.parametrize(
    ("gateway", "line"),
    [
        (
            "mode: 'remote'",
            (
                "gateway.mode: is remote, so this machine uses a gateway elsewhere and starts none;"
                " set gateway.mode to local to start one"
            ),
        ),
        (
            "auth: {token: 'a', password: 'b'}",
            (
                "gateway.auth.mode: both gateway.auth.token and gateway.auth.password are set"
                ' (allowed: "token", "password"); say which one counts'
            ),
        ),
        (
            "bind: 'lan', auth: {mode: 'none'}",
            (
                "gateway.auth.mode: Refusing to bind gateway to lan without auth;"
                " set it to token or password, or gateway.bind to loopback"
            ),
        ),
        (
            "auth: {mode: 'password'}",
            (
                "gateway.auth.password: Required when gateway.auth.mode is password;"
                " set it, or OPENCLAW_GATEWAY_PASSWORD"
            ),
        ),
        (
            "auth: {mode: 'password', password: '${GONE}'}",
            (
                "gateway.auth.password: environment variable GONE is not set or empty;"
                " set GONE or write the value into the file"
            ),
        ),
        ("bind: 'custom'", "gateway.customBindHost: Required when gateway.bind is custom"),
        (
            "bind: 'tailnet'",
            (
                'gateway.bind: not supported by this gateway yet: "tailnet"'
                ' (allowed: "loopback", "auto", "lan", "custom");'
                " for a tailnet use custom with customBindHost"
            ),
        ),
        (
            "auth: {mode: 'trusted-proxy'}",
            (
                'gateway.auth.mode: not supported by this gateway yet: "trusted-proxy"'
                ' (allowed: "none", "token", "password")'
            ),
        ),
        (
            "tls: {enabled: true}",
            (
                "gateway.tls.enabled: this gateway does not speak TLS itself;"
                " set it to false and put a TLS proxy in front of a loopback bind"
            ),
        ),
    ],
)
def test_what_must_not_start(home: Home, gateway: str, line: str):
    home.write(f"{{gateway: {{{gateway}}}}}")
    assert [each.render() for each in start_refusals(home.load())] == [line]


def test_a_token_whose_variable_is_missing_does_not_open_the_gateway_to_another(home: Home):
    home.write("{gateway: {auth: {token: '${GONE}'}}}")
    (refusal,) = start_refusals(home.load())
    assert refusal.path == "gateway.auth.token"
    assert start_refusals(home.with_env(GONE="t").load()) == ()
