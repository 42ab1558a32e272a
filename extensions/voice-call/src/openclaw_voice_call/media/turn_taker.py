"""Whose turn it is on a live call. Pure: time is an argument, in seconds of one monotonic clock.

Two witnesses tell what the caller does. The gate (`speech_gate`) hears sound at once and does not
know words; the recogniser knows words, but later, sometimes twice, and cannot tell whose they are.
So sound interrupts us, words end turns, and while we speak words count only where both agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from openclaw_voice_call.interfaces.media import FRAME_MS
from openclaw_voice_call.interfaces.speech import (
    Final as FinalWords,
)
from openclaw_voice_call.interfaces.speech import (
    Partial,
    Recognised,
    RecogniserDown,
    RecogniserUp,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.media.open_turn import LONGEST, OpenTurn
from openclaw_voice_call.media.own_words import OwnWords, after, words_of
from openclaw_voice_call.media.speech_meter import SpeechMeter
from openclaw_voice_call.media.turns import (
    BargeIn,
    CallerSilent,
    FalseAlarm,
    FinishTurn,
    Likely,
    NoText,
    TurnAction,
    TurnOver,
    TurnSettings,
)

__all__ = [
    "BargeIn",
    "CallerSilent",
    "FalseAlarm",
    "FinishTurn",
    "Likely",
    "NoText",
    "TurnAction",
    "TurnOver",
    "TurnSettings",
    "TurnTaker",
]

_NEVER: Final = math.inf
_NEW_SPEECH_MS: Final = 120
"""Speech after the last words that makes more words believable. What the gate still heard while
those words were on their way is shorter."""
_AGREE_S: Final = 3.0
"""How long after a sound its words may come and still be the caller's, while we speak."""
_RESUMED_S: Final = 0.5
"""A stretch of speech that began so shortly before a final is not in it: recognisers lag."""
_OWED_S: Final = 10.0
"""How long the final of a partial that was taken is waited for."""
_REPEATED_S: Final = 5.0
"""The same final again within this time, without new speech, is one final."""
_OUR_PHRASE: Final = 4
"""So many words of ours in a row are our echo, whatever the gate says; fewer may be an answer:
"yes" to "say yes or no"."""
_FINISH_GRACE_S: Final = 0.3
"""A vendor that ends turns itself has ended it by then."""


class TurnTaker:
    """One call's. Feed it what happens and do what it returns; ask `next_due` when to `tick`."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._now = -_NEVER
        self._meter = SpeechMeter()
        # Half as much again, so that the dips between syllables do not start it anew.
        self._barge_in_window_ms = math.ceil(settings.barge_in_ms * 1.5)
        self._meter.remember(self._barge_in_window_ms)
        self._turn = OpenTurn()
        self._own = OwnWords()

        self._utterance: int | None = None
        self._interruptible = False
        self._silent_since: float | None = None
        """When our last utterance ended; None before the first."""
        self._cut_at: float | None = None
        """We were interrupted then, and no words have come."""
        self._thinking = False
        self._quiet_since: float | None = None
        """When the line was last not quiet by our doing; None before the first input."""
        self._prompts = 0

        self._fresh_ms = 0
        """Speech that no final has accounted for."""
        self._vendor_heard = False
        """The vendor has told of speech that no final has accounted for."""
        self._last_final: Sequence[str] = ()
        self._last_final_at = -_NEVER
        self._closed_at = -_NEVER
        self._vendor_closed = False
        """It was the vendor who ended the turn before."""
        self._vendor_ends = False
        """The vendor is one that ends turns."""
        self._owed: Sequence[str] = ()
        """Words that were taken from a partial: their final is still to come."""

        self._finish_asked = False
        self._unwritten_ms = 0
        """Speech since the recogniser last wrote anything."""
        self._unwritten_since = 0.0
        self._unwritten_pause: float | None = None
        """When the caller first paused in it."""
        self._mute_told = False

        self._due: float | None = None
        """`next_due`, where it is known."""
        self._rules: Sequence[tuple[Callable[[], float], Callable[[], TurnAction]]] = (
            (self._end_due, self._over),
            (self._likely_due, self._likely),
            (self._finish_due, self._finish),
            (self._false_alarm_due, self._false_alarm),
            (self._silence_due, self._silence),
            (self._mute_due, self._mute),
        )

    @property
    def caller_speaking(self) -> bool:
        """Whether we should not begin to speak now: the caller is in the middle of something."""
        ended = self._meter.ended
        if ended is not None and self._now - ended < self._settings.hold_ms / 1000:
            return True
        since_change = self._now - self._turn.changed_at
        return bool(self._turn.open_piece) and since_change < self._settings.hold_partial_ms / 1000

    @property
    def next_due(self) -> float | None:
        """When `tick` has something to say if nothing happens before; None: never."""
        due = self._next()
        return None if due == _NEVER else due

    # What happens.

    def frame(self, now: float, speech: bool) -> Sequence[TurnAction]:
        """Another 20 ms of the caller's line, and whether the gate hears speech in it."""
        self._advance(now)
        before = self._meter.ended
        new_ms = self._meter.frame(self._now, speech)
        if new_ms:
            self._sound(new_ms, before)
        cut = [self._cut()] if speech and self._interrupts() else []
        if not cut and self._now < self._next():
            return ()
        return [*cut, *self._look()]

    def recognised(self, event: Recognised, now: float) -> Sequence[TurnAction]:
        """The recogniser tells something."""
        self._advance(now)
        actions: list[TurnAction] = []
        match event:
            case SpeechStarted():
                # It may be our echo, so it cuts nothing; but words may follow.
                self._vendor_heard = True
                self._turn.vendor_ended = False
            case Partial(text):
                self._written()
                words = self._theirs(text)
                self._turn.partial(words, self._now)
                actions += self._cut_by(words)
            case FinalWords(text):
                self._written()
                words = self._theirs(text)
                self._owed = ()
                actions += self._final(words)
            case TurnEnded():
                actions += self._vendor_ended()
            case RecogniserDown():
                self._written()
            case RecogniserUp():
                pass
        self._due = None
        return [*actions, *self._look()]

    def speaking(
        self, now: float, utterance: int | None, *, interruptible: bool = True, text: str = ""
    ) -> None:
        """The caller begins to hear this utterance, with this text; None: we have fallen silent."""
        self._advance(now)
        if utterance is not None:
            if self._silent_since is not None and not self._echoes():
                self._own.forget()
            self._own.say(text)
            self._cut_at = None
        elif self._utterance is not None:
            self._silent_since = self._now
        self._utterance = utterance
        self._interruptible = interruptible
        self._quiet_since = self._now
        self._due = None

    def thinking(self, now: float, busy: bool) -> None:
        """Whether an answer is being made."""
        self._advance(now)
        if busy != self._thinking:
            self._thinking = busy
            self._quiet_since = self._now
            self._due = None

    def tick(self, now: float) -> Sequence[TurnAction]:
        """Time has passed."""
        self._advance(now)
        return self._look()

    # Sound.

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)
        if self._quiet_since is None:
            self._quiet_since = self._now
            self._due = None

    def _sound(self, new_ms: int, before: float | None) -> None:
        meter, settings = self._meter, self._settings
        began = self._now if meter.began is None else meter.began
        end_silence_s = settings.end_silence_ms / 1000
        if new_ms > FRAME_MS:
            self._finish_asked = False
            self._turn.vendor_ended = False
            paused = before is not None and began - before >= end_silence_s
            if paused and self._unwritten_ms >= settings.mute_speech_ms:
                self._unwritten_pause = self._unwritten_pause or before
        self._turn.sound(self._now, began, end_silence_s)
        self._fresh_ms += new_ms
        if self._unwritten_ms == 0:
            self._unwritten_since = began
        self._unwritten_ms += new_ms
        self._prompts = 0
        self._due = None

    def _interrupts(self) -> bool:
        if self._utterance is None or not self._interruptible:
            return False
        need_ms = max(self._settings.barge_in_ms, FRAME_MS)
        return self._meter.within(max(self._barge_in_window_ms, FRAME_MS)) >= need_ms

    def _cut(self) -> BargeIn:
        self._utterance = None
        self._silent_since = self._quiet_since = self._cut_at = self._now
        self._due = None
        return BargeIn()

    # Words.

    def _written(self) -> None:
        """The recogniser is not mute."""
        self._unwritten_ms = 0
        self._unwritten_pause = None
        self._mute_told = False

    def _theirs(self, text: str) -> str:
        """What of a text the caller has said, and has not been given in a turn before."""
        text = text.strip()[:LONGEST]
        words = words_of(text)
        if not words or self._is_late(words) or self._is_echo(words):
            return ""
        if self._owed and self._now - self._closed_at <= _OWED_S:
            rest = after(text, self._owed)
            return text if rest is None else rest
        return text

    def _is_late(self, words: Sequence[str]) -> bool:
        """Whether it belongs to a turn that has been given, or says a final again."""
        if self._fresh_ms >= _NEW_SPEECH_MS or self._vendor_heard:
            return False
        if words == self._last_final and self._now - self._last_final_at <= _REPEATED_S:
            return True
        late = self._now - self._closed_at <= self._settings.late_ms / 1000
        return late and self._vendor_closed and not self._turn.text

    def _is_echo(self, words: Sequence[str]) -> bool:
        playing = self._utterance is not None
        if not playing and not self._echoes():
            return False
        ended = self._meter.ended
        agreed = ended is not None and self._now - ended <= _AGREE_S
        agreed = agreed and (self._fresh_ms > 0 or bool(self._turn.text))
        if not agreed and playing:
            return True
        if agreed and len(words) < _OUR_PHRASE:
            return False
        return self._own.contain(words)

    def _echoes(self) -> bool:
        """Whether our words may still come back."""
        since = self._silent_since
        return since is not None and self._now - since <= self._settings.echo_ms / 1000

    def _cut_by(self, words: str) -> Sequence[TurnAction]:
        """Words of the caller; they interrupt us however short they sounded."""
        if not words:
            return ()
        self._prompts = 0
        self._quiet_since = self._now
        cuts = self._utterance is not None and self._interruptible
        return (self._cut(),) if cuts else ()

    def _final(self, words: str) -> Sequence[TurnAction]:
        actions = list(self._cut_by(words))
        self._turn.final(words, self._now)
        if words:
            self._last_final, self._last_final_at = words_of(words), self._now
            self._account()
            if self._turn.vendor_ended:
                actions.append(self._over())
                self._vendor_closed = True
        return actions

    def _account(self) -> None:
        """The words of what has been heard are there."""
        began, first = self._meter.began, self._turn.began
        resumed = (
            began is not None
            and first is not None
            and began > first
            and self._now - began < _RESUMED_S
        )
        self._fresh_ms = self._meter.stretch_ms if resumed else 0
        self._vendor_heard = False

    def _vendor_ended(self) -> Sequence[TurnAction]:
        self._vendor_ends = True
        turn, sounding = self._turn, self._meter.sounding(self._now)
        if not turn.finals and (sounding or not turn.text):
            # Its words come late. Without any sound or word it is an end that was told twice.
            turn.vendor_ended = bool(turn.text) or self._fresh_ms > 0 or self._vendor_heard
            return ()
        # Where the caller has gone on, the partial is of what comes next.
        next_piece = turn.without_partial() if sounding else ""
        over = self._over()
        self._vendor_closed = True
        self._turn.partial(next_piece, self._now)
        return (over,)

    def _over(self) -> TurnOver:
        turn = self._turn
        if turn.open_piece:
            self._owed = words_of(turn.open_piece)
            self._account()
        self._turn = OpenTurn()
        self._closed_at = self._quiet_since = self._now
        self._vendor_closed = False
        self._cut_at = None
        self._finish_asked = False
        return turn.over(self._now)

    # What time brings.

    def _next(self) -> float:
        if self._due is None:
            self._due = min(due() for due, _ in self._rules)
        return self._due

    def _look(self) -> Sequence[TurnAction]:
        if self._now < self._next():
            return ()
        actions = [act() for due, act in self._rules if due() <= self._now]
        self._due = None
        return actions

    def _quiet_from(self) -> float:
        """When the caller fell silent in this turn."""
        ended = self._meter.ended
        return self._turn.changed_at if ended is None or self._turn.began is None else ended

    def _end_due(self) -> float:
        settings, turn = self._settings, self._turn
        if not turn.text:
            return _NEVER
        due = self._quiet_from() + settings.end_silence_ms / 1000
        waits = turn.open_piece or self._vendor_ends
        if waits:
            due = max(due, turn.changed_at) + settings.unfinished_ms / 1000
        else:
            due = max(due, turn.changed_at + settings.settle_ms / 1000)
        return min(due, turn.changed_at + settings.stale_ms / 1000)

    def _likely_due(self) -> float:
        if self._turn.likely() is None:
            return _NEVER
        stable = self._turn.changed_at + self._settings.stable_ms / 1000
        return max(stable, self._quiet_from() + self._settings.pause_ms / 1000)

    def _likely(self) -> Likely:
        self._turn.told()
        return Likely(self._turn.text)

    def _finish_due(self) -> float:
        owed = bool(self._turn.open_piece) or self._fresh_ms >= _NEW_SPEECH_MS
        if self._finish_asked or not owed:
            return _NEVER
        since = self._turn.changed_at if self._turn.open_piece else -_NEVER
        if self._meter.ended is not None:
            since = max(since, self._meter.ended)
        return since + self._settings.end_silence_ms / 1000 + _FINISH_GRACE_S

    def _finish(self) -> FinishTurn:
        self._finish_asked = True
        return FinishTurn()

    def _false_alarm_due(self) -> float:
        settings = self._settings
        if self._cut_at is None or self._turn.text or not settings.false_alarm_ms:
            return _NEVER
        since = max(self._cut_at, self._turn.changed_at)
        if self._meter.ended is not None:
            since = max(since, self._meter.ended)
        patience_ms = settings.end_silence_ms if self._vendor_heard else 0
        return since + (settings.false_alarm_ms + patience_ms) / 1000

    def _false_alarm(self) -> FalseAlarm:
        self._cut_at = None
        return FalseAlarm()

    def _silence_due(self) -> float:
        since, prompt_ms = self._quiet_since, self._settings.silence_prompt_ms
        busy = self._utterance is not None or self._thinking or self._turn.text
        if not prompt_ms or busy or since is None:
            return _NEVER
        if self._meter.ended is not None:
            since = max(since, self._meter.ended)
        return since + prompt_ms / 1000

    def _silence(self) -> CallerSilent:
        self._prompts += 1
        self._quiet_since = self._now
        return CallerSilent(self._prompts)

    def _mute_due(self) -> float:
        settings, ended = self._settings, self._meter.ended
        enough = self._unwritten_ms >= max(settings.mute_speech_ms, 1)
        if not settings.mute_ms or self._mute_told or not enough or ended is None:
            return _NEVER
        paused = ended if self._unwritten_pause is None else self._unwritten_pause
        return paused + settings.mute_ms / 1000

    def _mute(self) -> NoText:
        self._mute_told = True
        return NoText(self._unwritten_since)
