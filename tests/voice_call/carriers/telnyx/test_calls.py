"""Whole calls over Telnyx's protocol: the plugin, its journal, sockets, people on the phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openclaw.sdk import ReplyRequest, ReplyRun
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import AlreadyWaiting
from tests.emulators.telnyx import HangsUp, Person, Reply
from tests.voice_call.carriers.telnyx.house import THEIRS, house, transcript
from tests.voice_call.rig import FakeAgents


class SlowRun:
    """A reply that is there when the agent may think no more."""

    def __init__(self, text: str, ready: asyncio.Event) -> None:
        self._text = text
        self._ready = ready

    async def __aiter__(self) -> AsyncIterator[str]:
        yield await self.text()

    async def text(self) -> str:
        await self._ready.wait()
        return self._text

    def cancel(self) -> None:
        """Whoever waits is cancelled."""


class ThinkingAgents(FakeAgents):
    """Answers only after `think_no_more`."""

    def __init__(self) -> None:
        super().__init__()
        self._ready = asyncio.Event()

    def reply(self, request: ReplyRequest) -> ReplyRun:
        self.asked.append(request)
        return SlowRun(self.answer(request.text), self._ready)

    def think_no_more(self) -> None:
        self._ready.set()


@pytest.mark.scenario("F8", "F11", carrier="telnyx")
async def test_a_conversation_goes_on_turn_after_turn(tmp_path: Path) -> None:
    callee = Person(
        ["Who is there?", "What time is it?", "Goodbye."],
        hangs_up=HangsUp(after_hearing="You said: Goodbye.", delay=10.0),
    )
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call("Hello, have you a minute?")
        record = await here.rig.ended(call)
        assert record["state"] == "hangup-user"
        assert record.get("providerCallId") == leg
        spoken = [
            "Hello, have you a minute?",
            "You said: Who is there?",
            "You said: What time is it?",
            "You said: Goodbye.",
        ]
        assert callee.texts() == spoken
        heard = ["Who is there?", "What time is it?", "Goodbye."]
        assert [text for who, text in transcript(record) if who == "bot"] == spoken
        assert [text for who, text in transcript(record) if who == "user"] == heard
        assert [request.operation for request in here.commands()] == [
            "dial",
            "speak",
            *("transcription_start", "speak", "transcription_stop") * 3,
            "transcription_start",
        ]
        await here.telnyx.wait_idle()


@pytest.mark.scenario("F39", carrier="telnyx")
async def test_nobody_is_listened_to_while_we_speak(tmp_path: Path) -> None:
    callee = Person(["One.", "Two."], hangs_up=HangsUp(after_hearing="You said: Two."))
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, _ = await here.call()
        await here.rig.ended(call)
        listening, said = False, 0
        for event in here.telnyx.events:
            match event.what:
                case "listens":
                    listening = True
                case "listens no more":
                    listening = False
                case "silent":
                    said += 1
                    assert not listening, "it was stopped while we spoke"
                case _:
                    pass
        assert said == 3


@pytest.mark.scenario("F31", "F75", carrier="telnyx")
async def test_a_notice_is_heard_to_its_end_before_the_line_is_put_down(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        notice = "Your parcel has arrived and can be fetched at the counter until eight o'clock."
        call, leg = await here.call(notice, Mode.NOTIFY)
        record = await here.rig.ended(call)
        assert record["state"] == "completed"
        [item] = callee.heard
        assert item.complete
        ended = await here.telnyx.wait_for(leg, "hangup")
        assert (ended.ended_by, ended.cause) == ("gateway", "normal_clearing")
        assert not here.commands("transcription_start")


@pytest.mark.parametrize(
    ("person", "state", "detail"),
    [
        (Person(outcome="busy"), "busy", "Telnyx: user_busy, SIP 486"),
        (Person(outcome="declines"), "busy", "Telnyx: call_rejected, SIP 603"),
        (Person(outcome="failed"), "failed", "Telnyx: not_found, SIP 404"),
        (Person(answers_after=None), "no-answer", "Telnyx: timeout, SIP 487"),
    ],
    ids=["busy", "declines", "failed", "no answer"],
)
@pytest.mark.scenario("F52", carrier="telnyx")
async def test_calls_that_nobody_answers_end_for_their_reason(
    tmp_path: Path, person: Person, state: str, detail: str
) -> None:
    async with house(tmp_path, {THEIRS: person}, speed=500) as here:
        call, _ = await here.call()
        record = await here.rig.ended(call)
        assert record["state"] == state
        history = await here.service.history(call)
        assert history is not None
        assert history[0].end_detail == detail
        assert person.texts() == []
        assert not here.commands("hangup"), "such a leg is over"


async def test_the_other_party_hangs_up_in_the_middle_of_a_sentence(tmp_path: Path) -> None:
    callee = Person(hangs_up=HangsUp(during="long story"))
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, _ = await here.call("This is a long story that nobody wants to hear to its end.")
        record = await here.rig.ended(call)
        assert record["state"] == "hangup-user"
        assert transcript(record) == []


async def test_we_hang_up_and_the_reason_is_ours(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        await here.service.end(call)
        assert (await here.rig.ended(call))["state"] == "hangup-bot"
        assert (await here.telnyx.wait_for(leg, "hangup")).ended_by == "gateway"


async def test_a_ringing_call_is_taken_back(tmp_path: Path) -> None:
    async with house(tmp_path, {THEIRS: Person(answers_after=None)}, speed=1) as here:
        call, leg = await here.call()
        await here.wait_state(call, "ringing")
        await here.service.end(call)
        assert (await here.rig.ended(call))["state"] == "hangup-bot"
        assert (await here.telnyx.wait_for(leg, "hangup")).cause == "originator_cancel"


@pytest.mark.scenario("F71", carrier="telnyx")
async def test_the_longest_duration_ends_a_call(tmp_path: Path) -> None:
    async with house(tmp_path, {THEIRS: Person()}, maxDurationSeconds=1) as here:
        call, leg = await here.call()
        assert (await here.rig.ended(call))["state"] == "timeout"
        assert (await here.telnyx.wait_for(leg, "hangup")).ended_by == "gateway"


@pytest.mark.scenario("F46", "F82", carrier="telnyx")
async def test_the_owner_asks_and_gets_the_answer_alone(tmp_path: Path) -> None:
    callee = Person([Reply("Half past ten.", when="What time suits you?")])
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        operation = await here.service.begin_continue(call, "What time suits you?")
        with pytest.raises(AlreadyWaiting):
            await here.service.begin_continue(call, "And the day?")
        assert await here.service.continue_result(operation, wait=True) == "Half past ten."
        # The line has never ceased to listen; what it hears now is named as the agent's turn.
        await here.telnyx.until(lambda: here.did("client_state_update"), "the turn is named")
        callee.speak("Anything else?")
        await callee.wait_heard("You said: Anything else?")
        assert callee.texts() == ["Hello.", "What time suits you?", "You said: Anything else?"]


@pytest.mark.scenario("F30", carrier="telnyx")
async def test_two_messages_at_once_are_said_one_after_the_other(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        await here.service.speak(call, "This is the first of two.")
        await here.service.speak(call, "And this is the second.", wait=True)
        assert callee.texts() == ["Hello.", "This is the first of two.", "And this is the second."]
        first, second = callee.heard[1:]
        assert first.finished is not None
        assert first.finished <= second.started


@pytest.mark.scenario("F32", carrier="telnyx")
async def test_a_farewell_is_heard_before_the_line_is_put_down(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        await here.service.speak(call, "Thank you for your time. Goodbye.")
        await here.service.end(call)
        assert (await here.rig.ended(call))["state"] == "hangup-bot"
        assert callee.texts() == ["Hello.", "Thank you for your time. Goodbye."]


async def test_keys_go_both_ways(tmp_path: Path) -> None:
    callee = Person([Reply(digits="42#")])
    agents = FakeAgents(answer=lambda text: f"I got: {text}")
    async with house(tmp_path, {THEIRS: callee}, agents=agents) as here:
        call, leg = await here.call()
        await callee.wait_heard("42")
        assert len(agents.asked) == 1, "the keys are one answer"
        await here.telnyx.wait_listening(leg)
        await here.service.send_digits(call, "12w*#")
        await here.telnyx.until(lambda: callee.heard[-1].kind == "digits", "keys are heard")
        await here.telnyx.until(lambda: len(here.commands("transcription_start")) == 3, "start")
        assert [item.text for item in callee.heard if item.kind == "digits"] == ["12w*#"]
        await here.telnyx.wait_listening(leg)
        callee.speak("Still here.")
        await callee.wait_heard("I got: Still here.")
        assert ("user", "42") in transcript(await here.view(call))


async def test_keys_are_sent_before_anything_is_said(tmp_path: Path) -> None:
    callee = Person()
    async with house(tmp_path, {THEIRS: callee}) as here:
        await here.service.initiate(
            to=THEIRS, message="Hello.", mode=Mode.CONVERSATION, digits="w12#"
        )
        await callee.wait_heard("Hello.")
        assert [item.text for item in callee.heard] == ["w12#", "Hello."]
        keys, words = callee.heard
        assert keys.finished is not None
        assert keys.finished <= words.started, "the words do not drown the keys"


@pytest.mark.scenario("F42", carrier="telnyx")
async def test_a_second_sentence_joins_the_first_while_the_agent_thinks(tmp_path: Path) -> None:
    callee = Person()
    agents = ThinkingAgents()
    async with house(tmp_path, {THEIRS: callee}, agents=agents) as here:
        call, leg = await here.call()
        await here.telnyx.wait_listening(leg)
        callee.speak("I would like a table.")
        await here.wait(call, lambda seen: ("user", "I would like a table.") in transcript(seen))
        callee.speak("For two, please.")
        await here.wait(call, lambda seen: ("user", "For two, please.") in transcript(seen))
        agents.think_no_more()
        await callee.wait_heard("You said:")
        assert callee.texts() == ["Hello.", "You said: I would like a table. For two, please."]
