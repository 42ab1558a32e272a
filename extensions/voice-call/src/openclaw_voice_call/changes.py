"""Waiting for the next change of something."""

from __future__ import annotations

import asyncio
from functools import partial

from openclaw.sdk import Clock


class Changes:
    """Any number of tasks may wait; all of them see each change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watchers: set[asyncio.Future[None]] = set()

    async def next(self, timeout_s: float) -> None:
        """Return at the next change, or after `timeout_s` seconds."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        timer = self._clock.call_later(timeout_s, partial(_resolve, watcher))
        try:
            await watcher
        finally:
            timer.cancel()
            self._watchers.discard(watcher)

    def tell(self) -> None:
        """There is a change."""
        watchers, self._watchers = self._watchers, set()
        for watcher in watchers:
            _resolve(watcher)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
