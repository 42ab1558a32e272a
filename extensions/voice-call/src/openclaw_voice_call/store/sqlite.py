"""The journal in SQLite: see `schema` for the file, `writer` for how writes become durable."""

from __future__ import annotations

import asyncio
import queue
from asyncio import Future
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from openclaw_voice_call.call.facts import Fact, StoredFact
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId, CarrierCallId
from openclaw_voice_call.interfaces.store import CallStore
from openclaw_voice_call.store.reader import JournalReader, open_reader
from openclaw_voice_call.store.schema import FILE_NAME, connect_writer
from openclaw_voice_call.store.statements import (
    PRUNE_BATCH,
    add_past_call,
    encode_record,
    encode_rows,
    event_row,
    insert_call,
    prune_some,
    update_call,
)
from openclaw_voice_call.store.writer import Connect, GroupWriter

T = TypeVar("T")

READERS = 2


class SqliteCallStore(CallStore):
    """One file, written by one thread of this process; other processes may read it.

    Made with `await SqliteCallStore.connect(folder)`.
    """

    def __init__(self, path: Path, writer: GroupWriter) -> None:
        self.path = path
        self._writer = writer
        self._reader_threads = ThreadPoolExecutor(READERS, thread_name_prefix="call-journal-read")
        self._readers: queue.SimpleQueue[JournalReader | None] = queue.SimpleQueue()
        for _ in range(READERS):
            self._readers.put(None)

    @classmethod
    async def connect(cls, folder: Path, *, connect: Connect | None = None) -> SqliteCallStore:
        """Open or create `<folder>/calls.db`. Raises JournalTooNew, JournalRefused.

        `connect` replaces how the writer's connection is made.
        """
        path = folder / FILE_NAME
        writer = GroupWriter(connect or partial(connect_writer, path))
        await writer.start()
        return cls(path, writer)

    @property
    def groups(self) -> int:
        """Transactions written so far."""
        return self._writer.groups

    def open(
        self, record: CallRecord, facts: Sequence[Fact], *, at: float, max_live: int | None
    ) -> Future[None]:
        rows = encode_rows(facts, at, None)
        return self._writer.submit(
            partial(insert_call, record, encode_record(record), rows, max_live)
        )

    def commit(
        self,
        record: CallRecord,
        facts: Sequence[Fact],
        *,
        at: float,
        occurrence: str | None = None,
    ) -> Future[None]:
        rows = encode_rows(facts, at, occurrence)
        return self._writer.submit(partial(update_call, record, encode_record(record), rows))

    def add_ended(self, record: CallRecord, facts: Sequence[StoredFact]) -> Future[bool]:
        """Insert a call of the past; False, and nothing is stored, if its id is known already.

        A carrier's id that belongs to another call already stays there.
        """
        rows = [event_row(stored.fact, stored.at, None) for stored in facts]
        return self._writer.submit(partial(add_past_call, record, encode_record(record), rows))

    async def load(self, call_id: CallId) -> CallRecord | None:
        return await self._read(lambda reader: reader.by_id(call_id))

    async def find(self, carrier: str, carrier_call_id: CarrierCallId) -> CallId | None:
        return await self._read(lambda reader: reader.find(carrier, carrier_call_id))

    async def live(self) -> Sequence[CallRecord]:
        return await self._read(JournalReader.live)

    async def recent(self, limit: int) -> Sequence[CallRecord]:
        return await self._read(lambda reader: reader.recent(limit))

    async def facts(self, call_id: CallId) -> Sequence[StoredFact]:
        return await self._read(lambda reader: reader.facts(call_id))

    async def prune(self, before: float) -> int:
        """As the interface says; a call's facts are dropped all together, some calls at a time."""
        dropped = 0
        while True:
            calls, facts = await self._writer.submit(partial(prune_some, before))
            dropped += facts
            if calls < PRUNE_BATCH:
                return dropped

    async def close(self) -> None:
        await self._writer.close()
        loop = asyncio.get_running_loop()
        await asyncio.wait({loop.run_in_executor(None, self._close_readers)}, timeout=5.0)

    async def _read(self, query: Callable[[JournalReader], T]) -> T:
        """Raises JournalUnreadable, JournalTooNew."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader_threads, self._query, query)

    def _query(self, query: Callable[[JournalReader], T]) -> T:
        # There are as many places as threads, so this does not wait.
        reader = self._readers.get()
        try:
            if reader is None:
                reader = open_reader(self.path)
            return query(reader)
        finally:
            self._readers.put(reader)

    def _close_readers(self) -> None:
        self._reader_threads.shutdown()
        while not self._readers.empty():
            reader = self._readers.get()
            if reader is not None:
                reader.close()
