"""Phrases that are known before they are needed: the greeting, fillers, apologies."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from openclaw.sdk import Clock, OpenClawError, TaskOwner
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.speech import SpeechOrder, TextToSpeech

log = logging.getLogger(__name__)

MOST_PHRASES: Final = 32
MOST_BYTES: Final = 2_000_000
"""Of all phrases together: about four minutes."""
FRESH_S: Final = 600.0
"""How long a phrase counts as what the voice would say now. It may have been another voice that
stood in, so nothing is kept for good."""


@dataclass(slots=True)
class _Recording:
    """A phrase, from when it begins to be spoken."""

    pieces: list[bytes] = field(default_factory=list[bytes])
    size: int = 0
    ended: bool = False
    failure: SpeechFailed | None = None
    made_at: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)
        self._tell()

    def end(self, failure: SpeechFailed | None) -> None:
        self.ended = True
        self.failure = failure
        self._tell()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """All of it, as it comes. The voice that speaks it bounds each wait."""
        heard = 0
        while True:
            while heard < len(self.pieces):
                yield self.pieces[heard]
                heard += 1
            if self.ended:
                break
            await self._news.wait()
        if self.failure is not None:
            raise self.failure

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class CachedVoice:
    """Implements `TextToSpeech` by a voice, with what was prepared from memory.

    A phrase that is not fresh any more is still said when the voice fails.
    """

    def __init__(
        self,
        voice: TextToSpeech,
        clock: Clock,
        tasks: TaskOwner,
        *,
        most_phrases: int = MOST_PHRASES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._voice = voice
        self._clock = clock
        self._tasks = tasks
        self._most_phrases = most_phrases
        self._most_bytes = most_bytes
        self._kept: OrderedDict[SpeechOrder, _Recording] = OrderedDict()
        """The one that was used longest ago first."""
        self._being_made: dict[SpeechOrder, tuple[_Recording, asyncio.Task[None]]] = {}

    @property
    def name(self) -> str:
        return self._voice.name

    def prepare(self, order: SpeechOrder) -> None:
        """Have this spoken into memory, unless it is there or on its way. Does not fail, nor wait.

        What `speak` is asked for meanwhile joins in.
        """
        if order in self._being_made or self._fresh(order) is not None:
            return
        recording = _Recording()
        try:
            task = self._tasks.spawn("prepare a phrase", self._make(order, recording))
        except OpenClawError:
            # The owner of the tasks is stopping, and so is whoever would say it.
            return
        self._being_made[order] = (recording, task)
        task.add_done_callback(lambda _: self._settle(order, recording))

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        fresh = self._fresh(order)
        if fresh is not None:
            for piece in fresh.pieces:
                yield piece
            return
        made = self._being_made.get(order)
        source = self._voice.speak(order) if made is None else made[0].follow()
        begun = False
        try:
            async with aclosing(source):
                async for piece in source:
                    begun = True
                    yield piece
            return
        except SpeechFailed as exc:
            old = self._kept.get(order)
            if begun or old is None:
                raise
            log.info("an older recording is played", extra={"code": exc.vendor_code})
        for piece in old.pieces:
            yield piece

    async def warm_up(self) -> None:
        await self._voice.warm_up()

    async def close(self) -> None:
        for _, task in self._being_made.values():
            task.cancel()
        self._kept.clear()
        await self._voice.close()

    def _fresh(self, order: SpeechOrder) -> _Recording | None:
        kept = self._kept.get(order)
        if kept is None or self._clock.monotonic() - kept.made_at > FRESH_S:
            return None
        self._kept.move_to_end(order)
        return kept

    async def _make(self, order: SpeechOrder, recording: _Recording) -> None:
        try:
            async with aclosing(self._voice.speak(order)) as audio:
                async for piece in audio:
                    recording.add(piece)
        except SpeechFailed as exc:
            log.info("a phrase was not prepared", extra={"code": exc.vendor_code})
            recording.end(exc)
        else:
            recording.end(None)
            self._keep(order, recording)

    def _settle(self, order: SpeechOrder, recording: _Recording) -> None:
        """Whoever follows it is answered, also when its task was cancelled."""
        del self._being_made[order]
        if not recording.ended:
            text = "speaking was stopped"
            recording.end(SpeechFailed(text, vendor=self.name, vendor_code="stopped", partial=True))

    def _keep(self, order: SpeechOrder, recording: _Recording) -> None:
        if recording.size > self._most_bytes // 4:
            # It would push out all others.
            return
        recording.made_at = self._clock.monotonic()
        self._kept.pop(order, None)
        self._kept[order] = recording
        while len(self._kept) > self._most_phrases or self._size() > self._most_bytes:
            self._kept.popitem(last=False)

    def _size(self) -> int:
        return sum(each.size for each in self._kept.values())
