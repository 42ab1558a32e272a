"""Commands against a running gateway with a plugin."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from openclaw.config.tree import lookup
from tests.host.gateway.process import Home, running

PACKAGES = Path(__file__).parents[1] / "plugins" / "packages"
CONFIG = {
    "agents": {"defaults": {"model": "scripted/any"}},
    "models": {"providers": {"scripted": {"default": "You said: {text}"}}},
    "plugins": {"entries": {"tiny": {"enabled": True, "config": {"greeting": "Servus"}}}},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    scratch = Home(tmp_path_factory.mktemp("gateway"), CONFIG, PACKAGES)
    with running(scratch):
        yield scratch


def test_call_reaches_a_plugin_method(home: Home) -> None:
    params = '{"name": "Ada"}'
    assert home.json("gateway", "call", "tiny.greet", "--params", params, "--json") == {
        "text": "Servus, Ada!"
    }
    shown = home.cli("gateway", "call", "tiny.greet", "--params", params)
    assert shown.stdout.startswith("Gateway call: tiny.greet\n{\n")


def test_plugin_command_is_a_verb(home: Home) -> None:
    assert home.json("tiny", "greet", "Ada") == {"text": "Servus, Ada!"}


def test_call_of_an_unknown_method_says_so(home: Home) -> None:
    done = home.cli("gateway", "call", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: Gateway call failed: RpcFailed: unknown method: nope\n"
    as_json = home.cli("gateway", "call", "nope", "--json")
    assert as_json.returncode == 1
    assert lookup(json.loads(as_json.stdout), ("error", "code")) == "INVALID_REQUEST"


@pytest.mark.parametrize("params", ["{", "[]", "3"])
def test_call_refuses_parameters_that_are_no_object(home: Home, params: str) -> None:
    done = home.cli("gateway", "call", "health", "--params", params)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --params ")


def test_health_status_and_probe(home: Home) -> None:
    done = home.cli("gateway", "health")
    assert done.stdout.startswith("Gateway Health\nOK (")
    assert lookup(home.json("health", "--json"), ("plugins",)) == [
        {"id": "tiny", "status": "loaded", "problems": []}
    ]
    assert "Plugin tiny: loaded" in home.cli("health").stdout
    assert f"Gateway: ws://127.0.0.1:{home.port}" in home.cli("status").stdout
    assert "RPC probe: ok" in home.cli("gateway", "status").stdout
    assert lookup(home.json("gateway", "status", "--json"), ("rpc", "ok")) is True
    assert "RPC: ok" in home.cli("gateway", "probe").stdout


def test_agent_replies_through_the_gateway(home: Home) -> None:
    done = home.cli("agent", "-m", "good morning")
    assert (done.returncode, done.stdout) == (0, "You said: good morning\n"), done.stderr
    whole = home.json("agent", "-m", "again", "--session-id", "s1", "--json")
    assert lookup(whole, ("result", "payloads", 0, "text")) == "You said: again"


def test_logs_are_shown_readable_and_as_json(home: Home) -> None:
    done = home.cli("logs", "--limit", "500")
    assert "[gateway] listening on ws://127.0.0.1" in done.stdout
    lines = home.cli("logs", "--limit", "500", "--json").stdout.splitlines()
    events = [cast("dict[str, object]", json.loads(line)) for line in lines]
    assert any(str(event.get("message")).startswith("listening on") for event in events)
    assert {event["type"] for event in events} == {"log"}


def test_logs_are_followed_until_interrupted(home: Home) -> None:
    with home.program("logs", "--follow") as following:
        deadline = threading.Timer(20, following.kill)
        deadline.start()
        assert _has_line(following, "listening on ws://127.0.0.1")
        # Refused, which is logged: written after what was there was shown.
        url = f"ws://127.0.0.1:{home.port}"
        home.cli("gateway", "health", "--url", url, "--token", "wrong")
        assert _has_line(following, "client refused")
        following.send_signal(signal.SIGINT)
        status = following.wait(10)
        deadline.cancel()
        assert status == 130


def test_plugins_list_info_doctor(home: Home) -> None:
    listed = home.cli("plugins", "list").stdout
    assert "Tiny        tiny        loaded    openclaw-tiny        1.2" in listed
    facts = home.json("plugins", "info", "tiny", "--json")
    assert lookup(facts, ("toolNames",)) == ["tiny_shout"]
    assert lookup(facts, ("gatewayMethods",)) == ["tiny.greet"]
    assert lookup(facts, ("cliCommands",)) == ["tiny"]
    assert lookup(facts, ("services",)) == ["presence"]
    assert "Tools: tiny_shout" in home.cli("plugins", "info", "tiny").stdout
    done = home.cli("plugins", "doctor")
    assert (done.returncode, done.stdout) == (0, "No plugin issues detected.\n")
    missing = home.cli("plugins", "info", "nobody")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: Plugin not found: nobody\n")


def test_tool_over_http_shares_the_running_plugin(home: Home) -> None:
    body = {"tool": "tiny_shout", "args": {"text": "hello"}}
    status, answer = _invoke(home, body, home.token)
    assert (status, lookup(answer, ("result", "details", "text"))) == (200, "HELLO")
    assert _invoke(home, {"tool": "nope"}, home.token)[0] == 404
    assert _invoke(home, body, "wrong")[0] == 401


@pytest.mark.scenario("F74")
def test_unauthorised_ends_with_advice_and_starts_nothing(home: Home) -> None:
    target = f"ws://127.0.0.1:{home.port}"
    for verb in ("health", "call"):
        method = ["health"] if verb == "call" else []
        done = home.cli("gateway", verb, *method, "--url", target, "--token", "wrong")
        assert done.returncode == 1
        assert done.stdout == ""
        assert "unauthorized: gateway token mismatch" in done.stderr
        assert "Remedy: use the token that the running gateway was started with" in done.stderr
        done = home.cli("gateway", verb, *method, "--json", "--url", target, "--token", "wrong")
        assert done.returncode == 1
        if verb == "call":
            error = json.loads(done.stdout)["error"]
            assert error["code"] == "AUTH_TOKEN_MISMATCH"
            assert error["remedy"].startswith("use the token that the running gateway")


def _invoke(home: Home, body: object, token: str) -> tuple[int, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{home.port}/tools/invoke",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _has_line(program: subprocess.Popen[str], text: str) -> bool:
    """Read what the program prints up to a line with this text; False when it ends first."""
    assert program.stdout is not None
    return any(text in line for line in program.stdout)
