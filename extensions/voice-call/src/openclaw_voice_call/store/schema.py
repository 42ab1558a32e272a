"""The journal's file: where it is, what is in it, and how a connection to it is made.

Three tables. `calls` holds the current record of each call, `events` its facts and the
occurrences that were taken in, `names` the carriers' ids. `events.call` is the row number in
`calls`: the entries of the calls that are up lie side by side in both indices, so that a write
touches the same few pages however many calls were before.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from openclaw_voice_call.errors import JournalRefused, JournalTooNew

FOLDER_NAME = "voice-calls"
"""In the state folder, unless the configuration names another folder."""
FILE_NAME = "calls.db"
BUSY_TIMEOUT_S = 2.0
CACHE_KIB = 8192
WAL_LIMIT_BYTES = 64 * 1024 * 1024

_FIRST: tuple[str, ...] = (
    """
    CREATE TABLE calls (
        id              INTEGER PRIMARY KEY,
        call_id         TEXT NOT NULL UNIQUE,
        version         INTEGER NOT NULL,
        live            INTEGER NOT NULL,
        carrier         TEXT NOT NULL,
        carrier_call_id TEXT,
        opened_at       REAL NOT NULL,
        ended_at        REAL,
        next_due        REAL,
        last_seq        INTEGER NOT NULL,
        pruned          INTEGER NOT NULL DEFAULT 0,
        record          TEXT NOT NULL
    )
    """,
    "CREATE INDEX calls_live ON calls (opened_at) WHERE live = 1",
    "CREATE INDEX calls_recent ON calls (opened_at)",
    "CREATE INDEX calls_prunable ON calls (ended_at) WHERE live = 0 AND pruned = 0",
    # A row without a body marks an occurrence that changed nothing but must not count twice.
    """
    CREATE TABLE events (
        id         INTEGER PRIMARY KEY,
        call       INTEGER NOT NULL REFERENCES calls (id),
        seq        INTEGER NOT NULL,
        at         REAL NOT NULL,
        kind       TEXT NOT NULL,
        occurrence TEXT,
        body       TEXT
    )
    """,
    "CREATE UNIQUE INDEX events_seq ON events (call, seq)",
    """
    CREATE UNIQUE INDEX events_occurrence ON events (call, occurrence)
    WHERE occurrence IS NOT NULL
    """,
    """
    CREATE TABLE names (
        carrier_call_id TEXT NOT NULL,
        carrier         TEXT NOT NULL,
        call_id         TEXT NOT NULL,
        PRIMARY KEY (carrier_call_id, carrier)
    ) WITHOUT ROWID
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
"""Step n takes a file from version n to n + 1; `user_version` counts the steps taken."""

VERSION = len(MIGRATIONS)


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the journal for writing; make or upgrade it where needed.

    The folder is created with mode 700, the file with 600. Raises JournalTooNew, JournalRefused,
    sqlite3.Error.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise JournalRefused(f"{path}: {exc.strerror}") from exc
    db = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # FULL reaches the disk at each commit; macOS needs fullfsync to get past its drive cache.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing journal for reading. Raises JournalTooNew, sqlite3.Error."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        check_version(db)
    except BaseException:
        db.close()
        raise
    return db


def check_version(db: sqlite3.Connection) -> int:
    """The file's version. Raises JournalTooNew."""
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise JournalTooNew(found, VERSION)
    return found


def migrate(db: sqlite3.Connection) -> None:
    """Bring the file to `VERSION`, all steps or none. Raises JournalTooNew, sqlite3.Error."""
    if check_version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: another process may have been faster.
        for step in MIGRATIONS[check_version(db) :]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
