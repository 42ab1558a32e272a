"""Webhooks that come twice, late, in another order, or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.contract.bench import Bench, company, leaves_after, transcript, words
from tests.contract.network import THEIRS, Company, Moment
from tests.contract.networks import COMPANIES
from tests.emulators.faults import Delay, Drop, Postpone, Repeat, WebhookFault
from tests.emulators.people import HangsUp, Person

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)

TALK = [
    ("bot", "Hello."),
    ("user", "First."),
    ("bot", "You said: First."),
    ("user", "Second."),
    ("bot", "You said: Second."),
]


async def talks(here: Bench[Company]) -> None:
    """The whole conversation is had, each sentence once."""
    record = await here.ended(await here.call())
    # What was heard last and what was said last may be told in either order.
    assert sorted(transcript(record)) == sorted(TALK)
    assert record["state"] == "hangup-user"
    assert await here.heard() == [text for who, text in TALK if who == "bot"]
    assert [request.text for request in here.agents.asked] == ["First.", "Second."]
    assert len(here.network.legs) == 1
    assert here.network.asked("dial") == 1


@pytest.mark.parametrize(
    "fault",
    [Repeat(times=2), Repeat(times=2, at_once=True), Repeat(times=1, gap=0.1), Delay(0.05)],
    ids=["repeated", "repeated at once", "repeated later", "delayed"],
)
@pytest.mark.scenario("A7", "F66")
async def test_repeated_and_late_webhooks_change_nothing(
    carrier: str, tmp_path: Path, fault: WebhookFault
) -> None:
    async with company(carrier, tmp_path, {THEIRS: leaves_after("First.", "Second.")}) as here:
        here.network.spoil(fault)
        await talks(here)


@pytest.mark.parametrize("moment", ["ringing", "answered", "heard"])
async def test_webhooks_that_cross_are_put_in_order(
    carrier: str, tmp_path: Path, moment: Moment
) -> None:
    async with company(carrier, tmp_path, {THEIRS: leaves_after("First.", "Second.")}) as here:
        here.network.spoil(Postpone(at_most=0.2), moment)
        await talks(here)


@pytest.mark.parametrize("lost", ["ringing", "ended"])
async def test_a_progress_report_may_be_lost(carrier: str, tmp_path: Path, lost: Moment) -> None:
    """The end of the line is found out all the same: at the next request, or when it is late."""
    async with company(
        carrier, tmp_path, {THEIRS: leaves_after("First.", "Second.")}, maxDurationSeconds=3
    ) as here:
        here.network.spoil(Drop(), lost)
        call = await here.call()
        record = await here.ended(call)
        assert sorted(transcript(record)) == sorted(TALK)
        assert record["state"] in {"hangup-user", "timeout"}
        await here.network.until(lambda: here.network.legs[0].over, "the leg is down")


async def test_news_of_an_answer_does_not_revive_an_ended_call(
    carrier: str, tmp_path: Path
) -> None:
    """Everything about the beginning comes after the end, and is still acknowledged."""
    callee = Person(hangs_up=HangsUp(after_seconds=0.5))
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        here.network.spoil(Postpone(at_most=5.0), "ringing", "answered")
        call = await here.call()
        ended = await here.ended(call)
        await here.network.until(
            lambda: all(each.status for each in here.network.sent()), "everything is answered"
        )
        assert {each.status for each in here.network.sent()} <= {200, 204}
        assert await here.view(call) == ended
        assert here.agents.asked == []


@pytest.mark.parametrize("moment", ["ringing", "answered", "heard", "ended"])
@pytest.mark.scenario("A7", "F47")
async def test_a_webhook_of_long_ago_moves_nothing(
    carrier: str, tmp_path: Path, moment: Moment
) -> None:
    """Replayed during the next call and after its own."""
    async with company(carrier, tmp_path, {THEIRS: leaves_after("First.", "Second.")}) as here:
        first = await here.ended(await here.call())
        callee = Person()
        here.network.people[THEIRS] = callee
        second = await here.call()
        await here.network.until(
            lambda: bool(callee.calls) and callee.calls[0].listening, "the line listens"
        )
        old = [each for each in here.network.sent(moment) if each.leg == here.network.legs[0].id]
        assert old
        before = await here.view(second)
        for each in old:
            assert await each.again({}, "") in {200, 204}
        assert await here.view(first["callId"]) == first
        assert await here.view(second) == before
        assert callee.texts() == ["Hello."]
        assert len(here.network.legs) == 2


@pytest.mark.scenario("A7", "F47")
async def test_words_that_are_replayed_in_a_later_turn_are_not_heard(
    carrier: str, tmp_path: Path
) -> None:
    callee = Person(["My code is one two three."])
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        call = await here.call()
        await here.wait_words(call, "bot", "You said: My code is one two three.")
        operation = await here.service.begin_continue(call, "And your name?")
        await here.wait_words(call, "bot", "And your name?")
        for sent in here.network.sent("heard"):
            for header in ({}, {"I-Twilio-Idempotency-Token": "other"}, {"X-Request-Id": "9"}):
                assert await sent.again(header, "") in {200, 204}
        assert await here.service.continue_result(operation) is None
        record = await here.view(call)
        assert words(record, "user") == ["My code is one two three."]
        await here.network.until(lambda: callee.calls[0].listening, "the line listens")
        callee.speak("Ann.")
        assert await here.service.continue_result(operation, wait=True) == "Ann."
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.parametrize("moment", ["answered", "heard"])
@pytest.mark.scenario("F95")
async def test_what_could_not_be_stored_is_taken_in_when_it_comes_again(
    carrier: str, tmp_path: Path, moment: Moment
) -> None:
    async with company(carrier, tmp_path, {THEIRS: leaves_after("First.")}) as here:
        if moment == "answered":
            here.network.hold()
        call = await here.call()
        if moment == "heard":
            callee = here.network.people[THEIRS]
            await here.network.until(
                lambda: bool(callee.calls) and callee.calls[0].listening, "the line listens"
            )
        journal = sqlite3.connect(tmp_path / "voice-calls" / "calls.db", isolation_level=None)
        journal.execute("ALTER TABLE events RENAME TO gone")
        here.network.release()
        await here.network.until(
            lambda: any(each.status == 503 for each in here.network.sent()), "a refusal"
        )
        journal.execute("ALTER TABLE gone RENAME TO events")
        journal.close()
        record = await here.ended(call)
        assert transcript(record) == [
            ("bot", "Hello."),
            ("user", "First."),
            ("bot", "You said: First."),
        ]
        assert await here.heard() == ["Hello.", "You said: First."]
