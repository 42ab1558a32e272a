"""The agent's answers on a call, with a real agent and its vendor's protocol over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from openclaw_voice_call.call.facts import Interrupted, Said
from openclaw_voice_call.call.record import CallRecord, Exchange, PendingReply
from openclaw_voice_call.call.types import Speaker
from openclaw_voice_call.conversation.responder import ReplyError, Responder
from tests.emulators.openai_chat import CallTool, Drop, Hang, Refuse, Say
from tests.host.agent.conftest import ask
from tests.voice_call.conversation.phone_agent import (
    PATIENCE_S,
    RECORD,
    PhoneAgent,
    SlowTool,
    Tasks,
    phone_agent,
    said,
)
from tests.voice_call.rig import FakeAgents


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[PhoneAgent]:
    async with phone_agent(tmp_path) as found:
        yield found


async def until_error(agent: PhoneAgent, text: str = "Hello") -> tuple[list[str], str]:
    given: list[str] = []

    async def read() -> None:
        async for sentence in agent.responder.sentences(RECORD, said(text)):
            given.append(sentence)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ReplyError) as caught:
        await read()
    return given, caught.value.why


@pytest.mark.scenario("F34")
async def test_the_first_sentence_comes_while_the_model_writes_the_second(
    agent: PhoneAgent,
) -> None:
    agent.vendor.will(Hang("It is sunny today. And tomor"))
    async with aclosing(agent.responder.sentences(RECORD, said("Hello"))) as sentences:
        assert await asyncio.wait_for(anext(sentences), PATIENCE_S) == "It is sunny today."
        assert not agent.vendor.left.is_set()
    await asyncio.wait_for(agent.vendor.left.wait(), PATIENCE_S)


async def test_an_answer_that_nobody_began_to_read_is_stopped_too(agent: PhoneAgent) -> None:
    agent.vendor.will(Hang("It is"))
    sentences = agent.responder.sentences(RECORD, said("Hello"))
    await asyncio.wait_for(agent.vendor.asked.wait(), PATIENCE_S)
    await sentences.aclose()
    await asyncio.wait_for(agent.vendor.left.wait(), PATIENCE_S)


async def test_a_reader_that_is_cancelled_stops_the_model(agent: PhoneAgent) -> None:
    agent.vendor.will(Hang("It is"))

    async def read() -> None:
        async with aclosing(agent.responder.sentences(RECORD, said("Hello"))) as sentences:
            _ = [each async for each in sentences]

    reading = agent.tasks.spawn("reading", read())
    await asyncio.wait_for(agent.vendor.asked.wait(), PATIENCE_S)
    reading.cancel()
    await asyncio.wait_for(agent.vendor.left.wait(), PATIENCE_S)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("It is sunny today. And it wi", ["It is sunny today."]),
        ("It is sunny today. It is warm.", ["It is sunny today.", "It is warm."]),
        ("It is", []),
    ],
)
async def test_what_was_whole_is_said_before_the_failure_is_told(
    agent: PhoneAgent, words: str, given: list[str]
) -> None:
    agent.vendor.will(Drop(words))
    assert await until_error(agent) == (given, "model_unreachable")


@pytest.mark.scenario("F101")
async def test_an_answer_without_words_to_speak_is_a_failure(agent: PhoneAgent) -> None:
    agent.vendor.will(Say("```sh\nls -la\n```"))
    assert await until_error(agent) == ([], "model_empty")


async def test_a_refusal_is_told_by_its_code(agent: PhoneAgent) -> None:
    agent.vendor.will(Refuse(401, "invalid_api_key"))
    assert await until_error(agent) == ([], "model_refused")


async def test_an_answer_is_cut_when_it_is_longer_than_what_is_spoken(agent: PhoneAgent) -> None:
    agent.vendor.will(Say("This is one sentence of many. " * 300))
    given = await agent.sentences("Hello")
    assert 3900 < len(" ".join(given)) <= 4000
    assert set(given) == {"This is one sentence of many."}


async def test_the_time_of_the_first_token_is_told_once(agent: PhoneAgent) -> None:
    agent.vendor.will(Say("It is sunny today. It is warm."))
    agent.now = 7.5
    told: list[float] = []
    sentences = agent.responder.sentences(RECORD, said("Hello"), told.append)
    assert len([each async for each in sentences]) == 2
    assert told == [7.5]


async def test_keys_are_told_from_words(agent: PhoneAgent) -> None:
    pending = PendingReply(1, "42", keyed=True)
    _ = [each async for each in agent.responder.sentences(RECORD, pending)]
    assert agent.vendor.requests[0].said()[-1] == ("user", "(pressed the phone keys) 42")


@pytest.mark.scenario("F106")
async def test_words_before_a_slow_tool_are_said_while_it_runs(tmp_path: Path) -> None:
    slow = SlowTool()
    async with phone_agent(tmp_path, slow.tool()) as agent:
        agent.vendor.will(CallTool("look_up", {}, "One moment please."), Say("It is at nine."))
        async with aclosing(agent.responder.sentences(RECORD, said("When?"))) as sentences:
            first = await asyncio.wait_for(anext(sentences), PATIENCE_S)
            assert first == "One moment please."
            await asyncio.wait_for(slow.begun.wait(), PATIENCE_S)
            slow.go.set()
            assert [each async for each in sentences] == ["It is at nine."]


@pytest.mark.scenario("F103")
async def test_tools_that_send_audio_to_a_chat_are_not_offered_on_the_phone(
    tmp_path: Path,
) -> None:
    slow = SlowTool()
    tools = slow.tool(), slow.tool("tts", audio_to_chat=True)
    async with phone_agent(tmp_path, *tools) as agent:
        await agent.sentences("Hello")
        await agent.runtime.reply(ask("Hello")).text()
        on_the_phone, in_a_chat = agent.vendor.requests
    assert [tool.function.name for tool in on_the_phone.tools] == ["look_up"]
    assert [tool.function.name for tool in in_a_chat.tools] == ["look_up", "tts"]


async def test_the_history_has_what_was_heard_of_all_sentences_of_an_answer(
    agent: PhoneAgent,
) -> None:
    def heard(text: str) -> CallRecord:
        exchange = Exchange(1, "Weather?", "It is sunny. It is warm. Enjoy it.", text)
        return msgspec.structs.replace(RECORD, exchange=exchange)

    remember = agent.responder.remember
    remember(heard("It is sunny."), [Said(1, "It is sunny.", Speaker.AGENT, 1)])
    remember(heard("It is sunny. It is"), [Interrupted(2, "It is", Speaker.AGENT, 1)])
    await agent.tasks.idle()
    await agent.sentences("And tomorrow?", turn=2)
    assert agent.vendor.requests[0].said()[1:] == [
        ("user", "Weather?"),
        ("assistant", "It is sunny. It is"),
        ("user", "And tomorrow?"),
    ]


@dataclass
class SlowMemory(FakeAgents):
    """Remembering takes until it is let."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def settle(self, session_key: str, turn_key: str, user_text: str, heard: str) -> None:
        self.begun.set()
        await self.go.wait()
        await super().settle(session_key, turn_key, user_text, heard)


@pytest.mark.scenario("F105")
async def test_slow_remembering_does_not_hold_up_the_next_answer() -> None:
    agents = SlowMemory()
    tasks = Tasks()
    responder = Responder(agents, tasks)
    exchange = Exchange(1, "Hello", "Hello to you.", "Hello to you.")
    record = msgspec.structs.replace(RECORD, exchange=exchange)
    responder.remember(record, [Said(1, "Hello to you.", Speaker.AGENT, 1)])
    await asyncio.wait_for(agents.begun.wait(), PATIENCE_S)

    async with asyncio.timeout(PATIENCE_S):
        given = [each async for each in responder.sentences(record, said("Again", 2))]
        assert given == ["You said: Again"]
        assert await responder.reply(record, said("Again", 3)) == "You said: Again"
    assert agents.history == []
    agents.go.set()
    await tasks.idle()
    assert [text for _, _, text in agents.history] == ["Hello", "Hello to you."]
