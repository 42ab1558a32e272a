"""A call's recorder, between what the streams of the call tell it and the file."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.media.recorder import Recorder, Recorders
from tests.voice_call.call.playbook import Playbook

LEFT = b"\x10" * 160
RIGHT = b"\x20" * 160


@dataclass
class MemoryFile:
    """Keeps what is written; refuses after `room` bytes of the left leg."""

    room: int = 1_000_000
    begun: int = 0
    closed: int = 0
    left: bytearray = field(default_factory=bytearray)
    right: bytearray = field(default_factory=bytearray)

    def begin(self) -> None:
        self.begun += 1

    def write(self, left: bytes, right: bytes) -> bool:
        assert self.begun
        if len(self.left) + len(left) > self.room:
            return False
        self.left += left
        self.right += right
        return True

    def close(self) -> None:
        self.closed += 1


def talk(recorder: Recorder, begin: float, seconds: float) -> None:
    """Both talk at once."""
    for number in range(round(seconds * 50)):
        at = begin + number * 0.02
        recorder.inbound(at + 0.02, LEFT)
        recorder.outbound(at, RIGHT)


def test_streams_after_one_another_are_one_recording() -> None:
    file = MemoryFile()
    recorder = Recorder(file)
    talk(recorder, 50.0, 1.0)
    recorder.cleared(51.0)
    talk(recorder, 53.0, 1.0)
    recorder.close()
    assert bytes(file.left) == LEFT * 50 + b"\xff" * 16_000 + LEFT * 50
    assert bytes(file.right) == RIGHT * 50 + b"\xff" * 16_000 + RIGHT * 50
    assert (file.begun, file.closed) == (1, 1)


def test_it_is_written_while_the_call_goes_on() -> None:
    file = MemoryFile()
    recorder = Recorder(file)
    talk(recorder, 50.0, 20.0)
    assert len(file.left) >= 14.9 * 8_000
    recorder.close()
    assert len(file.left) == 20 * 8_000


def test_a_call_without_audio_makes_no_file() -> None:
    file = MemoryFile()
    recorder = Recorder(file)
    recorder.cleared(50.0)
    recorder.close()
    assert (file.begun, file.left, file.closed) == (0, b"", 0)


def test_a_file_that_is_given_up_is_left_alone() -> None:
    file = MemoryFile(room=3 * 8_000)
    recorder = Recorder(file)
    talk(recorder, 50.0, 20.0)
    recorder.close()
    assert 8_000 <= len(file.left) <= 3 * 8_000
    assert file.closed == 0, "the file has closed itself"


def test_nothing_is_recorded_after_the_end() -> None:
    file = MemoryFile()
    recorder = Recorder(file)
    talk(recorder, 50.0, 1.0)
    recorder.close()
    talk(recorder, 51.0, 9.0)
    recorder.close()
    assert (len(file.left), file.closed) == (8_000, 1)


def call(record_audio: bool, call_id: str = "call-1") -> CallRecord:
    record = Playbook.outbound(None).record
    settings = msgspec.structs.replace(record.settings, record_audio=record_audio)
    return msgspec.structs.replace(record, call_id=CallId(call_id), settings=settings)


def test_only_calls_that_are_to_be_recorded_are() -> None:
    files: dict[CallId, MemoryFile] = {}
    recorders = Recorders(lambda call_id: files.setdefault(call_id, MemoryFile()))
    assert recorders.taps(call(record_audio=False)) == ()
    (ended,) = recorders.taps(call(record_audio=True, call_id="call-2"))
    (goes_on,) = recorders.taps(call(record_audio=True, call_id="call-3"))
    for tap in (ended, goes_on):
        tap.inbound(50.0, LEFT)
    ended.close()
    assert files[CallId("call-2")].closed == 1
    assert files[CallId("call-3")].left == b"", "it waits for late frames"
    recorders.close()
    assert files[CallId("call-2")].closed == 1
    assert bytes(files[CallId("call-3")].left) == LEFT
    assert list(files) == ["call-2", "call-3"]
