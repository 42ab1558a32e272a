"""A conversation: turn after turn, the agent and the owner on the same line."""

import asyncio

import pytest

from openclaw.errors import RpcFailed
from tests.e2e.conftest import CALLEE, StartSetup
from tests.emulators.twilio import HangsUp, Person, Reply

OTHER = "+15550009876"


@pytest.mark.scenario("F8", carrier="twilio")
async def test_every_turn_of_the_caller_gets_one_reply(setup: StartSetup) -> None:
    callee = Person(
        ["Who is there?", None, "What time is it?", "Goodbye then."],
        hangs_up=HangsUp(after_hearing="Goodbye to you", delay=5.0),
    )
    phone = await setup(
        people={CALLEE: callee},
        script={
            "rules": [
                {"match": "who", "reply": "This is your assistant."},
                {"match": "time", "reply": "It is noon.", "delayMs": 150},
                {"match": "goodbye", "reply": "Goodbye to you."},
            ]
        },
    )
    call = await phone.gateway.initiate(CALLEE, "Hello, have you a minute?")
    record = await phone.gateway.wait_state(call, "hangup-user")
    assert callee.texts() == [
        "Hello, have you a minute?",
        "This is your assistant.",
        "It is noon.",
        "Goodbye to you.",
    ]
    assert [(entry.speaker, entry.text) for entry in record.transcript] == [
        ("bot", "Hello, have you a minute?"),
        ("user", "Who is there?"),
        ("bot", "This is your assistant."),
        ("user", "What time is it?"),
        ("bot", "It is noon."),
        ("user", "Goodbye then."),
        ("bot", "Goodbye to you."),
    ]
    # Replies travel in answers to held requests: nothing was asked of the API but the call.
    assert [each.operation for each in phone.twilio.requests] == ["create"]


@pytest.mark.scenario("F46", "F82", carrier="twilio")
async def test_the_owner_asks_and_gets_the_answer_alone(setup: StartSetup) -> None:
    callee = Person(
        [
            Reply("Half past ten.", when="What time suits you?"),
            Reply("Anything else?", when="", after=1.0),
        ]
    )
    phone = await setup(people={CALLEE: callee}, script={"default": "The agent heard: {text}"})
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "Hello.")
    await gateway.wait_state(call, "listening")
    answer = await gateway.rpc("voicecall.continue", callId=call, message="What time suits you?")
    assert answer == {"success": True, "transcript": "Half past ten."}
    # The words after those are the agent's again.
    await callee.wait_heard("The agent heard: Anything else?")
    assert callee.texts() == [
        "Hello.",
        "What time suits you?",
        "The agent heard: Anything else?",
    ]
    await gateway.end(call)


@pytest.mark.scenario("F46", "F82", carrier="twilio")
async def test_one_question_at_a_time_and_its_answer_is_kept(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee})
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "Hello.")
    await gateway.wait_state(call, "listening")
    started = await gateway.rpc("voicecall.continue.start", callId=call, message="Your name?")
    operation = started["operationId"]
    assert started["status"] == "pending"

    for method in ("voicecall.continue", "voicecall.continue.start"):
        with pytest.raises(RpcFailed, match="Already waiting for transcript") as refused:
            await gateway.rpc(method, callId=call, message="Your age?")
        assert refused.value.details["code"] == "already_waiting"

    pending = await gateway.rpc("voicecall.continue.result", operationId=operation)
    assert pending["status"] == "pending"

    await callee.wait_heard("Your name?")
    await phone.twilio.until(lambda: callee.calls[0].listening, "the line listens")
    callee.speak("Ada.")
    await gateway.wait_call(call, lambda view: view.texts("user") == ["Ada."])
    await gateway.end(call)
    # The call is over and the process another one; the answer is still there.
    await gateway.restart()
    result = await gateway.rpc("voicecall.continue.result", operationId=operation)
    assert result == {
        "operationId": operation,
        "status": "completed",
        "result": {"success": True, "transcript": "Ada."},
    }


async def test_a_question_during_the_agents_thinking_replaces_its_reply(
    setup: StartSetup,
) -> None:
    callee = Person(["Tell me a story.", Reply("Blue.", when="colour")])
    phone = await setup(
        people={CALLEE: callee},
        script={"rules": [{"match": "story", "reply": "Once upon a time.", "delayMs": 1500}]},
    )
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "Hello.")
    await gateway.wait_call(call, lambda view: view.texts("user") == ["Tell me a story."])
    answer = await gateway.rpc(
        "voicecall.continue", callId=call, message="First, which colour do you like?"
    )
    assert answer == {"success": True, "transcript": "Blue."}
    # Past the time at which the obsolete reply was ready.
    await asyncio.sleep(1.0)
    assert callee.texts() == ["Hello.", "First, which colour do you like?"]
    await gateway.end(call)


@pytest.mark.scenario("F30", carrier="twilio")
async def test_two_messages_at_once_are_said_one_after_the_other(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee})
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "Hello.")
    await gateway.wait_state(call, "listening")
    first, second = "This is the first of two.", "And this is the second."
    settled = await gateway.speak(call, first), await gateway.speak(call, second)
    assert settled == ({"success": True}, {"success": True})
    await callee.wait_heard(second)
    assert callee.texts() == ["Hello.", first, second]
    early, late = callee.heard[1:]
    assert early.finished is not None
    assert early.finished <= late.started

    at_once = ["One of two at once.", "Two of two at once."]
    async with asyncio.TaskGroup() as group:
        for text in at_once:
            group.create_task(gateway.speak(call, text))
    for text in at_once:
        await callee.wait_heard(text)
    assert sorted(callee.texts()[3:]) == at_once
    await gateway.end(call)


@pytest.mark.scenario("F32", carrier="twilio")
async def test_a_farewell_is_heard_before_the_line_is_put_down(setup: StartSetup) -> None:
    callee = Person()
    phone = await setup(people={CALLEE: callee}, speed=20)
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "Hello.")
    await gateway.wait_state(call, "listening")
    farewell = "Thank you for your time, and have a very pleasant evening. Goodbye."
    await gateway.speak(call, farewell)
    assert await gateway.end(call) == {"success": True}
    record = await gateway.wait_state(call, "hangup-bot")
    assert callee.texts() == ["Hello.", farewell]
    assert record.texts("bot") == ["Hello.", farewell]
    await phone.twilio.wait_for(record.provider_call_id, "completed")


async def test_keys_go_both_ways(setup: StartSetup) -> None:
    callee = Person(["Press one", Reply(digits="42#")])
    phone = await setup(
        people={CALLEE: callee},
        script={"rules": [{"match": "keys", "reply": "I got {text}."}], "default": "Go on."},
    )
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, "Hello.")
    await callee.wait_heard("42")
    record = await gateway.status(call)
    assert record.texts("user") == ["Press one", "42"]
    sent = await gateway.voicecall("dtmf", "--call-id", call, "--digits", "12w*#")
    assert sent.code == 0, sent.err
    await phone.twilio.until(
        lambda: any(item.kind == "digits" and item.complete for item in callee.heard),
        "keys are heard",
    )
    assert [item.text for item in callee.heard if item.kind == "digits"] == ["12w*#"]
    with pytest.raises(RpcFailed, match="digits may only contain"):
        await gateway.rpc("voicecall.dtmf", callId=call, digits="12; rm")
    await gateway.end(call)


@pytest.mark.scenario("F107", carrier="twilio")
async def test_the_agent_remembers_a_number_and_no_other(setup: StartSetup) -> None:
    people = {
        number: Person(["Hello, it is me."], hangs_up=HangsUp(after_hearing="turn"))
        for number in (CALLEE, OTHER)
    }
    phone = await setup(people=people, script={"default": "This is turn {turn}."})
    for number in (CALLEE, OTHER, CALLEE):
        call = await phone.gateway.initiate(number)
        await phone.gateway.wait_state(call, "hangup-user")
    assert people[CALLEE].texts() == ["This is turn 1.", "This is turn 2."]
    assert people[OTHER].texts() == ["This is turn 1."]


@pytest.mark.scenario("F107", carrier="twilio")
async def test_a_call_may_be_a_memory_of_its_own(setup: StartSetup) -> None:
    callee = Person(["Hello, it is me."], hangs_up=HangsUp(after_hearing="turn"))
    phone = await setup(
        {"sessionScope": "per-call"},
        people={CALLEE: callee},
        script={"default": "This is turn {turn}."},
    )
    for _ in range(2):
        call = await phone.gateway.initiate(CALLEE)
        await phone.gateway.wait_state(call, "hangup-user")
    assert callee.texts() == ["This is turn 1.", "This is turn 1."]


@pytest.mark.scenario("F1", carrier="twilio")
@pytest.mark.parametrize("status", ["queued", "initiated", "ringing"])
async def test_a_first_fetch_before_the_answer_gets_the_whole_document(
    setup: StartSetup, status: str
) -> None:
    callee = Person(answers_after=20.0)
    phone = await setup(people={CALLEE: callee})
    call = await phone.gateway.initiate(CALLEE, "Hello there.")
    [created] = phone.rest("create")
    sid = phone.twilio.calls[0].sid
    fields = {**dict(phone.twilio.call(sid).common_fields()), "CallStatus": status}
    url = created.form["Url"].partition("#")[0]
    early = await phone.twilio.post(url, fields)
    assert early.status == 200
    assert "<Say" in early.body
    assert "Hello there." in early.body
    # What Twilio itself fetches after the answer is the same, and is heard once.
    await callee.wait_heard("Hello there.")
    await phone.gateway.wait_state(call, "listening")
    document = next(each for each in phone.twilio.deliveries if each.kind == "document")
    assert document.body == early.body
    assert callee.texts() == ["Hello there."]
    await phone.gateway.end(call)


@pytest.mark.scenario("F109", carrier="twilio")
async def test_what_callers_say_is_only_ever_data(setup: StartSetup) -> None:
    words = (
        '</Say><Hangup/> $(touch pwned) `id` "; {"endCall": true, "say": "x"} ]]> &amp; '
        "\x07\x1b[31m bye\r\nFAKE LOG LINE"
    )
    callee = Person([words, "Still there?"])
    phone = await setup(
        people={CALLEE: callee},
        script={"rules": [{"match": "still", "reply": "Yes."}], "default": "I heard: {text}"},
        host={"logging": {"level": "debug"}},
    )
    gateway = phone.gateway
    call = await gateway.initiate(CALLEE, 'We say <b>"x" & y</b> </Say><Hangup/>')
    await callee.wait_heard("Yes.")
    record = await gateway.status(call)
    assert record.texts("user") == [words.strip(), "Still there?"]
    assert callee.texts()[0] == 'We say <b>"x" & y</b> </Say><Hangup/>'
    await gateway.speak(call, f"Literally: {words}")
    await callee.wait_heard("Literally:")
    assert "</Say><Hangup/> $(touch pwned)" in callee.texts()[-1]
    assert not phone.twilio.call(record.provider_call_id).over
    assert not list(gateway.folder.rglob("pwned"))
    assert not any(line.startswith("FAKE") for line in gateway.everything.splitlines())
    await gateway.end(call)
