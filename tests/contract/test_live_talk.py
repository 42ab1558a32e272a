"""Live audio that goes well, over each company: what is said is heard, and who interrupts is."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.errors import AlreadyWaiting, UtteranceFailed
from tests.contract.bench import leaves_after, transcript, words
from tests.contract.live import PacedAgents, live, stale
from tests.contract.network import THEIRS
from tests.contract.networks import COMPANIES
from tests.emulators.media import Echo
from tests.emulators.people import Person, Reply
from tests.voice_call.rig import FakeAgents

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)

LONG = "There are many things to say of this and I shall name them all one after the other now."


async def test_a_conversation_goes_on_turn_after_turn(carrier: str, tmp_path: Path) -> None:
    says = ("Who is there?", "What time is it?")
    async with live(carrier, tmp_path, {THEIRS: leaves_after(*says)}) as here:
        record = await here.ended(await here.call("Hello, have you a minute?"))
        spoken = ["Hello, have you a minute?", *(f"You said: {each}" for each in says)]
        assert await here.heard() == spoken
        assert record["state"] == "hangup-user"
        assert words(record, "bot") == spoken
        assert words(record, "user") == list(says)
        stream = await here.network.stream()
        assert [mark.played for mark in stream.out.marks] == [True] * 3
        assert stream.out.clears == []
        assert stream.ended_by == "company"


@pytest.mark.scenario("F6")
async def test_a_caller_is_greeted_as_soon_as_the_stream_is_up(
    carrier: str, tmp_path: Path
) -> None:
    async with live(
        carrier, tmp_path, speed=2.0, inboundPolicy="open", inboundGreeting="Good day!"
    ) as here:
        them = leaves_after("Is anybody there?")
        leg = here.network.ring_in(THEIRS, them)
        stream = await here.network.stream(leg)
        record = await here.ended(await here.inbound())
        assert stream.started_at is not None
        assert stream.out.arrivals[0].at - stream.started_at < 0.3
        assert them.texts() == ["Good day!", "You said: Is anybody there?"]
        assert transcript(record) == [
            ("bot", "Good day!"),
            ("user", "Is anybody there?"),
            ("bot", "You said: Is anybody there?"),
        ]


@pytest.mark.scenario("F34")
async def test_the_first_sentence_is_heard_while_the_second_is_made(
    carrier: str, tmp_path: Path
) -> None:
    agents = PacedAgents(pieces=["The first is ready. The", " second took a while."])
    them = Person(["Tell me."])
    async with live(carrier, tmp_path, {THEIRS: them}, agents=agents) as here:
        call = await here.call()
        agents.release(1)
        await them.wait_heard("The first is ready.")
        agents.release(1)
        await them.wait_heard("The second took a while.")
        record = await here.wait_state(call, "listening")
        assert words(record, "bot")[1:] == ["The first is ready. The second took a while."]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F41")
async def test_who_interrupts_is_heard_and_nothing_of_before_follows(
    carrier: str, tmp_path: Path
) -> None:
    them = Person(["Tell me.", Reply("Stop it, please.", barges_in=True, after=1.0)])
    agents = FakeAgents(answer=lambda text: LONG if text == "Tell me." else "As you wish.")
    async with live(carrier, tmp_path, {THEIRS: them}, speed=2.0, agents=agents) as here:
        call = await here.call()
        await them.wait_heard("As you wish.")
        record = await here.wait_state(call, "listening")
        stream = await here.network.stream()
        [cleared] = stream.out.clears
        # The second sound is the interruption.
        assert cleared.at - stream.onsets[1] < 0.3 + 0.1
        assert cleared.dropped
        assert stale(stream) == "As you wish."
        cut = next(each for each in record["transcript"] if each["text"].startswith("There are"))
        assert LONG.startswith(cut["text"])
        assert len(cut["text"]) < len(LONG) / 2
        assert words(record, "user") == ["Tell me.", "Stop it, please."]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F41")
async def test_what_the_owner_says_and_waits_for_is_settled_when_it_is_interrupted(
    carrier: str, tmp_path: Path
) -> None:
    them = Person([Reply("Not now, please.", barges_in=True, when="There are", after=1.0)])
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call()
        await them.wait_heard("Hello.")
        with pytest.raises(UtteranceFailed, match="interrupted"):
            await here.service.speak(call, LONG, wait=True)
        await them.wait_heard("You said: Not now, please.")
        assert stale(await here.network.stream()) == "You said: Not now, please."
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F39")
async def test_our_own_echo_is_no_interruption_and_a_real_one_is(
    carrier: str, tmp_path: Path
) -> None:
    them = Person(["Tell me.", Reply("Stop it, please.", barges_in=True, when="name them")])
    agents = FakeAgents(answer=lambda text: LONG if text == "Tell me." else "As you wish.")
    async with live(carrier, tmp_path, {THEIRS: them}, speed=2.0, agents=agents) as here:
        here.network.spoil_streams(Echo(gain_db=-20.0))
        call = await here.call()
        await them.wait_heard("As you wish.")
        record = await here.wait_state(call, "listening")
        stream = await here.network.stream()
        [cleared] = stream.out.clears
        assert 0 < cleared.at - stream.onsets[1] < 0.3 + 0.1
        assert words(record, "user") == ["Tell me.", "Stop it, please."]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F43")
async def test_who_says_hello_first_is_greeted_once(carrier: str, tmp_path: Path) -> None:
    them = Person()
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call("Good morning, this is the workshop.")
        (await here.network.stream()).speak(tone_code.encode("Hello?"))
        await them.wait_heard("You said: Hello?")
        record = await here.wait_state(call, "listening")
        greeting = "Good morning, this is the workshop."
        assert " ".join(them.texts()) == f"{greeting} You said: Hello?"
        assert words(record, "bot") == [greeting, "You said: Hello?"]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F20")
async def test_what_is_said_before_the_recogniser_is_there_is_understood(
    carrier: str, tmp_path: Path
) -> None:
    them = Person(["Is this the workshop?"])
    streaming = {
        "enabled": True,
        "provider": "scripted",
        "maxLatenessMs": 0,
        "providers": {"scripted": {"connectDelayMs": 4000}},
    }
    async with live(carrier, tmp_path, {THEIRS: them}, streaming=streaming) as here:
        call = await here.call()
        stream = await here.network.stream()
        await them.wait_heard("Hello.")
        # The greeting does not wait for it.
        assert stream.started_at is not None
        assert stream.out.arrivals[0].at - stream.started_at < 1.0
        await them.wait_heard("You said: Is this the workshop?")
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F40")
async def test_a_hello_during_the_greeting_does_not_cost_the_greeting(
    carrier: str, tmp_path: Path
) -> None:
    greeting = "Good morning, this is the workshop, and your car is ready."
    them = Person([Reply("Hello?", barges_in=True, after=0.5)])
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call(greeting)
        await them.wait_heard("You said: Hello?")
        record = await here.wait_state(call, "listening")
        stream = await here.network.stream()
        assert " ".join(them.texts()) == f"{greeting} You said: Hello?"
        assert stream.out.clears == []
        assert words(record, "bot") == [greeting, "You said: Hello?"]
        assert words(record, "user") == ["Hello?"]
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("F46")
async def test_who_asks_gets_the_answer_alone(carrier: str, tmp_path: Path) -> None:
    them = Person([Reply("Large.", when="What size?")])
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call()
        await them.wait_heard("Hello.")
        operation = await here.service.begin_continue(call, "What size?")
        with pytest.raises(AlreadyWaiting):
            await here.service.begin_continue(call, "And the colour?")
        assert await here.service.continue_result(operation, wait=True) == "Large."
        record = await here.wait_state(call, "listening")
        assert transcript(record)[:3] == [
            ("bot", "Hello."),
            ("bot", "What size?"),
            ("user", "Large."),
        ]
        await here.service.end(call)
        await here.ended(call)
        assert here.agents.asked == []
        assert await here.heard() == ["Hello.", "What size?"]


async def test_keys_are_an_answer_once(carrier: str, tmp_path: Path) -> None:
    them = Person([Reply(digits="42#")])
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call("Your number, please?")
        await them.wait_heard("42")
        record = await here.wait_state(call, "listening")
        assert words(record, "user") == ["42"]
        assert (await here.network.stream()).keys == ["4", "2", "#"]
        await here.service.end(call)
        await here.ended(call)


async def test_a_farewell_is_heard_before_we_put_the_phone_down(
    carrier: str, tmp_path: Path
) -> None:
    farewell = "Thank you very much for your time, and goodbye."
    them = Person()
    async with live(carrier, tmp_path, {THEIRS: them}) as here:
        call = await here.call()
        await them.wait_heard("Hello.")
        await here.service.speak(call, farewell)
        await here.service.end(call)
        record = await here.ended(call)
        assert record["state"] == "hangup-bot"
        await here.network.until(lambda: here.network.legs[-1].over, "the end of the leg")
        await them.wait_heard(farewell)
        assert await here.heard() == ["Hello.", farewell]
