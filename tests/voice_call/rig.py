"""The plugin's runtime in this process: real journal and sockets, mock carrier, scripted agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openclaw.clock import Clock, SystemClock
from openclaw.sdk import (
    Agents,
    ConfigProblem,
    ReplyRequest,
    ReplyRun,
    RpcHandler,
    Tool,
)
from openclaw.tasks import Supervisor
from openclaw_voice_call.call.snapshot import CallSnapshot
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import resolve_credentials
from openclaw_voice_call.runtime import VoiceCallRuntime
from openclaw_voice_call.service import CallService


class FixedRun:
    """A reply that is there at once."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def __aiter__(self) -> AsyncIterator[str]:
        yield self._text

    async def text(self) -> str:
        return self._text

    def cancel(self) -> None:
        """Nothing runs."""


@dataclass
class FakeAgents:
    """Answers with `answer(text)`; remembers what it was told."""

    answer: Callable[[str], str] = lambda text: f"You said: {text}"
    asked: list[ReplyRequest] = field(default_factory=list[ReplyRequest])
    history: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    unready: str | None = None

    def reply(self, request: ReplyRequest) -> ReplyRun:
        self.asked.append(request)
        return FixedRun(self.answer(request.text))

    async def settle(self, session_key: str, turn_key: str, user_text: str, heard: str) -> None:
        self.history += [(session_key, "user", user_text), (session_key, "assistant", heard)]

    async def note(self, session_key: str, turn_key: str, *, role: str, text: str) -> None:
        self.history.append((session_key, role, text))

    def readiness(self, model: str | None, agent_id: str) -> str | None:
        return self.unready

    async def warm_up(self, model: str | None, agent_id: str) -> None:
        """Nothing to load."""


@dataclass
class FakeApi:
    """A host around the plugin."""

    state_dir: Path
    clock: Clock
    agents: Agents
    tasks: Supervisor
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    plugin_id: str = "voice-call"
    restarting: bool = False
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("rig"))
    host_config: Mapping[str, object] = field(default_factory=dict[str, object])
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    unresolved: Sequence[ConfigProblem] = ()
    problems: list[ConfigProblem] = field(default_factory=list[ConfigProblem])
    events: list[tuple[str, Mapping[str, object]]] = field(
        default_factory=list[tuple[str, Mapping[str, object]]]
    )
    rpc: dict[str, RpcHandler] = field(default_factory=dict[str, RpcHandler])
    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])
    reconfigure: Callable[[], Awaitable[None]] | None = None
    """What the plugin wants to be called after a change of `config`."""

    def report_problems(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems.extend(problems)

    news: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, event: str, payload: Mapping[str, object]) -> None:
        self.events.append((event, payload))
        self.news.set()

    async def published(self, event: str, within_s: float = 10.0, **wanted: object) -> None:
        """Wait until such an event has been published, with these values in its payload."""

        def is_it(name: str, payload: Mapping[str, object]) -> bool:
            return name == event and all(payload.get(k) == v for k, v in wanted.items())

        async with asyncio.timeout(within_s):
            while not any(is_it(*each) for each in self.events):
                self.news.clear()
                await self.news.wait()

    def add_rpc(self, name: str, handler: RpcHandler, scope: str | None = "operator.admin") -> None:
        self.rpc[name] = handler

    def add_tool(self, tool: Tool) -> None:
        self.tools[tool.name] = tool

    def add_service(
        self,
        name: str,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        """The rig starts the runtime itself."""

    def on_config_change(self, callback: Callable[[], Awaitable[None]]) -> None:
        self.reconfigure = callback


@dataclass
class Rig:
    api: FakeApi
    agents: FakeAgents
    service: CallService

    async def ended(self, call: str, within_s: float = 10.0) -> CallSnapshot:
        snapshot = await self.service.wait_for_end(call, within_s)
        assert snapshot is not None
        assert "endedAt" in snapshot, snapshot
        return snapshot


@asynccontextmanager
async def rig(
    state_dir: Path,
    *people: Mapping[str, object],
    agents: FakeAgents | None = None,
    clock: Clock | None = None,
    **config: object,
) -> AsyncGenerator[Rig]:
    """Runs the plugin with the mock carrier at 50 times the usual speed."""
    section: dict[str, object] = {
        "provider": "mock",
        "serve": {"port": 0},
        "mock": {"speed": 50.0, "script": list(people)},
        "maxConcurrentCalls": 5,
        "outbound": {"notifyHangupDelaySec": 0},
        **config,
    }
    parsed = parse_config(section, {})
    assert parsed.config is not None, parsed.problems
    fake = agents or FakeAgents()
    tasks = Supervisor("rig", logging.getLogger("rig"))
    api = FakeApi(state_dir, clock or SystemClock(), fake, tasks, config=section)
    runtime = await VoiceCallRuntime.start(
        api, parsed.config, resolve_credentials(parsed.config, {})
    )
    try:
        yield Rig(api, fake, runtime.service)
    finally:
        await runtime.stop()
        await tasks.close()
