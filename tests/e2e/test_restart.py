"""The gateway is killed in the middle of calls and started again."""

import asyncio
from time import monotonic

import pytest

from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.emulators.faults import Drop, Fail, LoseAnswer
from tests.emulators.twilio import Person

OPEN = {"inboundPolicy": "open", "inboundGreeting": "Welcome."}


async def a_live_call(phone: Setup, person: Person) -> str:
    """A conversation in which the line listens; gives our id."""
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await person.wait_heard("Hello.")
    await phone.gateway.wait_state(call, "listening")
    return call


@pytest.mark.scenario("F54", "F55", carrier="twilio")
@pytest.mark.parametrize("answer", ["in-progress", "unknown", "error"])
async def test_a_live_call_goes_on_after_a_restart(setup: StartSetup, answer: str) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee}, script={"default": "I heard {text}"})
    call = await a_live_call(phone, callee)
    faults = {"unknown": Fail(404, 20404, "not found"), "error": Fail(500)}
    if answer in faults:
        phone.twilio.faults.rest.add(faults[answer], when=lambda asked: asked.operation == "fetch")

    phone.twilio.hold_webhooks()
    await phone.gateway.restart()
    await phone.twilio.until(lambda: bool(phone.rest("fetch")), "the carrier is asked")
    assert (await phone.gateway.status(call)).state == "listening"
    phone.twilio.release_webhooks()

    await phone.twilio.until(lambda: callee.calls[0].listening, "the line listens")
    callee.speak("Are you still there?")
    await callee.wait_heard("I heard Are you still there?")
    assert callee.texts() == ["Hello.", "I heard Are you still there?"]
    assert len(phone.rest("create")) == 1
    assert phone.rest("update") == []
    await phone.gateway.end(call)


@pytest.mark.scenario("F54", carrier="twilio")
async def test_a_call_that_ended_meanwhile_is_over(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup({"maxConcurrentCalls": 1}, people={CALLEE: callee})
    call = await a_live_call(phone, callee)
    phone.twilio.faults.webhooks.add(Drop(), when=lambda hook: hook.kind == "status")
    phone.twilio.hold_webhooks()
    await phone.gateway.kill()
    phone.twilio.hang_up(phone.twilio.calls[0].sid)
    await phone.gateway.start()
    record = await phone.gateway.wait_state(call, "hangup-user")
    assert record.ended_at > 0
    # Its place is free.
    phone.twilio.faults.webhooks.clear()
    phone.twilio.release_webhooks()
    await a_live_call(phone, callee)


@pytest.mark.scenario("F54", carrier="twilio")
async def test_after_a_restart_the_rest_of_the_longest_duration_counts(
    setup: StartSetup,
) -> None:
    callee = Person()
    phone = await setup({"maxDurationSeconds": 4}, people={CALLEE: callee}, speed=10)
    began = monotonic()
    call = await a_live_call(phone, callee)
    answered = monotonic()
    await asyncio.sleep(1.5)
    phone.twilio.hold_webhooks()
    await phone.gateway.restart()
    phone.twilio.release_webhooks()
    record = await phone.gateway.wait_state(call, "timeout")
    assert began + 4 - 0.2 < monotonic() < answered + 6
    await phone.twilio.wait_for(record.provider_call_id, "completed")


@pytest.mark.scenario("F54", "F55", carrier="twilio")
async def test_a_call_whose_time_ran_out_meanwhile_is_hung_up(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup({"maxDurationSeconds": 2}, people={CALLEE: callee}, speed=10)
    call = await a_live_call(phone, callee)
    answered = monotonic()
    phone.twilio.hold_webhooks()
    await phone.gateway.kill()
    await asyncio.sleep(max(0.0, answered + 2.2 - monotonic()))
    await phone.gateway.start()
    record = await phone.gateway.wait_state(call, "timeout")
    assert [each.form for each in phone.rest("update")] == [{"Status": "completed"}]
    assert phone.twilio.call(record.provider_call_id).ended_by == "gateway"
    assert len(phone.rest("create")) == 1


@pytest.mark.scenario("F55", "F57", carrier="twilio")
async def test_a_dial_that_was_cut_by_the_restart_is_looked_up_not_repeated(
    setup: StartSetup,
) -> None:
    """Killed between the order and its confirmation; the carrier has taken the order."""
    callee = Person(answers_after=5.0)
    phone = await setup(people={CALLEE: callee})
    phone.twilio.faults.rest.add(
        LoseAnswer(hang=True), when=lambda asked: asked.operation == "create"
    )
    phone.twilio.hold_webhooks()
    placing = asyncio.create_task(  # noqa: TID251 - awaited below, whatever becomes of it
        phone.gateway.initiate(CALLEE, "Hello.")
    )
    await phone.twilio.wait_call(to=CALLEE)
    await phone.gateway.kill()
    await asyncio.wait({placing}, timeout=5)
    assert placing.exception() is not None
    await phone.gateway.start()
    await phone.twilio.until(lambda: bool(phone.rest("list")), "the dial is looked up")
    phone.twilio.release_webhooks()
    await callee.wait_heard("Hello.")
    [record] = await phone.gateway.calls()
    assert record.provider_call_id == phone.twilio.calls[0].sid
    assert callee.texts() == ["Hello."]
    assert len(phone.rest("create")) == 1
    await phone.gateway.end(record.call_id)


async def test_twenty_calls_survive_a_kill(setup: StartSetup) -> None:
    """Each is known again and answered properly; nothing is lost, doubled or dialled."""
    callers = {f"+1555010{n:04}": Person() for n in range(10)}
    callees = {f"+1555020{n:04}": Person() for n in range(10)}
    phone = await setup(
        {**OPEN, "maxConcurrentCalls": 20},
        people=callees,
        script={"default": "To {text}, turn {turn}."},
        speed=20,
    )
    gateway, twilio = phone.gateway, phone.twilio
    everybody = {**callers, **callees}
    for number, person in callers.items():
        twilio.call_in(number, OUR_NUMBER, person)
    async with asyncio.TaskGroup() as group:
        for number in callees:
            group.create_task(gateway.initiate(number, "Welcome."))
    for person in everybody.values():
        await person.wait_heard("Welcome.")
        await twilio.until(lambda each=person: each.calls[0].listening, "the line listens")
    before = {view.call_id: view for view in await gateway.calls()}
    assert len(before) == 20

    for person in everybody.values():
        person.speak("one")
    for person in everybody.values():
        await person.wait_heard("To one")
        await twilio.until(lambda each=person: each.calls[0].listening, "the line listens")

    twilio.hold_webhooks()
    await gateway.kill()
    for person in everybody.values():
        if person.calls[0].listening:
            person.speak("two")
    await gateway.start()
    ready = monotonic()
    after = {view.call_id: view for view in await gateway.calls()}
    assert after.keys() == before.keys()
    assert {view.state for view in after.values()} <= {"listening", "speaking", "active"}
    twilio.release_webhooks()
    async with asyncio.TaskGroup() as group:
        for person in everybody.values():
            group.create_task(person.wait_heard("To two", complete=False))
    assert monotonic() - ready < 2.0

    for person in everybody.values():
        await person.wait_heard("To two")
        assert person.texts() == ["Welcome.", "To one, turn 1.", "To two, turn 2."]
    for view in await gateway.calls():
        assert view.texts("user") == ["one", "two"]
    assert len(phone.rest("create")) == 10
    assert len(twilio.calls) == 20
