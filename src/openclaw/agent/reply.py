"""A reply in the making, as its readers see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from openclaw.errors import AgentError
from openclaw.tasks import Supervisor

Emit = Callable[[str], None]
"""Takes the next piece of text."""


class Reply:
    """Text that one task writes and any number of readers follow from the beginning.

    The text is kept, so neither a slow reader nor an absent one holds up the writer; the writer
    bounds its length.
    """

    def __init__(
        self, tasks: Supervisor, name: str, write: Callable[[Emit], Awaitable[None]]
    ) -> None:
        """Begin to write.

        Raises:
            OwnerClosed: `tasks` takes no more work.
        """
        self._parts: list[str] = []
        self._error: AgentError | None = None
        self._news = asyncio.Event()
        self._task = tasks.spawn(name, self._run(write))
        self._task.add_done_callback(lambda _: self._news.set())

    async def __aiter__(self) -> AsyncIterator[str]:
        """Give every piece of text, then raise what ended the reply, if anything did."""
        given = 0
        while True:
            while given < len(self._parts):
                yield self._parts[given]
                given += 1
            if self._task.done():
                break
            self._news.clear()
            await self._news.wait()
        if self._error:
            raise self._error
        if not self._task.cancelled():
            self._task.result()

    async def text(self) -> str:
        """Wait for the end and give the whole text."""
        return "".join([part async for part in self])

    def cancel(self) -> None:
        """Stop writing; readers get what there is and then the end."""
        self._task.cancel()

    async def _run(self, write: Callable[[Emit], Awaitable[None]]) -> None:
        try:
            await write(self._emit)
        except AgentError as exc:
            self._error = exc

    def _emit(self, text: str) -> None:
        self._parts.append(text)
        self._news.set()
