"""The agents of a gateway: memory, models and tools put together."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from pathlib import Path

from openclaw.agent.answering import Answering
from openclaw.agent.interface import ReplyRequest, Role
from openclaw.agent.models import Models
from openclaw.agent.prompt import Prompt
from openclaw.agent.reply import Emit, Reply
from openclaw.agent.sessions import Message, SessionStore, owner
from openclaw.agent.settings import AgentSettings
from openclaw.agent.tools import Tool, ToolRegistry, ToolResult
from openclaw.clock import Clock
from openclaw.errors import (
    AgentsClosed,
    HistoryUnavailable,
    ModelTimeout,
    OpenClawError,
    OwnerClosed,
    SessionMismatch,
)
from openclaw.tasks import Supervisor

log = logging.getLogger(__name__)

TOOL_TIMEOUT_S = 300.0
CLOSE_TIMEOUT_S = 5.0


class AgentRuntime:
    """Answers messages. Implements `openclaw.agent.interface.Agents`."""

    def __init__(
        self,
        state_dir: Path,
        settings: AgentSettings,
        tools: ToolRegistry,
        clock: Clock,
    ) -> None:
        """Make the runtime; nothing is read, imported or contacted before the first request.

        Args:
            state_dir: Sessions are kept below it.
            settings: Models and agents.
            tools: Read at each reply, so plugins may add to it at any time.
            clock: Tells when something was said.
        """
        self._sessions = SessionStore(state_dir)
        self._settings = settings
        self._models = Models(settings)
        self._tools = tools
        self._clock = clock
        self._places = asyncio.Semaphore(settings.max_concurrent)
        self._tasks = Supervisor("agents", log)

    def reply(self, request: ReplyRequest) -> Reply:
        """Begin to answer; see `Agents.reply`."""
        owned_by = owner(request.session_key)
        if owned_by != request.agent_id:
            raise SessionMismatch(owned_by, request.agent_id)
        try:
            return Reply(self._tasks, "reply", lambda emit: self._answer(request, emit))
        except OwnerClosed as exc:
            raise AgentsClosed from exc

    async def settle(self, session_key: str, turn_key: str, user_text: str, heard: str) -> None:
        """Remember an exchange; see `Agents.settle`."""
        now = self._clock.wall()
        exchange = (
            Message(turn_key, "user", user_text, now),
            Message(turn_key, "assistant", heard, now),
        )
        await self._sessions.record(session_key, exchange)

    async def note(self, session_key: str, turn_key: str, *, role: Role, text: str) -> None:
        """Remember something said outside a reply; see `Agents.note`."""
        await self._sessions.record(
            session_key, (Message(turn_key, role, text, self._clock.wall()),)
        )

    def readiness(self, model: str | None, agent_id: str) -> str | None:
        """Say why no reply could be given; see `Agents.readiness`."""
        problems = [self._models.problem(ref) for ref in self._models.candidates(model, agent_id)]
        return None if None in problems else str(problems[0])

    async def warm_up(self, model: str | None, agent_id: str) -> None:
        """Load what a reply will need; see `Agents.warm_up`."""
        refs = self._models.candidates(model, agent_id)
        ready = (ref for ref in refs if self._models.problem(ref) is None)
        await self._models.open(next(ready, refs[0]))

    async def run(
        self,
        message: str,
        agent_id: str,
        session_key: str,
        timeout_s: float,
        *,
        turn_key: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
    ) -> AsyncGenerator[str, None]:
        """Answer and remember it: for the `agent` method and command.

        Whoever stops reading is remembered to have got what they were given until then. A reply
        without a word is not remembered, so that asking again does not ask twice.

        Raises:
            AgentError: The reply failed, or could not be remembered.
        """
        turn = turn_key or secrets.token_hex(8)
        reply = self.reply(
            ReplyRequest(
                session_key, agent_id, turn, message, system_prompt, model, timeout_s, tools=True
            )
        )
        given: list[str] = []
        try:
            async for text in reply:
                given.append(text)
                yield text
        finally:
            reply.cancel()
            if given:
                await self.settle(session_key, turn, message, "".join(given))

    async def close(self) -> None:
        """Stop all replies and tools, finish writing, close connections; bounded in time."""
        await self._tasks.close(CLOSE_TIMEOUT_S)
        for part in (self._models, self._sessions):
            try:
                await asyncio.wait_for(part.close(), CLOSE_TIMEOUT_S)
            except TimeoutError:
                log.error("does not close in time", extra={"part": type(part).__name__})

    async def _answer(self, request: ReplyRequest, emit: Emit) -> None:
        deadline = asyncio.get_running_loop().time() + request.timeout_s
        refs = self._models.candidates(request.model, request.agent_id)
        try:
            async with asyncio.timeout_at(deadline):
                prompt = await self._prompt(request)
                await self._places.acquire()
        except TimeoutError as exc:
            raise ModelTimeout(str(refs[0]), request.timeout_s) from exc
        try:
            use = partial(self._use, request.tools_after)
            await Answering(self._models, use, emit, deadline).ask(refs, prompt)
        finally:
            self._places.release()

    async def _prompt(self, request: ReplyRequest) -> Prompt:
        try:
            history = await self._sessions.history(request.session_key)
        except HistoryUnavailable as exc:
            # An agent that has forgotten is better than none; the log says why.
            log.error("answering without history", extra={"why": exc.message})
            history = ()
        # A turn that is answered again, after a restart, does not follow itself.
        earlier = tuple(m for m in history if m.turn != request.turn_key)
        tools = tuple(tool for tool in self._tools if self._offers(request, tool))
        return Prompt(request.system_prompt, earlier, request.text, tools)

    def _offers(self, request: ReplyRequest, tool: Tool) -> bool:
        if not request.tools or (request.spoken and tool.audio_to_chat):
            return False
        return self._settings.may_use(request.agent_id, tool.name)

    async def _use(
        self, after: asyncio.Event | None, tool: Tool, arguments: Mapping[str, object]
    ) -> ToolResult:
        if after is not None:
            await after.wait()
        results: list[ToolResult] = []

        async def work() -> None:
            results.append(await _run_tool(tool, arguments))

        # Barge-in and time-outs stop the mouth, not what is being done.
        await asyncio.shield(self._tasks.spawn(f"tool {tool.name}", work()))
        return results[0]


async def _run_tool(tool: Tool, arguments: Mapping[str, object]) -> ToolResult:
    """Run a tool and give the model a result in every case."""
    try:
        async with asyncio.timeout(TOOL_TIMEOUT_S):
            return await tool.run(arguments)
    except OpenClawError as exc:
        return ToolResult.error(str(exc))
    except TimeoutError:
        return ToolResult.error(f"{tool.name} gave no result within {TOOL_TIMEOUT_S:g} s")
    except Exception:
        # The boundary to plugins' code: a fault there must not end the conversation.
        log.exception("tool failed", extra={"tool": tool.name})
        return ToolResult.error(f"{tool.name} failed; the gateway's log says why")
