"""Which of the recogniser's words are the caller's, and new. Pure; times in seconds.

Recognisers write our echo, write a final twice, and write on after they have ended a turn. What the
gate has heard since the last words tells such things from the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from openclaw_voice_call.media.open_turn import LONGEST
from openclaw_voice_call.media.own_words import OwnWords, after, words_of
from openclaw_voice_call.media.turns import TurnSettings

_NEW_SPEECH_MS: Final = 80
"""Speech after the last final that makes more words believable. What the gate still heard while
that final was on its way is shorter."""
_AGREE_S: Final = 3.0
"""How long after a sound its words may come and still be the caller's, while we speak."""
_REPEATED_S: Final = 5.0
"""The same final again within this time, without new speech, is one final."""
_OWED_S: Final = 10.0
"""How long the final of a partial that was taken is waited for."""
_OUR_PHRASE: Final = 4
"""So many words of ours in a row are our echo, whatever the gate says; fewer may be an answer:
"yes" to "say yes or no"."""


class WordSieve:
    """One call's."""

    __slots__ = (
        "_echo_s",
        "_final",
        "_final_at",
        "_fresh_ms",
        "_late_s",
        "_own",
        "_silent_since",
        "_since_final_ms",
        "_sound_at",
        "_taken",
        "_turn_over_at",
        "_vendor_ended",
        "_we_speak",
        "vendor_hears",
    )

    def __init__(self, settings: TurnSettings) -> None:
        self._late_s = settings.late_ms / 1000
        self._echo_s = settings.echo_ms / 1000
        self._own = OwnWords()
        self._we_speak = False
        self._silent_since = -math.inf
        """When we fell silent last."""
        self._sound_at = -math.inf
        self._fresh_ms = 0
        """Speech that no final has accounted for."""
        self.vendor_hears = False
        """The vendor has told of speech that no final has accounted for."""
        self._final: Sequence[str] = ()
        self._final_at = -math.inf
        self._since_final_ms = 0
        self._turn_over_at = -math.inf
        self._vendor_ended = False
        """It was the vendor who ended that turn."""
        self._taken: Sequence[str] = ()
        """The partial that was taken with it, whose final is still to come."""

    @property
    def words_owed(self) -> bool:
        """Whether there was speech whose words have not become final."""
        return self._fresh_ms >= _NEW_SPEECH_MS

    def sound(self, new_ms: int, now: float) -> None:
        """The gate has heard this much more speech."""
        self._fresh_ms += new_ms
        self._since_final_ms += new_ms
        self._sound_at = now

    def we_speak(self, text: str, now: float) -> None:
        """We begin to say this."""
        if not self._we_speak and not self._may_come_back(now):
            self._own.forget()
        self._own.say(text)
        self._we_speak = True

    def we_are_silent(self, now: float) -> None:
        """What we have said may come back for a while."""
        if self._we_speak:
            self._we_speak, self._silent_since = False, now

    def theirs(self, text: str, now: float, *, turn_open: bool) -> str:
        """What of a text the caller has said, and was not part of a turn before; may be empty.
        `turn_open`: there are words already of the turn that this would belong to."""
        text = text.strip()[:LONGEST]
        words = words_of(text)
        if not words or self._is_old(words, now, turn_open) or self._is_echo(words, now, turn_open):
            return ""
        if self._taken and now - self._turn_over_at <= _OWED_S:
            rest = after(text, self._taken)
            return text if rest is None else rest
        return text

    def final(self, text: str, now: float, *, accepted: bool, unaccounted_ms: int) -> None:
        """This became final, and something of it was `accepted` as the caller's. The rest of the
        speech is still owed."""
        self._taken = ()
        words = words_of(text)
        if words:
            self._final, self._final_at, self._since_final_ms = words, now, 0
        if accepted:
            self._account(unaccounted_ms)

    def turn_over(self, taken: str, now: float, *, by_vendor: bool, unaccounted_ms: int) -> None:
        """A turn was given, with a partial that was `taken` as it was."""
        self._turn_over_at, self._vendor_ended = now, by_vendor
        if taken:
            self._taken = words_of(taken)
            self._account(unaccounted_ms)

    def _account(self, unaccounted_ms: int) -> None:
        self._fresh_ms = unaccounted_ms
        self.vendor_hears = False

    def _is_old(self, words: Sequence[str], now: float, turn_open: bool) -> bool:
        if self.vendor_hears:
            return False
        if words == self._final and now - self._final_at <= _REPEATED_S:
            return self._since_final_ms < _NEW_SPEECH_MS
        late = now - self._turn_over_at <= self._late_s and self._vendor_ended and not turn_open
        return late and not self.words_owed

    def _is_echo(self, words: Sequence[str], now: float, turn_open: bool) -> bool:
        if not self._we_speak and not self._may_come_back(now):
            return False
        heard = now - self._sound_at <= _AGREE_S and (self._fresh_ms > 0 or turn_open)
        if not heard and self._we_speak:
            return True
        if heard and len(words) < _OUR_PHRASE:
            return False
        return self._own.contain(words)

    def _may_come_back(self, now: float) -> bool:
        return now - self._silent_since <= self._echo_s
