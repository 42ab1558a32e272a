"""What a phone line plays of a media stream: 20 ms at a time, in order, each byte once. Pure.

Audio is mu-law at 8000 Hz. Times are whatever the caller counts, in seconds.
"""

from collections import deque
from dataclasses import dataclass

FRAME_BYTES = 160
FRAME_SECONDS = 0.02
SILENCE = b"\xff"
LIMIT_SECONDS = 60.0
"""How much a line takes ahead of what it plays."""


@dataclass(frozen=True)
class Arrival:
    at: float
    mulaw: bytes


@dataclass(frozen=True)
class Gap:
    """Silence between two pieces of audio, until `at`.

    `inside`: no mark and no clear stood before it, so it tore what was being said.
    """

    at: float
    seconds: float
    inside: bool


@dataclass(frozen=True)
class Cleared:
    """`dropped` was in the buffer, and is never heard; `marks` came back because of it."""

    at: float
    dropped: bytes
    marks: tuple[str, ...]


@dataclass(frozen=True)
class MarkBack:
    """`played`: all before it was heard; else it was cleared."""

    at: float
    name: str
    played: bool


class PlayOut:
    """The buffer, and a record of all that went through it."""

    def __init__(self, limit_seconds: float = LIMIT_SECONDS) -> None:
        self.arrivals: list[Arrival] = []
        self.gaps: list[Gap] = []
        self.clears: list[Cleared] = []
        self.marks: list[MarkBack] = []
        self.lost = 0
        """Bytes for which there was no room."""
        self._limit = round(limit_seconds / FRAME_SECONDS) * FRAME_BYTES
        self._buffer = bytearray()
        self._played = 0
        self._heard = bytearray()
        self._pending: deque[tuple[int, str]] = deque()
        self._unfinished = False
        """Audio came last, neither a mark nor a clear."""
        self._silent = 0
        self._torn = False

    # --- what the gateway orders

    def play(self, mulaw: bytes, now: float) -> None:
        self.arrivals.append(Arrival(now, mulaw))
        taken = mulaw[: max(0, self._limit - len(self._buffer))]
        self.lost += len(mulaw) - len(taken)
        self._buffer += taken
        self._unfinished = True

    def mark(self, name: str, now: float) -> bool:
        """True: there is nothing to be played before it, so it comes back at once."""
        self._unfinished = False
        if self._buffer:
            self._pending.append((self._played + len(self._buffer), name))
            return False
        self.marks.append(MarkBack(now, name, played=True))
        return True

    def clear(self, now: float) -> tuple[str, ...]:
        """The marks that come back, in order."""
        names = tuple(name for _, name in self._pending)
        self.clears.append(Cleared(now, bytes(self._buffer), names))
        self.marks += [MarkBack(now, name, played=False) for name in names]
        self._pending.clear()
        self._buffer.clear()
        self._unfinished = False
        return names

    # --- what the line does

    def frame(self, now: float) -> tuple[bytes, tuple[str, ...]]:
        """What is heard in the next 20 ms, and the marks that are reached with it."""
        audio = bytes(self._buffer[:FRAME_BYTES])
        del self._buffer[:FRAME_BYTES]
        self._note_silence(now, silent=not audio)
        self._played += len(audio)
        reached: list[str] = []
        while self._pending and self._pending[0][0] <= self._played:
            reached.append(self._pending.popleft()[1])
        self.marks += [MarkBack(now, name, played=True) for name in reached]
        heard = audio.ljust(FRAME_BYTES, SILENCE)
        self._heard += heard
        return heard, tuple(reached)

    def _note_silence(self, now: float, *, silent: bool) -> None:
        if silent:
            if not self._silent:
                self._torn = self._unfinished
            self._silent += 1
            return
        if self._silent and self._played:
            self.gaps.append(Gap(now, self._silent * FRAME_SECONDS, self._torn))
        self._silent = 0

    # --- what is known of it

    @property
    def heard(self) -> bytes:
        """All that was played so far, silence included."""
        return bytes(self._heard)

    @property
    def buffered_seconds(self) -> float:
        return len(self._buffer) / FRAME_BYTES * FRAME_SECONDS

    @property
    def torn(self) -> list[Gap]:
        """The underruns: gaps within what was being said."""
        return [gap for gap in self.gaps if gap.inside]

    def arrived_after(self, clear: int = -1) -> bytes:
        """The audio that came after a clear, by default the newest; stale, if it is of before."""
        at = self.clears[clear].at
        return b"".join(each.mulaw for each in self.arrivals if each.at > at)
