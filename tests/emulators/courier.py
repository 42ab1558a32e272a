"""The way of a webhook from a company to the gateway, and what can happen to it there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tests.emulators.clock import Tasks
from tests.emulators.faults import Delay, Drop, FaultPlan, Postpone, Repeat, WebhookFault

HookT = TypeVar("HookT")
AnswerT = TypeVar("AnswerT")


class Lost(Exception):
    """The webhook never arrives."""


class Courier(Generic[HookT]):
    """Commits the faults that are due. While `gate` is not set, nothing leaves."""

    def __init__(
        self,
        faults: FaultPlan[HookT, WebhookFault],
        tasks: Tasks,
        failure: type[Exception] = Lost,
    ) -> None:
        """`failure`: what sending may raise; nobody hears of it where it was a repetition."""
        self.gate = asyncio.Event()
        self._faults = faults
        self._tasks = tasks
        self._failure = failure
        self._postponed: dict[str, asyncio.Event] = {}

    async def deliver(
        self, hook: HookT, call_id: str, send: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """`send` in time, too late, or several times; the answer to the first counts.

        Raises:
            Lost: it is not sent at all.
        """
        repeat: Repeat | None = None
        try:
            await self.gate.wait()
            for fault in self._faults.strike(hook):
                match fault:
                    case Delay(seconds):
                        await asyncio.sleep(seconds)
                    case Postpone(at_most):
                        await self._postpone(call_id, at_most)
                    case Drop():
                        raise Lost
                    case Repeat():
                        repeat = fault
            if repeat and repeat.at_once:
                self._repeat(send, repeat)
            answer = await send()
            if repeat and not repeat.at_once:
                self._repeat(send, repeat)
            return answer
        finally:
            if follower := self._postponed.pop(call_id, None):
                follower.set()

    async def _postpone(self, call_id: str, at_most: float) -> None:
        """Wait for the next webhook of this call, which goes first."""
        if earlier := self._postponed.pop(call_id, None):
            earlier.set()
        turn = self._postponed[call_id] = asyncio.Event()
        try:
            async with asyncio.timeout(at_most):
                await turn.wait()
        except TimeoutError:
            return

    def _repeat(self, send: Callable[[], Awaitable[object]], repeat: Repeat) -> None:
        async def again() -> None:
            try:
                for _ in range(repeat.times):
                    await asyncio.sleep(repeat.gap)
                    await send()
            except self._failure:
                return  # Nobody waits for a repetition's answer; the log has it.

        self._tasks.spawn(again(), "repeated webhook")
