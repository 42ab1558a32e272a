"""A clock for programs that wait: it runs faster than the machine's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from openclaw.clock import TimerHandle


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
