"""A call's answer in the making: at most one, whole or sentence by sentence, maybe begun early."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.record import CallRecord, PendingReply
from openclaw_voice_call.conversation.head_start import HeadStart
from openclaw_voice_call.conversation.responder import ReplyError, Responder

log = logging.getLogger("openclaw.plugins.voice-call")


class ReplyWatch(Protocol):
    """Takes the time of an answer's stages; `at` is monotonic seconds."""

    def head_start(self, turn: int) -> None: ...

    def first_token(self, turn: int, at: float) -> None: ...

    def first_sentence(self, turn: int, at: float) -> None: ...


class Answering:
    """One call's. `insist` posts an event and returns when it is stored."""

    def __init__(
        self,
        responder: Responder,
        *,
        clock: Clock,
        tasks: TaskOwner,
        insist: Callable[[ev.CallEvent], Awaitable[None]],
    ) -> None:
        self._responder = responder
        self._clock = clock
        self._tasks = tasks
        self._insist = insist
        self._task: asyncio.Task[None] | None = None
        self._head_start = HeadStart(responder, tasks)

    def expect(self, record: CallRecord, text: str) -> None:
        """The other party has probably said `text`: begin to answer, without a word being spoken
        or remembered until it is certain."""
        if self._task is None or self._task.done():
            turn = record.turn if record.turn_open else record.turn + 1
            self._head_start.begin(record, turn, text)

    def ask(self, record: CallRecord, pending: PendingReply, watch: ReplyWatch | None) -> None:
        """Have the agent answer, instead of what it was answering. With `watch`, sentence by
        sentence."""
        self.cancel()
        if watch is None:
            work = self._answer(record, pending)
        else:
            work = self._speak(record, pending, watch)
        self._task = self._tasks.spawn("agent reply", work)

    def cancel(self) -> None:
        """No answer is wanted any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def guess_no_more(self) -> None:
        """What the other party is saying is not the agent's to answer: no head start is wanted."""
        self._head_start.cancel()

    def stop(self) -> None:
        """Nothing is wanted any more."""
        self.cancel()
        self.guess_no_more()

    async def _answer(self, record: CallRecord, pending: PendingReply) -> None:
        try:
            text = await self._responder.reply(record, pending)
        except ReplyError as error:
            await self._failed(record, pending, error)
        else:
            await self._insist(ev.ReplyReady(pending.turn, text))

    async def _speak(self, record: CallRecord, pending: PendingReply, watch: ReplyWatch) -> None:
        turn = pending.turn
        try:
            async with aclosing(self._sentences(record, pending, watch)) as sentences:
                async for sentence in sentences:
                    watch.first_sentence(turn, self._clock.monotonic())
                    await self._insist(ev.ReplySentence(turn, sentence))
        except ReplyError as error:
            await self._failed(record, pending, error)
        else:
            await self._insist(ev.ReplyFinished(turn))

    def _sentences(
        self, record: CallRecord, pending: PendingReply, watch: ReplyWatch
    ) -> AsyncGenerator[str, None]:
        turn = pending.turn

        def first_token(at: float) -> None:
            watch.first_token(turn, at)

        if not pending.keyed:
            begun = self._head_start.take(turn, pending.text, first_token)
            if begun is not None:
                watch.head_start(turn)
                return begun
        return self._responder.sentences(record, pending, first_token)

    async def _failed(self, record: CallRecord, pending: PendingReply, error: ReplyError) -> None:
        log.warning("no reply", extra={"call": record.call_id, "code": error.why})
        await self._insist(ev.ReplyFailed(pending.turn, error.why))
