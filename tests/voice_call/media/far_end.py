"""A carrier's end of a media stream in memory, with a play-out buffer that notices all."""

from __future__ import annotations

from collections.abc import Callable

from openclaw.sdk import TimerHandle
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import MarkReached, MediaMessage, StreamStart
from tests.clock import FakeClock

START = StreamStart("stream-1", CarrierCallId("call-1"))


class LateClock:
    """The timers of a busy event loop, on a clock that is moved by hand."""

    def __init__(self, clock: FakeClock, late_s: Callable[[], float] = float) -> None:
        """Every timer fires as late as `late_s` says when it is set."""
        self._clock = clock
        self.late_s = late_s
        self.wakes = 0
        """How many timers have fired."""

    def wall(self) -> float:
        return self._clock.wall()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        def wake() -> None:
            self.wakes += 1
            callback()

        return self._clock.call_later(delay_s + self.late_s(), wake)

    async def sleep(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s + self.late_s())


class PlainDialect:
    """Messages that are easy to read in a test. What comes in was put down by `tell` before."""

    def __init__(self, *, reorders: bool = False) -> None:
        self._reorders = reorders
        self._told: list[MediaMessage] = []

    @property
    def reorders(self) -> bool:
        return self._reorders

    def tell(self, message: MediaMessage) -> str:
        """The text as which this message travels."""
        self._told.append(message)
        return str(len(self._told) - 1)

    def read(self, message: str | bytes) -> MediaMessage:
        try:
            return self._told[int(message)]
        except ValueError:
            raise MediaMalformed("not a number") from None

    def audio(self, stream_id: str, mulaw: bytes) -> str:
        return f"{stream_id} audio {mulaw.hex()}"

    def mark(self, stream_id: str, name: str) -> str:
        return f"{stream_id} mark {name}"

    def clear(self, stream_id: str) -> str:
        return f"{stream_id} clear"


class FarEnd:
    """A `Wire` whose other side plays what it gets, in the time of the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._began = 0.0
        self._length = 0
        self.frames: list[tuple[float, bytes]] = []
        """Every frame of 20 ms and when it came."""
        self.sizes: list[int] = []
        """Of the messages, in ms of audio."""
        self.marks: list[tuple[str, float]] = []
        """Not returned yet, and when all before them has been played."""
        self.all_marks: list[str] = []
        self.clears: list[float] = []
        self.gaps: list[float] = []
        """Seconds of silence before audio that came when nothing was left to play."""
        self.unsent = 0
        self.closed_with: int | None = None

    @property
    def plays_until(self) -> float:
        return self._began + self._length / 8000

    @property
    def audio(self) -> bytes:
        return b"".join(frame for _, frame in self.frames)

    def send(self, message: str) -> None:
        assert self.closed_with is None, "sent after the end"
        now = self._clock.monotonic()
        stream_id, kind, *content = message.split(" ")
        assert stream_id == START.stream_id
        if kind == "clear":
            self.clears.append(now)
            self._began, self._length = now, 0
            self.marks = [(name, now) for name, _ in self.marks]
        elif kind == "mark":
            self.marks.append((content[0], max(now, self.plays_until)))
            self.all_marks.append(content[0])
        else:
            self._play(now, bytes.fromhex(content[0]))

    def close(self, code: int = 1000, reason: str = "") -> None:
        assert self.closed_with is None, "closed twice"
        self.closed_with = code

    def due_marks(self) -> list[MarkReached]:
        """What the carrier says now of what it has played."""
        now = self._clock.monotonic()
        due = [MarkReached(name) for name, at in self.marks if at <= now]
        self.marks = [(name, at) for name, at in self.marks if at > now]
        return due

    def _play(self, now: float, mulaw: bytes) -> None:
        assert mulaw
        assert len(mulaw) % 160 == 0
        self.sizes.append(len(mulaw) // 8)
        if now > self.plays_until:
            if self.frames:
                self.gaps.append(now - self.plays_until)
            self._began, self._length = now, 0
        for begin in range(0, len(mulaw), 160):
            self.frames.append((now, mulaw[begin : begin + 160]))
        self._length += len(mulaw)
