"""The gateway is told to end in the middle of calls."""

import asyncio
from time import monotonic

import pytest

from tests.e2e.conftest import CALLEE, StartSetup
from tests.emulators.faults import Fail, Hang
from tests.emulators.twilio import Person

OTHER = "+15550009876"


@pytest.mark.scenario("F68", carrier="twilio")
async def test_sigterm_hangs_two_live_calls_up_and_leaves_final_records(
    setup: StartSetup,
) -> None:
    people = {CALLEE: Person(["I will talk on."]), OTHER: Person()}
    phone = await setup(
        people=people, script={"rules": [{"match": "talk", "reply": "Late.", "delayMs": 5000}]}
    )
    calls = {number: await phone.gateway.initiate(number, "Hello.") for number in people}
    await phone.gateway.wait_call(calls[CALLEE], lambda view: bool(view.texts("user")))
    await phone.gateway.wait_state(calls[OTHER], "listening")

    began = monotonic()
    assert await phone.gateway.stop() == 0
    assert monotonic() - began < 5
    for call in phone.twilio.calls:
        # By our request, or by the answer to a webhook that was held.
        assert (call.status, call.ended_by) in (("completed", "gateway"), ("completed", "document"))
    assert "Late." not in people[CALLEE].texts(complete=False)
    await phone.gateway.start()
    for call in calls.values():
        record = await phone.gateway.status(call)
        assert record.state == "hangup-bot"
        assert record.ended_at > 0
    assert len(phone.rest("create")) == 2


@pytest.mark.scenario("F68", carrier="twilio")
@pytest.mark.parametrize("fault", [Hang(), Fail(500)], ids=["hangs", "fails"])
async def test_sigterm_ends_in_bounded_time_when_the_carrier_does_not_help(
    setup: StartSetup, fault: Hang | Fail
) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await phone.gateway.wait_state(call, "listening")
    phone.twilio.hold_webhooks()
    phone.twilio.faults.rest.add(fault, when=lambda asked: asked.operation == "update")
    began = monotonic()
    assert await phone.gateway.stop() == 0
    assert monotonic() - began < 10
    # What could not be hung up is hung up by the next process.
    phone.twilio.faults.rest.clear()
    await phone.gateway.start()
    record = await phone.gateway.wait_call(call, lambda view: view.ended_at > 0)
    assert record.state == "hangup-bot"
    assert phone.twilio.calls[0].ended_by == "gateway"


@pytest.mark.scenario("F68", carrier="twilio")
async def test_who_waits_for_an_answer_is_told_when_the_gateway_ends(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await phone.gateway.wait_state(call, "listening")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(
            phone.gateway.voicecall("continue", "--call-id", call, "--message", "Your name?")
        )
        await callee.wait_heard("Your name?")
        assert await phone.gateway.stop() == 0
    assert waiting.result().code == 1
    assert "error:" in waiting.result().err
