"""A clock that tests move by hand, so that a call of five minutes takes no time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

_SETTLING_ROUNDS = 50


class _Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Implements `openclaw.clock.Clock`; time passes only in `advance`."""

    def __init__(self, wall: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        """Begin at these seconds since the epoch and of the monotonic clock."""
        self._wall = wall
        self._monotonic = monotonic
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = count()

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self._monotonic + max(0.0, delay_s), callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        if delay_s <= 0:
            asyncio.get_running_loop().call_soon(self._fire_due)
        return timer

    async def sleep(self, delay_s: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    @property
    def waiting(self) -> int:
        """How many timers have neither fired nor been cancelled."""
        return sum(not timer.cancelled for _, _, timer in self._timers)

    @property
    def next_due(self) -> float | None:
        """Seconds until the next timer fires, None if there is none."""
        due = [timer.due for _, _, timer in self._timers if not timer.cancelled]
        return min(due) - self._monotonic if due else None

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: due timers fire in their order, each at its own time.

        After each the loop runs what became ready. Work in threads or on sockets is not waited for;
        a test waits for its event.
        """
        assert seconds >= 0, "time does not go back"
        end = self._monotonic + seconds
        await settle()
        while self._timers and self._timers[0][0] <= end:
            self._move_to(max(self._monotonic, self._timers[0][0]))
            self._fire_due()
            await settle()
        self._move_to(end)
        await settle()

    def set_wall(self, wall: float) -> None:
        """Set the wall clock alone, as an administrator or a time server does."""
        self._wall = wall

    def _move_to(self, monotonic: float) -> None:
        self._wall += monotonic - self._monotonic
        self._monotonic = monotonic

    def _fire_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._monotonic:
            _, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.cancelled = True
                timer.callback()


async def settle() -> None:
    """Let the loop run until tasks that only wait for each other have come to rest."""
    for _ in range(_SETTLING_ROUNDS):
        await asyncio.sleep(0)
