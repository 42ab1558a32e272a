"""Asks the agent for a call's replies, and tells its memory what was really heard."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from openclaw.sdk import AgentError, Agents, ReplyRequest, ReplyRun, TaskOwner
from openclaw_voice_call.call.facts import Ended, Fact, Interrupted, Said, TurnHeard
from openclaw_voice_call.call.record import CallRecord, CallSettings, Exchange, PendingReply
from openclaw_voice_call.call.types import CallId, Direction
from openclaw_voice_call.conversation.spoken import spoken_text
from openclaw_voice_call.conversation.spoken_reply import FirstToken, ReplyError, SpokenReply
from openclaw_voice_call.lane import Lane

DEFAULT_PROMPT: Final = (
    "You are a personal assistant in a live telephone conversation. Your words are read out by a "
    "voice: answer in one or two short spoken sentences, without lists, formatting, links or "
    "emoji. Say numbers and dates the way people say them. If something was not understood, ask."
)

__all__ = ["DEFAULT_PROMPT", "ReplyError", "Responder"]

log = logging.getLogger("openclaw.plugins.voice-call")


class Responder:
    """One for all calls. History is kept per session key, keyed by call and turn."""

    def __init__(
        self,
        agents: Agents,
        tasks: TaskOwner,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agents = agents
        self._tasks = tasks
        self.monotonic = monotonic
        """Tells when a token came, in seconds."""
        self._lanes: dict[CallId, Lane] = {}
        self._warm: set[tuple[str | None, str]] = set()

    def unable(self, settings: CallSettings) -> str | None:
        """Why a call with these settings could get no reply (a missing key, say), or None."""
        return self._agents.readiness(settings.model, settings.agent_id)

    def warm_up(self, settings: CallSettings) -> None:
        """Load the model's library in the background, once, when its first call begins."""
        wanted = (settings.model, settings.agent_id)
        if wanted not in self._warm:
            self._warm.add(wanted)
            self._tasks.spawn("agent warm-up", self._warm_up(*wanted))

    async def reply(self, record: CallRecord, pending: PendingReply) -> str:
        """The agent's answer as words to be spoken. Raises ReplyError."""
        run = self.run(record, pending.turn, _said(pending))
        try:
            answer = await run.text()
        except AgentError as error:
            raise ReplyError(error.code) from error
        finally:
            run.cancel()
        words = spoken_text(answer)
        if not words:
            raise ReplyError("model_empty")
        return words

    def sentences(
        self, record: CallRecord, pending: PendingReply, first_token: FirstToken | None = None
    ) -> AsyncGenerator[str, None]:
        """The agent's answer, sentence by sentence while it is written.

        It begins at once; closing the generator stops it. Raises ReplyError, also after some
        sentences.
        """
        return self.spoken(self.run(record, pending.turn, _said(pending)), first_token)

    def spoken(
        self, run: ReplyRun, first_token: FirstToken | None, token_at: float | None = None
    ) -> SpokenReply:
        """The sentences of a reply that was begun with `run`; see `SpokenReply`."""
        return SpokenReply(
            run, monotonic=self.monotonic, first_token=first_token, token_at=token_at
        )

    def run(
        self,
        record: CallRecord,
        turn: int,
        text: str,
        *,
        tools_after: asyncio.Event | None = None,
    ) -> ReplyRun:
        """Begin to answer `text`; its tools wait for `tools_after`. Raises ReplyError."""
        request = ReplyRequest(
            session_key=record.settings.session_key,
            agent_id=record.settings.agent_id,
            turn_key=_turn_key(record, turn),
            text=text,
            system_prompt=_prompt(record),
            model=record.settings.model,
            timeout_s=record.settings.reply_timeout_ms / 1000,
            spoken=True,
            tools_after=tools_after,
        )
        try:
            return self._agents.reply(request)
        except AgentError as error:
            raise ReplyError(error.code) from error

    def remember(self, record: CallRecord, facts: Sequence[Fact]) -> None:
        """Write what was said and heard into the agent's history, in order, in the background."""
        for fact in facts:
            if isinstance(fact, Said | Interrupted):
                self._remember_ours(record, fact)
            elif isinstance(fact, TurnHeard) and fact.operation is not None:
                key = f"{record.call_id}:heard:{fact.turn}"
                self._note(record, key, "user", fact.text)
            elif isinstance(fact, Ended):
                self._lanes.pop(record.call_id, None)

    async def _warm_up(self, model: str | None, agent_id: str) -> None:
        try:
            await self._agents.warm_up(model, agent_id)
        except AgentError as error:
            log.warning("agent not ready", extra={"code": error.code})

    def recover(self, record: CallRecord) -> None:
        """Write a restored call's last exchange again: the process may have ended before that."""
        exchange = record.exchange
        if exchange is not None and exchange.heard is not None:
            self._settle(record, exchange, exchange.heard)

    def _remember_ours(self, record: CallRecord, fact: Said | Interrupted) -> None:
        exchange = record.exchange
        if fact.turn and exchange is not None and exchange.turn == fact.turn:
            # An answer of several sentences is several utterances of one turn: the exchange has
            # what was heard of all of them.
            self._settle(record, exchange, exchange.heard or "")
        elif heard := fact.text if isinstance(fact, Said) else fact.heard:
            self._note(record, f"{record.call_id}:say:{fact.utterance}", "assistant", heard)

    def _settle(self, record: CallRecord, exchange: Exchange, heard: str) -> None:
        settle = partial(
            self._agents.settle,
            record.settings.session_key,
            _turn_key(record, exchange.turn),
            exchange.user_text,
            heard,
        )
        self._lane(record).put(partial(_carefully, settle, record.call_id))

    def _note(self, record: CallRecord, key: str, role: str, text: str) -> None:
        note = partial(
            self._agents.note,
            record.settings.session_key,
            key,
            role="user" if role == "user" else "assistant",
            text=text,
        )
        self._lane(record).put(partial(_carefully, note, record.call_id))

    def _lane(self, record: CallRecord) -> Lane:
        lane = self._lanes.get(record.call_id)
        if lane is None:
            lane = self._lanes[record.call_id] = Lane("call history", self._tasks)
        return lane


def _prompt(record: CallRecord) -> str:
    prompt = record.settings.prompt or DEFAULT_PROMPT
    if record.direction is Direction.INBOUND:
        other = record.from_number or "a withheld number"
        return f"{prompt}\nThe person called you from {other}."
    return f"{prompt}\nYou called the person at {record.to_number}."


def _said(pending: PendingReply) -> str:
    return f"(pressed the phone keys) {pending.text}" if pending.keyed else pending.text


def _turn_key(record: CallRecord, turn: int) -> str:
    return f"{record.call_id}:turn:{turn}"


async def _carefully(write: Callable[[], Awaitable[None]], call_id: CallId) -> None:
    """History that cannot be written costs the agent its memory, not the caller the call."""
    try:
        await write()
    except AgentError as error:
        log.warning("history not written", extra={"call": call_id, "code": error.code})
