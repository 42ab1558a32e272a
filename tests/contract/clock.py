"""Clocks for programs that wait: they run faster than the machine's."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from openclaw.clock import TimerHandle

STEP_S: Final = 0.005
"""How much time passes at once on an elastic clock; a frame of sound takes four."""


class FastClock:
    """Implements `openclaw.clock.Clock`; `speed` of its seconds pass in a real one."""

    def __init__(self, speed: float = 10.0) -> None:
        self._speed = speed
        self._wall, self._start = time.time(), time.monotonic()

    def wall(self) -> float:
        return self._wall + self.monotonic() - self._start

    def monotonic(self) -> float:
        return self._start + (time.monotonic() - self._start) * self._speed

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        delay_s = max(0.0, delay_s) / self._speed
        return asyncio.get_running_loop().call_later(delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s) / self._speed)


class _Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ElasticClock:
    """Implements `openclaw.clock.Clock`: `speed` of its seconds pass in a real one, but fewer while
    the machine is busy with something else.

    Time passes in small steps, between which the loop serves whatever is ready. So those who share
    this clock and this loop are never late because of others, and sound that is played by it is
    not torn. Use `async with ElasticClock.running(speed)`.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._wall, self._start = time.time(), time.monotonic()
        self._now = self._start
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = count()

    @classmethod
    @asynccontextmanager
    async def running(cls, speed: float) -> AsyncGenerator[ElasticClock]:
        clock = cls(speed)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(clock._run())
            yield clock
            running.cancel()

    def wall(self) -> float:
        return self._wall + self._now - self._start

    def monotonic(self) -> float:
        return self._now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self._now + max(0.0, delay_s), next(self._order), timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    async def _run(self) -> None:
        real = time.monotonic()
        while True:
            await asyncio.sleep(STEP_S / self._speed)
            real, before = time.monotonic(), real
            self._pass(min((real - before) * self._speed, 2 * STEP_S))

    def _pass(self, seconds: float) -> None:
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if not timer.cancelled:
                timer.callback()
        self._now = end
