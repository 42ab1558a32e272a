"""What is written, as SQL: each function is one write of the journal's thread.

They run inside a savepoint under the write lock, so what is read here cannot change meanwhile.
They raise VoiceCallError to be undone, and let sqlite3.Error through when the disk fails.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId, CarrierCallId
from openclaw_voice_call.errors import AtCapacity, Conflict

PRUNE_BATCH = 20
"""Calls whose facts are dropped in one transaction (a call has some dozens of facts)."""

LIVE_COUNT = "SELECT count(*) FROM calls WHERE live = 1"
CALL_ROW = "SELECT id, version, last_seq, carrier_call_id FROM calls WHERE call_id = ?"
INSERT_CALL = """
    INSERT INTO calls (call_id, version, live, carrier, carrier_call_id, opened_at, ended_at,
                       next_due, last_seq, record)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
UPDATE_LIVE = """
    UPDATE calls SET version = ?, carrier_call_id = ?, next_due = ?, last_seq = ?, record = ?
    WHERE id = ?
"""
# Apart from the other one, so that writes of live calls leave the indices on `live` alone.
UPDATE_ENDED = """
    UPDATE calls SET version = ?, carrier_call_id = ?, next_due = ?, last_seq = ?, record = ?,
                     live = 0, ended_at = ?
    WHERE id = ?
"""
INSERT_NAME = """
    INSERT INTO names (carrier_call_id, carrier, call_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING
"""
INSERT_EVENT = """
    INSERT INTO events (call, seq, at, kind, occurrence, body) VALUES (?, ?, ?, ?, ?, ?)
"""
NAME_OWNER = "SELECT call_id FROM names WHERE carrier_call_id = ? AND carrier = ?"
PRUNABLE = """
    SELECT id FROM calls WHERE live = 0 AND pruned = 0 AND ended_at < ?
    ORDER BY ended_at LIMIT ?
"""
DROP_FACTS = "DELETE FROM events WHERE call = ?"
MARK_PRUNED = "UPDATE calls SET pruned = 1 WHERE id = ?"

_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct, frozen=True):
    """A row of `events` to be: `body` is None for a mere occurrence."""

    at: float
    kind: str
    occurrence: str | None
    body: str | None


def event_row(fact: Fact, at: float, occurrence: str | None) -> Row:
    kind = str(type(fact).__struct_config__.tag)
    return Row(at, kind, occurrence, _encode(fact).decode())


def encode_rows(facts: Sequence[Fact], at: float, occurrence: str | None) -> Sequence[Row]:
    """The occurrence goes with the first fact; without one it gets a row of its own."""
    if not facts and occurrence is not None:
        return [Row(at, "occurrence", occurrence, None)]
    return [event_row(fact, at, None if n else occurrence) for n, fact in enumerate(facts)]


def encode_record(record: CallRecord) -> str:
    return _encode(record).decode()


def insert_call(
    record: CallRecord,
    text: str,
    rows: Sequence[Row],
    max_live: int | None,
    db: sqlite3.Connection,
) -> None:
    """Raises Conflict before AtCapacity: who is known already takes no further place."""
    if record.carrier_call_id is not None:
        _claim_name(db, record, record.carrier_call_id)
    call = _insert_row(db, record, text, len(rows))
    # The new call counts itself.
    if max_live is not None and record.live:
        (live,) = db.execute(LIVE_COUNT).fetchone()
        if live > max_live:
            raise AtCapacity(max_live)
    _insert_events(db, record.call_id, call, 0, rows)


def add_past_call(
    record: CallRecord, text: str, rows: Sequence[Row], db: sqlite3.Connection
) -> bool:
    try:
        call = _insert_row(db, record, text, len(rows))
    except Conflict:
        return False
    if record.carrier_call_id is not None:
        db.execute(INSERT_NAME, (record.carrier_call_id, record.carrier, record.call_id))
    _insert_events(db, record.call_id, call, 0, rows)
    return True


def _insert_row(db: sqlite3.Connection, record: CallRecord, text: str, last_seq: int) -> int:
    values = (
        record.call_id,
        record.version,
        record.live,
        record.carrier,
        record.carrier_call_id,
        record.opened_at,
        record.ended_at,
        record.next_due,
        last_seq,
        text,
    )
    try:
        call = db.execute(INSERT_CALL, values).lastrowid
    except sqlite3.IntegrityError as exc:
        raise Conflict(record.call_id) from exc
    assert call is not None
    return call


def update_call(record: CallRecord, text: str, rows: Sequence[Row], db: sqlite3.Connection) -> None:
    found = db.execute(CALL_ROW, (record.call_id,)).fetchone()
    if found is None or found[1] != record.version - 1:
        raise Conflict(record.call_id)
    call, _, seq, carrier_call_id = found
    if record.carrier_call_id is not None and record.carrier_call_id != carrier_call_id:
        _claim_name(db, record, record.carrier_call_id)
    values = (record.version, record.carrier_call_id, record.next_due, seq + len(rows), text)
    if record.live:
        db.execute(UPDATE_LIVE, (*values, call))
    else:
        db.execute(UPDATE_ENDED, (*values, record.ended_at, call))
    _insert_events(db, record.call_id, call, seq, rows)


def _claim_name(db: sqlite3.Connection, record: CallRecord, name: CarrierCallId) -> None:
    if db.execute(INSERT_NAME, (name, record.carrier, record.call_id)).rowcount:
        return
    (owner,) = db.execute(NAME_OWNER, (name, record.carrier)).fetchone()
    if owner != record.call_id:
        raise Conflict(owner)


def _insert_events(
    db: sqlite3.Connection, call_id: CallId, call: int, seq: int, rows: Sequence[Row]
) -> None:
    values = [
        (call, number, row.at, row.kind, row.occurrence, row.body)
        for number, row in enumerate(rows, seq + 1)
    ]
    try:
        db.executemany(INSERT_EVENT, values)
    except sqlite3.IntegrityError as exc:
        raise Conflict(call_id) from exc


def prune_some(before: float, db: sqlite3.Connection) -> tuple[int, int]:
    """How many calls were pruned, and how many facts that were."""
    calls: list[tuple[int]] = db.execute(PRUNABLE, (before, PRUNE_BATCH)).fetchall()
    facts = 0
    for call in calls:
        facts += db.execute(DROP_FACTS, call).rowcount
        db.execute(MARK_PRUNED, call)
    return len(calls), facts
