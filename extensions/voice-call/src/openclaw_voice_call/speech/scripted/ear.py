"""What a recogniser without a network hears: the tone code, cut by its silences. Pure.

Time is that of the audio. What is loud and is no word of the tone code ends as an empty text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.interfaces.media import BYTES_PER_MS, FRAME_BYTES, FRAME_MS
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.mute_watch import is_loud

Heard: TypeAlias = SpeechStarted | Partial | FinalText | TurnEnded

_WORD_GAP_MS: Final = 40
"""Less than the silence between two words, more than any within one."""
_STARTED_MS: Final = 60
"""Speech is told when there has been so much of it."""
_MARGIN_BYTES: Final = 2 * FRAME_BYTES
"""What is kept in front of a word: it may have begun within a quiet frame."""
_LONGEST_WORD_BYTES: Final = 10_000 * BYTES_PER_MS


class ScriptedEar:
    """Fed with audio of any length; each word is decoded once, when the silence after it begins."""

    def __init__(
        self, end_silence_ms: int, decode: Callable[[bytes], str] = tone_code.decode
    ) -> None:
        """`decode` gives the words of a stretch of mu-law without long silences."""
        self._end_silence_ms = max(end_silence_ms, FRAME_MS)
        self._decode = decode
        self._rest = b""
        self._word = bytearray()
        self._words: list[str] = []
        self._speech_ms = 0
        self._silence_ms = 0
        self._started = False

    def hear(self, mulaw: bytes) -> list[Heard]:
        """The next audio."""
        audio = self._rest + mulaw
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._rest = audio[whole:]
        heard: list[Heard] = []
        for at in range(0, whole, FRAME_BYTES):
            heard += self._frame(audio[at : at + FRAME_BYTES])
        return heard

    def finish(self) -> list[Heard]:
        """End the turn here, without waiting for its silence."""
        return list(self._end())

    def _frame(self, frame: bytes) -> Iterator[Heard]:
        self._word += frame
        if is_loud(frame):
            self._silence_ms = 0
            self._speech_ms += FRAME_MS
            if not self._started and self._speech_ms >= _STARTED_MS:
                self._started = True
                yield SpeechStarted()
            if len(self._word) > _LONGEST_WORD_BYTES:
                yield from self._take_word()
            return
        self._silence_ms += FRAME_MS
        if not self._speech_ms:
            del self._word[:-_MARGIN_BYTES]
        elif self._silence_ms == _WORD_GAP_MS:
            yield from self._take_word()
        if self._speech_ms and self._silence_ms >= self._end_silence_ms:
            yield from self._end()

    def _take_word(self) -> Iterator[Heard]:
        word = self._decode(bytes(self._word))
        del self._word[:-_MARGIN_BYTES]
        if word:
            self._words.append(word)
            yield Partial(" ".join(self._words))

    def _end(self) -> Iterator[Heard]:
        if self._silence_ms < _WORD_GAP_MS:
            yield from self._take_word()
        text = " ".join(self._words)
        started = self._started
        self._words.clear()
        self._started = False
        self._speech_ms = self._silence_ms = 0
        if text or started:
            yield FinalText(text)
            yield TurnEnded()
