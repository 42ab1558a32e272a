"""Background tasks with an owner: none is lost, none outlives its owner, no failure is silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from openclaw.errors import OwnerClosed


class Supervisor:
    """Owns the tasks of one component. Implements `openclaw.sdk.TaskOwner`."""

    def __init__(self, owner: str, log: logging.Logger) -> None:
        self._owner = owner
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` in the background; what it raises is logged with `name`.

        Raises:
            OwnerClosed: The owner is stopping; `work` is not begun.
        """
        if self._closed:
            work.close()
            raise OwnerClosed(self._owner)
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, within: float = 5.0) -> None:
        """Cancel all tasks and wait for their end, `within` seconds at most."""
        self._closed = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=within)
            for task in stuck:
                self._log.error("task does not end", extra={"task": task.get_name()})

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:
            self._log.error("task failed", extra={"task": task.get_name()}, exc_info=failure)
