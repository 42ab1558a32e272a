"""One timer for the live audio of all calls, and how late it runs.

A timer of the event loop per call and message would wake the process thousands of times a second.
Here all that falls due within the same 5 ms is served by one wake-up; nothing is served early.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from openclaw.sdk import Clock, TimerHandle

_STEP_S: Final = 0.005
_EARLY_S: Final = 0.0005
"""Event loops may fire so much before the time, for the resolution of their clock."""
_REMEMBERED: Final = 1024
_REMEMBERED_S: Final = 10.0
_FEW: Final = 100
"""Below so many wake-ups in the time that is remembered, one of them says nothing of the load."""


class Alarm:
    """A time at which the owner wants to be called; may be set again and again."""

    __slots__ = ("_ring", "_step", "_wheel")

    def __init__(self, wheel: TimerWheel, ring: Callable[[], None]) -> None:
        self._wheel = wheel
        self._ring = ring
        self._step: int | None = None

    def at(self, when: float | None) -> None:
        """Ring once, not before this monotonic time. Replaces the time before; None: not at all."""
        if when is None:
            self._step = None
            return
        step = self._wheel.step(when)
        if step != self._step:
            self._step = step
            self._wheel.enter(step, self)

    def ring(self, step: int) -> None:
        """The wheel has come to this step: call the owner if that is when it wants to be called."""
        if step == self._step:
            self._step = None
            self._ring()


class TimerWheel:
    """Alarms by steps of 5 ms. To be used from the event loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alarms: dict[int, list[Alarm]] = {}
        self._steps: list[int] = []
        """A heap of the keys of `_alarms`."""
        self._past = math.floor(clock.monotonic() / _STEP_S)
        """Steps up to here are over; what is entered now comes after."""
        self._timer: TimerHandle | None = None
        self._armed_for: int | None = None
        self._late: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        """An alarm that calls `ring`, which must neither block nor raise."""
        return Alarm(self, ring)

    @property
    def lateness_ms(self) -> float:
        """By how much the 99th of 100 wake-ups of the last 10 s came late, its work included.

        0 while there is too little to judge by. It grows when the process has more to do than its
        core can, well before callers hear gaps: those begin at the lead of the pace (140 ms).
        """
        since = self._clock.monotonic() - _REMEMBERED_S
        late = sorted(each for at, each in self._late if at >= since)
        if len(late) < _FEW:
            return 0.0
        return 1000 * late[math.ceil(0.99 * len(late)) - 1]

    def step(self, when: float) -> int:
        """The first step that is not before `when` and not over yet."""
        return max(math.ceil(when / _STEP_S), self._past + 1)

    def enter(self, step: int, alarm: Alarm) -> None:
        """Have the alarm rung at this step, one that `step` gave."""
        entered = self._alarms.get(step)
        if entered is not None:
            entered.append(alarm)
            return
        self._alarms[step] = [alarm]
        heapq.heappush(self._steps, step)
        if self._armed_for is None or step < self._armed_for:
            self._arm()

    def close(self) -> None:
        """Nothing rings any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_for = None, None
        self._alarms.clear()
        self._steps.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._armed_for = None, None
        if self._steps:
            self._armed_for = self._steps[0]
            delay = self._armed_for * _STEP_S - self._clock.monotonic()
            self._timer = self._clock.call_later(max(0.0, delay), self._turn)

    def _turn(self) -> None:
        self._timer = None
        self._past = math.floor((self._clock.monotonic() + _EARLY_S) / _STEP_S)
        try:
            while self._steps and self._steps[0] <= self._past:
                self._serve(self._steps[0])
        finally:
            # Should an alarm raise, a defect that the event loop reports, the others still ring.
            self._armed_for = None
            self._arm()

    def _serve(self, step: int) -> None:
        alarms = self._alarms[step]
        while alarms:
            alarms.pop().ring(step)
        del self._alarms[step]
        heapq.heappop(self._steps)
        now = self._clock.monotonic()
        self._late.append((now, max(0.0, now - step * _STEP_S)))
