"""`python -m benchmarks.playout`: how evenly speech leaves for many calls of one process.

Every call plays the same speech in real time, ours through `MediaSession` and one `TimerWheel`,
beside the obvious loop that sends a frame and sleeps for 20 ms, one task a call, in the same run.
The far end is a play-out buffer that plays what it gets when it gets it: where it has nothing to
play is a gap. "Stalls" has something else block the event loop for 15 ms ten times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from benchmarks.grid import grid, machine
from benchmarks.traffic import percentile
from openclaw.clock import SystemClock
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.twilio.media import TwilioMedia
from openclaw_voice_call.interfaces.media import BYTES_PER_MS, FRAME_BYTES, FRAME_MS, StreamStart
from openclaw_voice_call.media.session import MediaSession
from openclaw_voice_call.media.wheel import TimerWheel

CALLS: Final = (1, 50, 200)
DIALECT: Final = TwilioMedia()
STREAM_ID: Final = "MZ" + "0" * 32
AUDIO: Final = '{"event":"media"'
"""How a message with audio begins; a mark begins otherwise."""
GAP_MS: Final = 30.0
STALL_S: Final = 0.015
STALL_EVERY_S: Final = 0.1
HEAD: Final = (
    "speech, calls at a time",
    "playing / audio time",
    "gaps > 30 ms per min",
    "late p99 ms",
    "silence ms per min",
    "CPU us per frame",
)


class Evenness(msgspec.Struct, frozen=True):
    """What the far ends of all calls of one round have noticed."""

    ours: bool
    calls: int
    stalls: bool
    stretch: float
    """Time in which the speech was played, by its length; the worst call."""
    gaps_per_min: float
    """Gaps of over 30 ms, per minute of speech."""
    late_p99_ms: float
    """By how much a frame came after the time at which it was to be played, from the first on."""
    silence_ms_per_min: float
    """All that could not be played in time, per minute of speech."""
    cpu_us_per_frame: float | None
    """None with stalls, which cost CPU themselves."""


class FarEnd:
    """Plays what it gets in real time; a `Wire` for a session."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._ends_at = 0.0
        self._played_s = 0.0
        self.gaps: list[float] = []
        self.late: list[float] = []

    @property
    def unsent(self) -> int:
        return 0

    @property
    def played_s(self) -> float:
        return self._played_s

    @property
    def stretch(self) -> float:
        assert self._began is not None
        return (self._ends_at - self._began) / self._played_s

    def send(self, message: str) -> None:
        if message.startswith(AUDIO):
            frames = (len(message) - len(DIALECT.audio(STREAM_ID, b""))) * 3 // 4 // FRAME_BYTES
            self.play(frames * FRAME_MS / 1000)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing: the call is over anyway."""

    def play(self, seconds: float) -> None:
        """Audio of this length has come."""
        now = time.monotonic()
        if self._began is None:
            self._began = self._ends_at = now
        self.late.append(max(0.0, now - self._began - self._played_s))
        if now > self._ends_at:
            self.gaps.append(now - self._ends_at)
            self._ends_at = now
        self._ends_at += seconds
        self._played_s += seconds


class Nobody:
    """A `StreamListener` that wants to know when the last utterance was played."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def frame_heard(self, mulaw: bytes) -> None:
        """Not of interest."""

    def key_pressed(self, key: str) -> None:
        """Not of interest."""

    def utterance_began(self, utterance: int) -> None:
        """Not of interest."""

    def utterance_played(self, utterance: int) -> None:
        self.over.set()

    def stream_lost(self, detail: str) -> None:
        self.over.set()


async def ours(calls: int, speech: bytes) -> Sequence[FarEnd]:
    """Each call speaks through a session; all share a wheel."""
    clock = SystemClock()
    wheel = TimerWheel(clock)
    start = StreamStart(STREAM_ID, CarrierCallId("CA1"))
    ends: list[FarEnd] = []
    listeners: list[Nobody] = []
    for _ in range(calls):
        ends.append(FarEnd())
        listeners.append(Nobody())
        session = MediaSession(DIALECT, start, ends[-1], wheel, clock, listeners[-1])
        session.begin(1, "")
        session.add(1, speech)
        session.finish(1)
        await asyncio.sleep(0.020 / calls)
    for each in listeners:
        await each.over.wait()
    return ends


async def frame_and_sleep(calls: int, speech: bytes) -> Sequence[FarEnd]:
    """Each call has a task that sends 20 ms and sleeps for 20 ms."""
    ends = [FarEnd() for _ in range(calls)]

    async def speak(far: FarEnd) -> None:
        for begin in range(0, len(speech), FRAME_BYTES):
            far.send(DIALECT.audio(STREAM_ID, speech[begin : begin + FRAME_BYTES]))
            await asyncio.sleep(0.020)

    async with asyncio.TaskGroup() as tasks:
        for far in ends:
            tasks.create_task(speak(far))
            await asyncio.sleep(0.020 / calls)
    return ends


async def _stalling() -> None:
    while True:
        await asyncio.sleep(STALL_EVERY_S)
        until = time.monotonic() + STALL_S
        while time.monotonic() < until:
            pass


async def _measure(
    play: Callable[[int, bytes], Awaitable[Sequence[FarEnd]]],
    calls: int,
    speech: bytes,
    *,
    stalls: bool,
) -> Evenness:
    async with AsyncExitStack() as stack:
        if stalls:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(tasks.create_task(_stalling()).cancel)
        cpu_s = time.process_time()
        ends = await play(calls, speech)
        cpu_s = time.process_time() - cpu_s
    minutes = sum(far.played_s for far in ends) / 60
    frames = calls * len(speech) / FRAME_BYTES
    return Evenness(
        ours=play is ours,
        calls=calls,
        stalls=stalls,
        stretch=max(far.stretch for far in ends),
        gaps_per_min=sum(1000 * gap > GAP_MS for far in ends for gap in far.gaps) / minutes,
        late_p99_ms=1000 * percentile((late for far in ends for late in far.late), 0.99),
        silence_ms_per_min=1000 * sum(sum(far.gaps) for far in ends) / minutes,
        cpu_us_per_frame=None if stalls else 1e6 * cpu_s / frames,
    )


async def measure(speech_s: float) -> Sequence[Evenness]:
    """All rounds, each with so much speech per call."""
    speech = random.Random(1).randbytes(round(speech_s * 1000) * BYTES_PER_MS)
    rounds = [(calls, False) for calls in CALLS] + [(CALLS[1], True)]
    return [
        await _measure(play, calls, speech, stalls=stalls)
        for calls, stalls in rounds
        for play in (ours, frame_and_sleep)
    ]


def rows(measured: Sequence[Evenness]) -> Sequence[Sequence[str]]:
    """One for each round, ours above its peer."""
    return [
        (
            f"{'ours' if each.ours else 'frame and sleep'}, {each.calls}{', stalls' * each.stalls}",
            f"{each.stretch:.3f}",
            f"{each.gaps_per_min:.1f}",
            f"{each.late_p99_ms:.1f}",
            f"{each.silence_ms_per_min:.0f}",
            "" if each.cpu_us_per_frame is None else f"{each.cpu_us_per_frame:.1f}",
        )
        for each in measured
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playout", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; less exact")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    measured = asyncio.run(measure(2.0 if options.quick else 10.0))
    if options.json:
        print(msgspec.json.encode(measured).decode())
    else:
        print("\n".join((machine(), "", *grid(HEAD, rows(measured)))))


if __name__ == "__main__":
    main()
