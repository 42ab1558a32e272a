"""The command line reads the journal beside, and without, a gateway."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from openclaw_voice_call.call.facts import Ended, Opened, ReplyAsked
from openclaw_voice_call.call.types import CallId, Direction, EndReason, Mode
from openclaw_voice_call.errors import JournalTooNew, JournalUnreadable
from openclaw_voice_call.store import reader as reading
from openclaw_voice_call.store import statements
from openclaw_voice_call.store.reader import open_reader
from openclaw_voice_call.store.schema import VERSION, connect_reader, connect_writer
from openclaw_voice_call.store.sqlite import SqliteCallStore
from tests.voice_call.store.calls import a_call, after, ended

OPENED = Opened(Direction.OUTBOUND, Mode.CONVERSATION)


async def test_a_call_is_found_by_our_id_and_by_the_carriers(store: SqliteCallStore) -> None:
    record = a_call("call-1", carrier_call_id="CA1")
    await store.open(record, [OPENED], at=1.0, max_live=None)
    with open_reader(store.path) as reader:
        assert reader.load("call-1") == record
        assert reader.load("CA1") == record
        assert reader.load("CA2") is None
        assert reader.recent(5) == [record]
        assert [each.fact for each in reader.facts(CallId("call-1"))] == [OPENED]


async def test_what_is_written_meanwhile_is_followed(store: SqliteCallStore) -> None:
    first, second = a_call("call-1"), a_call("call-2")
    await store.open(first, [OPENED], at=1.0, max_live=None)
    with open_reader(store.path) as reader:
        row = reader.last_row()
        assert reader.follow(row) == []
        await store.open(second, [OPENED], at=2.0, max_live=None)
        await store.commit(after(first), [], at=3.0, occurrence="event-1")
        await store.commit(after(after(first)), [ReplyAsked(1), ReplyAsked(2)], at=3.0)
        new = reader.follow(row)
        assert [(each.call_id, each.stored.at, each.stored.fact) for each in new] == [
            ("call-2", 2.0, OPENED),
            ("call-1", 3.0, ReplyAsked(1)),
            ("call-1", 3.0, ReplyAsked(2)),
        ]
        assert reader.follow(row, limit=2) == new[:2]
        assert reader.follow(new[1].row) == new[2:]
        assert reader.last_row() == new[-1].row


async def test_the_journal_of_a_stopped_gateway_is_read(tmp_path: Path) -> None:
    store = await SqliteCallStore.connect(tmp_path)
    record = a_call()
    await store.open(record, [OPENED], at=1.0, max_live=None)
    over = ended(record)
    await store.commit(over, [Ended(EndReason.COMPLETED)], at=2.0)
    await store.close()
    with open_reader(tmp_path / "calls.db") as reader:
        assert reader.recent(1) == [over]
        assert reader.live() == []


def test_a_missing_or_newer_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with pytest.raises(JournalUnreadable, match=r"there is no file .*calls\.db"):
        open_reader(path)
    assert not path.exists()
    db = connect_writer(path)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(JournalTooNew):
        open_reader(path)


def test_a_row_of_another_form_is_reported_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    db = connect_writer(path)
    db.execute(
        "INSERT INTO calls (call_id, version, live, carrier, opened_at, last_seq, record)"
        " VALUES ('call-1', 1, 1, 'twilio', 1.0, 0, '{}')"
    )
    db.close()
    with open_reader(path) as reader, pytest.raises(JournalUnreadable, match="call_id"):
        reader.load("call-1")


def test_reading_imports_nothing_heavy() -> None:
    script = (
        "import sys, openclaw_voice_call.store.reader;"
        "print([m for m in ('aiohttp', 'pydantic', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "sql",
    [
        reading.RECORD_BY_ID,
        reading.RECORD_BY_NAME,
        reading.CALL_ID_BY_NAME,
        reading.LIVE,
        reading.RECENT,
        reading.FACTS,
        reading.FOLLOW,
        statements.CALL_ROW,
        statements.LIVE_COUNT,
        statements.UPDATE_LIVE,
        statements.UPDATE_ENDED,
        statements.NAME_OWNER,
        statements.PRUNABLE,
        statements.DROP_FACTS,
        statements.MARK_PRUNED,
    ],
)
def test_no_statement_looks_at_all_past_calls(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "calls.db"
    connect_writer(path).close()
    db = connect_reader(path)
    plan = [
        str(row[3])
        for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?")).fetchall()
    ]
    db.close()
    assert plan
    for step in plan:
        assert "B-TREE" not in step, plan
        # A scan is bounded only in an index that holds live calls alone, or by a LIMIT on it.
        bounded = "calls_live" in step or (sql is reading.RECENT and "calls_recent" in step)
        assert step.startswith("SEARCH") or bounded, plan


def test_a_commit_costs_the_same_after_ten_thousand_calls(tmp_path: Path) -> None:
    """Counted in steps of SQLite's virtual machine, which no noise of the machine can change."""
    path = tmp_path / "calls.db"
    db = connect_writer(path)
    early = steps_of_a_commit(db, "early")
    db.execute("BEGIN")
    for n in range(10_000):
        statements.add_past_call(
            ended(a_call(f"past-{n}")),
            "{}",
            [statements.event_row(ReplyAsked(1), 1.0, None)],
            db,
        )
    db.execute("COMMIT")
    late = steps_of_a_commit(db, "late")
    db.close()
    assert late <= early + 2


def steps_of_a_commit(db: sqlite3.Connection, name: str) -> int:
    opened = a_call(name)
    statements.insert_call(opened, "{}", [], None, db)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    db.set_progress_handler(count, 1)
    rows = [statements.event_row(ReplyAsked(1), 1.0, "event-1")]
    statements.update_call(after(opened), "{}", rows, db)
    db.set_progress_handler(None, 1)
    return steps
