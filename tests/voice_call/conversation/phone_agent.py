"""A real agent with its vendor, as a call's responder sees it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openclaw.agent.runtime import AgentRuntime
from openclaw.agent.settings import AgentSettings
from openclaw.agent.tools import Tool, ToolRegistry, ToolResult
from openclaw.clock import SystemClock
from openclaw.tasks import Supervisor
from openclaw_voice_call.call.record import CallRecord, CallSettings, PendingReply
from openclaw_voice_call.call.types import CallId, Direction, Mode
from openclaw_voice_call.conversation.responder import Responder
from tests.emulators.openai_chat import OpenAIChatEmulator

PATIENCE_S = 5.0
RECORD = CallRecord(
    call_id=CallId("call-1"),
    carrier="mock",
    direction=Direction.INBOUND,
    from_number="+15550001111",
    to_number="+15550002222",
    settings=CallSettings(Mode.CONVERSATION, "agent:main:voice:15550001111"),
    opened_at=1.0,
)


def said(text: str, turn: int = 1) -> PendingReply:
    return PendingReply(turn, text)


@dataclass
class SlowTool:
    """A tool that ends when it is let."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def tool(self, name: str = "look_up", *, audio_to_chat: bool = False) -> Tool:
        schema: Mapping[str, object] = {"type": "object", "properties": {}}
        return Tool(name, "Look up", "Looks it up.", schema, self._run, audio_to_chat)

    async def _run(self, arguments: Mapping[str, object]) -> ToolResult:
        self.begun.set()
        await self.go.wait()
        return ToolResult.of({"found": True})


class Tasks(Supervisor):
    """A call's tasks, whose end can be waited for."""

    def __init__(self) -> None:
        super().__init__("call", logging.getLogger("call"))
        self._spawned: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = super().spawn(name, work)
        self._spawned.add(task)
        return task

    async def idle(self) -> None:
        """Wait until nothing is done any more."""
        async with asyncio.timeout(PATIENCE_S):
            while waiting := {task for task in self._spawned if not task.done()}:
                await asyncio.wait(waiting)


@dataclass
class PhoneAgent:
    vendor: OpenAIChatEmulator
    runtime: AgentRuntime
    responder: Responder
    tasks: Tasks
    now: float = 0.0
    """What the responder's clock says, seconds."""

    async def sentences(self, text: str, turn: int = 1) -> list[str]:
        return [each async for each in self.responder.sentences(RECORD, said(text, turn))]


@asynccontextmanager
async def phone_agent(folder: Path, *tools: Tool) -> AsyncGenerator[PhoneAgent]:
    registry = ToolRegistry()
    for tool in tools:
        registry.add(tool)
    async with OpenAIChatEmulator() as vendor:
        provider = {"baseUrl": vendor.base_url, "apiKey": vendor.key}
        config = {"models": {"providers": {"openai": provider}}}
        settings = AgentSettings.parse(config, {})
        runtime = AgentRuntime(folder, settings, registry, SystemClock())
        tasks = Tasks()
        agent = PhoneAgent(
            vendor, runtime, Responder(runtime, tasks, monotonic=lambda: agent.now), tasks
        )
        try:
            yield agent
        finally:
            await tasks.close()
            await runtime.close()
