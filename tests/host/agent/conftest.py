"""An agent runtime on a scratch state folder, and a vendor to talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from openclaw.agent.interface import ReplyRequest, ReplyRun
from openclaw.agent.runtime import AgentRuntime
from openclaw.agent.settings import AgentSettings
from openclaw.agent.tools import Tool, ToolRegistry
from openclaw.clock import SystemClock
from openclaw.errors import AgentError
from tests.emulators.openai_chat import OpenAIChatEmulator

MakeRuntime = Callable[..., AgentRuntime]


@pytest.fixture
async def make_runtime(tmp_path: Path) -> AsyncIterator[MakeRuntime]:
    """Make runtimes over one state folder; each is closed in the end."""
    made: list[AgentRuntime] = []

    def make(config: Mapping[str, object], *tools: Tool) -> AgentRuntime:
        registry = ToolRegistry()
        for tool in tools:
            registry.add(tool)
        settings = AgentSettings.parse(config, {})
        runtime = AgentRuntime(tmp_path, settings, registry, SystemClock())
        made.append(runtime)
        return runtime

    yield make
    for runtime in made:
        await runtime.close()


@pytest.fixture
async def vendor() -> AsyncIterator[OpenAIChatEmulator]:
    async with OpenAIChatEmulator() as emulator:
        yield emulator


def scripted(*rules: Mapping[str, object], **agents: object) -> dict[str, object]:
    """Give a configuration whose default model plays these rules."""
    defaults = {"model": "scripted/talk"}
    script = {"rules": rules, "default": "Turn {turn}: {text}"}
    return {
        "agents": {"defaults": defaults, **agents},
        "models": {"providers": {"scripted": script}},
    }


def ask(
    text: str,
    *,
    session_key: str = "agent:main:voice:15550001111",
    agent_id: str = "main",
    turn_key: str = "call-1:1",
    system_prompt: str | None = None,
    model: str | None = None,
    timeout_s: float = 10.0,
    tools: bool = True,
) -> ReplyRequest:
    """Give a request in which only what the test is about stands out."""
    return ReplyRequest(
        session_key, agent_id, turn_key, text, system_prompt, model, timeout_s, tools
    )


async def read(reply: ReplyRun) -> tuple[str, AgentError | None]:
    """Give the text that came and the error that ended it, if one did."""
    given = ""
    try:
        async for piece in reply:
            given += piece
    except AgentError as exc:
        return given, exc
    return given, None
