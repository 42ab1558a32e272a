"""Work that is done one piece after another, in the background, by an owned task."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from openclaw.sdk import TaskOwner


class Lane:
    """Runs what it is given in order. Idle, it has no task."""

    def __init__(self, name: str, tasks: TaskOwner) -> None:
        self._name = name
        self._tasks = tasks
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._working = False

    def put(self, work: Callable[[], Awaitable[None]]) -> None:
        self._waiting.append(work)
        if not self._working:
            self._working = True
            self._tasks.spawn(self._name, self._run())

    def clear(self) -> None:
        """Drop what has not begun."""
        self._waiting.clear()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._waiting.popleft()()
        finally:
            self._working = False
