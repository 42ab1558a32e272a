"""Real models: the vendor's protocol over a real socket, and what a caller gets of its failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from openclaw.agent.runtime import AgentRuntime
from openclaw.agent.tools import Tool, ToolResult
from openclaw.errors import AgentError, ModelRefused, ModelTimeout, ModelUnreachable, OpenClawError
from tests.emulators.openai_chat import (
    Answer,
    CallTool,
    Drop,
    Failing,
    Hang,
    OpenAIChatEmulator,
    Raw,
    Refuse,
    Say,
)
from tests.host.agent.conftest import MakeRuntime, ask, read

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "mode": {"type": "string", "enum": ["a", "b"]}},
    "additionalProperties": True,
}


def at(vendor: OpenAIChatEmulator, key: str = "sk-test", **agents: object) -> dict[str, object]:
    """Give a configuration whose default model is at this vendor."""
    return {
        "agents": agents,
        "models": {"providers": {"openai": {"baseUrl": vendor.base_url, "apiKey": key}}},
    }


class Dialler:
    """A tool that notes its calls and ends when it is let."""

    def __init__(self, *, wait: bool = False, error: Exception | None = None) -> None:
        self.calls: list[dict[str, object]] = []
        self.begun = asyncio.Event()
        self.finished = asyncio.Event()
        self.go = asyncio.Event()
        self._error = error
        if not wait:
            self.go.set()

    def tool(self, name: str = "dial") -> Tool:
        return Tool(name, "Dial", "Dials a number.", SCHEMA, self._run)

    async def _run(self, arguments: Mapping[str, object]) -> ToolResult:
        self.calls.append(dict(arguments))
        self.begun.set()
        await self.go.wait()
        self.finished.set()
        if self._error:
            raise self._error
        return ToolResult.of({"callId": "c-7"})


async def test_text_streams_and_the_request_is_what_was_asked_for(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.will(Say("Good morning to you."))
    runtime = make_runtime(at(vendor))
    reply = runtime.reply(ask("Hello", model="openai/gpt-4o-mini", system_prompt="Be brief."))
    pieces = [piece async for piece in reply]
    assert "".join(pieces) == "Good morning to you."
    assert len(pieces) > 1

    (request,) = vendor.requests
    assert request.model == "gpt-4o-mini"
    assert request.said() == [("system", "Be brief."), ("user", "Hello")]
    assert request.tools == []


async def test_the_first_words_come_before_the_vendor_has_finished(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.will(Hang("Well, "))
    reply = make_runtime(at(vendor)).reply(ask("Hello"))
    async for piece in reply:
        assert piece == "Well"
        break
    reply.cancel()
    await asyncio.wait_for(vendor.left.wait(), 5)


@pytest.mark.scenario("F107")
async def test_history_reaches_the_model_and_never_that_of_others(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.will(Say("Noted."))
    runtime: AgentRuntime = make_runtime(at(vendor))

    async def call(agent: str, number: str, call_id: str, text: str) -> list[str | None]:
        session, turn = f"agent:{agent}:voice:{number}", f"{call_id}:1"
        request = ask(text, session_key=session, agent_id=agent, turn_key=turn)
        await runtime.settle(session, turn, text, await runtime.reply(request).text())
        return [said for _, said in vendor.requests[-1].said()]

    first = await call("main", "15550001111", "c1", "I am Anna.")
    other_caller = await call("main", "15550002222", "c2", "I am Bert.")
    other_agent = await call("sales", "15550001111", "c3", "I am still Anna.")
    again = await call("main", "15550001111", "c4", "Who am I?")
    per_call = await call("main", "15550001111:call:c5", "c5", "A call by itself.")

    assert first == ["I am Anna."]
    assert other_caller == ["I am Bert."]
    assert other_agent == ["I am still Anna."]
    assert again == ["I am Anna.", "Noted.", "Who am I?"]
    assert per_call == ["A call by itself."]


async def test_the_model_is_told_what_was_heard_not_what_was_written(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    runtime: AgentRuntime = make_runtime(at(vendor))
    session = ask("").session_key
    await runtime.settle(session, "c:1", "Tell me a story.", "Once upon")
    await runtime.note(session, "c:2", role="assistant", text="Are you there?")
    await runtime.note(session, "c:2", role="user", text="Yes.")
    await runtime.reply(ask("Go on.", turn_key="c:3")).text()
    assert vendor.requests[0].said() == [
        ("user", "Tell me a story."),
        ("assistant", "Once upon\n\nAre you there?"),
        ("user", "Yes."),
        ("user", "Go on."),
    ]


async def test_a_tool_call_makes_the_round_trip(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler()
    vendor.will(CallTool("dial", {"to": "+15550003333"}, "One moment."), Say("It rings."))
    runtime = make_runtime(at(vendor), dialler.tool())

    assert await runtime.reply(ask("Call Carla.")).text() == "One moment.\nIt rings."
    assert dialler.calls == [{"to": "+15550003333"}]
    offered = vendor.requests[0].tools[0].function
    assert (offered.name, offered.description) == ("dial", "Dials a number.")
    assert offered.parameters == SCHEMA
    answered = vendor.requests[1].messages[-1]
    assert (answered.role, answered.tool_call_id) == ("tool", "call_1")
    assert answered.content == '{\n  "callId": "c-7"\n}'


async def test_what_is_said_before_a_tool_is_complete_before_the_tool_has_ended(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler(wait=True)
    vendor.will(CallTool("dial", {}, "One moment."), Say("It rings."))
    reply = make_runtime(at(vendor), dialler.tool()).reply(ask("Call Carla."))
    text = ""
    async for piece in reply:
        text += piece
        if text.endswith("\n"):
            await asyncio.wait_for(dialler.begun.wait(), 5)
            assert not dialler.finished.is_set()
            dialler.go.set()
    assert text == "One moment.\nIt rings."


async def test_tools_of_a_reply_begun_on_a_guess_wait_until_it_is_confirmed(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler()
    runtime = make_runtime(at(vendor), dialler.tool())
    confirmed = asyncio.Event()

    vendor.will(CallTool("dial", {}), Say("It rings."))
    guess = replace(ask("Call Carla.", timeout_s=0.3), tools_after=confirmed)
    with pytest.raises(ModelTimeout):
        await runtime.reply(guess).text()
    assert dialler.calls == []

    vendor.will(CallTool("dial", {}), Say("It rings."))
    guess = replace(ask("Call Carla."), tools_after=confirmed)
    reply = runtime.reply(guess)
    confirmed.set()
    assert await reply.text() == "It rings."
    assert dialler.calls == [{}]


@pytest.mark.scenario("F103")
async def test_a_spoken_reply_is_not_offered_tools_that_send_audio_to_a_chat(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler()
    tts = replace(dialler.tool("tts"), audio_to_chat=True)
    runtime = make_runtime(at(vendor), dialler.tool(), tts)
    await runtime.reply(replace(ask("Hello"), spoken=True)).text()
    await runtime.reply(ask("Hello")).text()
    offered = [[tool.function.name for tool in request.tools] for request in vendor.requests]
    assert offered == [["dial"], ["dial", "tts"]]


@pytest.mark.scenario("F102")
@pytest.mark.parametrize(
    ("allow", "offered"), [([], []), (["dial"], ["dial"]), (["*"], ["dial", "other"])]
)
async def test_exactly_the_allowed_tools_are_offered(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator, allow: list[str], offered: list[str]
) -> None:
    agents = [{"id": "main", "tools": {"allow": allow}}]
    config = at(vendor, list=agents)
    runtime = make_runtime(config, Dialler().tool(), Dialler().tool("other"))
    await runtime.reply(ask("Hello")).text()
    assert [tool.function.name for tool in vendor.requests[0].tools] == offered


async def test_a_request_can_forbid_tools(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler()
    vendor.will(CallTool("dial", {}), Say("I cannot."))
    runtime = make_runtime(at(vendor), dialler.tool())
    assert await runtime.reply(ask("Call Carla.", tools=False)).text() == "I cannot."
    assert vendor.requests[0].tools == []
    assert dialler.calls == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (CallTool("dial", "{not json"), "json"),
        (CallTool("nonsense", {}), "nonsense"),
    ],
)
async def test_a_call_that_cannot_be_made_is_told_to_the_model(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator, call: CallTool, told: str
) -> None:
    dialler = Dialler()
    vendor.will(call, Say("Sorry."))
    runtime = make_runtime(at(vendor), dialler.tool())
    assert await runtime.reply(ask("Call Carla.")).text() == "Sorry."
    assert dialler.calls == []
    assert told in (vendor.requests[1].messages[-1].content or "").lower()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OpenClawError("the line is busy"), '{\n  "error": "the line is busy"\n}'),
        (
            ZeroDivisionError("secret"),
            '{\n  "error": "dial failed; the gateway\'s log says why"\n}',
        ),
    ],
)
async def test_a_tool_that_fails_does_not_end_the_conversation(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator, error: Exception, told: str
) -> None:
    vendor.will(CallTool("dial", {}), Say("It did not work."))
    runtime = make_runtime(at(vendor), Dialler(error=error).tool())
    assert await runtime.reply(ask("Call Carla.")).text() == "It did not work."
    assert vendor.requests[1].messages[-1].content == told


async def test_a_model_that_only_calls_tools_is_stopped(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.will(CallTool("dial", {}))
    runtime = make_runtime(at(vendor), Dialler().tool())
    with pytest.raises(AgentError) as failed:
        await runtime.reply(ask("Call Carla.")).text()
    assert failed.value.code == "model_empty"
    assert len(vendor.requests) <= 10


async def test_cancelling_stops_the_mouth_but_not_a_tool(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler(wait=True)
    vendor.will(CallTool("dial", {}), Say("Never said."))
    reply = make_runtime(at(vendor), dialler.tool()).reply(ask("Call Carla."))
    await asyncio.wait_for(dialler.begun.wait(), 5)
    reply.cancel()
    assert await reply.text() == ""
    assert not dialler.finished.is_set()
    dialler.go.set()
    await asyncio.wait_for(dialler.finished.wait(), 5)
    assert len(vendor.requests) == 1


async def test_a_tool_that_has_begun_is_not_run_again_by_another_model(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler()
    vendor.will(CallTool("dial", {}), Refuse(500, None, "server_error"))
    config = at(vendor, defaults={"model": {"primary": "openai/a", "fallbacks": ["openai/b"]}})
    with pytest.raises(ModelUnreachable):
        await make_runtime(config, dialler.tool()).reply(ask("Call Carla.")).text()
    assert len(dialler.calls) == 1
    assert {request.model for request in vendor.requests} == {"a"}


async def test_a_model_whose_tool_runs_has_all_the_time(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    dialler = Dialler(wait=True)
    vendor.will(CallTool("dial", {}), Say("It rings."))
    config = at(vendor, defaults={"model": {"primary": "openai/a", "fallbacks": ["openai/b"]}})
    runtime: AgentRuntime = make_runtime(config, dialler.tool())
    await runtime.warm_up(None, "main")
    reply = runtime.reply(ask("Call Carla.", timeout_s=1.0))
    await asyncio.wait_for(dialler.begun.wait(), 5)
    # Longer than the half of the time that the first of two models may be silent.
    asyncio.get_running_loop().call_later(0.6, dialler.go.set)
    assert await reply.text() == "It rings."
    assert {request.model for request in vendor.requests} == {"a"}


@pytest.mark.parametrize(
    ("answer", "code", "status", "vendor_code", "retryable"),
    [
        (Refuse(429, "rate_limit_exceeded"), "model_refused", 429, "rate_limit_exceeded", True),
        (
            Refuse(429, "insufficient_quota", "insufficient_quota"),
            *("model_refused", 429, "insufficient_quota", False),
        ),
        (Refuse(404, "model_not_found"), "model_refused", 404, "model_not_found", False),
        (Refuse(403, None, "forbidden"), "model_refused", 403, "forbidden", False),
        (Refuse(500, None, "server_error"), "model_unreachable", 500, "server_error", True),
        (Refuse(503, None, "overloaded"), "model_unreachable", 503, "overloaded", True),
        (Failing("server_error"), "model_unreachable", 500, "server_error", True),
    ],
)
async def test_a_refusal_carries_the_vendors_status_and_code(
    make_runtime: MakeRuntime,
    vendor: OpenAIChatEmulator,
    answer: Answer,
    code: str,
    status: int,
    vendor_code: str,
    retryable: bool,
) -> None:
    vendor.will(answer)
    with pytest.raises((ModelRefused, ModelUnreachable)) as failed:
        await make_runtime(at(vendor)).reply(ask("Hello")).text()
    error = failed.value
    assert (error.code, error.status, error.vendor_code) == (code, status, vendor_code)
    assert error.retryable is retryable
    assert len(vendor.requests) == 1, "nothing is tried again behind the caller's back"


async def test_a_wrong_key_is_refused_and_does_not_show(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = make_runtime(at(vendor, key="sk-wrong-key"))
    with pytest.raises(ModelRefused) as failed:
        await runtime.reply(ask("My number is 15550001111")).text()
    assert (failed.value.status, failed.value.vendor_code) == (401, "invalid_api_key")
    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "sk-wrong-key" not in told + str(failed.value)
    assert "15550001111" not in told


@pytest.mark.parametrize(
    ("answer", "code", "before"),
    [
        (Say(""), "model_empty", ""),
        (Say(" \n"), "model_empty", " \n"),
        (Drop(), "model_unreachable", ""),
        (Drop("Well, "), "model_unreachable", "Well, "),
        (Raw(b""), "model_unreachable", ""),
        (Raw(b"<html>Bad gateway</html>", "text/html"), "model_unreachable", ""),
        (Raw(b"data: {not json\n\n"), "model_unreachable", ""),
        (Raw(b'data: {"id": 1, "choices": "none"}\n\n'), "model_unreachable", ""),
        (Raw(b"\xff\xfe\x00" * 100), "model_unreachable", ""),
    ],
)
async def test_an_answer_that_is_none_is_an_error_of_ours(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator, answer: Answer, code: str, before: str
) -> None:
    vendor.will(answer)
    text, error = await read(make_runtime(at(vendor)).reply(ask("Hello")))
    assert error is not None
    assert (error.code, text) == (code, before)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("words", ["", "Well, "])
async def test_a_vendor_that_hangs_is_cut_off_in_time(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator, words: str
) -> None:
    vendor.will(Hang(words))
    runtime: AgentRuntime = make_runtime(at(vendor))
    await runtime.warm_up(None, "main")
    started = time.monotonic()
    with pytest.raises(ModelTimeout):
        await runtime.reply(ask("Hello", timeout_s=0.3)).text()
    assert time.monotonic() - started < 1.3
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_another_model_answers_when_the_first_hangs(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.will(Hang(), Say("Here I am."))
    config = at(vendor, defaults={"model": {"primary": "openai/a", "fallbacks": ["openai/b"]}})
    runtime: AgentRuntime = make_runtime(config)
    await runtime.warm_up(None, "main")
    assert await runtime.reply(ask("Hello", timeout_s=2.0)).text() == "Here I am."
    assert [request.model for request in vendor.requests] == ["a", "b"]


async def test_nobody_listens_at_the_address(make_runtime: MakeRuntime) -> None:
    async with OpenAIChatEmulator() as gone:
        config = at(gone)
    with pytest.raises(ModelUnreachable):
        await make_runtime(config).reply(ask("Hello")).text()


async def test_a_server_of_ones_own_is_a_provider_like_any_other(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.key = "none"
    config = {"models": {"providers": {"mine": {"baseUrl": vendor.base_url}}}}
    runtime: AgentRuntime = make_runtime(config)
    assert runtime.readiness("mine/meta/llama", "main") is None
    assert await runtime.reply(ask("Hello", model="mine/meta/llama")).text() == "Hello."
    assert vendor.requests[0].model == "meta/llama"


async def test_closing_leaves_no_request_behind(
    make_runtime: MakeRuntime, vendor: OpenAIChatEmulator
) -> None:
    vendor.will(Hang("Well, "))
    runtime: AgentRuntime = make_runtime(at(vendor))
    reply = runtime.reply(ask("Hello", timeout_s=600))
    await asyncio.wait_for(vendor.asked.wait(), 10)
    await asyncio.wait_for(runtime.close(), 5)
    await asyncio.wait_for(vendor.left.wait(), 5)
    assert await reply.text() in ("", "Well", "Well, ")
