"""What is committed is what is read; what is refused leaves no trace."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_voice_call.call.facts import (
    Answered,
    Dialled,
    Ended,
    Fact,
    Opened,
    ReplyAsked,
    TurnHeard,
)
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, EndReason, Mode
from openclaw_voice_call.errors import AtCapacity, Conflict, JournalRefused, JournalTooNew
from openclaw_voice_call.store.schema import VERSION, connect_writer
from openclaw_voice_call.store.sqlite import SqliteCallStore
from tests.voice_call.store.calls import FACTS, RECORDS, a_call, after, ended

OPENED = Opened(Direction.OUTBOUND, Mode.CONVERSATION)


async def test_the_newest_record_and_all_facts_are_read_back(store: SqliteCallStore) -> None:
    opened = a_call()
    await store.open(opened, [OPENED], at=1.0, max_live=1)
    up = after(opened, answered_at=2.0)
    await store.commit(up, [Dialled("CA1"), Answered()], at=2.0)

    assert await store.load(opened.call_id) == up
    assert [(each.seq, each.at, each.fact) for each in await store.facts(opened.call_id)] == [
        (1, 1.0, OPENED),
        (2, 2.0, Dialled("CA1")),
        (3, 2.0, Answered()),
    ]
    assert await store.load(CallId("another")) is None
    assert await store.facts(CallId("another")) == []


async def test_live_calls_are_oldest_first_and_recent_calls_newest_first(
    store: SqliteCallStore,
) -> None:
    first, second, third = (a_call(f"call-{n}", opened_at=float(n)) for n in (1, 2, 3))
    for call in (second, third, first):
        await store.open(call, [], at=1.0, max_live=None)
    over = ended(second)
    await store.commit(over, [Ended(EndReason.COMPLETED)], at=2.0)

    assert await store.live() == [first, third]
    assert await store.recent(10) == [third, over, first]
    assert await store.recent(1) == [third]


async def test_a_commit_on_an_old_version_conflicts_and_stores_nothing(
    store: SqliteCallStore,
) -> None:
    opened = a_call()
    await store.open(opened, [], at=1.0, max_live=None)
    newer = after(opened, turn=1)
    await store.commit(newer, [ReplyAsked(1)], at=2.0)

    with pytest.raises(Conflict):
        await store.commit(after(opened, turn=9), [ReplyAsked(9)], at=3.0)
    with pytest.raises(Conflict):
        await store.commit(after(after(newer)), [ReplyAsked(9)], at=3.0)
    with pytest.raises(Conflict):
        await store.commit(after(a_call("never-opened")), [], at=3.0)

    assert await store.load(opened.call_id) == newer
    assert [each.fact for each in await store.facts(opened.call_id)] == [ReplyAsked(1)]


async def test_commits_of_one_call_need_not_wait_for_each_other(store: SqliteCallStore) -> None:
    record = a_call()
    pending = [store.open(record, [], at=1.0, max_live=None)]
    for turn in range(1, 30):
        record = after(record, turn=turn)
        pending.append(store.commit(record, [ReplyAsked(turn)], at=float(turn)))
    await asyncio.wait_for(asyncio.wait(pending), 10)

    assert [each.exception() for each in pending] == [None] * 30
    facts = await store.facts(record.call_id)
    assert [(each.seq, each.fact) for each in facts] == [(n, ReplyAsked(n)) for n in range(1, 30)]


async def test_an_occurrence_counts_once_in_a_call(store: SqliteCallStore) -> None:
    opened, other = a_call("call-1"), a_call("call-2")
    await store.open(opened, [], at=1.0, max_live=None)
    await store.open(other, [], at=1.0, max_live=None)
    heard = after(opened, turn=1)
    await store.commit(heard, [TurnHeard(1, "yes"), ReplyAsked(1)], at=2.0, occurrence="event-1")
    silent = after(heard)
    await store.commit(silent, [], at=2.0, occurrence="event-2")

    for occurrence in ("event-1", "event-2"):
        for facts in ([TurnHeard(2, "yes")], []):
            with pytest.raises(Conflict):
                await store.commit(after(silent), facts, at=3.0, occurrence=occurrence)
    await store.commit(after(other), [], at=3.0, occurrence="event-1")

    assert await store.load(opened.call_id) == silent
    assert [each.fact for each in await store.facts(opened.call_id)] == [
        TurnHeard(1, "yes"),
        ReplyAsked(1),
    ]


async def test_a_carriers_id_leads_to_its_call_for_ever(store: SqliteCallStore) -> None:
    inbound = a_call("call-1", carrier_call_id="CA1")
    await store.open(inbound, [], at=1.0, max_live=None)
    outbound = a_call("call-2")
    await store.open(outbound, [], at=1.0, max_live=None)
    dialled = after(outbound, carrier_call_id=CarrierCallId("CA2"))
    await store.commit(dialled, [Dialled("CA2")], at=2.0)
    moved = after(dialled, carrier_call_id=CarrierCallId("CA3"))
    await store.commit(moved, [], at=2.0)
    await store.commit(ended(moved), [], at=3.0)

    assert await store.find("twilio", CarrierCallId("CA1")) == "call-1"
    assert await store.find("twilio", CarrierCallId("CA2")) == "call-2"
    assert await store.find("twilio", CarrierCallId("CA3")) == "call-2"
    assert await store.find("plivo", CarrierCallId("CA1")) is None
    assert await store.find("twilio", CarrierCallId("CA9")) is None


async def test_a_known_id_of_ours_or_the_carrier_cannot_be_opened_again(
    store: SqliteCallStore,
) -> None:
    first = a_call("call-1", carrier_call_id="CA1")
    await store.open(first, [OPENED], at=1.0, max_live=1)

    # At the limit of live calls too: a repeated webhook must not look like one call too many.
    for again in (a_call("call-1"), a_call("call-2", carrier_call_id="CA1")):
        with pytest.raises(Conflict):
            await store.open(again, [OPENED], at=2.0, max_live=1)
    other = a_call("call-3")
    await store.open(other, [], at=1.0, max_live=None)
    with pytest.raises(Conflict):
        await store.commit(after(other, carrier_call_id=CarrierCallId("CA1")), [], at=2.0)

    assert await store.recent(10) == [other, first]
    assert len(await store.facts(first.call_id)) == 1


async def test_never_more_live_calls_than_allowed(store: SqliteCallStore) -> None:
    calls = [a_call(f"call-{n}", carrier_call_id=f"CA{n}") for n in range(40)]
    opening = [store.open(each, [OPENED], at=1.0, max_live=7) for each in calls]
    await asyncio.wait_for(asyncio.wait(opening), 10)

    outcomes = [each.exception() for each in opening]
    assert [type(each) for each in outcomes[:7]] == [type(None)] * 7
    assert all(isinstance(each, AtCapacity) for each in outcomes[7:])
    assert await store.live() == calls[:7]
    # A refused call left nothing behind, so it can be opened when there is room.
    assert await store.find("twilio", CarrierCallId("CA30")) is None
    await store.commit(ended(calls[0]), [], at=2.0)
    await store.open(calls[30], [OPENED], at=3.0, max_live=7)
    with pytest.raises(AtCapacity, match=r"Maximum concurrent calls \(7\) reached"):
        await store.open(calls[31], [OPENED], at=3.0, max_live=7)


async def test_one_refused_write_does_not_touch_its_neighbours(store: SqliteCallStore) -> None:
    calls = [a_call(f"call-{n}") for n in range(3)]
    for each in calls:
        await store.open(each, [], at=1.0, max_live=None)
    before = store.groups
    good, bad, also_good = [
        store.commit(each, [ReplyAsked(1)], at=2.0)
        for each in (after(calls[0]), calls[1], after(calls[2]))
    ]
    await asyncio.wait_for(asyncio.wait({good, bad, also_good}), 10)

    assert store.groups == before + 1
    assert isinstance(bad.exception(), Conflict)
    assert [len(await store.facts(each.call_id)) for each in calls] == [1, 0, 1]


async def test_writes_that_come_together_share_a_transaction(store: SqliteCallStore) -> None:
    calls = [a_call(f"call-{n}") for n in range(64)]

    async def live_through(record: CallRecord) -> None:
        await store.open(record, [OPENED], at=1.0, max_live=None)
        for turn in range(1, 11):
            record = after(record, turn=turn)
            await store.commit(record, [ReplyAsked(turn)], at=2.0)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for each in calls:
            group.create_task(live_through(each))

    # 704 writes: every call waits for its own, so at best there are 11 transactions.
    assert store.groups <= 22
    assert len(await store.live()) == 64


async def test_close_writes_what_was_accepted_and_refuses_the_rest(tmp_path: Path) -> None:
    store = await SqliteCallStore.connect(tmp_path)
    accepted = [store.open(a_call(f"call-{n}"), [], at=1.0, max_live=None) for n in range(600)]
    await store.close()
    assert [each.exception() for each in accepted] == [None] * 600
    with pytest.raises(JournalRefused):
        await store.open(a_call("late"), [], at=1.0, max_live=None)

    again = await SqliteCallStore.connect(tmp_path)
    assert len(await again.live()) == 600
    await again.close()


async def test_facts_of_old_ended_calls_are_dropped_but_calls_and_names_stay(
    store: SqliteCallStore,
) -> None:
    for n in range(45):
        record = a_call(f"old-{n}", carrier_call_id=f"CA{n}")
        await store.open(record, [OPENED], at=1.0, max_live=None)
        await store.commit(ended(record, at=10.0), [Ended(EndReason.COMPLETED)], at=10.0)
    live, recent = a_call("live"), a_call("recent")
    for record in (live, recent):
        await store.open(record, [OPENED], at=1.0, max_live=None)
    await store.commit(ended(recent, at=90.0), [Ended(EndReason.COMPLETED)], at=90.0)

    assert await store.prune(before=50.0) == 90
    assert await store.prune(before=50.0) == 0
    assert await store.facts(CallId("old-7")) == []
    assert len(await store.facts(live.call_id)) == 1
    assert len(await store.facts(recent.call_id)) == 2
    assert len(await store.recent(100)) == 47
    assert await store.find("twilio", CarrierCallId("CA7")) == "old-7"


async def test_the_journal_is_for_its_owner_only(store: SqliteCallStore) -> None:
    await store.open(a_call(), [], at=1.0, max_live=None)
    folder = store.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [each.name for each in files] == ["calls.db", "calls.db-shm", "calls.db-wal"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o600] * 3


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    db = connect_writer(tmp_path / "calls.db")
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(JournalTooNew, match=f"version {VERSION + 1}, this program knows {VERSION}"):
        await SqliteCallStore.connect(tmp_path)


async def test_any_record_and_any_facts_survive(tmp_path: Path) -> None:
    store = await SqliteCallStore.connect(tmp_path)
    seen = 0

    async def survives(record: CallRecord, facts: list[Fact]) -> None:
        nonlocal seen
        seen += 1
        unique = after(record, version=1, call_id=f"{record.call_id}/{seen}", carrier_call_id=None)
        await store.open(unique, facts, at=1.0, max_live=None)
        assert await store.load(unique.call_id) == unique
        assert [each.fact for each in await store.facts(unique.call_id)] == facts

    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(RECORDS, st.lists(FACTS, max_size=5))
    def check(record: CallRecord, facts: list[Fact]) -> None:
        asyncio.run_coroutine_threadsafe(survives(record, facts), loop).result(10)

    await asyncio.to_thread(check)
    await store.close()
