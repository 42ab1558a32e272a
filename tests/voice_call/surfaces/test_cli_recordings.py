"""`openclaw voicecall recordings ...`, and the switch of `call` and `start`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.store.recordings import RecordingFolder
from openclaw_voice_call.store.schema import FOLDER_NAME
from tests.voice_call.surfaces.house import THEM
from tests.voice_call.surfaces.terminal import Terminal, gateway
from tests.voice_call.surfaces.test_cli import free_port
from tests.voice_call.surfaces.test_cli_journal import past_call

ENDED_AT = 1_700_000_000


def record(folder: Path, call: str, seconds: float, ended_at: int = ENDED_AT) -> Path:
    """A recording in the state folder `folder`."""
    recordings = RecordingFolder(folder / FOLDER_NAME)
    descriptor, name = recordings.create(CallId(call))
    os.write(descriptor, bytes(44 + round(seconds * 32_000)))
    os.close(descriptor)
    path = recordings.path / name
    os.utime(path, (ended_at, ended_at))
    return path


async def test_recordings_are_listed_oldest_first(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, free_port())
    assert (await shell.voicecall("recordings", "list")).out == "No recordings.\n"
    new = record(tmp_path, "call-b", 61.5, ENDED_AT + 60)
    old = record(tmp_path, "call-a", 2.0)
    listed = await shell.voicecall("recordings", "list")
    assert (listed.code, listed.err) == (0, "")
    head, *rows = (line.split() for line in listed.out.splitlines())
    assert head == ["CALL", "ENDED", "SECONDS", "FILE"]
    assert [(row[0], *row[3:]) for row in rows] == [
        ("call-a", "2.0", str(old)),
        ("call-b", "61.5", str(new)),
    ]
    told = (await shell.voicecall("recordings", "list", "--json")).json
    assert told == {
        "folder": str(old.parent),
        "recordings": [
            {
                "callId": "call-a",
                "path": str(old),
                "endedAt": ENDED_AT * 1000,
                "seconds": 2.0,
                "bytes": 64_044,
            },
            {
                "callId": "call-b",
                "path": str(new),
                "endedAt": (ENDED_AT + 60) * 1000,
                "seconds": 61.5,
                "bytes": 1_968_044,
            },
        ],
    }


async def test_a_calls_recordings_are_deleted_by_any_name_of_the_call(tmp_path: Path) -> None:
    call = await past_call(tmp_path)
    paths = [record(tmp_path, call, 1.0), record(tmp_path, call, 2.0)]
    other = record(tmp_path, "another", 1.0)
    shell = Terminal(tmp_path, free_port())
    done = await shell.voicecall("recordings", "delete", f"mock-{call}")
    assert done.json == {"callId": call, "deleted": [path.name for path in paths]}
    assert [path.exists() for path in (*paths, other)] == [False, False, True]
    again = await shell.voicecall("recordings", "delete", call)
    assert (again.code, again.out) == (1, "")
    assert again.err == (
        f"error: No recording of the call {call} in {other.parent}\n"
        "Remedy: List the recordings with: openclaw voicecall recordings list\n"
    )
    gone = await shell.voicecall("recordings", "delete", "another")
    assert gone.json["deleted"] == [other.name], "the journal need not know it"


async def test_a_call_that_goes_on_keeps_its_recording(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (shell, home):
        placed = await shell.voicecall("call", "-m", "Hello.", "-t", THEM, "--no-record")
        call = str(placed.json["callId"])
        await home.answered(call)
        path = record(tmp_path, call, 1.0)
        done = await shell.voicecall("recordings", "delete", call)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: The call is not over\n"
        f"Remedy: End it with: openclaw voicecall end --call-id {call}\n"
    )
    assert path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
async def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = record(tmp_path, "call-a", 1.0)
    path.parent.chmod(0)
    try:
        done = await Terminal(tmp_path, free_port()).voicecall("recordings", "list")
    finally:
        path.parent.chmod(0o700)
    assert (done.code, done.out) == (1, "")
    assert f"The recordings in {path.parent} cannot be used: Permission denied" in done.err


@pytest.mark.parametrize("verb", ["call", "start"])
async def test_recording_is_refused_where_there_is_no_live_audio(tmp_path: Path, verb: str) -> None:
    async with gateway(tmp_path) as (shell, home):
        done = await shell.voicecall(verb, "--to", THEM, "--message", "Hello.", "--record")
        assert home.carrier.dialled == 0
    assert (done.code, done.out) == (1, "")
    assert "record needs live audio: set streaming.enabled" in done.err
