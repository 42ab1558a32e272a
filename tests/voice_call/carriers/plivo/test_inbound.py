"""Calls that come in through Plivo, and who is turned away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulators.plivo import HangsUp, Person, Settings
from tests.voice_call.carriers.plivo.phone import OURS, THEIRS, phone, words
from tests.voice_call.rig import FakeAgents

ALLOWED = {"inboundPolicy": "allowlist", "allowFrom": [THEIRS], "inboundGreeting": "Good day!"}


@pytest.mark.parametrize("shown", [THEIRS, THEIRS.removeprefix("+")])
@pytest.mark.scenario("A1", carrier="plivo")
async def test_an_allowed_caller_is_greeted_and_answered(tmp_path: Path, shown: str) -> None:
    caller = Person(["Is the shop open?"], hangs_up=HangsUp(after_hearing="You said"))
    async with phone(tmp_path, config=ALLOWED) as here:
        leg = here.plivo.call_in(shown, OURS, caller)
        record = await here.ended(await here.inbound())
        assert record["direction"] == "inbound"
        assert (record["from"], record["to"]) == (THEIRS, OURS)
        assert record["state"] == "hangup-user"
        assert record.get("providerCallId") == leg.uuid
        assert words(record) == [
            ("bot", "Good day!"),
            ("user", "Is the shop open?"),
            ("bot", "You said: Is the shop open?"),
        ]
        # Answered by the document alone.
        assert here.operations() == []


@pytest.mark.parametrize(
    "shown",
    [
        "",
        None,
        "anonymous",
        "Restricted",
        "99915550005678",
        "5550005678",
        "0005678",
        "15550005679",
        "sip:+15550005678@evil.example.com",
    ],
)
@pytest.mark.scenario("A1", carrier="plivo")
async def test_others_are_turned_away_without_an_answer(tmp_path: Path, shown: str | None) -> None:
    async with phone(tmp_path, config=ALLOWED) as here:
        call = here.plivo.call_in(shown, OURS, Person(["Let me in"]))
        await here.plivo.wait_idle()
        assert call.answered_at is None
        assert (call.status, call.ended_by) == ("failed", "document")
        assert here.agents.asked == []
        assert await here.service.calls() == []
        assert len(here.log_of_refusals) == 1


async def test_nobody_is_admitted_where_inbound_calls_are_disabled(tmp_path: Path) -> None:
    async with phone(tmp_path, config={"inboundPolicy": "disabled"}) as here:
        call = here.plivo.call_in(THEIRS, OURS, Person())
        await here.plivo.wait_idle()
        assert call.answered_at is None


async def test_one_call_too_many_hears_that_the_line_is_busy(tmp_path: Path) -> None:
    first = Person()
    async with phone(tmp_path, config={**ALLOWED, "maxConcurrentCalls": 1}) as here:
        here.plivo.call_in(THEIRS, OURS, first)
        await first.wait_heard("Good day!")
        second = here.plivo.call_in(THEIRS, OURS, Person())
        await here.plivo.wait_for(second.uuid, "busy")
        assert second.answered_at is None
        await here.service.end(await here.inbound())


async def test_a_caller_whom_no_agent_could_answer_is_turned_away(tmp_path: Path) -> None:
    agents = FakeAgents(unready="no model key")
    async with phone(tmp_path, agents=agents, config=ALLOWED) as here:
        call = here.plivo.call_in(THEIRS, OURS, Person())
        await here.plivo.wait_idle()
        assert call.answered_at is None


@pytest.mark.scenario("F72", carrier="plivo")
async def test_the_applications_hang_up_url_closes_the_call(tmp_path: Path) -> None:
    caller = Person(hangs_up=HangsUp(after_hearing="Good day!"))
    async with phone(tmp_path, config=ALLOWED) as here:
        leg = here.plivo.call_in(THEIRS, OURS, caller)
        assert (await here.ended(await here.inbound()))["state"] == "hangup-user"
        [told] = [each for each in here.plivo.deliveries if each.kind == "hangup"]
        assert told.url.endswith("?type=status")
        assert (told.status, told.call_uuid) == (200, leg.uuid)


async def test_without_a_hang_up_url_the_answer_url_is_told(tmp_path: Path) -> None:
    caller = Person(hangs_up=HangsUp(after_hearing="Good day!"))
    async with phone(tmp_path, config=ALLOWED) as here:
        number = here.plivo.numbers[OURS]
        here.plivo.numbers[OURS] = type(number)(number.answer_url)
        here.plivo.call_in(THEIRS, OURS, caller)
        assert (await here.ended(await here.inbound()))["state"] == "hangup-user"
        await here.plivo.wait_idle()
        assert len(await here.service.calls()) == 1


@pytest.mark.scenario("A1", "F96", carrier="plivo")
async def test_a_number_that_is_not_signed_opens_no_door(tmp_path: Path) -> None:
    """Version 2 does not sign who calls: whoever saw one such request could claim any number."""
    plivo = Settings(signatures="v2")
    async with phone(tmp_path, plivo=plivo, config=ALLOWED) as here:
        call = here.plivo.call_in(THEIRS, OURS, Person(["Let me in"]))
        await here.plivo.wait_idle()
        assert call.answered_at is None
        assert here.agents.asked == []


async def test_an_open_door_is_open_with_either_signature(tmp_path: Path) -> None:
    caller = Person(["Hello?"], hangs_up=HangsUp(after_hearing="You said"))
    plivo = Settings(signatures="v2")
    anybody = {"inboundPolicy": "open", "inboundGreeting": "Hi!"}
    async with phone(tmp_path, plivo=plivo, config=anybody) as here:
        here.plivo.call_in(THEIRS, OURS, caller)
        call = await here.inbound()
        await caller.wait_heard("You said: Hello?")
        await here.plivo.wait_idle()
        # The end was told to a URL of the application, which is not signed: the owner ends it, or
        # the next look at the silent line does.
        record = await here.service.status(call)
        assert record is not None
        assert record["from"] == ""
        await here.service.end(call, at_once=True)
        await here.ended(call)
