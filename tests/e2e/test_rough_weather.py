"""Whole conversations while the network and the process misbehave: nothing is lost or doubled."""

import asyncio

import pytest

from tests.e2e.conftest import OUR_NUMBER, Setup, StartSetup
from tests.emulators.faults import Delay, Drop, Postpone, Repeat
from tests.emulators.twilio import HangsUp, Person, Webhook

GREETING = "Hello, this is the assistant."
OPEN = {"inboundPolicy": "open", "inboundGreeting": GREETING, "maxConcurrentCalls": 16}
WORDS = ("one", "two", "three")
SPOKEN = [GREETING, *(f"You said: {word}" for word in WORDS)]


def talkers(prefix: str, count: int) -> dict[str, Person]:
    """People who say three things, each after our answer to the one before, then hang up."""
    return {
        f"{prefix}{n:04}": Person(WORDS, hangs_up=HangsUp(after_hearing=SPOKEN[-1], delay=20.0))
        for n in range(count)
    }


async def everybody_talks(phone: Setup) -> None:
    """Six calls in, six calls out."""
    callers, callees = talkers("+1555010", 6), talkers("+1555020", 6)
    phone.twilio.people.update(callees)
    for number, person in callers.items():
        phone.twilio.call_in(number, OUR_NUMBER, person)
    async with asyncio.TaskGroup() as group:
        for number in callees:
            group.create_task(phone.gateway.initiate(number, GREETING))


async def everybody_was_served(phone: Setup) -> None:
    """All conversations took place, word for word, and all calls are over."""
    await phone.twilio.wait_idle(within=20)
    for person in (line.talk.person for line in phone.twilio.lines.values()):
        assert person.texts(complete=False) == SPOKEN
    views = await phone.gateway.calls()
    assert len(views) == 12
    for view in views:
        record = await phone.gateway.wait_call(view.call_id, lambda call: call.ended_at > 0)
        assert record.state == "hangup-user"
        assert record.texts("bot") == SPOKEN
        assert record.texts("user") == list(WORDS)
    assert len(phone.rest("create")) == 6
    assert phone.rest("update") == []


def progress(webhook: Webhook) -> bool:
    """A status callback that is not the last one."""
    return webhook.kind == "status" and dict(webhook.params)["CallStatus"] != "completed"


@pytest.mark.scenario("F8", "A7", carrier="twilio")
async def test_late_doubled_reordered_and_lost_webhooks_change_nothing(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    plan = phone.twilio.faults.webhooks
    plan.add(Delay(0.15), probability=0.2)
    plan.add(Repeat(times=2, at_once=True), probability=0.2)
    plan.add(Repeat(times=1, gap=0.2), probability=0.2)
    plan.add(Postpone(at_most=0.3), when=lambda hook: hook.kind == "status", probability=0.4)
    plan.add(Drop(), when=progress, probability=0.3)
    await everybody_talks(phone)
    await everybody_was_served(phone)
    assert all(rule.hits for rule in plan.rules)


@pytest.mark.scenario("F54", carrier="twilio")
async def test_kills_in_mid_conversation_lose_and_double_nothing(setup: StartSetup) -> None:
    """The carrier repeats what it cannot deliver; that is all the help there is."""
    phone = await setup(OPEN, speed=6, retry_gap=0.5)
    await everybody_talks(phone)
    for _ in range(3):
        await asyncio.sleep(0.5)  # Somewhere in the middle.
        await phone.gateway.restart()
    assert len(phone.twilio.live_calls) == 12
    await everybody_was_served(phone)
    assert phone.twilio.alerts == []


@pytest.mark.scenario("F95", carrier="twilio")
async def test_a_full_disk_for_a_moment_loses_and_doubles_nothing(setup: StartSetup) -> None:
    phone = await setup(OPEN, speed=10, retry_gap=0.4)
    await everybody_talks(phone)
    for _ in range(2):
        await asyncio.sleep(0.6)
        phone.gateway.limit_files(1)
        failed = len([each for each in phone.twilio.deliveries if each.status == 503])
        await phone.twilio.until(
            lambda before=failed: (
                len([each for each in phone.twilio.deliveries if each.status == 503]) > before
            ),
            "a webhook that could not be taken in",
        )
        phone.gateway.limit_files(None)
    await everybody_was_served(phone)


@pytest.mark.scenario("F7", carrier="twilio")
async def test_a_greeting_whose_document_is_lost_is_said_all_the_same(setup: StartSetup) -> None:
    callee = Person(WORDS[:1])
    phone = await setup({"maxConcurrentCalls": 1}, people={"+15550005678": callee})
    phone.twilio.faults.webhooks.add(Drop(), when=lambda hook: hook.kind == "document", times=1)
    await phone.gateway.initiate("+15550005678", GREETING)
    await callee.wait_heard(SPOKEN[1])
    assert callee.texts()[:2] == SPOKEN[:2]


async def test_documents_that_keep_getting_lost_do_not_leave_silence(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup({"maxConcurrentCalls": 1}, people={"+15550005678": callee})
    phone.twilio.faults.webhooks.add(Drop(), when=lambda hook: hook.kind == "document", times=2)
    call = await phone.gateway.initiate("+15550005678", GREETING)
    await callee.wait_heard("Sorry, something went wrong on our side.")
    record = await phone.gateway.wait_call(call, lambda view: view.ended_at > 0)
    assert record.state in ("error", "hangup-user")
