"""Recorded calls on the mock carrier: real sockets and audio both ways, and what is in the file.

Both parties speak in tones that carry their words, so each leg says for itself what it holds.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openclaw.tasks import Supervisor
from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tone_code import LEVEL_DBFS, decode
from openclaw_voice_call.audio.wav import HEADER_BYTES, separate
from openclaw_voice_call.call.facts import (
    Fact,
    Interrupted,
    Recorded,
    RecordingLost,
    StreamUp,
    TurnMeasured,
)
from openclaw_voice_call.call.types import CallId, Direction, Mode
from openclaw_voice_call.config.live import built_in_changes, call_settings
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.errors import InvalidRequest
from openclaw_voice_call.live_audio import DELETE_EVERY_S, delete_old_recordings
from openclaw_voice_call.store.reader import open_reader
from openclaw_voice_call.store.recordings import RecordingFolder
from openclaw_voice_call.store.schema import FILE_NAME, FOLDER_NAME
from tests.clock import FakeClock
from tests.voice_call.audio.spectra import loudness_db
from tests.voice_call.rig import FakeAgents, Rig, rig

ANN = "+15550002001"
GREETING = "Good day."
DAY_S = 86_400.0

Leg = NDArray[np.int16]


def live(
    folder: Path,
    *says: str,
    recording: bool,
    agents: FakeAgents | None = None,
    config: Mapping[str, object] | None = None,
    **behaviour: object,
) -> AbstractAsyncContextManager[Rig]:
    """The runtime with live audio, in real time, and somebody who hangs up after `says`."""
    leaves = {"hangUpAfter": len(says)} if says else {}
    ann = {"number": ANN, "says": list(says), "answerAfterMs": 50, **leaves, **behaviour}
    section: Mapping[str, object] = {
        "streaming": {"enabled": True, "provider": "scripted", "silenceDurationMs": 300},
        "tts": {"provider": "scripted"},
        "recording": {"enabled": recording},
        "mock": {"speed": 1.0, "script": [ann]},
        **(config or {}),
    }
    return rig(folder, agents=agents, **section)  # pyright: ignore[reportArgumentType]


def recordings(folder: Path) -> RecordingFolder:
    return RecordingFolder(folder / FOLDER_NAME)


def legs(path: Path) -> tuple[Leg, Leg]:
    return separate(path.read_bytes()[HEADER_BYTES:])


def words(leg: Leg) -> str:
    return decode(encode(leg))


def stretches(leg: Leg) -> list[tuple[float, float]]:
    """From when to when something is said, in seconds; pauses of up to 200 ms belong to it."""
    loud = np.flatnonzero(
        [np.abs(part).max() > 300 for part in leg[: leg.size // 80 * 80].reshape(-1, 80)]
    )
    ends = np.flatnonzero(np.diff(loud) > 20)
    first, last = [loud[0], *loud[ends + 1]], [*loud[ends], loud[-1]]
    return [(begin * 0.01, end * 0.01 + 0.01) for begin, end in zip(first, last, strict=True)]


def facts_of(folder: Path, call: str) -> list[Fact]:
    with open_reader(folder / FOLDER_NAME / FILE_NAME) as journal:
        return [stored.fact for stored in journal.facts(CallId(call))]


async def test_a_conversation_is_on_the_tape_as_it_was_heard(tmp_path: Path) -> None:
    async with live(tmp_path, "Hi there", "Bye", recording=True) as gateway:
        placed = await gateway.service.initiate(to=ANN, message=GREETING, mode=Mode.CONVERSATION)
        ended = await gateway.ended(placed.call_id, 30)
    (stored,) = recordings(tmp_path).all()
    assert ended["metadata"]["recordings"] == [stored.path.name] == [f"{placed.call_id}.wav"]
    them, us = legs(stored.path)
    assert words(them) == "Hi there Bye"
    assert words(us).startswith(f"{GREETING} You said: Hi there")
    # In step: the answer comes as long after the words as the call itself has measured.
    facts = facts_of(tmp_path, placed.call_id)
    times = next(fact.times for fact in facts if isinstance(fact, TurnMeasured))
    assert times.first_frame_ms is not None
    _, words_end = stretches(them)[0]
    answer_begins = next(begin for begin, _ in stretches(us) if begin > words_end)
    assert answer_begins - words_end == pytest.approx(times.first_frame_ms / 1000, abs=0.1)
    kinds = [type(fact) for fact in facts]
    assert kinds.index(Recorded) > kinds.index(StreamUp)
    assert RecordingLost not in kinds
    begin, end = stretches(them)[0]
    spoken = them[int(begin * 8_000) : int(end * 8_000)]
    assert loudness_db(spoken) == pytest.approx(LEVEL_DBFS, abs=3)


async def test_what_was_cut_off_is_not_on_the_tape(tmp_path: Path) -> None:
    story = "Once upon a time there was a fox. It was red. It was clever. It lived in a wood."
    answers = {"A story please": story}
    agents = FakeAgents(lambda text: answers.get(text, "Fine."))
    async with live(
        tmp_path,
        *("A story please", "Stop"),
        recording=True,
        agents=agents,
        interruptsAfterMs=[None, 800],
    ) as gateway:
        placed = await gateway.service.initiate(to=ANN, message=GREETING, mode=Mode.CONVERSATION)
        await gateway.ended(placed.call_id, 30)
    (cut,) = (f for f in facts_of(tmp_path, placed.call_id) if isinstance(f, Interrupted))
    them, us = legs(recordings(tmp_path).all()[0].path)
    assert words(them) == "A story please Stop"
    told = words(us)
    assert told.startswith(f"{GREETING} {cut.heard}".strip())
    assert "fox." not in told
    assert told.endswith("Fine.")
    # Ours falls silent within 300 ms of the interruption, as it was heard.
    interrupted, _ = stretches(them)[-1]
    stopped = max(end for begin, end in stretches(us) if begin < interrupted)
    assert stopped - interrupted < 0.4


async def test_the_owner_decides_call_by_call_and_inbound_calls_follow_the_configuration(
    tmp_path: Path,
) -> None:
    async with live(
        tmp_path,
        "Hi",
        recording=True,
        config={"inboundPolicy": "open"},
        callsBackAfterMs=50,
    ) as gateway:
        placed = await gateway.service.initiate(
            to=ANN, message=GREETING, mode=Mode.NOTIFY, record_audio=False
        )
        await gateway.ended(placed.call_id, 30)
        await gateway.api.published("voicecall.call", direction="inbound", live=True)
        (back,) = (
            call["callId"]
            for call in await gateway.service.calls()
            if call["direction"] == Direction.INBOUND
        )
        await gateway.ended(back, 30)
    assert [each.call_id for each in recordings(tmp_path).all()] == [back]


async def test_nothing_is_recorded_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with live(tmp_path, "Hi", recording=False) as gateway:
        for record_audio in (None, False, True):
            placed = await gateway.service.initiate(
                to=ANN, message="Hi.", mode=None, record_audio=record_audio
            )
            ended = await gateway.ended(placed.call_id, 30)
            recorded = [each.call_id for each in recordings(tmp_path).all()]
            assert recorded == ([placed.call_id] if record_audio else [])
            assert ("recordings" in ended["metadata"]) is (record_audio is True)


def test_a_change_of_the_configuration_reaches_the_next_call() -> None:
    sections = [
        {"streaming": {"enabled": True}, "recording": {"enabled": on, "retentionDays": days}}
        for on, days in ((False, 30), (True, 7))
    ]
    off, on = (parse_config(section, {}).config for section in sections)
    assert off is not None
    assert on is not None
    assert built_in_changes(off, on) == ()
    recorded = [
        call_settings(config, CallId("call-1"), Mode.NOTIFY, ANN, live=live).record_audio
        for config, live in ((off, True), (on, True), (on, False))
    ]
    assert recorded == [False, True, False]


async def test_a_call_that_cannot_be_recorded_is_not_placed(tmp_path: Path) -> None:
    async with rig(tmp_path, recording={"enabled": True}) as gateway:
        with pytest.raises(
            InvalidRequest, match=r"record needs live audio: set streaming\.enabled"
        ):
            await gateway.service.initiate(to=ANN, message="Hi.", mode=None, record_audio=True)
        placed = await gateway.service.initiate(to=ANN, message="Hi.", mode=Mode.NOTIFY)
        await gateway.ended(placed.call_id)
    assert recordings(tmp_path).all() == []


async def test_a_disk_that_refuses_is_told_and_the_call_goes_on(tmp_path: Path) -> None:
    (tmp_path / FOLDER_NAME).mkdir()
    (tmp_path / FOLDER_NAME / "recordings").write_text("in the way")
    async with live(tmp_path, "Hi", recording=True) as gateway:
        placed = await gateway.service.initiate(to=ANN, message=GREETING, mode=Mode.CONVERSATION)
        ended = await gateway.ended(placed.call_id, 30)
    assert ended["state"] == "hangup-user"
    assert [entry["text"] for entry in ended["transcript"]][1] == "Hi"
    assert ended["metadata"]["recordingProblem"] == "File exists"
    assert RecordingLost("File exists") in facts_of(tmp_path, placed.call_id)


async def test_a_gateway_that_stops_keeps_what_was_heard(tmp_path: Path) -> None:
    async with live(tmp_path, recording=True) as gateway:
        placed = await gateway.service.initiate(
            to=ANN, message="One two three four five six.", mode=Mode.CONVERSATION
        )
        await gateway.api.published("voicecall.call", callId=placed.call_id, state="listening")
    (stored,) = recordings(tmp_path).all()
    assert words(legs(stored.path)[1]) == "One two three four five six."


class RestingClock(FakeClock):
    """Tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__(wall=1_000 * DAY_S)
        self.rests = asyncio.Semaphore(0)

    async def sleep(self, delay_s: float) -> None:
        self.rests.release()
        await super().sleep(delay_s)


def keep(folder: RecordingFolder, name: str, written_at: float) -> None:
    descriptor, file = folder.create(CallId(name))
    os.close(descriptor)
    os.utime(folder.path / file, (written_at, written_at))


async def test_recordings_are_kept_for_their_days(tmp_path: Path) -> None:
    """From the start on, and as the configuration is by then; 0 keeps all."""
    clock = RestingClock()
    folder = RecordingFolder(tmp_path)
    keep(folder, "last month", clock.wall() - 31 * DAY_S)
    keep(folder, "four weeks old", clock.wall() - 29.6 * DAY_S)
    keep(folder, "new", clock.wall() - 60)
    days = 0

    async def left() -> list[str]:
        async with asyncio.timeout(5):
            await clock.rests.acquire()
        return [each.call_id for each in folder.all()]

    tasks = Supervisor("old recordings", logging.getLogger("recordings"))
    tasks.spawn("delete", delete_old_recordings(tmp_path, lambda: days, clock))
    try:
        assert await left() == ["last month", "four weeks old", "new"]
        days = 30
        await clock.advance(DELETE_EVERY_S)
        assert await left() == ["four weeks old", "new"]
        await clock.advance(DELETE_EVERY_S)
        assert await left() == ["new"]
    finally:
        await tasks.close()


async def test_a_start_deletes_what_is_old(tmp_path: Path) -> None:
    keep(recordings(tmp_path), "old", 1.0)
    async with live(tmp_path, "Hi", recording=False) as gateway:
        placed = await gateway.service.initiate(to=ANN, message="Hi.", mode=None)
        await gateway.ended(placed.call_id, 30)
    assert recordings(tmp_path).all() == []
