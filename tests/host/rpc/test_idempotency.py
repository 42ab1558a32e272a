"""A repeated key has one effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from openclaw.errors import RpcError
from openclaw.rpc.idempotency import IdempotencyCache


class Work:
    """Counts how often it was done; finishes when told to."""

    def __init__(self, error: RpcError | None = None) -> None:
        self.done = 0
        self.error = error
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> object:
        self.done += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {"callId": f"call-{self.done}"}


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def cache(time: Time) -> AsyncGenerator[IdempotencyCache]:
    made = IdempotencyCache(ttl=300, max_entries=2, clock=time)
    yield made
    await made.aclose()


async def test_a_repeat_gets_the_first_outcome_for_five_minutes(
    cache: IdempotencyCache, time: Time
) -> None:
    work = Work()
    first = await cache.run("initiate", "k", {"to": "+15550001111"}, work)
    time.now = 299.0
    assert await cache.run("initiate", "k", {"to": "+15550001111"}, work) == first
    time.now = 301.0
    assert await cache.run("initiate", "k", {"to": "+15550001111"}, work) != first


async def test_repeats_at_the_same_time_share_one_run(cache: IdempotencyCache) -> None:
    work = Work()
    work.go.clear()
    async with asyncio.TaskGroup() as tasks:
        runs = [tasks.create_task(cache.run("initiate", "k", {}, work)) for _ in range(5)]
        await asyncio.sleep(0)
        work.go.set()
    assert {str(run.result()) for run in runs} == {"{'callId': 'call-1'}"}
    assert work.done == 1


async def test_a_cancelled_waiter_does_not_undo_the_work(cache: IdempotencyCache) -> None:
    work = Work()
    work.go.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await cache.run("initiate", "k", {}, work)
    work.go.set()
    assert await cache.run("initiate", "k", {}, work) == {"callId": "call-1"}
    assert work.done == 1


async def test_a_refusal_is_an_outcome(cache: IdempotencyCache) -> None:
    work = Work(RpcError("UNAVAILABLE", "outcome unknown"))
    for _ in range(2):
        with pytest.raises(RpcError, match="outcome unknown"):
            await cache.run("initiate", "k", {}, work)
    assert work.done == 1


async def test_a_retryable_refusal_is_forgotten(cache: IdempotencyCache) -> None:
    work = Work(RpcError("UNAVAILABLE", "busy", retryable=True))
    for _ in range(2):
        with pytest.raises(RpcError, match="busy"):
            await cache.run("initiate", "k", {}, work)
    assert work.done == 2


async def test_a_key_belongs_to_its_method_and_parameters(cache: IdempotencyCache) -> None:
    work = Work()
    first = await cache.run("initiate", "k", {"to": "+15550001111"}, work)
    assert await cache.run("speak", "k", {"to": "+15550001111"}, work) != first
    with pytest.raises(RpcError, match="already used with other parameters"):
        await cache.run("initiate", "k", {"to": "+15550002222"}, work)


async def test_the_cache_is_bounded_and_never_forgets_what_runs(cache: IdempotencyCache) -> None:
    work = Work()
    for key in "abc":
        await cache.run("initiate", key, {}, work)
    assert await cache.run("initiate", "c", {}, work) == {"callId": "call-3"}
    work.go.clear()
    async with asyncio.TaskGroup() as tasks:
        for key in "de":
            tasks.create_task(cache.run("initiate", key, {}, work))
        await asyncio.sleep(0)
        with pytest.raises(RpcError, match="too many requests in progress"):
            await cache.run("initiate", "f", {}, work)
        work.go.set()
