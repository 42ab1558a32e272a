"""Calls that come in: admitted, turned away, and over without a word."""

from __future__ import annotations

from pathlib import Path
from time import time

import pytest

from tests.clock import FakeClock
from tests.contract.bench import Bench, bench, company, leaves_after, transcript, words
from tests.contract.clock import FastClock
from tests.contract.network import OTHERS, OURS, PUBLIC_URL, THEIRS, Company
from tests.contract.networks import COMPANIES, NETWORKS
from tests.emulators.faults import Drop, Repeat
from tests.emulators.people import HangsUp, Person

STRANGERS = (
    "",
    "anonymous",
    "Restricted",
    "unavailable",
    "+266696687",
    "+99915550005678",
    "5550005678",
    "0015550005678",
    "+1555000567",
    "+155500056789",
    "+15550005679",
    f"sip:{THEIRS}@example.com",
    f"{THEIRS},{OTHERS}",
    f"{THEIRS} ext 5",
)
"""None of them is the one number on the list."""


@pytest.mark.parametrize("carrier", NETWORKS)
@pytest.mark.scenario("F5")
@pytest.mark.scenario("F9", "F10", carrier="telnyx")
async def test_a_caller_who_is_admitted_is_greeted_once_and_answered(
    carrier: str, tmp_path: Path
) -> None:
    callers = {THEIRS: leaves_after("Is anybody there?")}
    async with bench(
        carrier,
        tmp_path,
        callers=callers,
        inboundPolicy="allowlist",
        allowFrom=[THEIRS],
        inboundGreeting="Good day!",
    ) as here:
        await here.network.call_in(here.service, THEIRS)
        record = await here.ended(await here.inbound())
        assert record["state"] == "hangup-user"
        assert (record["from"], record["to"]) == (THEIRS, OURS)
        assert transcript(record) == [
            ("bot", "Good day!"),
            ("user", "Is anybody there?"),
            ("bot", "You said: Is anybody there?"),
        ]
        assert [request.text for request in here.agents.asked] == ["Is anybody there?"]


@pytest.mark.parametrize("carrier", NETWORKS)
async def test_nobody_is_let_in_by_default(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, callers={THEIRS: Person(["Hello?"])}) as here:
        await here.network.call_in(here.service, THEIRS)
        await here.rig.api.published("voicecall.refused", reason="inbound calls are disabled")
        assert not [c for c in await here.service.calls() if c["direction"] == "inbound"]
        assert here.agents.asked == []


@pytest.mark.parametrize("carrier", NETWORKS)
async def test_an_unknown_caller_is_paired_and_then_let_in(carrier: str, tmp_path: Path) -> None:
    callers = {THEIRS: leaves_after("It is me.")}
    async with bench(carrier, tmp_path, callers=callers, inboundPolicy="pairing") as here:
        await here.network.call_in(here.service, THEIRS)
        first = await here.ended(await here.inbound())
        [waiting] = here.service.pairing.waiting()
        assert waiting.number == THEIRS
        assert ", ".join(waiting.code) in words(first, "bot")[0]
        assert here.agents.asked == [], "no agent runs for a stranger"
        await here.service.pairing.approve(waiting.code)
        here.rig.api.events.clear()
        await here.network.call_in(here.service, THEIRS)
        second = await here.ended(await here.inbound())
        assert second["callId"] != first["callId"]
        assert words(second, "user") == ["It is me."]


async def turned_away(here: Bench[Company], shown: str | None) -> None:
    """This caller is refused without an answer, and costs no agent."""
    caller = Person(["Let me in."])
    leg = here.network.ring_in(shown, caller)
    await here.network.until(lambda: here.network.leg(leg).over, f"{shown!r} is refused")
    assert not here.network.leg(leg).answered, f"{shown!r} was answered"
    assert caller.heard == []
    assert await here.service.calls() == []
    assert here.agents.asked == []


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.parametrize("shown", ["+15550005678", "+1 555 000 5678", "+1-555-000-5678"])
@pytest.mark.scenario("A1")
async def test_the_number_on_the_list_is_let_in_however_it_is_written(
    carrier: str, tmp_path: Path, shown: str
) -> None:
    async with company(carrier, tmp_path, inboundPolicy="allowlist", allowFrom=[THEIRS]) as here:
        here.network.ring_in(shown, leaves_after("It is me."))
        assert words(await here.ended(await here.inbound()), "user") == ["It is me."]


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("A1")
async def test_only_the_whole_number_on_the_list_is_let_in(carrier: str, tmp_path: Path) -> None:
    async with company(
        carrier, tmp_path, inboundPolicy="allowlist", allowFrom=[THEIRS], maxConcurrentCalls=1
    ) as here:
        for stranger in (*STRANGERS, None):
            await turned_away(here, stranger)


@pytest.mark.parametrize("carrier", ["mock"])
@pytest.mark.scenario("A1")
async def test_only_the_whole_number_is_let_in_without_a_network(
    carrier: str, tmp_path: Path
) -> None:
    callers = {stranger: Person(["Let me in."]) for stranger in STRANGERS}
    async with bench(
        carrier, tmp_path, callers=callers, inboundPolicy="allowlist", allowFrom=[THEIRS]
    ) as here:
        for stranger in STRANGERS:
            here.rig.api.events.clear()
            await here.network.call_in(here.service, stranger)
            await here.rig.api.published("voicecall.refused")
        assert not [c for c in await here.service.calls() if c["direction"] == "inbound"]
        assert here.agents.asked == []


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("A1")
async def test_no_list_lets_withheld_numbers_in(carrier: str, tmp_path: Path) -> None:
    """An entry that is no number admits nobody, least of all those who show none."""
    async with company(
        carrier, tmp_path, inboundPolicy="pairing", allowFrom=[THEIRS], maxConcurrentCalls=1
    ) as here:
        for withheld in (None, "", "anonymous", "Restricted"):
            await turned_away(here, withheld)
        assert here.service.pairing.waiting() == []


@pytest.mark.parametrize("carrier", COMPANIES)
async def test_one_call_too_many_hears_the_busy_tone(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, inboundPolicy="open", maxConcurrentCalls=1) as here:
        first = here.network.ring_in(THEIRS, Person())
        call = await here.inbound()
        await here.wait_state(call, "listening")
        second = here.network.ring_in(OTHERS, Person())
        await here.network.until(lambda: here.network.leg(second).over, "the second is refused")
        assert here.network.leg(second).busy
        assert not here.network.leg(second).answered
        # The call that was there first goes on, and when it is over there is room again.
        assert not here.network.leg(first).over
        here.network.leave(first)
        await here.ended(call)
        here.rig.api.events.clear()
        here.network.ring_in(OTHERS, Person())
        await here.wait_state(await here.inbound(), "listening")


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("A7")
async def test_an_offer_that_comes_three_times_is_one_call(carrier: str, tmp_path: Path) -> None:
    caller = leaves_after("Is anybody there?")
    async with company(carrier, tmp_path, inboundPolicy="open") as here:
        here.network.spoil(Repeat(times=2, at_once=True), "offered")
        here.network.ring_in(THEIRS, caller)
        record = await here.ended(await here.inbound())
        assert [call["callId"] for call in await here.service.calls()] == [record["callId"]]
        assert caller.texts() == ["Hello! How can I help you?", "You said: Is anybody there?"]


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F72")
async def test_the_end_is_told_at_the_url_of_the_console(carrier: str, tmp_path: Path) -> None:
    """Numbers are configured with `?type=status` where a number can have such a URL."""
    async with company(carrier, tmp_path, inboundPolicy="open", maxConcurrentCalls=1) as here:
        leg = here.network.ring_in(THEIRS, Person())
        call = await here.inbound()
        await here.wait_state(call, "listening")
        here.network.leave(leg)
        assert (await here.ended(call))["state"] == "hangup-user"
        await here.network.until(lambda: here.network.sent("ended")[0].status is not None, "answer")
        [told] = here.network.sent("ended")
        assert told.status in {200, 204}
        assert told.url in {PUBLIC_URL, f"{PUBLIC_URL}?type=status"}
        assert here.network.asked("hang up") == 0


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F22")
async def test_a_call_whose_end_is_never_told_frees_the_line(carrier: str, tmp_path: Path) -> None:
    """Its longest duration ends it, at the latest; nobody waits for it longer."""
    async with company(
        carrier,
        tmp_path,
        inboundPolicy="open",
        maxConcurrentCalls=1,
        maxDurationSeconds=2,
    ) as here:
        here.network.spoil(Drop(), "ended")
        leg = here.network.ring_in(THEIRS, Person())
        call = await here.inbound()
        await here.wait_state(call, "listening")
        here.network.leave(leg)
        # A command that the leg is gone for may tell of the end before that.
        assert (await here.ended(call))["state"] in {"timeout", "hangup-user"}
        here.network.behave()
        here.rig.api.events.clear()
        here.network.ring_in(OTHERS, Person())
        await here.wait_state(await here.inbound(), "listening")


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F22")
async def test_a_line_that_has_gone_quiet_is_looked_up(carrier: str, tmp_path: Path) -> None:
    clock = FakeClock(wall=time())
    async with company(carrier, tmp_path, clock=clock, inboundPolicy="open") as here:
        here.network.spoil(Drop(), "ended")
        caller = Person()
        leg = here.network.ring_in(THEIRS, caller)
        call = await here.inbound()
        await here.network.until(lambda: caller.calls[0].listening, "the line listens")
        here.network.leave(leg)
        await clock.advance(31.0)
        assert (await here.ended(call))["state"] == "hangup-user"


@pytest.mark.parametrize("carrier", COMPANIES)
@pytest.mark.scenario("F22")
async def test_a_caller_who_gives_up_before_the_answer_frees_the_line(
    carrier: str, tmp_path: Path
) -> None:
    impatient = Person(hangs_up=HangsUp(after_seconds=2.0))
    async with company(
        carrier, tmp_path, clock=FastClock(), inboundPolicy="open", maxConcurrentCalls=1
    ) as here:
        here.network.hold()
        leg = here.network.ring_in(THEIRS, impatient)
        await here.network.until(lambda: here.network.leg(leg).over, "the caller has left")
        here.network.release()
        assert (await here.ended(await here.inbound()))["state"] == "hangup-user"
        here.rig.api.events.clear()
        here.network.ring_in(OTHERS, Person())
        await here.wait_state(await here.inbound(), "listening")
