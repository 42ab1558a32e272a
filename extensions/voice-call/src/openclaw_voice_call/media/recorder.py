"""Recording of calls: what is heard on a call goes to a file, in pieces of a second.

On the event loop a frame costs an append. The file is written elsewhere, and a file that cannot go
on ends the recording, never the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from openclaw_voice_call.audio.two_legs import TwoLegs
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.media.live_voice import CallTap


class RecordingFile(Protocol):
    """A recording that is being written. Nothing here blocks or raises."""

    def begin(self) -> None:
        """There will be audio."""
        ...

    def write(self, left: bytes, right: bytes) -> bool:
        """The next piece, mu-law; the shorter leg ends in silence. False: it is given up."""
        ...

    def close(self) -> None:
        """That was all."""
        ...


class Recorder:
    """A `CallTap` that records all streams of one call on one timeline."""

    def __init__(self, file: RecordingFile) -> None:
        self._file: RecordingFile | None = file
        self._legs = TwoLegs()
        self._begun = False

    def inbound(self, at: float, mulaw: bytes) -> None:
        if self._file is not None:
            self._legs.heard(at, mulaw)
            self._move(self._file, at)

    def outbound(self, at: float, mulaw: bytes) -> None:
        if self._file is not None:
            self._legs.said(at, mulaw)
            self._move(self._file, at)

    def cleared(self, at: float) -> None:
        self._legs.cleared(at)

    def close(self) -> None:
        """Write what is left. Nothing is recorded afterwards."""
        file, self._file = self._file, None
        if file is None or not self._begun:
            return
        rest = self._legs.rest()
        if rest is not None:
            file.write(rest.left, rest.right)
        file.close()

    def _move(self, file: RecordingFile, now: float) -> None:
        if not self._begun:
            self._begun = True
            file.begin()
        piece = self._legs.settled(now)
        if piece is not None and not file.write(piece.left, piece.right):
            self._file = None


class Recorders:
    """Gives each call that is to be recorded its recorder, and ends those that are left."""

    def __init__(self, open_file: Callable[[CallId], RecordingFile]) -> None:
        self._open_file = open_file
        self._open: set[_Registered] = set()

    def taps(self, record: CallRecord) -> Sequence[CallTap]:
        """Who listens in on a call that begins, or is taken up again."""
        if not record.settings.record_audio:
            return ()
        recorder = _Registered(self._open_file(record.call_id), self._open)
        self._open.add(recorder)
        return (recorder,)

    def close(self) -> None:
        """End all recordings."""
        for recorder in list(self._open):
            recorder.close()


class _Registered(Recorder):
    """A recorder that leaves its place when it is closed."""

    def __init__(self, file: RecordingFile, place: set[_Registered]) -> None:
        super().__init__(file)
        self._place = place

    def close(self) -> None:
        super().close()
        self._place.discard(self)
