"""Owned background tasks, and the clock that tests move."""

from __future__ import annotations

import asyncio
import logging

import pytest

from openclaw.errors import OwnerClosed
from openclaw.tasks import Supervisor
from tests.clock import FakeClock

log = logging.getLogger(__name__)


async def test_failure_is_logged_with_the_tasks_name(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("no luck")

    owner = Supervisor("tiny", log)
    with pytest.raises(RuntimeError):
        await owner.spawn("watch", fail())
    (record,) = caplog.records
    assert vars(record)["task"] == "tiny:watch"
    assert "no luck" in caplog.text
    assert len(owner) == 0


async def test_close_cancels_and_refuses_more(caplog: pytest.LogCaptureFixture) -> None:
    clock, owner = FakeClock(), Supervisor("tiny", log)
    task = owner.spawn("watch", clock.sleep(60))
    await clock.advance(1)
    await owner.close()
    assert task.cancelled()
    with pytest.raises(OwnerClosed, match="tiny is stopping"):
        owner.spawn("late", clock.sleep(1))
    assert clock.waiting == 0


async def test_task_that_does_not_end_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    owner = Supervisor("tiny", log)
    task = owner.spawn("stubborn", stubborn())
    await asyncio.sleep(0)
    await owner.close(within=0.02)
    assert "task does not end" in caplog.text
    release.set()
    await task


async def test_clock_fires_timers_in_order_at_their_times() -> None:
    clock = FakeClock(wall=100.0, monotonic=0.0)
    story: list[tuple[str, float, float]] = []

    def note(name: str) -> None:
        story.append((name, clock.monotonic(), clock.wall()))

    async def sleeper() -> None:
        await clock.sleep(2.0)
        note("slept")
        await clock.sleep(1.0)
        note("slept again")

    owner = Supervisor("test", log)
    owner.spawn("sleeper", sleeper())
    clock.call_later(2.5, lambda: note("timer"))
    clock.call_later(2.7, lambda: note("never")).cancel()
    await clock.advance(2.9)
    assert story == [("slept", 2.0, 102.0), ("timer", 2.5, 102.5)]
    await clock.advance(0.1)
    assert story[-1] == ("slept again", 3.0, 103.0)
    assert clock.waiting == 0


async def test_clock_fires_what_is_due_at_once_without_being_moved() -> None:
    clock, fired = FakeClock(), asyncio.Event()
    clock.call_later(0, fired.set)
    await asyncio.wait_for(fired.wait(), 1)
