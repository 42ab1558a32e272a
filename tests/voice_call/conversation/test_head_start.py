"""Answers begun on a guess: taken when it was right, without a trace when it was wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openclaw_voice_call.conversation.head_start import MOST_PER_TURN, HeadStart, same_words
from tests.emulators.openai_chat import CallTool, Hang, Refuse, Say
from tests.voice_call.conversation.phone_agent import (
    PATIENCE_S,
    RECORD,
    PhoneAgent,
    SlowTool,
    phone_agent,
)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[PhoneAgent]:
    async with phone_agent(tmp_path) as found:
        yield found


def user_words(agent: PhoneAgent) -> list[str | None]:
    """What the model was asked, request by request."""
    return [request.said()[-1][1] for request in agent.vendor.requests]


@pytest.mark.scenario("F34")
async def test_a_right_guess_is_the_answer_and_the_model_is_asked_once(agent: PhoneAgent) -> None:
    agent.vendor.will(Say("It is sunny today. It is warm."))
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "what is the weather like")
    start.begin(RECORD, 1, "What is the weather like?")
    await agent.tasks.idle()
    sentences = start.take(1, "What is the weather like?")
    assert sentences is not None
    assert [each async for each in sentences] == ["It is sunny today.", "It is warm."]
    assert (start.taken, start.discarded) == (1, 0)
    assert user_words(agent) == ["what is the weather like"]
    assert start.take(1, "What is the weather like?") is None


async def test_a_guess_can_be_taken_while_the_model_still_writes(agent: PhoneAgent) -> None:
    agent.vendor.will(Hang("It is sunny today. And tomor"))
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "Weather")
    await asyncio.wait_for(agent.vendor.asked.wait(), PATIENCE_S)
    sentences = start.take(1, "Weather?")
    assert sentences is not None
    assert await asyncio.wait_for(anext(sentences), PATIENCE_S) == "It is sunny today."
    await sentences.aclose()
    await asyncio.wait_for(agent.vendor.left.wait(), PATIENCE_S)


@pytest.mark.parametrize(
    ("turn", "text"), [(1, "Weather tomorrow"), (2, "Weather")], ids=["other words", "other turn"]
)
async def test_a_wrong_guess_is_given_up_and_leaves_no_trace(
    agent: PhoneAgent, turn: int, text: str
) -> None:
    agent.vendor.will(Hang("It is sunny today. And"), Say("It will rain."))
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "Weather")
    await asyncio.wait_for(agent.vendor.asked.wait(), PATIENCE_S)
    assert start.take(turn, text) is None
    await asyncio.wait_for(agent.vendor.left.wait(), PATIENCE_S)
    assert (start.taken, start.discarded) == (0, 1)
    assert await agent.sentences(text, turn) == ["It will rain."]
    assert [role for role, _ in agent.vendor.requests[1].said()] == ["system", "user"]


async def test_a_better_guess_replaces_the_one_before(agent: PhoneAgent) -> None:
    agent.vendor.will(Hang("It is"), Say("It will rain."))
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "Weather")
    await asyncio.wait_for(agent.vendor.asked.wait(), PATIENCE_S)
    start.begin(RECORD, 1, "Weather tomorrow")
    await asyncio.wait_for(agent.vendor.left.wait(), PATIENCE_S)
    sentences = start.take(1, "weather tomorrow")
    assert sentences is not None
    assert [each async for each in sentences] == ["It will rain."]
    assert (start.taken, start.discarded) == (1, 1)


async def test_guesses_are_limited_in_each_turn(agent: PhoneAgent) -> None:
    start = HeadStart(agent.responder, agent.tasks)
    for number in range(MOST_PER_TURN + 2):
        start.begin(RECORD, 1, f"Guess {number}")
        await agent.tasks.idle()
    assert len(agent.vendor.requests) == MOST_PER_TURN
    assert start.discarded == MOST_PER_TURN
    start.begin(RECORD, 2, "Weather")
    await agent.tasks.idle()
    assert len(agent.vendor.requests) == MOST_PER_TURN + 1


async def test_nothing_is_begun_on_no_words(agent: PhoneAgent) -> None:
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, " ... ")
    start.cancel()
    assert len(agent.tasks) == 0
    assert (start.taken, start.discarded) == (0, 0)


async def test_a_guess_whose_answer_failed_is_asked_anew(agent: PhoneAgent) -> None:
    agent.vendor.will(Refuse(500, None), Say("It is sunny today."))
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "Weather")
    await agent.tasks.idle()
    assert start.take(1, "Weather") is None
    assert start.discarded == 1
    assert await agent.sentences("Weather") == ["It is sunny today."]


async def test_where_no_agent_answers_any_more_there_is_no_head_start(agent: PhoneAgent) -> None:
    await agent.runtime.close()
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "Weather")
    assert start.take(1, "Weather") is None
    assert (start.taken, start.discarded) == (0, 0)


async def test_the_first_token_is_told_with_the_time_at_which_it_came(agent: PhoneAgent) -> None:
    agent.now = 3.0
    start = HeadStart(agent.responder, agent.tasks)
    start.begin(RECORD, 1, "Weather")
    await agent.tasks.idle()
    agent.now = 5.0
    told: list[float] = []
    sentences = start.take(1, "Weather", told.append)
    assert sentences is not None
    _ = [each async for each in sentences]
    assert told == [3.0]


async def test_a_tool_waits_until_the_guess_is_confirmed(tmp_path: Path) -> None:
    tool = SlowTool()
    tool.go.set()
    async with phone_agent(tmp_path, tool.tool()) as agent:
        agent.vendor.will(CallTool("look_up", {}, "One moment please."), Say("It is at nine."))
        start = HeadStart(agent.responder, agent.tasks)
        start.begin(RECORD, 1, "When")
        await asyncio.wait_for(agent.vendor.asked.wait(), PATIENCE_S)
        sentences = start.take(1, "When?")
        assert sentences is not None
        assert [each async for each in sentences] == ["One moment please.", "It is at nine."]
        assert tool.begun.is_set()


SAME = [
    ("What's the weather like?", "whats the weather like"),
    ("Ça va ?", "ça va"),
    ("Es kostet 3,5 Grad.", "es kostet 3 5 grad"),
    ("STRASSE", "straße"),
    ("नमस्ते, क्या हाल है?", "नमस्ते क्या हाल है"),
    ("ｈｅｌｌｏ　１", "hello 1"),
]
DIFFERENT = [("5", "15"), ("It is 3.5", "It is 35"), ("हाल", "हल"), ("$5", "5"), ("a", "á")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_and_punctuation_make_no_other_words(one: str, other: str) -> None:
    assert same_words(one) == same_words(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_words_are_other_words(one: str, other: str) -> None:
    assert same_words(one) != same_words(other)
