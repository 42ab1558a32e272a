"""Tasks with a result that several may await and none may own alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


class OwnedTasks:
    """Holds tasks until they are done, and cancels the rest when it is closed.

    Unlike `openclaw.tasks.Supervisor` it leaves a task's outcome, failures too, to those who await
    the task.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[object]] = set()

    def spawn(self, name: str, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Runs `work` as a task of this owner."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Cancels what still runs and waits for it to end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
