"""Calls that go well: what is said is heard, once, in order, and what is heard is answered."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import AlreadyWaiting
from tests.contract.bench import bench, leaves_after, transcript, words
from tests.contract.network import THEIRS
from tests.contract.networks import NETWORKS
from tests.emulators.people import Person

pytestmark = pytest.mark.parametrize("carrier", NETWORKS)


@pytest.mark.scenario("F31")
async def test_a_notice_is_heard_to_its_end_and_the_call_completed(
    carrier: str, tmp_path: Path
) -> None:
    notice = "Your parcel has arrived and can be fetched at the counter until eight o'clock."
    async with bench(carrier, tmp_path, {THEIRS: Person()}) as here:
        call = await here.call(notice, Mode.NOTIFY)
        record = await here.ended(call)
        assert record["state"] == "completed"
        assert transcript(record) == [("bot", notice)]
        assert await here.heard() == [notice]
        assert here.agents.asked == []


async def test_a_call_is_seen_to_ring_to_be_up_and_to_end(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: leaves_after("Hello?")}) as here:
        call = await here.call()
        record = await here.ended(call)
        told = [payload["state"] for _, payload in here.rig.api.events]
        phases = [state for state, _ in groupby(told) if state in {"initiated", "ringing"}]
        assert phases == ["initiated", "ringing"]
        assert told.index("ringing") < told.index("speaking") < told.index("hangup-user")
        assert (record["direction"], record["to"]) == ("outbound", THEIRS)
        assert record["startedAt"] <= record.get("answeredAt", 0) <= record.get("endedAt", 0)
        assert await here.view(record.get("providerCallId", "")) == record


@pytest.mark.scenario("F8")
async def test_a_conversation_goes_on_turn_after_turn(carrier: str, tmp_path: Path) -> None:
    says = ("Who is there?", "What time is it?", "Goodbye.")
    async with bench(carrier, tmp_path, {THEIRS: leaves_after(*says)}) as here:
        call = await here.call("Hello, have you a minute?")
        record = await here.ended(call)
        assert record["state"] == "hangup-user"
        spoken = ["Hello, have you a minute?", *(f"You said: {each}" for each in says)]
        assert await here.heard() == spoken
        assert words(record, "bot") == spoken
        assert words(record, "user") == list(says)
        assert [request.text for request in here.agents.asked] == list(says)


async def test_without_a_message_the_other_party_speaks_first(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: leaves_after("Who is it?")}) as here:
        record = await here.ended(await here.call(None))
        assert transcript(record) == [("user", "Who is it?"), ("bot", "You said: Who is it?")]


@pytest.mark.scenario("F46")
async def test_who_asks_gets_the_answer_alone(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: Person(["Large."])}) as here:
        call = await here.call()
        operation = await here.service.begin_continue(call, "What size?")
        with pytest.raises(AlreadyWaiting):
            await here.service.begin_continue(call, "And the colour?")
        assert await here.service.continue_result(operation, wait=True) == "Large."
        record = await here.wait_state(call, "listening")
        assert transcript(record)[:3] == [
            ("bot", "Hello."),
            ("bot", "What size?"),
            ("user", "Large."),
        ]
        await here.service.end(call)
        await here.ended(call)
        assert here.agents.asked == []
        assert await here.heard() == ["Hello.", "What size?"]


@pytest.mark.scenario("F30")
async def test_two_messages_at_once_are_said_in_order(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: Person()}) as here:
        call = await here.call()
        await here.wait_state(call, "listening")
        await here.service.speak(call, "This is the first of two.")
        await here.service.speak(call, "And this is the second.", wait=True)
        assert await here.heard() == [
            "Hello.",
            "This is the first of two.",
            "And this is the second.",
        ]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F32")
async def test_a_farewell_is_heard_before_the_line_is_put_down(
    carrier: str, tmp_path: Path
) -> None:
    farewell = "Thank you very much for your time, and goodbye."
    async with bench(carrier, tmp_path, {THEIRS: Person()}) as here:
        call = await here.call()
        await here.wait_state(call, "listening")
        await here.service.speak(call, farewell)
        await here.service.end(call)
        record = await here.ended(call)
        assert record["state"] == "hangup-bot"
        assert words(record, "bot") == ["Hello.", farewell]
        assert await here.heard() == ["Hello.", farewell]


async def test_what_was_said_last_is_heard_by_one_who_ends_the_call(
    carrier: str, tmp_path: Path
) -> None:
    """The agent's own farewell comes after it has asked for the end (F32)."""
    async with bench(carrier, tmp_path, {THEIRS: Person(["That is all, thank you."])}) as here:
        call = await here.call()
        await here.wait_words(call, "user", "That is all, thank you.")
        await here.service.end(call, after_reply=True)
        assert (await here.ended(call))["state"] == "hangup-bot"
        assert await here.heard() == ["Hello.", "You said: That is all, thank you."]
