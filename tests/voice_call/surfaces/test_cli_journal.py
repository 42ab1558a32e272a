"""Verbs that read the journal: with no gateway, beside one, and the original's file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import EndReason
from tests.voice_call.surfaces.house import THEM, house
from tests.voice_call.surfaces.terminal import Terminal, gateway, line_of
from tests.voice_call.surfaces.test_cli import free_port

NASTY = '</Say><Hangup/> $(reboot) \x1b[2J\r\n{"a": 1}\u2028end'


async def past_call(folder: Path, *says: str) -> str:
    """A journal with one call that is over."""
    async with house(folder, says=says) as home:
        placed = await home.service.initiate(to=THEM, message="Hello.", mode=None)
        await home.service.wait_for_end(placed.call_id, 5.0)
    return placed.call_id


@pytest.mark.scenario("F60")
async def test_status_reads_the_journal_when_no_gateway_runs(tmp_path: Path) -> None:
    call = await past_call(tmp_path, "Hello?")
    shell = Terminal(tmp_path, free_port())
    one = await shell.voicecall("status", "--call-id", f"mock-{call}")
    assert (one.code, one.json["callId"], one.json["state"]) == (0, call, "hangup-user")
    assert "no gateway is running: from the journal" in one.err
    other = ("--url", f"ws://127.0.0.1:{free_port()}", "--token", "secret")
    for verb in (("status", *other), ("explain", call, *other)):
        elsewhere = await shell.voicecall(*verb)
        assert (elsewhere.code, elsewhere.out) == (1, ""), "another gateway's calls are not here"
        assert "no gateway is running at ws://127.0.0.1" in elsewhere.err
    assert "openclaw gateway run" in one.err
    assert call in (await shell.voicecall("status")).out
    assert (await shell.voicecall("status", "--call-id", "zz")).json == {"found": False}


@pytest.mark.scenario("F74")
async def test_the_journal_is_no_substitute_for_a_gateway_that_refuses(tmp_path: Path) -> None:
    await past_call(tmp_path)
    async with gateway(tmp_path) as (shell, _):
        done = await Terminal(tmp_path, shell.port, token="wrong").voicecall("status")
    assert (done.code, done.out) == (1, "")


async def test_the_configured_folder_is_read(tmp_path: Path) -> None:
    call = await past_call(tmp_path / "elsewhere")
    store = str(tmp_path / "elsewhere" / "voice-calls")
    entry = {"enabled": True, "config": {"store": store}}
    config = {"plugins": {"entries": {"voice-call": entry}}}
    (tmp_path / "openclaw.json").write_text(json.dumps(config))
    done = await Terminal(tmp_path, free_port()).voicecall("status", "--call-id", call)
    assert done.json["callId"] == call


@pytest.mark.parametrize("verb", ["tail", "latency"])
async def test_a_missing_journal_and_a_missing_file_are_named(tmp_path: Path, verb: str) -> None:
    shell = Terminal(tmp_path, free_port())
    done = await shell.voicecall(verb)
    assert (done.code, done.out) == (1, "")
    assert f"error: No call journal at {tmp_path}" in done.err
    gone = await shell.voicecall(verb, "--file", str(tmp_path / "calls.jsonl"))
    assert gone.err == f"error: No log file at {tmp_path / 'calls.jsonl'}\n"


@pytest.mark.scenario("F109", "F81")
async def test_tail_shows_past_and_new_facts_one_line_each(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, home):
        placed = await home.service.initiate(to=THEM, message="Hello.", mode=None)
        call = placed.call_id
        async with shell.process("tail", "--poll", "50", "--mask") as tail:
            first = await line_of(tail.stdout, call[:8])
            assert first.rstrip().endswith("outbound call opened, mode conversation")
            await home.answered(call)
            await home.hears(call, NASTY)
            heard = await line_of(tail.stdout, "they said:")
            said = '</Say><Hangup/> $(reboot) ?[2J  {"a": 1} end'
            assert heard.rstrip("\n").endswith(f"they said: {said}")
            await home.hears(call, f"Call {THEM} back.")
            assert "Call ***2222 back." in await line_of(tail.stdout, "they said:")
            await home.happens(call, ev.LineEnded(EndReason.HANGUP_USER))
            over = await line_of(tail.stdout, "over: hangup-user")
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", over)


async def test_tail_begins_with_as_many_facts_as_asked_for(tmp_path: Path) -> None:
    call = await past_call(tmp_path, "Hello?")
    shell = Terminal(tmp_path, free_port())
    async with shell.process("tail", "--since", "1", "--json") as tail:
        told = json.loads(await line_of(tail.stdout, "{"))
    assert (told["callId"], told["fact"]["type"]) == (call, "ended")


async def test_tail_follows_a_file_of_the_original_and_begins_again_when_it_shrinks(
    tmp_path: Path,
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text('{"n":1}\n{"n":2}\n{"n":3}\n{"half":')
    shell = Terminal(tmp_path, free_port())
    args = ("tail", "--file", str(file), "--since", "2", "--poll", "50", "--mask")
    async with shell.process(*args) as tail:
        assert await line_of(tail.stdout, "") == '{"n": 2}\n'
        assert await line_of(tail.stdout, "") == '{"n": 3}\n'
        with file.open("a") as more:
            more.write('1}\n{"n":4}\n')
        assert await line_of(tail.stdout, "") == '{"half": 1}\n'
        assert await line_of(tail.stdout, "") == '{"n": 4}\n'
        file.write_text(f'{{"at":12345678,"to":"{THEM}"}}\n')
        shown = '{"at": 12345678, "to": "***2222"}\n'
        assert await line_of(tail.stdout, "") == shown


async def test_latency_of_the_journal(tmp_path: Path) -> None:
    await past_call(tmp_path, "Hello?", "Thank you.")
    done = await Terminal(tmp_path, free_port()).voicecall("latency")
    assert done.code == 0
    assert done.json["recordsScanned"] == 1
    for name in ("turnLatency", "listenWait"):
        figures = cast("dict[str, object]", done.json[name])
        assert list(figures) == ["count", "minMs", "maxMs", "avgMs", "p50Ms", "p95Ms"]
        assert figures["count"] == 2


async def test_latency_of_a_file_of_the_original(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    lines = [
        json.dumps({"callId": "x", "metadata": {"lastTurnLatencyMs": each * 10}})
        for each in range(1, 21)
    ]
    file.write_text("\n".join([*lines, "broken", '{"callId":"y"}', ""]))
    done = await Terminal(tmp_path, free_port()).voicecall("latency", "--file", str(file))
    assert done.json == {
        "recordsScanned": 21,
        "turnLatency": {
            "count": 20,
            "minMs": 10,
            "maxMs": 200,
            "avgMs": 105,
            "p50Ms": 100,
            "p95Ms": 190,
        },
        "listenWait": {
            "count": 0,
            "minMs": 0,
            "maxMs": 0,
            "avgMs": 0,
            "p50Ms": 0,
            "p95Ms": 0,
        },
    }
