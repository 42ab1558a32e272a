"""`openclaw voicecall explain CALL-ID`: with a gateway, and from the journal without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import EndReason
from tests.voice_call.surfaces.house import THEM, US
from tests.voice_call.surfaces.terminal import Outcome, Terminal, gateway
from tests.voice_call.surfaces.test_cli import free_port, only_call
from tests.voice_call.surfaces.test_cli_journal import past_call

MILESTONES = [
    "placed",
    "ringing",
    "answered",
    "webhook verified",
    "instruction sent",
    "played",
    "heard",
    "reply asked",
    "reply given",
    "ended",
]


def entries(done: Outcome, name: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", done.json[name])


def reached(done: Outcome) -> list[str]:
    return [str(m["name"]) for m in entries(done, "milestones") if m["afterMs"] is not None]


async def test_a_good_call_reaches_every_milestone_in_order(tmp_path: Path) -> None:
    async with gateway(tmp_path, says=["How are you?"]) as (shell, home):
        placed = await home.service.initiate(to=THEM, message="Hello.", mode=None)
        await home.service.wait_for_end(placed.call_id, 5.0)
        done = await shell.voicecall("explain", placed.call_id, "--json")
        told = await shell.voicecall("explain", placed.call_id)
    assert (done.code, done.err, done.json["verdict"]) == (0, "", None)
    assert [each["name"] for each in entries(done, "milestones")] == MILESTONES
    assert reached(done) == MILESTONES
    timeline = entries(done, "timeline")
    assert [each["what"] for each in timeline][:2] == [
        "outbound call opened, mode conversation",
        f"the carrier took the order as mock-{placed.call_id}",
    ]
    assert "they said: How are you?" in [each["what"] for each in timeline]
    afters = [cast("int", each["afterMs"]) for each in timeline]
    assert afters == sorted(afters)
    assert afters[0] == 0
    call = cast("dict[str, object]", done.json["call"])
    assert timeline[-1]["at"] == call["endedAt"]
    lines = told.out.splitlines()
    assert lines[0].startswith(f"Call {placed.call_id}: outbound, {US} -> {THEM}, ")
    assert any(line.split() == ["0.000", "s", "placed"] for line in lines)
    assert lines[-1] == "Nothing is missing that a call of this kind needs."


@pytest.mark.scenario("F77")
async def test_connects_and_is_silent_has_an_answer(tmp_path: Path) -> None:
    """The line is answered, and what was to be said is never confirmed; then they hang up."""
    async with gateway(tmp_path) as (shell, home):
        placed = await shell.voicecall("call", "-m", "Hello.", "-t", THEM)
        call = str(placed.json["callId"])
        await only_call(home)
        await home.answered(call)
        await home.happens(call, ev.LineEnded(EndReason.ERROR))
        await home.service.wait_for_end(call, 5.0)
        done = await shell.voicecall("explain", call, "--json")
        told = await shell.voicecall("explain", call)
    assert done.code == told.code == 0
    verdict = cast("dict[str, str]", done.json["verdict"])
    assert verdict["milestone"] == "instruction sent"
    assert "publicUrl" in verdict["remedy"]
    assert not {"instruction sent", "played"} & set(reached(done))
    assert {"answered", "webhook verified", "ended"} <= set(reached(done))
    assert told.out.splitlines()[-3:] == [
        "Missing or failed: instruction sent",
        f"Likely cause: {verdict['cause']}",
        f"Remedy: {verdict['remedy']}",
    ]


@pytest.mark.scenario("F60")
async def test_without_a_gateway_the_journal_is_read(tmp_path: Path) -> None:
    call = await past_call(tmp_path, "Hello?")
    shell = Terminal(tmp_path, free_port())
    done = await shell.voicecall("explain", f"mock-{call}", "--json")
    assert done.code == 0
    assert cast("dict[str, object]", done.json["call"])["callId"] == call
    assert reached(done) == MILESTONES
    assert "no gateway is running: from the journal" in done.err


@pytest.mark.scenario("F81")
async def test_numbers_are_masked_on_request(tmp_path: Path) -> None:
    call = await past_call(tmp_path, "Ring 555 000 7777.")
    shell = Terminal(tmp_path, free_port())
    for options in ((), ("--json",)):
        done = await shell.voicecall("explain", call, "--mask", *options)
        assert call in done.out
        for number in (THEM.removeprefix("+"), US.removeprefix("+"), "555 000 7777"):
            assert number not in done.out


async def test_an_unknown_call_is_an_error(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, home):
        live = await shell.voicecall("explain", "zz")
        assert (await home.rpc("explain", {"callId": "zz"}))["payload"] == {"found": False}
        missing = await home.rpc("explain", {})
    assert (live.code, live.out) == (1, "")
    assert live.err == (
        "error: Call not found (call_not_found)\n"
        "Remedy: List the calls with: openclaw voicecall status\n"
    )
    assert "callId required" in json.dumps(missing)
