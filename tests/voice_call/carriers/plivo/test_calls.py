"""Whole calls through Plivo: real sockets, signed webhooks, documents executed, people who talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import CallEnded
from tests.emulators.plivo import HangsUp, Person, Reply, Settings
from tests.voice_call.carriers.plivo.phone import THEIRS, phone, words

LONG = " ".join(f"Sentence number {n} of a long message." for n in range(1, 9))


@pytest.mark.scenario("F8", carrier="plivo")
@pytest.mark.parametrize("other_names", [False, True])
async def test_every_turn_of_the_caller_gets_one_reply(tmp_path: Path, other_names: bool) -> None:
    callee = Person(
        ["Who is there?", None, "What time is it?", "Goodbye then."],
        hangs_up=HangsUp(after_hearing="said: Goodbye"),
    )
    plivo = Settings(requests_have_other_names=other_names)
    async with phone(tmp_path, {THEIRS: callee}, plivo=plivo) as here:
        call = await here.call("Hello, have you a minute?")
        record = await here.ended(call)
        assert record["state"] == "hangup-user"
        assert record.get("providerCallId") == here.plivo.calls[0].uuid
        assert callee.texts() == [
            "Hello, have you a minute?",
            "You said: Who is there?",
            "You said: What time is it?",
            "You said: Goodbye then.",
        ]
        assert words(record) == [
            ("bot", "Hello, have you a minute?"),
            ("user", "Who is there?"),
            ("bot", "You said: Who is there?"),
            ("user", "What time is it?"),
            ("bot", "You said: What time is it?"),
            ("user", "Goodbye then."),
            ("bot", "You said: Goodbye then."),
        ]
        assert len(here.agents.asked) == 3
        # Replies travel in answers to held requests: nothing was asked of the API but the call.
        assert here.operations() == ["create"]
        for name in (here.plivo.calls[0].uuid, call):
            assert (await here.service.status(name)) == record


@pytest.mark.scenario("F31", carrier="plivo")
async def test_a_notice_is_heard_whole_before_the_line_is_put_down(tmp_path: Path) -> None:
    callee = Person()
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call(LONG, Mode.NOTIFY)
        record = await here.ended(call)
        assert (record["state"], callee.texts()) == ("completed", [LONG])
        await here.plivo.wait_idle()
        assert here.plivo.calls[0].ended_by in {"document", "gateway"}
        assert here.agents.asked == []


@pytest.mark.parametrize(
    ("person", "state"),
    [
        (Person(outcome="busy"), "busy"),
        (Person(outcome="declines"), "busy"),
        (Person(outcome="failed"), "failed"),
        (Person(answers_after=None), "no-answer"),
        (Person(hangs_up=HangsUp(after_seconds=0.2)), "hangup-user"),
        (Person(hangs_up=HangsUp(during="Hello")), "hangup-user"),
    ],
    ids=["busy", "declines", "fails", "rings-out", "leaves", "leaves-during-speech"],
)
async def test_every_end_has_its_reason(tmp_path: Path, person: Person, state: str) -> None:
    async with phone(tmp_path, {THEIRS: person}) as here:
        record = await here.ended(await here.call("Hello there."))
        assert record["state"] == state


async def test_the_longest_duration_ends_a_call(tmp_path: Path) -> None:
    callee = Person(answers_after=0.1)
    async with phone(tmp_path, {THEIRS: callee}, config={"maxDurationSeconds": 1}) as here:
        call = await here.call("Hello.")
        # Plivo's own limit of 11 s is sooner on the emulator's fast clock, and means the same.
        assert (await here.ended(call))["state"] == "timeout"


async def test_plivo_says_that_the_longest_duration_was_reached(tmp_path: Path) -> None:
    callee = Person()
    plivo = Settings(speed=1000)
    async with phone(
        tmp_path, {THEIRS: callee}, plivo=plivo, config={"maxDurationSeconds": 600}
    ) as here:
        assert (await here.ended(await here.call("Hello.")))["state"] == "timeout"
        assert here.plivo.calls[0].ended_by == "limit"


@pytest.mark.scenario("F30", carrier="plivo")
async def test_a_message_in_the_middle_of_listening_is_fetched_by_a_transfer(
    tmp_path: Path,
) -> None:
    callee = Person()
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Hello.")
        await here.listens(callee)
        await here.service.speak(call, "Are you still there?", wait=True)
        assert callee.texts() == ["Hello.", "Are you still there?"]
        assert here.operations() == ["create", "transfer"]
        await here.listens(callee)
        callee.speak("Yes.")
        await callee.wait_heard("You said: Yes.")
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"


@pytest.mark.scenario("F46", carrier="plivo")
async def test_the_owner_asks_and_gets_the_answer_alone(tmp_path: Path) -> None:
    callee = Person(
        [
            Reply("Half past ten.", when="What time suits you?"),
            Reply("Anything else?", after=1.0),
        ]
    )
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Hello.")
        await here.listens(callee)
        assert await here.service.continue_call(call, "What time suits you?") == "Half past ten."
        await callee.wait_heard("You said: Anything else?")
        assert [request.text for request in here.agents.asked] == ["Anything else?"]
        await here.service.end(call)


async def test_keys_go_both_ways(tmp_path: Path) -> None:
    callee = Person([Reply(digits="42#"), "Thank you"])
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Press your number.")
        await callee.wait_heard("42")
        await callee.wait_heard("You said: Thank you")
        await here.listens(callee)
        await here.service.send_digits(call, "12w*#")
        await callee.wait_heard("12w*#")
        assert [item.text for item in callee.heard if item.kind == "digits"] == ["12w*#"]
        await here.service.end(call)
        record = await here.ended(call)
        assert [text for speaker, text in words(record) if speaker == "user"] == ["42", "Thank you"]


async def test_digits_of_the_placement_come_before_its_words(tmp_path: Path) -> None:
    callee = Person()
    async with phone(tmp_path, {THEIRS: callee}) as here:
        placed = await here.service.initiate(
            to=THEIRS, message="Hello.", mode=Mode.CONVERSATION, digits="ww12#"
        )
        await callee.wait_heard("Hello.")
        assert [(item.kind, item.text) for item in callee.heard] == [
            ("digits", "ww12#"),
            ("say", "Hello."),
        ]
        await here.service.end(placed.call_id)


@pytest.mark.scenario("F64", carrier="plivo")
@pytest.mark.parametrize("other_names", [False, True])
@pytest.mark.parametrize("status", ["queued", "ringing"])
async def test_a_call_is_taken_back_before_it_is_answered(
    tmp_path: Path, status: str, other_names: bool
) -> None:
    plivo = Settings(
        queue_seconds=600.0 if status == "queued" else 0.0,
        requests_have_other_names=other_names,
    )
    async with phone(tmp_path, {THEIRS: Person(answers_after=None)}, plivo=plivo) as here:
        call = await here.call("Hello.")
        [leg] = here.plivo.calls
        await here.plivo.wait_for(leg.uuid, status)
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"
        assert leg.status == "cancel"
        with pytest.raises(CallEnded):
            await here.service.speak(call, "Too late.")


@pytest.mark.scenario("F32", carrier="plivo")
async def test_a_farewell_is_heard_before_the_line_is_put_down(tmp_path: Path) -> None:
    callee = Person()
    async with phone(tmp_path, {THEIRS: callee}) as here:
        call = await here.call("Hello.")
        await here.listens(callee)
        farewell = "Thank you for your time, and have a very pleasant evening. Goodbye."
        await here.service.speak(call, farewell)
        await here.service.end(call)
        assert (await here.ended(call))["state"] == "hangup-bot"
        assert callee.texts() == ["Hello.", farewell]


async def test_an_answering_machine_is_given_a_notification(tmp_path: Path) -> None:
    mailbox = Person.voicemail("Please leave a message.")
    async with phone(tmp_path, {THEIRS: mailbox}) as here:
        call = await here.call("The parcel is here.", Mode.NOTIFY)
        assert (await here.ended(call))["state"] == "completed"
        assert mailbox.texts() == ["The parcel is here."]


@pytest.mark.scenario("F109", carrier="plivo")
async def test_what_callers_say_is_only_ever_data(tmp_path: Path) -> None:
    said = '</Speak><Hangup/> $(touch pwned) "; {"endCall": true} ]]> &amp; é + 100 %'
    callee = Person([said], hangs_up=HangsUp(after_hearing="You said"))
    async with phone(tmp_path, {THEIRS: callee}) as here:
        record = await here.ended(await here.call('We say <b>"x" & y</b>'))
        assert callee.texts()[0] == 'We say <b>"x" & y</b>'
        assert words(record)[1] == ("user", said)
        assert record["state"] == "hangup-user"


@pytest.mark.scenario("F91", "F96", carrier="plivo")
@pytest.mark.parametrize("signatures", ["v3", "both", "v2"])
async def test_a_call_goes_through_with_either_signature(tmp_path: Path, signatures: str) -> None:
    callee = Person(["Who is there?"], hangs_up=HangsUp(after_hearing="You said"))
    plivo = Settings(
        signatures=signatures,  # pyright: ignore[reportArgumentType] - one of three words
        requests_have_other_names=True,
        # New, repeated, blank and mixed-case fields, in any alphabet.
        extra_params=(("zZ", "ä & =+%"), ("a", "2"), ("a", "1"), ("A", ""), ("Ünï", "ひ")),
        proxy_headers={"X-Forwarded-Host": "elsewhere.example.com"},
    )
    async with phone(tmp_path, {THEIRS: callee}, plivo=plivo) as here:
        record = await here.ended(await here.call("Hello."))
        assert record["state"] == "hangup-user"
        assert callee.texts() == ["Hello.", "You said: Who is there?"]
        await here.plivo.wait_idle()
        assert {each.status for each in here.plivo.deliveries} == {200}
