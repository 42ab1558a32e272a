"""`openclaw voicecall ...` against a gateway on a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from openclaw.rpc.router import Caller, RpcRouter
from openclaw.sdk import RpcError
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import EndReason
from openclaw_voice_call.errors import NotConfigured
from tests.voice_call.surfaces.house import THEM, US, House
from tests.voice_call.surfaces.terminal import (
    Terminal,
    foreign_gateway,
    gateway,
    line_of,
)

VERBS = (
    ("call", "-m", "Hello."),
    ("start", "--to", THEM),
    ("continue", "--call-id", "x", "--message", "Well?"),
    ("speak", "--call-id", "x", "--message", "Well."),
    ("dtmf", "--call-id", "x", "--digits", "1"),
    ("end", "--call-id", "x"),
    ("status",),
    ("status", "--call-id", "x"),
)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def only_call(home: House) -> str:
    """The call that a verb has placed, once the carrier has taken it."""
    async with asyncio.timeout(5.0):
        call = (await home.carrier.orders.get()).call_id
    await home.until(call, lambda record: record.carrier_call_id is not None)
    return call


@pytest.mark.scenario("F73", "F76")
async def test_every_verb_works_on_the_running_gateway(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, home):
        placed = await shell.voicecall("call", "-m", "Hello.", "-t", THEM)
        call = str(placed.json["callId"])
        assert (placed.code, placed.err, placed.json) == (0, "", {"callId": call})
        await home.answered(call)
        for verb in (
            ("speak", "--call-id", call, "--message", "One moment."),
            ("dtmf", "--call-id", call, "--digits", "1w2#"),
        ):
            done = await shell.voicecall(*verb)
            assert (done.code, done.json) == (0, {"success": True}), done
        await home.listening(call)
        record = await shell.voicecall("status", "--call-id", call)
        assert (record.code, record.json["state"]) == (0, "listening")
        listed = await shell.voicecall("status")
        assert call in listed.out
        assert listed.out.startswith("CALL")
        ended = await shell.voicecall("end", "--call-id", call, "--now")
        assert (ended.code, ended.json) == (0, {"success": True})
        await home.service.wait_for_end(call, 5.0)
        as_json = await shell.voicecall("status", "--json")
        assert [each["state"] for each in _calls(as_json.json)] == ["hangup-bot"]
        unknown = await shell.voicecall("status", "--call-id", "zz")
        assert (unknown.code, unknown.json) == (0, {"found": False})


def _calls(found: Mapping[str, object]) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", found["calls"])


@pytest.mark.scenario("F75")
async def test_a_notice_is_waited_for_and_ends_with_0(tmp_path: Path) -> None:
    async with gateway(tmp_path, says=[]) as (shell, _):
        done = await shell.voicecall(
            "call", "-m", "Your parcel is here.", "--mode", "notify", "--wait"
        )
    assert (done.code, done.json["state"]) == (0, "completed")
    assert "us: Your parcel is here." in done.err
    assert "completed" in done.err


async def test_a_conversation_that_they_end_is_a_success(tmp_path: Path) -> None:
    async with gateway(tmp_path, says=["Hello?"]) as (shell, _):
        done = await shell.voicecall("start", "--to", THEM, "--message", "Hi.", "--wait")
    assert (done.code, done.json["endReason"]) == (0, "hangup-user")
    assert "them: Hello?" in done.err


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (EndReason.NO_ANSWER, "error: the call ended as no-answer\n"),
        (EndReason.HANGUP_USER, "error: the call ended before its message was said\n"),
    ],
)
async def test_a_call_that_reached_nobody_ends_with_1(
    tmp_path: Path, ending: EndReason, text: str
) -> None:
    async with gateway(tmp_path) as (shell, home), asyncio.TaskGroup() as group:
        waiting = group.create_task(shell.voicecall("call", "-m", "Hello.", "--wait"))
        await home.happens(await only_call(home), ev.LineEnded(ending))
        done = await waiting
    assert (done.code, done.json["endReason"]) == (1, ending.value)
    assert done.err.endswith(text)


async def test_ctrl_c_leaves_the_call_alone_and_says_how_to_end_it(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, home):
        async with shell.process("call", "-m", "Hello.", "--wait") as waiting:
            await line_of(waiting.stderr, "initiated")
            call = await only_call(home)
            os.kill(waiting.pid, signal.SIGINT)
            await line_of(waiting.stderr, f"openclaw voicecall end --call-id {call}")
            assert await waiting.wait() == 130
        assert [record.call_id for record in home.manager.live] == [call]
        assert not home.manager.live[0].closing


@pytest.mark.scenario("F82")
async def test_continue_asks_again_until_somebody_has_spoken(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, home), asyncio.TaskGroup() as group:
        placed = await shell.voicecall("call", "-m", "Hello.", "-t", THEM)
        call = str(placed.json["callId"])
        await home.answered(call)
        # No single request may last longer than this.
        asking = group.create_task(
            shell.voicecall(
                "continue", "--call-id", call, "--message", "What size?", "--timeout", "900"
            )
        )
        await home.until(call, lambda record: record.waiter is not None)
        await home.hears(call, "Large.")
        done = await asking
    assert (done.code, done.json) == (0, {"success": True, "transcript": "Large."})


@pytest.mark.scenario("F82")
async def test_an_older_gateway_is_asked_in_one_request(tmp_path: Path) -> None:
    asked: list[Mapping[str, object]] = []

    async def continue_(params: Mapping[str, object], _: Caller) -> object:
        asked.append(params)
        return {"success": True, "transcript": "Large."}

    router = RpcRouter()
    router.add("voicecall.continue", continue_)
    async with foreign_gateway(tmp_path, router) as shell:
        done = await shell.voicecall("continue", "--call-id", "x", "--message", "What size?")
    assert (done.code, done.json) == (0, {"success": True, "transcript": "Large."})
    assert asked == [{"callId": "x", "message": "What size?"}]


async def test_an_older_gateway_is_waited_on_too(tmp_path: Path) -> None:
    """It offers no `voicecall.wait`, and forgets calls when they are over."""
    looks = iter([{"found": True, "call": {"callId": "x", "state": "ringing"}}, {"found": False}])

    async def initiate(params: Mapping[str, object], _: Caller) -> object:
        return {"callId": "x", "initiated": True}

    async def status(params: Mapping[str, object], _: Caller) -> object:
        return next(looks)

    router = RpcRouter()
    router.add("voicecall.initiate", initiate)
    router.add("voicecall.status", status)
    async with foreign_gateway(tmp_path, router) as shell:
        done = await shell.voicecall("call", "-m", "Hello.", "--wait")
    assert (done.code, done.json) == (1, {"callId": "x", "found": False})
    assert "ringing" in done.err
    assert done.err.endswith("error: the call ended as unknown\n")


@pytest.mark.scenario("F77", "F79")
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_a_plugin_that_cannot_work_tells_each_verb_why(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    missing = [
        "plugins.entries.voice-call.config.twilio.accountSid is required",
        "plugins.entries.voice-call.config.twilio.authToken is required",
    ]
    async with gateway(tmp_path, reason=NotConfigured(missing)) as (shell, _):
        done = await shell.voicecall(*verb)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: {'; '.join(missing)} (not_configured)\n"
        "Remedy: Correct the configuration; a running gateway takes it up.\n"
    )


@pytest.mark.scenario("F77")
async def test_code_and_remedy_are_on_stderr(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, _):
        done = await shell.voicecall("end", "--call-id", "zz")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: Call not found (call_not_found)\n"
        "Remedy: List the calls with: openclaw voicecall status\n"
    )


@pytest.mark.scenario("F77")
async def test_a_gateway_without_the_plugin_is_named(tmp_path: Path) -> None:
    async with foreign_gateway(tmp_path, RpcRouter()) as shell:
        done = await shell.voicecall("status")
    assert (done.code, done.out) == (1, "")
    assert "error: unknown method: voicecall.status" in done.err
    assert "plugins.entries.voice-call.enabled" in done.err


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_without_a_gateway_every_verb_says_what_to_do(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    done = await Terminal(tmp_path, free_port()).voicecall(*verb)
    assert (done.code, done.out) == (1, "")
    assert "no gateway is running" in done.err
    assert "openclaw gateway run" in done.err


@pytest.mark.scenario("F74", "F81")
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_a_gateway_that_refuses_us_ends_the_verb(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    async with gateway(tmp_path) as (shell, home):
        stranger = Terminal(shell.folder, shell.port, token="not-the-token-7391")
        done = await stranger.voicecall(*verb)
        assert home.carrier.dialled == 0
    assert (done.code, done.out) == (1, "")
    assert "unauthorized" in done.err
    assert "OPENCLAW_GATEWAY_TOKEN" in done.err
    assert "7391" not in done.err
    assert shell.token not in done.err


@pytest.mark.scenario("F74")
@pytest.mark.parametrize("verb", [("call", "-m", "Hello."), ("status",)], ids=" ".join)
async def test_a_gateway_that_hangs_ends_the_verb(tmp_path: Path, verb: tuple[str, ...]) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        done = await Terminal(tmp_path, port).voicecall(*verb, "--timeout", "200")
    assert (done.code, done.out) == (1, "")
    assert "gateway timeout after 200ms" in done.err
    assert "openclaw gateway status" in done.err


async def test_wrong_options_are_told_in_the_original_words(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, free_port())
    missing = await shell.voicecall("call")
    assert missing.err.startswith("error: required option '-m, --message <text>' not specified")
    unknown = await shell.voicecall("bogus")
    assert unknown.err.startswith("error: unknown command 'bogus'")
    bare = await shell.voicecall()
    assert "Place and steer phone calls" in bare.err
    assert {missing.code, unknown.code, bare.code} == {1}


async def test_nobody_to_call_is_told_in_the_original_words(tmp_path: Path) -> None:
    async def initiate(params: Mapping[str, object], _: Caller) -> object:
        raise RpcError("INVALID_REQUEST", "to required", {"code": "invalid_request"})

    router = RpcRouter()
    router.add("voicecall.initiate", initiate)
    async with foreign_gateway(tmp_path, router) as shell:
        done = await shell.voicecall("call", "-m", "Hello.")
    assert done.err.startswith("error: Missing --to and no toNumber configured (invalid_request)")


@pytest.mark.scenario("F81")
async def test_numbers_are_masked_on_request(tmp_path: Path) -> None:
    async with gateway(tmp_path, says=["Call me at 555 000 7777 please."]) as (shell, _):
        done = await shell.voicecall("call", "-m", "Hello.", "-t", THEM, "--wait")
        call = str(done.json["callId"])
        for verb in (("--json",), (), ("--call-id", call)):
            plain = await shell.voicecall("status", *verb)
            hidden = await shell.voicecall("status", *verb, "--mask")
            assert THEM in plain.out
            assert call in hidden.out
            for number in (THEM, US):
                assert number.removeprefix("+") not in hidden.out
            assert "555 000 7777" not in hidden.out
            assert f"***{THEM[-4:]}" in hidden.out
        assert json.loads((await shell.voicecall("status", "--json", "--mask")).out)["found"]
