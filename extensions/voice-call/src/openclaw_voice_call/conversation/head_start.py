"""Answers begun before the caller's words are final, on what they will most probably be."""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

from openclaw.sdk import AgentError, ReplyRun, TaskOwner
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.conversation.responder import Responder
from openclaw_voice_call.conversation.spoken_reply import FirstToken, ReplyError

MOST_PER_TURN: Final = 3
"""A model is paid for each: speech that keeps changing is better waited for."""

log = logging.getLogger("openclaw.plugins.voice-call")


@dataclass(slots=True)
class _Begun:
    turn: int
    words: str
    run: ReplyRun
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    token_at: float | None = None
    failed: bool = False


class HeadStart:
    """One call's. Until a head start is taken nobody hears it, none of its tools run and nothing of
    it is remembered, so that giving it up leaves no trace."""

    def __init__(self, responder: Responder, tasks: TaskOwner) -> None:
        self._responder = responder
        self._tasks = tasks
        self._begun: _Begun | None = None
        self._turn = 0
        self._starts = 0
        self.taken = 0
        """How many became the answer."""
        self.discarded = 0
        """How many were in vain."""

    def begin(self, record: CallRecord, turn: int, text: str) -> None:
        """Begin to answer `text`, instead of another guess; the same guess again changes
        nothing."""
        words = same_words(text)
        begun = self._begun
        if not words or (begun and (begun.turn, begun.words) == (turn, words)):
            return
        self.cancel()
        if turn != self._turn:
            self._turn, self._starts = turn, 0
        if self._starts >= MOST_PER_TURN:
            return
        confirmed = asyncio.Event()
        try:
            run = self._responder.run(record, turn, text, tools_after=confirmed)
        except ReplyError as error:
            # Asked in earnest it will fail likewise, and then the caller is told.
            log.debug("no head start", extra={"call": record.call_id, "code": error.why})
            return
        self._starts += 1
        self._begun = _Begun(turn, words, run, confirmed)
        self._tasks.spawn("head start", self._follow(self._begun))

    def take(
        self, turn: int, text: str, first_token: FirstToken | None = None
    ) -> AsyncGenerator[str, None] | None:
        """The answer that was begun, if it is one to `text`; else what was begun is given up.

        The sentences are those of `Responder.sentences`, from the beginning.
        """
        begun = self._begun
        if begun is None:
            return None
        if begun.failed or (begun.turn, begun.words) != (turn, same_words(text)):
            self.cancel()
            return None
        self._begun = None
        self.taken += 1
        begun.confirmed.set()
        return self._responder.spoken(begun.run, first_token, token_at=begun.token_at)

    def cancel(self) -> None:
        """Give up what was begun and not taken."""
        begun, self._begun = self._begun, None
        if begun is not None:
            self.discarded += 1
            begun.run.cancel()

    async def _follow(self, begun: _Begun) -> None:
        try:
            async for text in begun.run:
                if begun.token_at is None and text.strip():
                    begun.token_at = self._responder.monotonic()
        except AgentError as error:
            begun.failed = True
            log.debug("head start failed", extra={"code": error.code})


def same_words(text: str) -> str:
    """What two transcripts of the same words have in common: neither case nor punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = folded.replace("'", "").replace("’", "")  # noqa: RUF001
    return " ".join("".join(c if _is_of_word(c) else " " for c in bare).split())


def _is_of_word(character: str) -> bool:
    # Marks are the vowels of Indian scripts; symbols are said ("$5", "2 + 2").
    return unicodedata.category(character)[0] in "LMNS"
