"""Group commit: many writes, one transaction, one sync of the disk.

The loop collects writes; a single thread carries out everything that came in while it was busy
with the group before. Each write has a savepoint of its own, so one that is refused by the data
(`VoiceCallError`) leaves its neighbours alone. A failing disk fails the whole group, drops the
connection, and the next group starts with a new one.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias, TypeVar, cast

from openclaw_voice_call.errors import JournalRefused, VoiceCallError

log = logging.getLogger(__name__)

T = TypeVar("T")
Connect: TypeAlias = Callable[[], sqlite3.Connection]
Write: TypeAlias = Callable[[sqlite3.Connection], T]
"""Runs in the writer's thread, inside a savepoint. Raises VoiceCallError to be undone
alone."""


_Group: TypeAlias = list[tuple[Write[object], asyncio.Future[object]]]

GATHER_S = 0.001
"""Costs less time than the disk does, and saves most of its work."""


class GroupWriter:
    """Everything that is written to one SQLite file by this process.

    `group_limit` bounds the writes of a transaction, `backlog` those that may wait for one.
    """

    def __init__(self, connect: Connect, *, group_limit: int = 256, backlog: int = 4096) -> None:
        self._disk = _Disk(connect)
        self._group_limit = group_limit
        self._backlog = backlog
        self._thread = Thread(target=self._write_groups, name="call-journal", daemon=True)
        self._groups: SimpleQueue[_Group | None] = SimpleQueue()
        self._waiting: _Group = []
        self._active = False
        """True from the first waiting write until nothing waits and nothing is being written."""
        self._idle: asyncio.Future[None] | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.groups = 0
        """Transactions so far."""

    async def start(self) -> None:
        """Open the file. Raises JournalTooNew, JournalRefused."""
        await asyncio.to_thread(self._disk.open)
        self._thread.start()

    def submit(self, write: Write[T]) -> asyncio.Future[T]:
        """Do `write` after all that were given before it; done when it is on the disk.

        The future raises what `write` raised, or JournalRefused.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(JournalRefused("it is closed"))
        elif len(self._waiting) >= self._backlog:
            future.set_exception(JournalRefused(f"{self._backlog} writes are waiting for the disk"))
        else:
            # A future only receives here, so forgetting its type is safe.
            self._waiting.append((write, cast("asyncio.Future[object]", future)))
            if not self._active:
                self._active = True
                # Not at once: what else is submitted in this turn of the loop joins the group.
                self._loop.call_soon(self._begin_group)
        return future

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what was accepted, then close the file. What is not written in time is refused."""
        if self._closed:
            return
        self._closed = True
        if self._active:
            self._idle = self._loop.create_future()
            await asyncio.wait({self._idle}, timeout=timeout_s)
        refused = JournalRefused("the gateway is stopping")
        for _, future in self._waiting:
            _settle(future, refused)
        self._waiting.clear()
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join, timeout_s)

    def _begin_group(self) -> None:
        if not self._waiting:
            self._active = False
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)
            return
        self.groups += 1
        self._groups.put(self._waiting[: self._group_limit])
        del self._waiting[: self._group_limit]

    def _end_group(self, group: _Group, outcomes: Sequence[object]) -> None:
        for (_, future), outcome in zip(group, outcomes, strict=True):
            _settle(future, outcome)
        if len(group) > 1 and len(self._waiting) < self._group_limit and not self._closed:
            # Several calls are busy: a moment's wait makes few large groups of many small ones.
            self._loop.call_later(GATHER_S, self._begin_group)
        else:
            # Those who were just answered run first, so their next writes are in the next group.
            self._loop.call_soon(self._begin_group)

    def _write_groups(self) -> None:
        """The thread."""
        while (group := self._groups.get()) is not None:
            outcomes = self._disk.write([write for write, _ in group])
            self._loop.call_soon_threadsafe(self._end_group, group, outcomes)
        self._disk.close()


def _settle(future: asyncio.Future[object], outcome: object) -> None:
    if future.done():
        return
    if isinstance(outcome, VoiceCallError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class _Disk:
    """The side of the writer's thread."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._db: sqlite3.Connection | None = None

    def open(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = self._connect()
            except sqlite3.Error as exc:
                raise JournalRefused(str(exc)) from exc
        return self._db

    def write(self, writes: Sequence[Write[object]]) -> Sequence[object]:
        """One transaction. The outcome of each write is its result or a VoiceCallError."""
        try:
            db = self.open()
            db.execute("BEGIN IMMEDIATE")
            outcomes = [_in_savepoint(db, write) for write in writes]
            db.execute("COMMIT")
        except VoiceCallError as exc:  # the file could not be opened again
            return [JournalRefused(str(exc)) for _ in writes]
        except sqlite3.Error as exc:
            self.close()
            log.error(
                "call journal cannot be written",
                extra={"reason": str(exc), "writes": len(writes)},
            )
            return [JournalRefused(str(exc)) for _ in writes]
        except Exception as exc:
            # The thread's supervisor boundary: a defect in one write must not end all writing.
            self.close()
            log.exception("journal write failed unexpectedly")
            return [JournalRefused(type(exc).__name__) for _ in writes]
        return outcomes

    def close(self) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        try:
            db.close()  # undoes an open transaction
        except sqlite3.Error as exc:
            log.warning("call journal did not close cleanly", extra={"reason": str(exc)})


def _in_savepoint(db: sqlite3.Connection, write: Write[object]) -> object:
    db.execute("SAVEPOINT item")
    try:
        outcome = write(db)
    except VoiceCallError as exc:
        db.execute("ROLLBACK TO item")
        outcome = exc
    db.execute("RELEASE item")
    return outcome
