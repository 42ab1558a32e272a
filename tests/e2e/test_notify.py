"""A message is delivered: said whole, then the line is put down."""

import pytest

from tests.e2e.conftest import CALLEE, StartSetup
from tests.emulators.twilio import Person

LONG = " ".join(f"Sentence number {n} of a long message." for n in range(1, 9))
"""56 words: more than 20 s of speech."""


@pytest.mark.scenario("F31", "F75", carrier="twilio")
async def test_the_command_waits_until_the_message_was_heard(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee})
    done = await phone.gateway.voicecall(
        "call", "--to", CALLEE, "--message", LONG, "--mode", "notify", "--wait"
    )
    assert done.code == 0, done.err
    assert callee.texts() == [LONG]
    [call] = phone.twilio.calls
    assert call.status == "completed"
    ended = next(event.at for event in phone.twilio.events if event.what == "completed")
    heard = callee.heard[0]
    assert heard.finished is not None
    assert heard.finished - heard.started > 20
    # The delay is counted from the confirmation that the message was played.
    assert ended - heard.finished >= 3

    record = await phone.gateway.status(call.sid)
    assert (record.state, record.end_reason) == ("completed", "completed")
    assert record.texts("bot") == [LONG]


@pytest.mark.scenario("F31", carrier="twilio")
async def test_a_hang_up_before_the_end_of_the_message_is_told_as_such(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee}, speed=20)
    call = await phone.gateway.initiate(CALLEE, LONG, mode="notify")
    await callee.wait_heard(LONG, complete=False)
    phone.twilio.hang_up(phone.twilio.calls[0].sid)
    record = await phone.gateway.wait_state(call, "hangup-user")
    assert record.metadata["mode"] == "notify"
    assert callee.texts() == []


async def test_an_answering_machine_is_given_a_notification_all_the_same(
    setup: StartSetup,
) -> None:
    mailbox = Person.voicemail("Please leave a message.")
    phone = await setup(people={CALLEE: mailbox})
    call = await phone.gateway.initiate(CALLEE, "The parcel is here.", mode="notify")
    await phone.gateway.wait_state(call, "completed")
    assert mailbox.texts() == ["The parcel is here."]


@pytest.mark.parametrize(
    ("person", "state"),
    [
        (Person(outcome="busy"), "busy"),
        (Person(outcome="declines"), "busy"),
        (Person(outcome="failed"), "failed"),
        (Person(answers_after=None), "no-answer"),
    ],
    ids=["busy", "declines", "fails", "rings-out"],
)
async def test_a_call_that_reaches_nobody_says_why(
    setup: StartSetup, person: Person, state: str
) -> None:
    phone = await setup(people={CALLEE: person}, speed=200)
    done = await phone.gateway.voicecall(
        "call", "--to", CALLEE, "--message", "Hello", "--mode", "notify", "--wait"
    )
    assert done.code != 0
    assert state in done.out + done.err
    [call] = phone.twilio.calls
    assert (await phone.gateway.status(call.sid)).state == state
