"""`openclaw voicecall setup`: against a gateway on real sockets, and without one."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from tests.emulators.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    AccountState,
    Number,
    Settings,
    TwilioEmulator,
)
from tests.voice_call.rig import FakeAgents
from tests.voice_call.setup.plant import configured, free_port, plugin_gateway, website
from tests.voice_call.surfaces.terminal import Outcome, Terminal

OURS = "+15550001234"
PATH = "/voice/webhook"
ELSEWHERE = Number(voice_url="https://old.example.com/answer", voice_method="GET")


def twilio_section(twilio: TwilioEmulator | None, **more: object) -> dict[str, object]:
    """Valid; the public URL is this machine's, as the carrier's API is."""
    port = free_port()
    base_url = {} if twilio is None else {"baseUrl": twilio.base_url}
    return {
        "provider": "twilio",
        "fromNumber": OURS,
        "twilio": {"accountSid": ACCOUNT_SID, "authToken": AUTH_TOKEN, **base_url},
        "serve": {"port": port},
        "publicUrl": f"http://127.0.0.1:{port}{PATH}",
        **more,
    }


@asynccontextmanager
async def twilio_with(number: Number | None = ELSEWHERE) -> AsyncGenerator[TwilioEmulator]:
    numbers = {} if number is None else {OURS: number}
    async with TwilioEmulator.start(Settings(numbers=numbers)) as twilio:
        yield twilio
        assert twilio.violations == []
        assert twilio.calls == [], "setup places no call"


def checks(done: Outcome) -> dict[str, dict[str, object]]:
    """The last check of each id."""
    found = cast("list[dict[str, object]]", done.json["checks"])
    return {str(each["id"]): each for each in found}


def levels(done: Outcome) -> dict[str, object]:
    return {name: each["level"] for name, each in checks(done).items()}


async def looked(shell: Terminal, *options: str) -> Outcome:
    """The report as JSON, which must agree with the exit status."""
    done = await shell.voicecall("setup", "--json", *options)
    assert done.code == (0 if done.json["ok"] else 1), done
    return done


@pytest.mark.scenario("F76", carrier="twilio")
async def test_all_is_well_in_a_running_gateway(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        section = twilio_section(twilio)
        async with plugin_gateway(tmp_path, section) as (shell, _):
            done = await looked(shell)
            told = await shell.voicecall("setup")
    assert (done.code, done.err) == (0, "")
    found = levels(done)
    # Nobody out there reaches 127.0.0.1, which is told as the risk that it is.
    warned = {"config", "webhook-exposure"}
    assert {name for name, level in found.items() if level != "ok"} <= warned
    assert set(found) >= {
        "plugin-enabled",
        "gateway",
        "provider",
        "provider-config",
        "account",
        "clock",
        "number",
        "inbound-route",
        "webhook-exposure",
        "webhook-reach",
        "signatures",
        "inbound",
        "agent",
        "mode",
        "speech",
        "port",
        "state",
    }
    assert (
        checks(done)["webhook-reach"]["message"] == f"{section['publicUrl']} reaches this gateway"
    )
    lines = told.out.splitlines()
    assert (told.code, told.err, lines[0]) == (0, "", "Voice Call setup: OK")
    assert all(re.match(r"(OK|WARN|FAIL) [a-z-]+: |     \S", line) for line in lines[1:])


@pytest.mark.scenario("F76", "F81", carrier="twilio")
async def test_every_failure_is_a_line_with_a_remedy_and_exit_1(tmp_path: Path) -> None:
    agents = FakeAgents(unready="provider openai has no key")
    async with twilio_with(None) as twilio:
        twilio.account = AccountState(status="suspended")
        section = twilio_section(twilio, inboundPolicy="open")
        section["publicUrl"] = f"http://127.0.0.1:{free_port()}{PATH}"
        async with plugin_gateway(tmp_path, section, agents=agents) as (shell, _):
            done = await looked(shell)
            told = await shell.voicecall("setup")
    failed = {name for name, level in levels(done).items() if level == "fail"}
    assert failed == {"account", "number", "webhook-reach", "agent"}
    assert all(checks(done)[name]["remedy"] for name in failed)
    assert told.code == 1
    assert told.out.startswith("Voice Call setup: needs attention\n")
    assert "FAIL number: the account does not own +15550001234\n     Set fromNumber" in told.out
    for secret in (ACCOUNT_SID, AUTH_TOKEN, shell.token):
        assert secret not in done.out + done.err + told.out + told.err


async def another_gateway(request: web.Request) -> web.StreamResponse:
    """Answers 200 and gives back all that it was sent."""
    return web.Response(text=f"{await request.text()}{request.headers.get('x-openclaw-probe')}")


async def redirecting(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently("https://voice.example.com/")


@pytest.mark.parametrize(
    ("handle", "told"),
    [(another_gateway, "answered by somebody else (HTTP 200)"), (redirecting, "redirects")],
)
async def test_somebody_else_at_the_public_url_is_found_out(
    tmp_path: Path, handle: object, told: str
) -> None:
    handler = another_gateway if handle is another_gateway else redirecting
    async with twilio_with() as twilio, website(handler) as origin:
        section = twilio_section(twilio, publicUrl=f"{origin}{PATH}")
        async with plugin_gateway(tmp_path, section) as (shell, _):
            done = await looked(shell)
    reach = checks(done)["webhook-reach"]
    assert (done.code, reach["level"]) == (1, "fail")
    assert told in str(reach["message"])


async def test_another_gateway_of_ours_at_the_public_url_is_found_out(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        theirs = twilio_section(twilio)
        async with plugin_gateway(tmp_path / "theirs", theirs):
            section = twilio_section(twilio, publicUrl=theirs["publicUrl"])
            async with plugin_gateway(tmp_path / "ours", section) as (shell, _):
                done = await looked(shell)
    reach = checks(done)["webhook-reach"]
    assert "answered by somebody else (HTTP 401)" in str(reach["message"])
    assert reach["level"] == "fail"


async def test_a_proxy_that_rewrites_the_path_is_fine(tmp_path: Path) -> None:
    async with twilio_with() as twilio, aiohttp.ClientSession() as session:
        section = twilio_section(twilio)
        inside = str(section["publicUrl"])

        async def forward(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            headers = {"x-openclaw-probe": request.headers["x-openclaw-probe"]}
            async with session.post(inside, data=body, headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read())

        async with website(forward) as origin:
            outside = {**section, "publicUrl": f"{origin}/some/where/else"}
            async with plugin_gateway(tmp_path, outside) as (shell, _):
                done = await looked(shell)
    assert checks(done)["webhook-reach"]["level"] == "ok"


def live_section(twilio: TwilioEmulator, **streaming: object) -> dict[str, object]:
    heard = {"enabled": True, "provider": "scripted", **streaming}
    return twilio_section(twilio, streaming=heard, tts={"provider": "scripted"})


@pytest.mark.scenario("F76", carrier="twilio")
async def test_live_audio_is_checked_too(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        section = live_section(twilio)
        async with plugin_gateway(tmp_path, section) as (shell, _):
            running = await looked(shell)
        still = await looked(configured(tmp_path / "still", section))
        offline = await looked(configured(tmp_path / "offline", section), "--offline")
    stream = str(section["publicUrl"]).replace("http:", "ws:").replace("webhook", "stream")
    assert running.code == 0
    assert checks(running)["stream-reach"]["message"] == f"{stream} reaches this gateway"
    assert checks(running)["speech"]["message"] == "scripted speaks first on live calls"
    for done in (running, still, offline):
        told = f"the stream URL is {stream}, and twilio opens streams over TLS only (wss)"
        assert checks(done)["stream-exposure"]["message"] == told
    assert levels(still)["stream-reach"] == "warn"
    assert "stream-reach" not in levels(offline)


@pytest.mark.scenario("F4", carrier="twilio")
async def test_live_audio_that_cannot_work_fails_with_what_is_missing(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        section = live_section(twilio, provider="deepgram")
        async with plugin_gateway(tmp_path, section) as (shell, _):
            done = await shell.voicecall("setup")
    assert done.code == 1
    line = "FAIL speech: plugins.entries.voice-call.config.streaming.providers.deepgram.apiKey"
    assert f"{line} is required (or set DEEPGRAM_API_KEY env)" in done.out
    assert "WARN stream-reach: not tried: no gateway with live audio is running" in done.out


@pytest.mark.parametrize(
    ("upgrades", "told"),
    [(True, "reaches this gateway"), (False, "reaches this gateway, but not as a websocket")],
)
async def test_a_proxy_must_pass_on_that_a_websocket_is_wanted(
    tmp_path: Path, upgrades: bool, told: str
) -> None:
    async with twilio_with() as twilio, aiohttp.ClientSession() as session:
        inside = ""

        async def forward(request: web.Request) -> web.StreamResponse:
            hop_by_hop = () if upgrades else ("Connection", "Upgrade")
            headers = {k: v for k, v in request.headers.items() if k not in hop_by_hop}
            async with session.get(inside, headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read())

        async with website(forward) as origin:
            section = live_section(twilio, publicUrl=f"{origin}/calls/audio", streamPath="/s")
            inside = str(section["publicUrl"]).replace("/voice/webhook", "/s")
            async with plugin_gateway(tmp_path, section) as (shell, _):
                done = await looked(shell)
    reach = checks(done)["stream-reach"]
    where = f"{origin.replace('http:', 'ws:')}/calls/audio"
    assert (reach["level"], reach["message"]) == ("ok" if upgrades else "fail", f"{where} {told}")


async def test_a_stranger_with_a_probe_sees_the_usual_refusal(tmp_path: Path) -> None:
    async with twilio_with() as twilio, aiohttp.ClientSession() as session:
        section = twilio_section(twilio)
        url = str(section["publicUrl"])
        async with plugin_gateway(tmp_path, section):

            async def refusal(method: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
                async with session.request(method, url, headers=headers) as answer:
                    kept = {k: v for k, v in answer.headers.items() if k != "Date"}
                    return answer.status, await answer.read(), kept

            for method in ("POST", "GET"):
                plain = await refusal(method)
                assert await refusal(method, **{"x-openclaw-probe": "a.b"}) == plain
                assert plain[0] in (401, 405)


@pytest.mark.scenario("F79", carrier="twilio")
async def test_missing_credentials_are_each_named(tmp_path: Path) -> None:
    section = {"provider": "twilio", "publicUrl": "https://voice.example.com"}
    async with plugin_gateway(tmp_path, section) as (shell, _):
        done = await shell.voicecall("setup", "--offline")
    assert done.code == 1
    for path, env in (
        ("twilio.accountSid", "TWILIO_ACCOUNT_SID"),
        ("twilio.authToken", "TWILIO_AUTH_TOKEN"),
        ("fromNumber", "TWILIO_FROM_NUMBER"),
    ):
        line = f"FAIL provider-config: plugins.entries.voice-call.config.{path} is required"
        assert f"{line} (or set {env} env)" in done.out
    assert "FAIL gateway: the plugin does not run: " in done.out


@pytest.mark.scenario("F80", carrier="twilio")
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("localhost", "a name that only this machine"),
        ("127.0.0.1", "a loopback address"),
        ("192.168.1.5", "a private address"),
        ("100.64.0.9", "carrier-grade NAT"),
        ("[fd12::1]", "a unique local IPv6 address"),
        ("[::1]", "a loopback address"),
        ("169.254.7.7", "a link-local address"),
    ],
)
async def test_a_public_url_that_is_not_public_is_refused_with_the_reason(
    tmp_path: Path, host: str, reason: str
) -> None:
    section = twilio_section(None, publicUrl=f"https://{host}/voice/webhook")
    shell = configured(tmp_path, section)
    done = await looked(shell, "--offline")
    exposure = checks(done)["webhook-exposure"]
    assert (done.code, exposure["level"]) == (1, "fail")
    assert reason in str(exposure["message"])
    assert "over the internet" in str(exposure["message"])
    applied = await shell.voicecall("setup", "--apply", "--yes")
    assert applied.code == 1, "a number is never pointed there"


@pytest.mark.scenario("F99", carrier="twilio")
async def test_verification_that_is_skipped_is_said(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        section = twilio_section(twilio, skipSignatureVerification=True)
        async with plugin_gateway(tmp_path, section) as (shell, _):
            done = await shell.voicecall("setup")
    assert "WARN signatures: webhooks are NOT verified (skipSignatureVerification)" in done.out
    assert "DANGER" in done.out


@pytest.mark.scenario("F76", carrier="twilio")
async def test_without_a_gateway_all_else_is_checked(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        section = twilio_section(twilio)
        done = await looked(configured(tmp_path, section))
        assert [each.operation for each in twilio.requests] != []
    found = levels(done)
    assert (done.code, found["account"], found["number"], found["port"]) == (0, "ok", "ok", "ok")
    assert (found["gateway"], found["webhook-reach"], found["agent"]) == ("warn",) * 3
    assert "no gateway is running" in done.err


async def test_offline_asks_nobody(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        done = await looked(configured(tmp_path, twilio_section(twilio)), "--offline")
        assert list(twilio.requests) == []
    assert checks(done)["account"]["message"] == "not asked: offline"


async def test_a_plugin_that_is_off_and_a_port_that_is_taken_fail(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        section = twilio_section(None, serve={"port": port}, publicUrl="https://voice.example.com")
        shell = configured(tmp_path, section, enabled=False)
        done = await looked(shell, "--offline")
    assert {name for name, level in levels(done).items() if level == "fail"} == {
        "plugin-enabled",
        "port",
    }
    assert f"127.0.0.1:{port}" in str(checks(done)["port"]["message"])
    assert "openclaw plugins enable voice-call" in str(checks(done)["plugin-enabled"]["remedy"])


async def test_a_wrong_section_is_told_point_by_point(tmp_path: Path) -> None:
    shell = configured(tmp_path, {"provider": "carrier-pigeon", "serve": {"port": "x"}})
    done = await shell.voicecall("setup")
    assert done.code == 1
    assert done.out.count("FAIL config: plugins.entries.voice-call.config.") == 2
