"""Work that is done one piece after another, in the background, by an owned task."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from openclaw.sdk import TaskOwner


class Lane:
    """Runs what it is given in order. Idle, it has no task."""

    def __init__(self, name: str, tasks: TaskOwner) -> None:
        self._name = name
        self._tasks = tasks
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, work: Callable[[], Awaitable[None]]) -> None:
        self._waiting.append(work)
        if self._task is None or self._task.done():
            self._task = self._tasks.spawn(self._name, self._run())

    def clear(self) -> None:
        """Drop what has not begun."""
        self._waiting.clear()

    def stop(self) -> None:
        """Drop what has not begun, cancel what has."""
        self.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._waiting:
            await self._waiting.popleft()()
