"""Somebody calls: who is admitted, what they hear, and who is turned away."""

import pytest

from tests.e2e.conftest import CALLEE, MODEL_KEY, OUR_NUMBER, Setup, StartSetup
from tests.emulators.faults import Repeat
from tests.emulators.twilio import HangsUp, Number, Person, Reply
from tests.emulators.twilio.calls import Fetch, Order

OPEN = {"inboundPolicy": "open", "inboundGreeting": "Good day, you have reached us."}
ONE_FRIEND = {
    "inboundPolicy": "allowlist",
    "allowFrom": ["+15550001234"],
    "inboundGreeting": "Hello, friend.",
}


async def refused(phone: Setup, from_: str | None) -> None:
    """A call from this number is turned away, unanswered and unheard."""
    caller = Person(["Let me in."])
    call = phone.twilio.call_in(from_, OUR_NUMBER, caller)
    await phone.twilio.wait_for(call.sid, "busy", "failed", "completed")
    assert call.answered_at is None, f"{from_!r} was answered"
    assert caller.heard == []
    assert await phone.gateway.calls() == []


@pytest.mark.scenario("F5", carrier="twilio")
async def test_a_caller_is_greeted_once_and_then_listened_to(setup: StartSetup) -> None:
    caller = Person(
        [Reply("Hello, who is this?", after=2.0)],
        hangs_up=HangsUp(after_hearing="assistant", delay=5.0),
    )
    phone = await setup(OPEN, script={"default": "The assistant."})
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await phone.twilio.wait_for(call.sid, "completed")
    record = await phone.gateway.wait_state(call.sid, "hangup-user")
    assert caller.texts() == ["Good day, you have reached us.", "The assistant."]
    assert (record.direction, record.from_, record.to) == ("inbound", CALLEE, OUR_NUMBER)
    assert record.texts("bot") == caller.texts()
    assert record.texts("user") == ["Hello, who is this?"]
    assert not phone.twilio.requests


async def test_a_repeated_first_webhook_makes_one_call(setup: StartSetup) -> None:
    caller = Person()
    phone = await setup(OPEN)
    phone.twilio.faults.webhooks.add(Repeat(times=3, at_once=True), times=1)
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await caller.wait_heard("Good day")
    await phone.gateway.wait_state(call.sid, "listening")
    assert [each.provider_call_id for each in await phone.gateway.calls()] == [call.sid]
    assert caller.texts() == ["Good day, you have reached us."]
    await phone.gateway.end(call.sid)
    await phone.twilio.wait_for(call.sid, "completed")


@pytest.mark.scenario("A1", carrier="twilio")
async def test_only_the_whole_number_on_the_list_is_let_in(setup: StartSetup) -> None:
    phone = await setup(ONE_FRIEND, script={"default": "An answer."})
    for stranger in (
        "",
        None,
        "anonymous",
        "Anonymous",
        "Restricted",
        "+266696687",
        "+99915550001234",
        "5550001234",
        "15550001234",
        "0015550001234",
        "+1555000123",
        "+155500012345",
        "+15550001235",
        "sip:+15550001234@example.com",
        "client:+15550001234",
        "+15550001234,+15550009999",
    ):
        await refused(phone, stranger)
    assert "An answer." not in phone.gateway.log


@pytest.mark.scenario("A1", carrier="twilio")
@pytest.mark.parametrize("number", ["+15550001234", "+1 555 000 1234", "+1-555-000-1234"])
async def test_the_number_on_the_list_is_let_in_however_it_is_written(
    setup: StartSetup, number: str
) -> None:
    caller = Person()
    phone = await setup(ONE_FRIEND)
    call = phone.twilio.call_in(number, OUR_NUMBER, caller)
    await caller.wait_heard("Hello, friend.")
    assert (await phone.gateway.status(call.sid)).state in ("speaking", "listening")
    await phone.gateway.end(call.sid)


async def test_nobody_is_let_in_by_default(setup: StartSetup) -> None:
    phone = await setup()
    await refused(phone, CALLEE)


async def test_one_caller_too_many_hears_the_busy_tone(setup: StartSetup) -> None:
    first = Person()
    phone = await setup({**OPEN, "maxConcurrentCalls": 1})
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, first)
    await first.wait_heard("Good day")
    second = phone.twilio.call_in("+15550009876", OUR_NUMBER, Person())
    await phone.twilio.wait_for(second.sid, "busy")
    # The line that was taken goes on undisturbed, and is free again afterwards.
    assert not call.over
    phone.twilio.hang_up(call.sid)
    third = Person()
    await phone.gateway.wait_state(call.sid, "hangup-user", within=5)
    last = phone.twilio.call_in("+15550009876", OUR_NUMBER, third)
    await third.wait_heard("Good day")
    await phone.gateway.end(last.sid)


async def test_a_caller_who_leaves_without_a_word_does_not_keep_the_line(
    setup: StartSetup,
) -> None:
    """Twilio tells of the end only where the number is configured for it; here it is not."""
    caller = Person()
    phone = await setup({**OPEN, "maxConcurrentCalls": 1})
    phone.twilio.numbers[OUR_NUMBER] = Number(phone.public_url)
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await caller.wait_heard("Good day")
    await phone.gateway.wait_state(call.sid, "listening")
    phone.twilio.hang_up(call.sid)
    record = await phone.gateway.wait_state(call.sid, "hangup-user", within=13)
    assert record.ended_at > 0
    assert phone.rest("update") == []
    last = Person(hangs_up=HangsUp(after_hearing="Good day"))
    phone.twilio.call_in("+15550009876", OUR_NUMBER, last)
    await last.wait_heard("Good day")


@pytest.mark.scenario("F18", carrier="twilio")
async def test_a_call_that_nobody_could_answer_is_refused(setup: StartSetup) -> None:
    phone = await setup({**OPEN, "responseModel": "openai/gpt-4o-mini"})
    await refused(phone, CALLEE)
    assert "no agent can answer the phone" in phone.gateway.log
    assert "OPENAI_API_KEY" in phone.gateway.log


@pytest.mark.scenario("F18", carrier="twilio")
async def test_with_its_key_the_same_call_is_taken(setup: StartSetup) -> None:
    caller = Person()
    phone = await setup(
        {**OPEN, "responseModel": "openai/gpt-4o-mini"}, environ={"OPENAI_API_KEY": MODEL_KEY}
    )
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await caller.wait_heard("Good day")
    await phone.gateway.end(call.sid)


@pytest.mark.scenario("F23", carrier="twilio")
@pytest.mark.parametrize("policy", ["disabled", "allowlist"])
async def test_a_leg_that_was_dialled_elsewhere_is_ours(setup: StartSetup, policy: str) -> None:
    callee = Person(["Who is calling?"], hangs_up=HangsUp(after_hearing="your assistant"))
    phone = await setup(
        {"inboundPolicy": policy, "inboundGreeting": "Hello."},
        people={CALLEE: callee},
        script={"default": "It is your assistant."},
    )
    call = phone.twilio.place(Order(CALLEE, OUR_NUMBER, "outbound-api", Fetch(phone.public_url)))
    await callee.wait_heard("It is your assistant.")
    record = await phone.gateway.status(call.sid)
    assert (record.direction, record.from_, record.to) == ("outbound", OUR_NUMBER, CALLEE)
    await phone.twilio.wait_for(call.sid, "completed")
    assert phone.rest("create") == []
    await phone.gateway.end(call.sid)
