"""An API that refuses, fails, hangs or loses answers: nothing is dialled twice, nobody waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.errors import CarrierRefused
from tests.contract.bench import Bench, company, leaves_after, transcript
from tests.contract.clock import FastClock
from tests.contract.network import THEIRS, Company
from tests.contract.networks import COMPANIES
from tests.emulators.faults import Disconnect, Fail, Hang, LoseAnswer, RestFault
from tests.emulators.people import Person

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)

TALK = [("bot", "Hello."), ("user", "First."), ("bot", "You said: First.")]


async def talks(here: Bench[Company]) -> None:
    """A whole conversation is had over one leg."""
    record = await here.ended(await here.call())
    assert record["state"] == "hangup-user"
    assert transcript(record) == TALK
    assert await here.heard() == ["Hello.", "You said: First."]
    assert len(here.network.legs) == 1


@pytest.mark.scenario("F57")
async def test_a_dial_that_is_refused_fails_at_once_and_frees_the_line(
    carrier: str, tmp_path: Path
) -> None:
    people = {THEIRS: leaves_after("First.")}
    async with company(carrier, tmp_path, people, maxConcurrentCalls=1) as here:
        here.network.spoil_api(Fail(403, message="Not allowed to call there"), "dial", times=1)
        with pytest.raises(CarrierRefused):
            await here.call()
        assert here.network.asked("dial") == 1
        [failed] = await here.service.calls()
        assert failed["state"] == "failed"
        await talks(here)


@pytest.mark.parametrize(
    "fault",
    [Fail(500), Fail(503), Fail(504), Disconnect()],
    ids=["500", "503", "504", "cut"],
)
@pytest.mark.scenario("F57")
async def test_a_dial_that_fails_once_makes_one_leg_at_most(
    carrier: str, tmp_path: Path, fault: RestFault
) -> None:
    """A carrier that knows a repeated request may be asked again; no other one is."""
    callee = leaves_after("First.")
    async with company(
        carrier,
        tmp_path,
        {THEIRS: callee},
        clock=FastClock(),
        ringTimeoutMs=5000,
        maxConcurrentCalls=1,
    ) as here:
        here.network.spoil_api(fault, "dial", times=1)
        try:
            call = await here.call()
        except CarrierRefused:
            [record] = await here.service.calls()
        else:
            record = await here.ended(call)
        assert len(here.network.legs) <= 1
        if here.network.legs:
            assert transcript(record) == TALK
        else:
            assert record["state"] == "failed"
            assert here.network.asked("dial") == 1


@pytest.mark.parametrize("lost", [LoseAnswer(), LoseAnswer(hang=True)], ids=["cut", "hangs"])
@pytest.mark.scenario("F57")
async def test_a_dial_whose_answer_is_lost_is_one_call(
    carrier: str, tmp_path: Path, lost: RestFault
) -> None:
    async with company(
        carrier, tmp_path, {THEIRS: leaves_after("First.")}, clock=FastClock()
    ) as here:
        here.network.spoil_api(lost, "dial", times=1)
        await talks(here)


@pytest.mark.scenario("F57")
async def test_a_dial_whose_answer_and_events_are_late_is_looked_up(
    carrier: str, tmp_path: Path
) -> None:
    async with company(carrier, tmp_path, {THEIRS: Person()}, clock=FastClock(), speed=1) as here:
        here.network.hold()
        here.network.spoil_api(LoseAnswer(), "dial")
        call = await here.call()
        record = await here.wait(call, lambda seen: "providerCallId" in seen)
        [leg] = here.network.legs
        assert record.get("providerCallId") == leg.id
        here.network.behave()


@pytest.mark.scenario("F57")
async def test_an_api_that_does_not_answer_holds_no_line_for_ever(
    carrier: str, tmp_path: Path
) -> None:
    callee = leaves_after("First.")
    async with company(
        carrier,
        tmp_path,
        {THEIRS: callee},
        clock=FastClock(),
        ringTimeoutMs=20_000,
        maxConcurrentCalls=1,
    ) as here:
        here.network.spoil_api(Hang(0.1), "dial")
        try:
            call = await here.call()
        except CarrierRefused:
            [record] = await here.service.calls()
        else:
            record = await here.ended(call)
        assert record["state"] == "failed"
        assert here.network.legs == []
        here.network.behave()
        await talks(here)


@pytest.mark.parametrize(
    "fault", [Fail(500), Fail(429), Disconnect(), LoseAnswer()], ids=["500", "429", "cut", "lost"]
)
@pytest.mark.scenario("F7")
async def test_a_conversation_survives_an_api_that_fails_now_and_then(
    carrier: str, tmp_path: Path, fault: RestFault
) -> None:
    """What is asked in a call has its effect once."""
    async with company(carrier, tmp_path, {THEIRS: leaves_after("First.")}) as here:
        here.network.spoil_api(fault, "other", times=2)
        await talks(here)
