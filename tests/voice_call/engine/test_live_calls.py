"""Whole calls with live audio on the mock carrier: real journal, real sockets, audio both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openclaw.sdk import ReplyRequest, ReplyRun
from openclaw_voice_call.call.facts import (
    Fact,
    Interrupted,
    PathChanged,
    Said,
    StreamUp,
    TurnMeasured,
)
from openclaw_voice_call.call.snapshot import CallSnapshot
from openclaw_voice_call.call.types import CallId, Mode
from openclaw_voice_call.store.reader import open_reader
from openclaw_voice_call.store.schema import FILE_NAME, FOLDER_NAME
from tests.voice_call.rig import FakeAgents, Rig, rig

ANN = "+15550002001"
GREETING = "Hello, this is your assistant."


@dataclass
class SlowRun:
    """A reply that is written word by word."""

    words: Sequence[str]
    first_s: float = 0.05
    cancelled: bool = False

    async def __aiter__(self) -> AsyncIterator[str]:
        await asyncio.sleep(self.first_s)
        for word in self.words:
            yield f"{word} "
            await asyncio.sleep(0.01)

    async def text(self) -> str:
        return "".join([word async for word in self])

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class WritingAgents(FakeAgents):
    """Answers word by word; `runs` are all that were begun."""

    runs: list[SlowRun] = field(default_factory=list[SlowRun])

    def reply(self, request: ReplyRequest) -> ReplyRun:
        self.asked.append(request)
        run = SlowRun(self.answer(request.text).split())
        self.runs.append(run)
        return run


def person(*says: str, **behaviour: object) -> Mapping[str, object]:
    leaves = {"hangUpAfter": len(says)} if says else {}
    return {"number": ANN, "says": list(says), "answerAfterMs": 50, **leaves, **behaviour}


def live(
    folder: Path,
    who: Mapping[str, object],
    *,
    ear: Mapping[str, object] | None = None,
    mouth: Mapping[str, object] | None = None,
    agents: WritingAgents | None = None,
    recogniser: str = "scripted",
) -> AbstractAsyncContextManager[Rig]:
    """The runtime with live audio, in real time; `ear` and `mouth` are the vendors' settings."""
    config: Mapping[str, object] = {
        "streaming": {
            "enabled": True,
            "provider": recogniser,
            "silenceDurationMs": 300,
            "providers": {"scripted": dict(ear or {})},
        },
        "tts": {"provider": "scripted", "providers": {"scripted": dict(mouth or {})}},
        "mock": {"speed": 1.0, "script": [who]},
    }
    return rig(folder, agents=agents or WritingAgents(), **config)  # pyright: ignore[reportArgumentType]


async def call(gateway: Rig, message: str | None = GREETING) -> tuple[CallSnapshot, list[Fact]]:
    """A conversation until the other party hangs up; its snapshot and its facts."""
    placed = await gateway.service.initiate(to=ANN, message=message, mode=Mode.CONVERSATION)
    ended = await gateway.ended(placed.call_id, 30)
    with open_reader(gateway.api.state_dir / FOLDER_NAME / FILE_NAME) as journal:
        return ended, [stored.fact for stored in journal.facts(CallId(placed.call_id))]


def said_by(ended: CallSnapshot, speaker: str) -> list[str]:
    return [entry["text"] for entry in ended["transcript"] if entry["speaker"] == speaker]


@pytest.mark.scenario("F34", "F53")
async def test_a_live_conversation_goes_on_turn_after_turn(tmp_path: Path) -> None:
    async with live(tmp_path, person("Hello there", "All right")) as gateway:
        ended, facts = await call(gateway)
    assert said_by(ended, "user") == ["Hello there", "All right"]
    assert said_by(ended, "bot")[:2] == [GREETING, "You said: Hello there"]
    assert any(isinstance(fact, StreamUp) for fact in facts)
    timed = [fact.times for fact in facts if isinstance(fact, TurnMeasured)]
    assert len(timed) == 2
    for times in timed:
        assert times.first_frame_ms is not None
        assert times.final_ms is not None
        assert times.first_frame_ms >= times.final_ms


@pytest.mark.scenario("F43", "F40")
async def test_hello_over_the_greeting_leaves_one_greeting_and_gets_one_answer(
    tmp_path: Path,
) -> None:
    who = person("Hello", interruptsAfterMs=[200])
    async with live(tmp_path, who) as gateway:
        ended, facts = await call(gateway)
    assert said_by(ended, "bot").count(GREETING) == 1
    assert said_by(ended, "user") == ["Hello"]
    assert said_by(ended, "bot") == [GREETING, "You said: Hello"]
    assert not [fact for fact in facts if isinstance(fact, Interrupted)]


@pytest.mark.scenario("F41")
async def test_an_interrupted_story_is_cut_and_the_caller_is_answered(tmp_path: Path) -> None:
    story = "Once upon a time there was a fox. It was red. It was clever. It lived in a wood."
    who = person("A story please", "Stop", interruptsAfterMs=[None, 800])
    answers = {"A story please": story}
    agents = WritingAgents(lambda text: answers.get(text, "Fine."))
    async with live(tmp_path, who, agents=agents) as gateway:
        ended, facts = await call(gateway)
    (cut,) = (fact for fact in facts if isinstance(fact, Interrupted))
    assert "Once upon a time there was a fox.".startswith(cut.heard)
    assert said_by(ended, "user") == ["A story please", "Stop"]
    assert said_by(ended, "bot")[-1] == "Fine."
    spoken = " ".join(said_by(ended, "bot"))
    assert "wood" not in spoken
    history = [text for _, role, text in gateway.agents.history if role == "assistant"]
    assert cut.heard in history
    assert story not in history


@pytest.mark.scenario("F46")
async def test_continue_gets_the_words_and_the_agent_stays_silent(tmp_path: Path) -> None:
    agents = WritingAgents()
    who = person("My name is Ann", hangUpAfter=2)
    async with live(tmp_path, who, agents=agents) as gateway:
        placed = await gateway.service.initiate(to=ANN, message=None, mode=Mode.CONVERSATION)
        heard = await gateway.service.continue_call(placed.call_id, "What is your name?")
        assert heard == "My name is Ann"
        assert all(run.cancelled for run in agents.runs)
        await gateway.service.end(placed.call_id)
        ended = await gateway.ended(placed.call_id, 10)
    assert said_by(ended, "bot") == ["What is your name?"]


@pytest.mark.scenario("F20")
async def test_words_of_before_the_recogniser_was_ready_are_recognised(tmp_path: Path) -> None:
    async with live(tmp_path, person("I speak early"), ear={"connectDelayMs": 3000}) as gateway:
        ended, _ = await call(gateway, "Hi.")
    assert said_by(ended, "user") == ["I speak early"]


@pytest.mark.scenario("F19")
async def test_a_recogniser_that_refuses_leaves_the_call_to_the_carrier(tmp_path: Path) -> None:
    async with live(tmp_path, person("Hello there"), ear={"refuses": True}) as gateway:
        ended, facts = await call(gateway)
    assert [fact for fact in facts if isinstance(fact, PathChanged)]
    assert "Hello there" in said_by(ended, "user")
    assert "You said: Hello there" in said_by(ended, "bot")


@pytest.mark.scenario("F48")
async def test_a_recogniser_that_drops_now_and_then_loses_no_words(tmp_path: Path) -> None:
    who = person("This is the first sentence", "And this is another one")
    async with live(tmp_path, who, ear={"dropsAfterMs": 4000}) as gateway:
        ended, _ = await call(gateway)
    assert said_by(ended, "user") == ["This is the first sentence", "And this is another one"]


@pytest.mark.scenario("F15", "F7")
@pytest.mark.parametrize("fault", ["empty", "refuses"])
async def test_a_voice_without_audio_is_replaced_by_the_carriers(
    tmp_path: Path, fault: str
) -> None:
    async with live(tmp_path, person("Hello there"), mouth={"fault": fault}) as gateway:
        ended, facts = await call(gateway)
    assert [fact for fact in facts if isinstance(fact, PathChanged)]
    said = [fact.text for fact in facts if isinstance(fact, Said)]
    assert said[0] == GREETING
    assert "You said: Hello there" in said_by(ended, "bot")


@pytest.mark.scenario("F4")
async def test_without_a_key_calls_are_served_without_streams(tmp_path: Path) -> None:
    who = person("Hello there")
    async with live(tmp_path, who, recogniser="deepgram") as gateway:
        ended, facts = await call(gateway)
    assert not [fact for fact in facts if isinstance(fact, StreamUp)]
    assert said_by(ended, "user") == ["Hello there"]


@pytest.mark.scenario("F21")
async def test_a_second_call_is_served_while_and_after_the_first(tmp_path: Path) -> None:
    async with live(tmp_path, person("Hello there")) as gateway:
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(call(gateway)) for _ in range(2)]
        third = await call(gateway)
    for ended, _ in (*(each.result() for each in both), third):
        assert said_by(ended, "user") == ["Hello there"]
