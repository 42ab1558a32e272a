"""Reading the journal, synchronously: for the command line without a gateway, and for the store.

Light on purpose (no aiohttp, no pydantic), because it is imported by every `voicecall status`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from openclaw_voice_call.call.facts import Fact, StoredFact
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.errors import JournalUnreadable
from openclaw_voice_call.store.schema import connect_reader

T = TypeVar("T")

RECORD_BY_ID = "SELECT record FROM calls WHERE call_id = ?"
RECORD_BY_NAME = """
    SELECT calls.record FROM names JOIN calls ON calls.call_id = names.call_id
    WHERE names.carrier_call_id = ?
"""
CALL_ID_BY_NAME = "SELECT call_id FROM names WHERE carrier_call_id = ? AND carrier = ?"
LIVE = "SELECT record FROM calls WHERE live = 1 ORDER BY opened_at, id"
RECENT = "SELECT record FROM calls ORDER BY opened_at DESC, id DESC LIMIT ?"
FACTS = """
    SELECT events.seq, events.at, events.body FROM calls JOIN events ON events.call = calls.id
    WHERE calls.call_id = ? AND events.body IS NOT NULL ORDER BY events.seq
"""
FOLLOW = """
    SELECT events.id, calls.call_id, events.seq, events.at, events.body
    FROM events JOIN calls ON calls.id = events.call
    WHERE events.id > ? AND events.body IS NOT NULL ORDER BY events.id LIMIT ?
"""
LAST_ROW = "SELECT max(id) FROM events"

_record = msgspec.json.Decoder(CallRecord)
_fact: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


class FollowedFact(msgspec.Struct, frozen=True):
    """A fact of any call; `row` counts up over all calls in the order of writing."""

    row: int
    call_id: CallId
    stored: StoredFact


def open_reader(path: Path) -> JournalReader:
    """Open the journal file at `path` for reading, whether or not a gateway is writing it.

    Raises JournalUnreadable, JournalTooNew.
    """
    if not path.is_file():
        raise JournalUnreadable(f"there is no file {path}")
    try:
        return JournalReader(connect_reader(path))
    except sqlite3.Error as exc:
        raise JournalUnreadable(str(exc)) from exc


class JournalReader:
    """Every method raises JournalUnreadable. Not for use by two threads at the same time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, name: str) -> CallRecord | None:
        """The newest record of the call with this id, be it ours or a carrier's."""
        return self.by_id(CallId(name)) or self._first(RECORD_BY_NAME, name)

    def by_id(self, call_id: CallId) -> CallRecord | None:
        return self._first(RECORD_BY_ID, call_id)

    def find(self, carrier: str, carrier_call_id: str) -> CallId | None:
        """The call that a carrier knows by this id."""
        rows: list[tuple[str]] = self._rows(CALL_ID_BY_NAME, carrier_call_id, carrier)
        return CallId(rows[0][0]) if rows else None

    def live(self) -> Sequence[CallRecord]:
        """All calls that are not ended, oldest first."""
        return self._records(LIVE)

    def recent(self, limit: int) -> Sequence[CallRecord]:
        """The newest calls, newest first."""
        return self._records(RECENT, limit)

    def facts(self, call_id: CallId) -> Sequence[StoredFact]:
        """A call's facts in order."""
        rows: list[tuple[int, float, str]] = self._rows(FACTS, call_id)
        return [StoredFact(seq, at, _decode(_fact, body)) for seq, at, body in rows]

    def follow(self, after: int, limit: int = 500) -> Sequence[FollowedFact]:
        """Facts of all calls that were written after row `after`, in the order of writing."""
        rows: list[tuple[int, str, int, float, str]] = self._rows(FOLLOW, after, limit)
        return [
            FollowedFact(row, CallId(call_id), StoredFact(seq, at, _decode(_fact, body)))
            for row, call_id, seq, at, body in rows
        ]

    def last_row(self) -> int:
        """Where `follow` starts to give only what is new. 0 for an empty journal."""
        rows: list[tuple[int | None]] = self._rows(LAST_ROW)
        return rows[0][0] or 0

    def close(self) -> None:
        self._db.close()

    def _first(self, sql: str, *params: str) -> CallRecord | None:
        records = self._records(sql, *params)
        return records[0] if records else None

    def _records(self, sql: str, *params: str | int) -> Sequence[CallRecord]:
        rows: list[tuple[str]] = self._rows(sql, *params)
        return [_decode(_record, row[0]) for row in rows]

    def _rows(self, sql: str, *params: str | int) -> list[T]:
        try:
            return self._db.execute(sql, params).fetchall()
        except sqlite3.Error as exc:
            raise JournalUnreadable(str(exc)) from exc


def _decode(decoder: msgspec.json.Decoder[T], text: str) -> T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError as exc:
        raise JournalUnreadable(f"a row does not have the form of this version: {exc}") from exc
