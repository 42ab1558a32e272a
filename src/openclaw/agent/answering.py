"""One reply from a list of models: the first that begins to say or do something gives it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from openclaw.agent.models import Models
from openclaw.agent.prompt import Prompt
from openclaw.agent.reply import Emit
from openclaw.agent.settings import ModelRef
from openclaw.agent.tools import Tool, ToolResult
from openclaw.errors import AgentError, ModelEmpty, ModelTimeout, ModelUnreachable

log = logging.getLogger(__name__)

MAX_REPLY_CHARS = 32_000

UseTool = Callable[[Tool, Mapping[str, object]], Awaitable[ToolResult]]
"""Runs a tool; it goes on when the reply that asked for it is cancelled."""


class Answering:
    """Asks models for one reply until `deadline` (seconds on the event loop's clock)."""

    def __init__(self, models: Models, use_tool: UseTool, emit: Emit, deadline: float) -> None:
        self._models = models
        self._use_tool = use_tool
        self._emit = emit
        self._deadline = deadline

    async def ask(self, refs: Sequence[ModelRef], prompt: Prompt) -> None:
        """Ask the models in order, each at most once.

        A model that has spoken or used a tool is not replaced: the words are out, and the tool
        would run twice. One that stays silent may take only its share of the time, so that the
        next can still answer.

        Raises:
            AgentError: Of the model that had begun; if none had, of the first that was asked.
        """
        ready: list[ModelRef] = []
        missing: AgentError | None = None
        for ref in refs:
            if problem := self._models.problem(ref):
                log.warning("model not configured", extra={"why": problem.message})
                missing = missing or problem
            else:
                ready.append(ref)
        failed: AgentError | None = None
        for left, ref in zip(range(len(ready), 0, -1), ready, strict=True):
            attempt = _Attempt(ref, self._emit, self._deadline, share=1 / left)
            try:
                await self._attempt(attempt, prompt)
            except AgentError as exc:
                log.warning("model failed", extra={"code": exc.code, "why": exc.message})
                if attempt.begun:
                    raise
                failed = failed or exc
            else:
                return
        raise failed or missing or AssertionError("there is at least one model to ask")

    async def _attempt(self, attempt: _Attempt, prompt: Prompt) -> None:
        tools = tuple(replace(tool, run=self._runner(tool, attempt)) for tool in prompt.tools)
        try:
            async with attempt.limit:
                model = await self._models.open(attempt.ref)
                async with aclosing(model.stream(replace(prompt, tools=tools))) as stream:
                    async for text in stream:
                        attempt.say(text)
                        if attempt.chars > MAX_REPLY_CHARS:
                            log.warning("reply cut off", extra={"model": str(attempt.ref)})
                            break
        except TimeoutError as exc:
            raise ModelTimeout(str(attempt.ref), attempt.seconds) from exc
        except AgentError:
            raise
        except Exception as exc:
            # The boundary to vendors' libraries: readers of a reply are promised an AgentError.
            log.exception("model adapter failed", extra={"model": str(attempt.ref)})
            raise ModelUnreachable(str(attempt.ref), "the model's adapter failed") from exc
        if not attempt.has_words:
            raise ModelEmpty(str(attempt.ref))

    def _runner(
        self, tool: Tool, attempt: _Attempt
    ) -> Callable[[Mapping[str, object]], Awaitable[ToolResult]]:
        async def run(arguments: Mapping[str, object]) -> ToolResult:
            attempt.begin()
            return await self._use_tool(tool, arguments)

        return run


class _Attempt:
    """What one model has done so far, and how long it may take."""

    def __init__(self, ref: ModelRef, emit: Emit, deadline: float, *, share: float) -> None:
        now = asyncio.get_running_loop().time()
        self.ref = ref
        self.begun = False
        self.has_words = False
        self.chars = 0
        self.seconds = max(0.0, deadline - now) * share
        self.limit = asyncio.timeout_at(now + self.seconds)
        self._started = now
        self._deadline = deadline
        self._emit = emit

    def begin(self) -> None:
        """Note that there is no way back to another model; all the time is now this one's."""
        if not self.begun:
            # First, because it raises if the time is up: then nothing may begin any more.
            self.limit.reschedule(self._deadline)
            self.begun = True
            self.seconds = self._deadline - self._started

    def say(self, text: str) -> None:
        self.chars += len(text)
        if text.strip():
            self.has_words = True
            self.begin()
        self._emit(text)
