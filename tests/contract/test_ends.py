"""Every way in which a call ends has its name, and its leg is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import AtCapacity, CallEnded
from tests.contract.bench import Bench, bench, company, words
from tests.contract.clock import FastClock
from tests.contract.network import OTHERS, THEIRS, Company
from tests.contract.networks import COMPANIES, NETWORKS
from tests.emulators.faults import Fail, LoseAnswer
from tests.emulators.people import HangsUp, Person


@pytest.mark.parametrize("carrier", NETWORKS)
@pytest.mark.parametrize(
    ("outcome", "state"), [("busy", "busy"), ("declines", "busy"), ("no answer", "no-answer")]
)
@pytest.mark.scenario("F52")
async def test_calls_that_nobody_takes_end_for_their_reason(
    carrier: str, tmp_path: Path, outcome: str, state: str
) -> None:
    people = {
        "busy": Person(outcome="busy"),
        "declines": Person(outcome="declines"),
        "no answer": Person(answers_after=None),
    }
    callees = {THEIRS: people[outcome], OTHERS: Person()}
    async with bench(
        carrier, tmp_path, callees, speed=100, ringTimeoutMs=2000, maxConcurrentCalls=1
    ) as here:
        record = await here.ended(await here.call())
        assert (record["state"], record.get("endReason")) == (state, state)
        assert "answeredAt" not in record
        assert await here.heard() == []
        # The line is free again.
        call = await here.call("Hello.", Mode.NOTIFY, to=OTHERS)
        assert (await here.ended(call))["state"] == "completed"


@pytest.mark.parametrize("carrier", COMPANIES)
async def test_a_number_that_does_not_exist_fails(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, {THEIRS: Person(outcome="failed")}) as here:
        record = await here.ended(await here.call())
        assert record["state"] == "failed"
        assert "endDetail" in record["metadata"], "what the carrier said is kept"


@pytest.mark.parametrize("carrier", NETWORKS)
async def test_we_hang_up_at_once(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: Person()}, maxConcurrentCalls=1) as here:
        call = await here.call("This is a long story that nobody will hear to its very end.")
        await here.wait_state(call, "speaking")
        with pytest.raises(AtCapacity):
            await here.call()
        await here.service.end(call, at_once=True)
        record = await here.ended(call)
        assert record["state"] == "hangup-bot"
        assert words(record, "bot") == []
        assert await here.heard() == []
        with pytest.raises(CallEnded):
            await here.service.speak(call, "Anybody?")


@pytest.mark.parametrize("carrier", COMPANIES)
async def test_a_ringing_call_is_taken_back(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, {THEIRS: Person(answers_after=None)}, speed=1) as here:
        call = await here.call()
        await here.wait_state(call, "ringing")
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"
        await here.network.until(lambda: here.network.legs[0].over, "the leg is down")
        [leg] = here.network.legs
        assert not leg.answered
        assert leg.ended_by == "gateway"


@pytest.mark.parametrize("carrier", NETWORKS)
@pytest.mark.scenario("F71")
async def test_the_longest_duration_ends_a_call(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: Person()}, maxDurationSeconds=1) as here:
        assert (await here.ended(await here.call()))["state"] == "timeout"


@pytest.mark.parametrize("carrier", NETWORKS)
async def test_the_other_party_hangs_up(carrier: str, tmp_path: Path) -> None:
    callee = Person(hangs_up=HangsUp(after_hearing="Hello", delay=15.0))
    async with bench(carrier, tmp_path, {THEIRS: callee}) as here:
        record = await here.ended(await here.call())
        assert record["state"] == "hangup-user"
        found = await here.service.status(record["callId"])
        assert found == await here.service.status(record.get("providerCallId", ""))


async def talking(here: Bench[Company]) -> str:
    call = await here.call()
    await here.wait_state(call, "listening")
    return call


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F64")
async def test_hanging_up_is_tried_until_it_is_done(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, {THEIRS: Person()}, clock=FastClock()) as here:
        call = await talking(here)
        here.network.spoil_api(Fail(502), "hang up", times=3)
        # Documents could end the call too.
        here.network.hold()
        await here.service.end(call)
        record = await here.ended(call)
        assert record["state"] == "hangup-bot"
        await here.network.until(lambda: here.network.legs[0].over, "the leg is down")
        assert here.network.legs[0].ended_by == "gateway"
        assert here.network.asked("hang up") >= 4


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F64")
async def test_a_hang_up_whose_answer_is_lost_is_one(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, {THEIRS: Person()}) as here:
        call = await talking(here)
        here.network.spoil_api(LoseAnswer(), "hang up", times=1)
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"
        await here.network.until(lambda: here.network.legs[0].over, "the leg is down")


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F68")
async def test_a_gateway_that_stops_leaves_no_leg_behind(carrier: str, tmp_path: Path) -> None:
    people = {THEIRS: Person(), OTHERS: Person(answers_after=None)}
    async with company(carrier, tmp_path, people, speed=20) as here:
        await talking(here)
        ringing = await here.call(to=OTHERS)
        await here.wait_state(ringing, "ringing")
        here.rig.api.restarting = False
        network = here.network
        assert [leg.over for leg in network.legs] == [False, False]
    assert [leg.over for leg in network.legs] == [True, True]
