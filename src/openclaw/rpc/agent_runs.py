"""`agent` and `agent.wait`: a run of an agent, answered twice and watched while it goes on.

A run's id is the request's `idempotencyKey`: a repeat joins the run instead of starting another.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from openclaw.errors import OpenClawError, RpcError
from openclaw.rpc.frames import NonEmpty
from openclaw.rpc.params import read_params
from openclaw.rpc.router import Caller, TwoPhase
from openclaw.rpc.tasks import OwnedTasks

DEFAULT_TIMEOUT_S = 600
MAX_RUNS = 256
KEPT_S = 300.0


class AgentRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `agent`; `timeout` in seconds. Others of the original are ignored."""

    message: NonEmpty
    idempotency_key: NonEmpty
    agent_id: str | None = None
    session_key: str | None = None
    session_id: str | None = None
    timeout: Annotated[float, Meta(ge=0)] | None = None
    thinking: str | None = None
    extra_system_prompt: str | None = None


class _WaitRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    run_id: NonEmpty
    timeout_ms: Annotated[int, Meta(ge=0)] = 30_000


RunAgent = Callable[[AgentRequest], AsyncGenerator[str]]
"""Streams an agent's reply piece by piece. Raises OpenClawError."""


@dataclass(slots=True, kw_only=True)
class _Run:
    message: str
    accepted_at: int
    task: asyncio.Task[Mapping[str, object]]
    ended_at: int | None = None
    expires: float | None = None


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Tells one caller how a run goes on, in the original's events."""

    run_id: str
    session_key: str
    caller: Caller
    now_ms: Callable[[], int]
    text: str = ""
    seq: int = 0

    def started(self, at: int) -> None:
        self._agent("lifecycle", {"phase": "start", "startedAt": at})

    def said(self, delta: str) -> None:
        self.text += delta
        self._agent("assistant", {"text": self.text, "delta": delta})
        self._chat("delta")

    def ended(self) -> None:
        self._agent("lifecycle", {"phase": "end", "endedAt": self.now_ms()})
        self._chat("final")

    def failed(self, reason: str) -> None:
        self._agent("lifecycle", {"phase": "error", "error": reason, "endedAt": self.now_ms()})

    def _agent(self, stream: str, data: Mapping[str, object]) -> None:
        self.seq += 1
        self.caller.send_event(
            "agent",
            {
                "runId": self.run_id,
                "sessionKey": self.session_key,
                "stream": stream,
                "seq": self.seq,
                "ts": self.now_ms(),
                "data": data,
            },
        )

    def _chat(self, state: str) -> None:
        content = [{"type": "text", "text": self.text}]
        self.caller.send_event(
            "chat",
            {
                "runId": self.run_id,
                "sessionKey": self.session_key,
                "seq": self.seq,
                "state": state,
                "message": {"role": "assistant", "content": content, "timestamp": self.now_ms()},
            },
        )


class AgentRuns:
    """The runs in progress and those of the last minutes.

    Progress events go to the connection that asked, not to all: a reply is for its session.
    """

    def __init__(
        self,
        run_agent: RunAgent,
        *,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run_agent = run_agent
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._tasks = OwnedTasks("agent runs")

    async def agent(self, params: Mapping[str, object], caller: Caller) -> object:
        """The method `agent`: accepted at once, the reply when it is complete."""
        request = read_params(AgentRequest, params, "agent")
        self._forget_expired()
        run_id = request.idempotency_key
        run = self._runs.get(run_id)
        if run is None:
            run = self._begin(run_id, request, caller)
        elif run.message != request.message:
            raise RpcError(
                "INVALID_REQUEST",
                "idempotencyKey was already used with another message; use a new key",
                {"code": "idempotency_conflict"},
                retryable=False,
            )
        accepted = {"runId": run_id, "status": "accepted", "acceptedAt": run.accepted_at}
        return TwoPhase(accepted, asyncio.shield(run.task))

    async def wait(self, params: Mapping[str, object], caller: Caller) -> object:
        """The method `agent.wait`: how a run ended, or `status: timeout` while it goes on."""
        request = read_params(_WaitRequest, params, "agent.wait")
        run = self._runs.get(request.run_id)
        if run is None:
            raise RpcError("INVALID_REQUEST", f"unknown runId: {request.run_id}")
        await asyncio.wait((run.task,), timeout=request.timeout_ms / 1000)
        if not run.task.done():
            return {"runId": request.run_id, "status": "timeout"}
        outcome: dict[str, object] = {"runId": request.run_id, "endedAt": run.ended_at}
        error = None if run.task.cancelled() else run.task.exception()
        if run.task.cancelled() or error is not None:
            return outcome | {"status": "error", "error": str(error or "cancelled")}
        return outcome | {"status": "ok"}

    async def aclose(self) -> None:
        """Cancels the runs in progress."""
        await self._tasks.aclose()

    def _begin(self, run_id: str, request: AgentRequest, caller: Caller) -> _Run:
        if len(self._runs) >= MAX_RUNS:
            oldest = next((key for key, run in self._runs.items() if run.task.done()), None)
            if oldest is None:
                text = f"{MAX_RUNS} agent runs are in progress"
                raise RpcError("UNAVAILABLE", text, {"code": "busy"}, retryable=True)
            del self._runs[oldest]
        run = _Run(
            message=request.message,
            accepted_at=self._now_ms(),
            task=self._tasks.spawn(run_id, self._carry_out(run_id, request, caller)),
        )
        self._runs[run_id] = run

        def ended(task: asyncio.Task[Mapping[str, object]]) -> None:
            run.ended_at = self._now_ms()
            run.expires = self._monotonic() + KEPT_S
            if not task.cancelled():
                task.exception()  # Looked at: it is reported to whoever waits, if anybody does.

        run.task.add_done_callback(ended)
        return run

    async def _carry_out(
        self, run_id: str, request: AgentRequest, caller: Caller
    ) -> Mapping[str, object]:
        started = self._now_ms()
        progress = _Progress(
            run_id=run_id,
            session_key=request.session_key or "agent:main:main",
            caller=caller,
            now_ms=self._now_ms,
        )
        progress.started(started)
        limit = request.timeout or DEFAULT_TIMEOUT_S
        try:
            async with asyncio.timeout(limit), aclosing(self._run_agent(request)) as said:
                async for delta in said:
                    progress.said(delta)
        except TimeoutError:
            text = f"the agent did not finish within {limit:g} s"
            raise self._failure(run_id, progress, text, "AGENT_TIMEOUT", None) from None
        except RpcError as exc:
            raise self._failure(run_id, progress, exc.message, exc.code, exc.details) from exc
        except OpenClawError as exc:
            code = getattr(exc, "code", None)
            details = {"code": code} if isinstance(code, str) else None
            raise self._failure(run_id, progress, str(exc), "UNAVAILABLE", details) from exc
        progress.ended()
        return {
            "runId": run_id,
            "status": "ok",
            "summary": "completed",
            "result": {
                "payloads": [{"text": progress.text, "mediaUrl": None}],
                "meta": {"durationMs": self._now_ms() - started, "aborted": False},
            },
        }

    def _failure(
        self,
        run_id: str,
        progress: _Progress,
        text: str,
        code: str,
        details: Mapping[str, object] | None,
    ) -> RpcError:
        progress.failed(text)
        payload = {"runId": run_id, "status": "error", "summary": text}
        return RpcError(code, text, details, payload=payload)

    def _forget_expired(self) -> None:
        now = self._monotonic()
        for run_id, run in list(self._runs.items()):
            if run.expires is not None and run.expires <= now:
                del self._runs[run_id]
