"""The same webhook again: repeated by the carrier, replayed by somebody, or after a failure."""

import pytest

from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.emulators.faults import Delay, Repeat
from tests.emulators.twilio import ACCOUNT_SID, Delivery, HangsUp, Person, Reply, Webhook

IDEMPOTENCY = "I-Twilio-Idempotency-Token"


def carries_speech(webhook: Webhook) -> bool:
    return "SpeechResult" in dict(webhook.params)


def spoken(phone: Setup, words: str) -> Delivery:
    """The webhook that delivered these words."""
    return next(d for d in phone.twilio.deliveries if d.fields.get("SpeechResult") == words)


@pytest.mark.scenario("A7", "F47", carrier="twilio")
@pytest.mark.parametrize("at_once", [False, True], ids=["afterwards", "at-once"])
async def test_speech_that_is_delivered_twice_is_one_turn(setup: StartSetup, at_once: bool) -> None:
    callee = Person(["First words.", Reply("Second words.", when="First")])
    phone = await setup(people={CALLEE: callee})
    phone.twilio.faults.webhooks.add(Repeat(times=2, at_once=at_once), when=carries_speech)
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    await callee.wait_heard("You said: Second words.")
    await phone.gateway.wait_state(call, "listening")
    record = await phone.gateway.status(call)
    assert record.texts("user") == ["First words.", "Second words."]
    assert callee.texts() == ["Hello.", "You said: First words.", "You said: Second words."]
    await phone.gateway.end(call)


@pytest.mark.scenario("A7", "A8", "F47", carrier="twilio")
async def test_speech_that_is_replayed_in_a_later_turn_has_no_effect(setup: StartSetup) -> None:
    callee = Person(["First words.", Reply("Second words.", when="First")])
    phone = await setup(people={CALLEE: callee})
    gateway, twilio = phone.gateway, phone.twilio
    call = await gateway.initiate(CALLEE, "Hello.")
    await callee.wait_heard("You said: Second words.")
    await gateway.wait_state(call, "listening")
    started = await gateway.rpc("voicecall.continue.start", callId=call, message="And now?")
    await callee.wait_heard("And now?")
    await gateway.wait_state(call, "listening")

    before = await gateway.status(call)
    for words in ("First words.", "Second words."):
        for headers in ({}, {IDEMPOTENCY: "another-token"}, {"X-Forwarded-For": "192.0.2.9"}):
            again = await twilio.replay(spoken(phone, words), headers=headers)
            assert again.status == 200
            # Neutral: who replays learns nothing and moves nothing.
            assert "<Say" not in again.body
            assert "<Hangup" not in again.body
    after = await gateway.status(call)
    assert after.transcript == before.transcript
    pending = await gateway.rpc("voicecall.continue.result", operationId=started["operationId"])
    assert pending["status"] == "pending"

    # The line is where it was: what is said now is what counts.
    await twilio.until(lambda: callee.calls[0].listening, "the line listens")
    callee.speak("Third words.")
    await gateway.wait_call(call, lambda view: view.texts("user")[-1] == "Third words.")
    result = await gateway.rpc("voicecall.continue.result", operationId=started["operationId"])
    assert result["result"] == {"success": True, "transcript": "Third words."}
    await gateway.end(call)


@pytest.mark.scenario("A7", "A8", carrier="twilio")
async def test_no_replay_has_an_effect_after_the_call_or_a_restart(setup: StartSetup) -> None:
    callee = Person(["First words."], hangs_up=HangsUp(after_hearing="You said"))
    phone = await setup(people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello.")
    ended = await phone.gateway.wait_call(call, lambda view: view.ended_at > 0)
    await phone.twilio.wait_idle()
    recorded = list(phone.twilio.deliveries)
    for _ in range(2):
        for delivery in recorded:
            again = await phone.twilio.replay(delivery, headers={IDEMPOTENCY: "x"})
            assert again.status in (200, 204)
            assert "<Say" not in again.body
        assert await phone.gateway.status(call) == ended
        await phone.gateway.restart()
    assert len(phone.rest("create")) == 1
    assert phone.rest("update") == []


@pytest.mark.scenario("F47", carrier="twilio")
async def test_late_speech_does_not_answer_a_newer_question(setup: StartSetup) -> None:
    """The owner asks while the words of the turn before are still on their way."""
    callee = Person(["I would like a pizza."])
    phone = await setup(people={CALLEE: callee})
    gateway = phone.gateway
    phone.twilio.faults.webhooks.add(Delay(1.0), when=carries_speech, times=1)
    call = await gateway.initiate(CALLEE, "Your order?")
    await phone.twilio.until(lambda: callee.calls[0].gathers == 1, "the line listens")
    await gateway.wait_state(call, "listening")
    # Twilio has ended the listening; its webhook is late.
    await phone.twilio.until(lambda: not callee.calls[0].listening, "the words are recognised")
    started = await gateway.rpc("voicecall.continue.start", callId=call, message="How old are you?")
    await callee.wait_heard("How old are you?")
    await phone.twilio.until(lambda: callee.calls[0].listening, "the line listens")
    operation = started["operationId"]
    pending = await gateway.rpc("voicecall.continue.result", operationId=operation)
    assert pending["status"] == "pending"
    callee.speak("Forty two.")
    await gateway.wait_call(call, lambda view: "Forty two." in view.texts("user"))
    result = await gateway.rpc("voicecall.continue.result", operationId=operation)
    assert result["result"] == {"success": True, "transcript": "Forty two."}
    await gateway.end(call)


@pytest.mark.scenario("F95", carrier="twilio")
async def test_what_failed_here_is_taken_in_when_the_carrier_repeats_it(setup: StartSetup) -> None:
    callee = Person(["Save this."])
    phone = await setup(people={CALLEE: callee}, retry_gap=0.3)
    gateway, twilio = phone.gateway, phone.twilio
    call = await gateway.initiate(CALLEE, "Hello.")
    await twilio.until(lambda: callee.calls[0].gathers == 1, "the line listens")
    await gateway.wait_state(call, "listening")
    gateway.limit_files(1)
    await twilio.until(lambda: any(d.status == 503 for d in twilio.deliveries), "a failure")
    gateway.limit_files(None)
    await callee.wait_heard("You said: Save this.")
    record = await gateway.wait_state(call, "listening")
    assert record.texts("user") == ["Save this."]
    # Once more after its success: acknowledged, without effect.
    again = await twilio.replay(spoken(phone, "Save this."))
    assert again.status == 200
    assert (await gateway.status(call)).transcript == record.transcript
    assert callee.texts() == ["Hello.", "You said: Save this."]
    await gateway.end(call)


@pytest.mark.scenario("F99", carrier="twilio")
async def test_unverified_webhooks_are_warned_of_and_still_count_once(setup: StartSetup) -> None:
    caller = Person(["Once."])
    phone = await setup(
        {
            "skipSignatureVerification": True,
            "inboundPolicy": "open",
            "inboundGreeting": "Hello, caller.",
        }
    )
    gateway, twilio = phone.gateway, phone.twilio
    [warning] = [line for line in gateway.log.splitlines() if "NOT verified" in line]
    assert "warn: plugins.entries.voice-call.config.skipSignatureVerification" in warning

    twilio.faults.webhooks.add(Repeat(times=2, at_once=True))
    call = twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await caller.wait_heard("You said: Once.")
    await gateway.wait_state(call.sid, "listening")
    [record] = await gateway.calls()
    assert record.texts("user") == ["Once."]
    assert caller.texts() == ["Hello, caller.", "You said: Once."]

    unsigned = {
        "CallSid": "CA" + "d" * 32,
        "AccountSid": ACCOUNT_SID,
        "From": CALLEE,
        "To": OUR_NUMBER,
        "CallStatus": "ringing",
    }
    for _ in range(2):
        answer = await twilio.post(phone.public_url, unsigned, signature="")
        assert "Hello, caller." in answer.body
    assert len(await gateway.calls()) == 2
    for each in await gateway.calls():
        await gateway.end(each.call_id, at_once=True)
