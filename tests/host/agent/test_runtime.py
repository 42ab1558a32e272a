"""The runtime with a scripted model: memory, fallbacks, limits, cancelling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from openclaw.agent.interface import Agents
from openclaw.agent.runtime import AgentRuntime
from openclaw.errors import (
    AgentError,
    AgentsClosed,
    ModelNotConfigured,
    ModelTimeout,
    SessionMismatch,
)
from tests.host.agent.conftest import MakeRuntime, ask, scripted

ANNA = "agent:main:voice:15550001111"
BERT = "agent:main:voice:15550002222"


def with_models(
    *rules: Mapping[str, object], primary: str, fallbacks: list[str]
) -> dict[str, object]:
    config = scripted(*rules)
    config["agents"] = {"defaults": {"model": {"primary": primary, "fallbacks": fallbacks}}}
    return config


async def turn(runtime: AgentRuntime, number: int, text: str, session_key: str = ANNA) -> str:
    key = f"call:{number}"
    reply = await runtime.reply(ask(text, session_key=session_key, turn_key=key)).text()
    await runtime.settle(session_key, key, text, reply)
    return reply


def test_the_runtime_is_what_plugins_are_promised(make_runtime: MakeRuntime) -> None:
    agents: Agents = make_runtime(scripted())
    assert agents.readiness(None, "main") is None


async def test_nothing_is_remembered_before_it_is_settled(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted())
    assert await runtime.reply(ask("One", turn_key="a")).text() == "Turn 1: One"
    assert await runtime.reply(ask("Two", turn_key="b")).text() == "Turn 1: Two"
    await runtime.settle(ANNA, "b", "Two", "Turn 1: Two")
    assert await runtime.reply(ask("Three", turn_key="c")).text() == "Turn 2: Three"


async def test_the_memory_outlives_the_process(make_runtime: MakeRuntime) -> None:
    first = make_runtime(scripted())
    await turn(first, 1, "One")
    await first.close()
    assert await turn(make_runtime(scripted()), 2, "Two") == "Turn 2: Two"


async def test_callers_do_not_share_a_memory(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted())
    await turn(runtime, 1, "One")
    await turn(runtime, 2, "Two")
    assert await turn(runtime, 3, "Three", session_key=BERT) == "Turn 1: Three"
    assert await turn(runtime, 4, "Four") == "Turn 3: Four"


async def test_a_session_is_refused_to_another_agent(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted())
    with pytest.raises(SessionMismatch, match="'agent:sales:'"):
        runtime.reply(ask("Hello", session_key=ANNA, agent_id="sales"))


async def test_a_turn_that_is_answered_again_does_not_follow_itself(
    make_runtime: MakeRuntime,
) -> None:
    runtime = make_runtime(scripted())
    await turn(runtime, 1, "One")
    assert await turn(runtime, 1, "One") == "Turn 1: One"
    assert await turn(runtime, 2, "Two") == "Turn 2: Two"


async def test_notes_count_as_turns_of_those_who_spoke(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted())
    await runtime.note(ANNA, "say:1", role="assistant", text="Your parcel is here.")
    await runtime.note(ANNA, "say:1", role="assistant", text="Your parcel is here.")
    assert await turn(runtime, 1, "One") == "Turn 1: One"
    await runtime.note(ANNA, "ask:2", role="user", text="Thank you.")
    assert await turn(runtime, 2, "Two") == "Turn 3: Two"


@pytest.mark.parametrize("fail", ["error", "refused", "empty", "timeout", "hang"])
async def test_another_model_answers_in_time_when_the_first_says_nothing(
    make_runtime: MakeRuntime, fail: str
) -> None:
    rule = {"model": "down", "fail": fail}
    config = with_models(rule, primary="scripted/down", fallbacks=["scripted/up"])
    runtime = make_runtime(config)
    assert await runtime.reply(ask("Hello", timeout_s=0.5)).text() == "Turn 1: Hello"


async def test_a_model_without_a_key_is_stepped_over(
    make_runtime: MakeRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = make_runtime(scripted())
    assert runtime.readiness("openai/gpt-4o-mini", "main") is None
    reply = runtime.reply(ask("Hello", model="openai/gpt-4o-mini"))
    assert await reply.text() == "Turn 1: Hello"
    assert "model not configured" in caplog.text


async def test_a_model_that_has_spoken_is_not_replaced(make_runtime: MakeRuntime) -> None:
    rule = {"model": "down", "reply": "one two three four", "fail": "cut"}
    config = with_models(rule, primary="scripted/down", fallbacks=["scripted/up"])
    reply = make_runtime(config).reply(ask("Hello"))
    with pytest.raises(AgentError, match="middle"):
        await reply.text()


async def test_without_any_model_the_missing_key_is_named(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime({})
    assert "OPENAI_API_KEY" in (runtime.readiness(None, "main") or "")
    with pytest.raises(ModelNotConfigured, match=r"models\.providers\.openai\.apiKey"):
        await runtime.reply(ask("Hello")).text()
    with pytest.raises(ModelNotConfigured):
        await runtime.warm_up(None, "main")


async def test_a_reply_is_cut_at_its_time_limit_in_mid_sentence(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"reply": "one " * 100, "wordMs": 20}))
    started = time.monotonic()
    reply = runtime.reply(ask("Hello", timeout_s=0.1))
    with pytest.raises(ModelTimeout):
        await reply.text()
    assert time.monotonic() - started < 1


async def test_cancelling_ends_the_text_without_an_error(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"reply": "one two three", "wordMs": 5000}))
    reply = runtime.reply(ask("Hello"))
    pieces: list[str] = []
    async for piece in reply:
        pieces.append(piece)
        reply.cancel()
    assert pieces == ["one "]
    assert await reply.text() == "one "


async def test_a_reply_cancelled_before_it_began_is_empty(make_runtime: MakeRuntime) -> None:
    reply = make_runtime(scripted()).reply(ask("Hello"))
    reply.cancel()
    assert await reply.text() == ""


async def test_several_readers_each_get_everything(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"reply": "one two three", "wordMs": 1}))
    reply = runtime.reply(ask("Hello"))
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(reply.text()) for _ in range(3)]
    assert [reader.result() for reader in readers] == ["one two three"] * 3


async def test_a_reply_without_end_is_cut_off(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"reply": "word " * 20_000}))
    assert 32_000 <= len(await runtime.reply(ask("Hello")).text()) < 32_100


async def test_replies_beyond_the_limit_wait_their_turn(make_runtime: MakeRuntime) -> None:
    config = scripted({"match": "slow", "fail": "hang"})
    config["agents"] = {"defaults": {"model": "scripted/talk", "maxConcurrent": 1}}
    runtime = make_runtime(config)
    slow = runtime.reply(ask("slow"))
    late = runtime.reply(ask("late", timeout_s=0.05))
    with pytest.raises(ModelTimeout):
        await late.text()
    next_one = runtime.reply(ask("next"))
    slow.cancel()
    assert await next_one.text() == "Turn 1: next"


async def test_many_replies_at_once_do_not_wait_for_each_other(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"match": "slow", "fail": "hang"}))
    hanging = [runtime.reply(ask("slow")) for _ in range(20)]
    assert await runtime.reply(ask("quick", timeout_s=2.0)).text() == "Turn 1: quick"
    for reply in hanging:
        reply.cancel()


async def test_closing_ends_every_reply_and_begins_none(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"fail": "hang"}))
    reply = runtime.reply(ask("Hello", timeout_s=600))
    await asyncio.wait_for(runtime.close(), 2)
    assert await reply.text() == ""
    with pytest.raises(AgentsClosed):
        runtime.reply(ask("Hello"))


async def test_a_history_that_cannot_be_read_does_not_silence_the_agent(
    make_runtime: MakeRuntime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = make_runtime(scripted())
    await runtime.settle(ANNA, "1", "One", "Turn 1: One")
    (file,) = tmp_path.rglob("*.jsonl")
    file.unlink()
    file.mkdir()
    restarted = make_runtime(scripted())
    assert await restarted.reply(ask("Two")).text() == "Turn 1: Two"
    assert "answering without history" in caplog.text


async def test_run_answers_and_remembers(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted())
    for number, text in enumerate(("One", "Two"), start=1):
        pieces = [p async for p in runtime.run(text, "main", "agent:main:main", 5)]
        assert "".join(pieces) == f"Turn {number}: {text}"


async def test_run_repeated_under_the_same_key_is_remembered_once(
    make_runtime: MakeRuntime,
) -> None:
    runtime = make_runtime(scripted())
    for _ in range(2):
        run = runtime.run("One", "main", "agent:main:main", 5, turn_key="idempotent-1")
        assert "".join([p async for p in run]) == "Turn 1: One"


async def test_run_remembers_what_was_given_when_the_reader_leaves(
    make_runtime: MakeRuntime,
) -> None:
    runtime = make_runtime(scripted({"match": "count", "reply": "one two", "wordMs": 5000}))
    run = runtime.run("count", "main", "agent:main:main", 10)
    assert await anext(run) == "one "
    await run.aclose()
    assert "".join([p async for p in runtime.run("Two", "main", "agent:main:main", 5)]) == (
        "Turn 2: Two"
    )


async def test_run_without_an_answer_leaves_no_trace(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"match": "fail", "fail": "error"}))
    with pytest.raises(AgentError):
        _ = [p async for p in runtime.run("fail", "main", "agent:main:main", 5)]
    assert "".join([p async for p in runtime.run("Two", "main", "agent:main:main", 5)]) == (
        "Turn 1: Two"
    )
