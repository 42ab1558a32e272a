"""The disk fails: nothing is lost that was promised, nothing is promised that is lost."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

from openclaw_voice_call.call.facts import TurnHeard
from openclaw_voice_call.errors import JournalRefused, JournalUnreadable
from openclaw_voice_call.store.reader import open_reader
from openclaw_voice_call.store.schema import connect_writer
from openclaw_voice_call.store.sqlite import SqliteCallStore
from openclaw_voice_call.store.writer import GroupWriter
from tests.voice_call.store.calls import a_call, after

LONG = [TurnHeard(1, "word " * 20_000)]


class LimitedDisk:
    """Connections to a file that may not grow beyond `pages`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages = 1 << 30

    def __call__(self) -> sqlite3.Connection:
        db = connect_writer(self.path)
        db.execute(f"PRAGMA max_page_count = {self.pages}")
        return db


async def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    disk = LimitedDisk(tmp_path / "calls.db")
    disk.pages = 20
    store = await SqliteCallStore.connect(tmp_path, connect=disk)
    opened = a_call("call-1")
    await store.open(opened, [], at=1.0, max_live=1)
    grown = after(opened, turn=1)

    for _ in range(2):
        with pytest.raises(JournalRefused, match="full"):
            await store.commit(grown, LONG, at=2.0, occurrence="event-1")
    assert await store.load(opened.call_id) == opened

    # There is room again: the same write, of the same occurrence, is not taken for a repetition.
    disk.pages = 10_000
    await store.commit(grown, LONG, at=3.0, occurrence="event-1")
    assert [each.fact for each in await store.facts(opened.call_id)] == LONG
    await store.close()


async def test_a_refused_call_takes_no_place(tmp_path: Path) -> None:
    disk = LimitedDisk(tmp_path / "calls.db")
    disk.pages = 20
    store = await SqliteCallStore.connect(tmp_path, connect=disk)
    with pytest.raises(JournalRefused):
        await store.open(a_call("call-1"), LONG, at=1.0, max_live=1)
    assert await store.live() == []
    await store.open(a_call("call-2"), [], at=1.0, max_live=1)
    await store.close()


async def test_a_locked_file_refuses_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    store = await SqliteCallStore.connect(tmp_path, connect=partial(impatient, path))
    holder = connect_writer(path)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalRefused, match="locked"):
        await store.open(a_call(), [], at=1.0, max_live=None)
    holder.execute("ROLLBACK")
    holder.close()
    await store.open(a_call(), [], at=1.0, max_live=None)
    await store.close()


def impatient(path: Path) -> sqlite3.Connection:
    db = connect_writer(path)
    db.execute("PRAGMA busy_timeout = 20")
    return db


async def test_a_file_that_cannot_grow_refuses_and_recovers(tmp_path: Path) -> None:
    # The limit is the process's, so it is set in one of its own.
    script = """
        import asyncio, resource, sys
        from pathlib import Path
        from openclaw_voice_call.errors import JournalRefused
        from openclaw_voice_call.store.sqlite import SqliteCallStore
        from tests.voice_call.store.calls import a_call, after
        from tests.voice_call.store.test_faults import LONG

        async def main():
            store = await SqliteCallStore.connect(Path(sys.argv[1]))
            opened = a_call()
            await store.open(opened, [], at=1.0, max_live=None)
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
            try:
                await store.commit(after(opened), LONG, at=2.0)
            except JournalRefused as exc:
                print(exc)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            await store.commit(after(opened), LONG, at=2.0)
            await store.close()

        asyncio.run(main())
    """
    process = await python(script, str(tmp_path))
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert out.decode().startswith("The call journal cannot be written: ")
    assert process.returncode == 0
    with open_reader(tmp_path / "calls.db") as reader:
        assert [each.stored.fact for each in reader.follow(0)] == LONG


@pytest.mark.parametrize(
    "content", [b"not a database, " * 1000, b"SQLite format 3\0" + b"\xff" * 8000]
)
async def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.db"
    path.write_bytes(content)
    with pytest.raises(JournalRefused):
        await SqliteCallStore.connect(tmp_path)
    with pytest.raises(JournalUnreadable):
        open_reader(path)
    assert path.read_bytes() == content


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalRefused, match=r"file/voice-calls/calls\.db"):
        await SqliteCallStore.connect(tmp_path / "file" / "voice-calls")


async def test_damage_while_running_refuses_and_the_process_goes_on(tmp_path: Path) -> None:
    store = await SqliteCallStore.connect(tmp_path)
    opened = a_call()
    await store.open(opened, [], at=1.0, max_live=None)
    for each in tmp_path.iterdir():
        each.write_bytes(b"\xff" * each.stat().st_size)
    # What is in the cache may still be written; what must be read cannot be.
    writes = [store.commit(after(opened, version=n), LONG, at=2.0) for n in (1, 2, 3)]
    await asyncio.wait_for(asyncio.wait(writes), 10)
    assert isinstance(writes[-1].exception(), JournalRefused)
    await store.close()


async def test_more_writes_than_may_wait_are_refused_at_once(tmp_path: Path) -> None:
    store = await SqliteCallStore.connect(tmp_path)
    writes = [store.open(a_call(f"call-{n}"), [], at=1.0, max_live=None) for n in range(4100)]
    assert [each.done() for each in writes] == [False] * 4096 + [True] * 4
    await asyncio.wait_for(asyncio.wait(writes), 20)
    refused = [each for each in writes if isinstance(each.exception(), JournalRefused)]
    assert len(refused) == 4
    assert len(await store.live()) == 4096
    await store.close()


async def test_a_defect_in_one_write_does_not_end_all_writing(tmp_path: Path) -> None:
    writer = GroupWriter(partial(connect_writer, tmp_path / "calls.db"))
    await writer.start()

    def defect(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(JournalRefused, match="ZeroDivisionError"):
        await writer.submit(defect)
    assert await writer.submit(lambda db: db.execute("SELECT 7").fetchone()) == (7,)
    await writer.close()


async def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    script = """
        import asyncio, os, sys
        from pathlib import Path
        from openclaw_voice_call.call.facts import ReplyAsked
        from openclaw_voice_call.store.sqlite import SqliteCallStore
        from tests.voice_call.store.calls import a_call, after

        async def main():
            store = await SqliteCallStore.connect(Path(sys.argv[1]))

            async def call(name):
                record = a_call(name)
                await store.open(record, [], at=1.0, max_live=None)
                while True:
                    record = after(record, turn=record.turn + 1)
                    await store.commit(record, [ReplyAsked(record.turn)], at=1.0)
                    os.write(1, f"{name} {record.turn}\\n".encode())

            async with asyncio.TaskGroup() as group:
                for n in range(8):
                    group.create_task(call(f"call-{n}"))

        asyncio.run(main())
    """
    process = await python(script, str(tmp_path))
    assert process.stdout is not None
    lines = [await asyncio.wait_for(process.stdout.readline(), 20) for _ in range(400)]
    process.send_signal(signal.SIGKILL)
    lines += (await asyncio.wait_for(process.stdout.read(), 20)).splitlines()
    await process.wait()

    acknowledged = {name: int(turn) for name, turn in (line.decode().split() for line in lines)}
    store = await SqliteCallStore.connect(tmp_path)
    records = {each.call_id: each for each in await store.live()}
    assert records.keys() == acknowledged.keys()
    for name, record in records.items():
        assert record.turn >= acknowledged[name]
        assert record.version == record.turn + 1
        assert len(await store.facts(name)) == record.turn
    await store.close()


async def python(script: str, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(script),
        *args,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
