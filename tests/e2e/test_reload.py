"""The configuration changes while the gateway runs: the next call has it, a live one is left."""

import pytest

from tests.e2e.conftest import ACCOUNT_SID, CALLEE, OUR_NUMBER, StartSetup
from tests.emulators.twilio import HangsUp, Person
from tests.secrecy import secret

OPEN = {"inboundPolicy": "open", "inboundGreeting": "Good day, you have reached us."}


@pytest.mark.scenario("F69", carrier="twilio")
async def test_a_change_reaches_the_next_call_and_leaves_the_live_one_alone(
    setup: StartSetup,
) -> None:
    phone = await setup(OPEN)
    gateway, twilio, process = phone.gateway, phone.twilio, phone.gateway.pid
    first, second, third = Person(), Person(), Person()
    live = twilio.call_in(CALLEE, OUR_NUMBER, first)
    await first.wait_heard("Good day")
    form = {"CallSid": "CA" + "e" * 32, "AccountSid": ACCOUNT_SID, "From": CALLEE}
    form |= {"To": OUR_NUMBER, "CallStatus": "ringing"}
    signed_before = twilio.sign(phone.public_url, form)

    phone.configure(inboundGreeting="Good evening.")
    await gateway.wait_log("config change applied to new calls")
    other = twilio.call_in("+15550009876", OUR_NUMBER, second)
    await second.wait_heard("Good evening.")
    twilio.hang_up(other.sid)

    # The account's key belongs to what runs, and a call is on it.
    token = secret("twilio")
    account = {"accountSid": ACCOUNT_SID, "authToken": token, "baseUrl": twilio.base_url}
    phone.configure(twilio=account, inboundGreeting="Good night.")
    await gateway.wait_log("config change waits for the end of live calls: twilio")
    assert not live.over
    await gateway.speak(live.sid, "Still with you.")
    await first.wait_heard("Still with you.")
    await gateway.end(live.sid)
    await twilio.wait_for(live.sid, "completed")
    await gateway.wait_log("config change taken up")

    twilio.change_token(token)
    answer = await twilio.post(phone.public_url, form, signature=signed_before)
    assert answer.status == 401
    last = twilio.call_in(CALLEE, OUR_NUMBER, third)
    await third.wait_heard("Good night.")
    await gateway.end(last.sid)
    await twilio.wait_for(last.sid, "completed")
    # What was said on the first call is told by the new runtime, and no process was restarted.
    assert (await gateway.status(live.sid)).texts("bot") == first.texts()
    assert gateway.pid == process


@pytest.mark.scenario("F69", carrier="twilio")
async def test_calls_that_come_while_a_change_is_taken_up_are_answered(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    phone.configure(streaming={"silenceDurationMs": 700})
    await phone.gateway.wait_log("replacing the runtime: streaming")
    callers = [Person(hangs_up=HangsUp(after_hearing="reached us")) for _ in range(4)]
    for n, caller in enumerate(callers):
        phone.twilio.call_in(f"+1555000987{n}", OUR_NUMBER, caller)
    for caller in callers:
        await caller.wait_heard("Good day, you have reached us.")
    await phone.twilio.wait_idle()
    assert {each.status for each in phone.twilio.deliveries} <= {200, 204}


async def test_a_wrong_edit_is_told_and_changes_nothing(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    phone.gateway.replace_config('{"gateway": {"port": "many"}}')
    await phone.gateway.wait_log("config reload skipped (invalid config): gateway.port: ")
    phone.configure(inboundPolicy="everybody", inboundGreeting="Nobody hears this.")
    await phone.gateway.wait_log("config change not applied: ")
    caller = Person()
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await caller.wait_heard("Good day, you have reached us.")
    await phone.gateway.end(call.sid)
    listed = await phone.gateway.cli("plugins", "doctor")
    assert "inboundPolicy" in listed.out + listed.err

    phone.configure(inboundPolicy="open", inboundGreeting="At last.")
    await phone.gateway.wait_log("config change applied to new calls")
    assert await phone.gateway.readiness() == 200
    again = Person()
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, again)
    await again.wait_heard("At last.")
    await phone.gateway.end(call.sid)
