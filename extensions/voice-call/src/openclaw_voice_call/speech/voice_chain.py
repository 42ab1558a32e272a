"""Several voices, so that there is always one that speaks."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import msgspec

from openclaw.sdk import Clock
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.speech import SpeechOrder, TextToSpeech

log = logging.getLogger(__name__)

REST_S: Final = 30.0
"""How long a voice that failed is not asked. Each further failure doubles it."""
LONGEST_REST_S: Final = 300.0
REQUEST_CHARS: Final = 4000
"""The longest text of one request; vendors take 4096 characters or more."""

_BREAKS: Final = (
    re.compile(r"[.!?]\s+|[。！？]\s*|\n"),  # noqa: RUF001
    re.compile(r"[,;:]\s+|[、，；]\s*"),  # noqa: RUF001
    re.compile(r"\s"),
)
"""Where a long text is parted, best first: after a sentence, a clause, a word."""


@dataclass(slots=True)
class _Link:
    voice: TextToSpeech
    failures: int = 0
    """In a row."""
    rests_until: float = float("-inf")


class VoiceChain:
    """Implements `TextToSpeech` by asking voices in turn until one gives audio.

    What has begun in one voice is not continued in another: then SpeechFailed has `partial`. A
    voice that failed rests; when all do, they are asked all the same.
    """

    def __init__(
        self, voices: Sequence[TextToSpeech], clock: Clock, *, max_text_length: int | None = None
    ) -> None:
        """`voices`, at least one, the preferred one first."""
        assert voices
        self._links = [_Link(voice) for voice in voices]
        self._clock = clock
        self._max_text_length = max_text_length

    @property
    def name(self) -> str:
        """Of the voice that would be asked now."""
        return self._in_turn()[0].voice.name

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        text = self._limited(order.text.strip())
        if not _is_speakable(text):
            raise SpeechFailed(
                "there is nothing to say", vendor=self.name, vendor_code="nothing_to_say"
            )
        failure: SpeechFailed | None = None
        for link in self._in_turn():
            # A voice's name is one of the chosen vendor; the others have their own.
            voice = order.voice if link is self._links[0] else None
            asked = msgspec.structs.replace(order, text=text, voice=voice)
            begun = False
            try:
                async with aclosing(_whole(link.voice, asked)) as audio:
                    async for mulaw in audio:
                        if not begun:
                            begun = True
                            self._worked(link)
                        yield mulaw
                return
            except SpeechFailed as exc:
                self._failed(link, exc)
                if begun:
                    exc.partial = True
                    raise
                failure = exc
        assert failure is not None
        raise failure

    async def warm_up(self) -> None:
        await self._in_turn()[0].voice.warm_up()

    async def close(self) -> None:
        for link in self._links:
            await link.voice.close()

    def _in_turn(self) -> list[_Link]:
        """Those that rest come last, the one that may be asked soonest first."""
        now = self._clock.monotonic()
        return sorted(self._links, key=lambda link: max(0.0, link.rests_until - now))

    def _worked(self, link: _Link) -> None:
        if link.failures:
            log.info("voice speaks again", extra={"vendor": link.voice.name})
        link.failures = 0
        link.rests_until = float("-inf")

    def _failed(self, link: _Link, exc: SpeechFailed) -> None:
        now = self._clock.monotonic()
        if link.rests_until > now:
            # Another sentence has found the same: one outage is one failure.
            return
        rest = min(REST_S * 2**link.failures, LONGEST_REST_S)
        link.rests_until = now + rest
        link.failures += 1
        log.log(
            logging.WARNING if link.failures == 1 else logging.DEBUG,
            "voice failed",
            extra={
                "vendor": exc.vendor,
                "code": exc.vendor_code,
                "status": exc.status,
                "reason": str(exc),
                "rest_s": rest,
                "next": self.name,
            },
        )

    def _limited(self, text: str) -> str:
        limit = self._max_text_length
        if limit is None or len(text) <= limit:
            return text
        log.warning("text to speak is cut", extra={"chars": len(text), "limit": limit})
        return next(parts(text, limit))


async def _whole(voice: TextToSpeech, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
    """The order in requests that are not too long for vendors."""
    for part in filter(_is_speakable, parts(order.text, REQUEST_CHARS)):
        async with aclosing(voice.speak(msgspec.structs.replace(order, text=part))) as audio:
            async for mulaw in audio:
                yield mulaw


def _is_speakable(text: str) -> bool:
    """Whether there is more than punctuation, for which vendors give an error or nothing."""
    return any(char.isalnum() for char in text)


def parts(text: str, limit: int) -> Iterator[str]:
    """`text` in pieces of at most `limit` characters, parted after a sentence, else a clause, else
    a word. Joined they are the text."""
    while len(text) > limit:
        cut = _break_before(text, limit)
        yield text[:cut]
        text = text[cut:]
    yield text


def _break_before(text: str, limit: int) -> int:
    for pattern in _BREAKS:
        ends = [found.end() for found in pattern.finditer(text, 0, limit)]
        if ends:
            return ends[-1]
    return limit
