"""The folder of recordings and the thread that writes them, on a real disk."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tones import sine
from openclaw_voice_call.audio.wav import separate
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.store.recording_writer import (
    MOST_WAITING_BYTES,
    TOO_SLOW,
    CallRecording,
    RecordingWriter,
)
from openclaw_voice_call.store.recordings import RecordingFolder
from tests.voice_call.audio.spectra import inner, loudness_db, strength_db

CALL = CallId("6f2c7c86-6c39-4d0e-9a0f-000000000042")
LEFT = encode(sine(500, 1_000))
RIGHT = encode(sine(1_200, 1_000, level_dbfs=-20))


@dataclass
class Studio:
    """A writer, and what it tells of its calls."""

    writer: RecordingWriter
    told: asyncio.Queue[tuple[CallId, ev.CallEvent]]

    async def news(self) -> tuple[CallId, ev.CallEvent]:
        async with asyncio.timeout(5):
            return await self.told.get()

    async def written(self) -> None:
        """Wait until all that was submitted so far is done."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.writer.submit(lambda: loop.call_soon_threadsafe(done.set) and None)
        async with asyncio.timeout(5):
            await done.wait()

    def begin(self, call_id: CallId = CALL) -> CallRecording:
        recording = self.writer.open(call_id)
        recording.begin()
        return recording


@asynccontextmanager
async def studio(
    folder: RecordingFolder, most_waiting: int = MOST_WAITING_BYTES
) -> AsyncGenerator[Studio]:
    told: asyncio.Queue[tuple[CallId, ev.CallEvent]] = asyncio.Queue(100)

    def tell(call_id: CallId, event: ev.CallEvent) -> None:
        told.put_nowait((call_id, event))

    writer = RecordingWriter(folder, tell, most_waiting=most_waiting)
    try:
        yield Studio(writer, told)
    finally:
        await writer.close()


def frames(path: Path) -> tuple[int, bytes]:
    """As a player reads it: what its header says, and the samples of that."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8_000)
        return file.getnframes(), file.readframes(file.getnframes())


async def test_each_leg_is_on_its_side(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path / "voice-calls")
    async with studio(folder) as place:
        recording = place.begin()
        assert await place.news() == (CALL, ev.RecordingBegan(f"{CALL}.wav"))
        assert recording.write(LEFT, RIGHT)
        assert recording.write(b"", RIGHT), "the shorter leg ends in silence"
        recording.close()
    path = folder.path / f"{CALL}.wav"
    count, samples = frames(path)
    assert count == 16_000
    left, right = separate(samples)
    assert strength_db(inner(left[:8_000]), 500) == pytest.approx(-12, abs=0.3)
    assert strength_db(inner(right), 1_200) == pytest.approx(-20, abs=0.3)
    assert strength_db(inner(left[:8_000]), 1_200) < -55
    assert strength_db(inner(right), 500) < -55
    assert loudness_db(left[8_000:]) < -90
    assert np.array_equal(right[:8_000], right[8_000:])


async def test_nobody_else_may_listen(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path / "voice-calls")
    async with studio(folder) as place:
        place.begin().close()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.path, *folder.path.iterdir())]
    assert modes == [0o700, 0o600]


async def test_it_plays_while_it_is_written(tmp_path: Path) -> None:
    """So it does after the process was killed."""
    folder = RecordingFolder(tmp_path)
    async with studio(folder) as place:
        recording = place.begin()
        for count in range(1, 4):
            recording.write(LEFT, RIGHT)
            await place.written()
            assert frames(folder.path / f"{CALL}.wav")[0] == count * 8_000


async def test_a_call_that_is_taken_up_again_has_a_second_file(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    for _ in range(3):
        async with studio(folder) as place:
            recording = place.begin()
            recording.write(LEFT, RIGHT)
            recording.close()
    found = folder.of(CALL)
    names = [f"{CALL}.wav", f"{CALL}-2.wav", f"{CALL}-3.wav"]
    assert [each.path.name for each in found] == names
    assert [each.part for each in found] == [1, 2, 3]
    assert {each.call_id for each in folder.all()} == {CALL}
    assert [each.seconds for each in found] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "ü 1"])
async def test_no_call_id_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = RecordingFolder(tmp_path / "a" / "b")
    async with studio(folder) as place:
        place.begin(CallId(name)).close()
    (found,) = folder.all()
    assert found.call_id == name
    assert found.path.parent == folder.path
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [found.path]


class BadFolder(RecordingFolder):
    """Its files are this file descriptor."""

    def __init__(self, folder: Path, descriptor: int) -> None:
        super().__init__(folder)
        self._given = descriptor

    def create(self, call_id: CallId) -> tuple[int, str]:
        return self._given, f"{call_id}.wav"


async def test_a_full_disk_ends_the_recording_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = BadFolder(tmp_path, os.open("/dev/full", os.O_WRONLY))
    async with studio(folder) as place:
        recording = place.begin()
        failed = await place.news()
        assert failed == (CALL, ev.RecordingFailed("No space left on device"))
        assert not recording.write(LEFT, RIGHT)
        recording.close()
        await place.written()
        assert place.told.empty(), "told once"
    (line,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert line.message == "recording ended"


async def test_a_folder_that_cannot_be_made_ends_the_recording_only(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("in the way")
    async with studio(RecordingFolder(tmp_path)) as place:
        place.begin()
        assert await place.news() == (CALL, ev.RecordingFailed("File exists"))


async def test_a_disk_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    """What waits for it is bounded, and the end does not wait for long."""
    reader, writer = os.pipe()
    async with studio(BadFolder(tmp_path, writer), most_waiting=100_000) as place:
        recording = place.begin()
        assert (await place.news())[1] == ev.RecordingBegan(f"{CALL}.wav")
        # A piece has more samples than a pipe holds, so the first one hangs.
        taken = [recording.write(LEFT * 3, RIGHT * 3) for _ in range(4)]
        assert taken == [True, True, False, False]
        assert await place.news() == (CALL, ev.RecordingFailed(TOO_SLOW))
        await place.writer.close(timeout_s=0.05)
        os.close(reader)


async def test_nothing_is_begun_after_the_end(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    async with studio(folder) as place:
        await place.writer.close()
        recording = place.begin()
        assert not recording.write(LEFT, RIGHT)
    assert folder.all() == []


def test_what_is_old_is_deleted(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    assert folder.delete_older(1e10) == 0, "there is no folder yet"
    for age, name in ((10, "old"), (2, "new")):
        descriptor, _ = folder.create(CallId(name))
        os.close(descriptor)
        os.utime(folder.path / f"{name}.wav", (1, 1_000_000 - age))
    keepsake = folder.path / "notes.txt"
    keepsake.write_text("not a recording")
    os.utime(keepsake, (1, 1))
    (folder.path / "linked.wav").symlink_to(keepsake)
    assert [each.call_id for each in folder.all()] == ["old", "new"]
    assert folder.delete_older(1_000_000 - 5) == 1
    assert [each.call_id for each in folder.all()] == ["new"]
    assert keepsake.exists()
