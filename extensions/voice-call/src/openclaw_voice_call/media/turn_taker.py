"""Whose turn it is on a live call. Pure: time is an argument, in seconds of one monotonic clock.

Two witnesses tell what the caller does. The gate (`speech_gate`) hears sound at once and does not
know words; the recogniser knows words, but later, sometimes twice, and cannot tell whose they are.
So sound interrupts us, words end turns, and while we speak words count only where both agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final as Constant

from openclaw_voice_call.interfaces.media import FRAME_MS
from openclaw_voice_call.interfaces.speech import (
    Final,
    Partial,
    Recognised,
    RecogniserDown,
    RecogniserUp,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.media.mute_watch import MuteWatch
from openclaw_voice_call.media.open_turn import OpenTurn
from openclaw_voice_call.media.speech_meter import SpeechMeter
from openclaw_voice_call.media.turns import (
    BargeIn,
    CallerSilent,
    FalseAlarm,
    FinishTurn,
    Likely,
    TurnAction,
    TurnOver,
    TurnSettings,
)
from openclaw_voice_call.media.word_sieve import WordSieve

_NEVER: Constant = math.inf
_WINDOW_PER_BARGE_IN: Constant = 2.5
_RESUMED_S: Constant = 0.5
"""A stretch of speech that began so shortly before a final is not in it: recognisers lag."""
_FINISH_GRACE_S: Constant = 0.3
"""A vendor that ends turns itself has ended it by then."""
_EARLY_S: Constant = 0.001
"""So much early is on time: timers and sums of frames are not exact."""


class TurnTaker:
    """One call's. Feed it what happens and do what it returns; ask `next_due` when to `tick`.

    Time that goes backwards is taken to stand still.
    """

    __slots__ = (
        "_after_sound_s",
        "_cut_at",
        "_due",
        "_exposed_ms",
        "_finish_asked",
        "_interruptible",
        "_meter",
        "_mute",
        "_now",
        "_prompts",
        "_quiet_since",
        "_rules",
        "_settings",
        "_sieve",
        "_thinking",
        "_turn",
        "_utterance",
        "_vendor_ends",
        "_window_ms",
    )

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._now = -_NEVER
        self._meter = SpeechMeter()
        self._window_ms = max(FRAME_MS, math.ceil(settings.barge_in_ms * _WINDOW_PER_BARGE_IN))
        self._meter.remember(self._window_ms)
        self._sieve = WordSieve(settings)
        self._mute = MuteWatch(settings)
        self._turn = OpenTurn()

        self._utterance: int | None = None
        self._interruptible = False
        self._exposed_ms = 0
        """How long we have been speaking without protection; sounds before do not interrupt."""
        self._thinking = False
        self._cut_at: float | None = None
        """We were interrupted then, and it has not led to a turn yet."""
        self._quiet_since: float | None = None
        """When we or the caller last did something; None before the first input."""
        self._prompts = 0
        self._vendor_ends = False
        """The vendor is one that ends turns."""
        self._finish_asked = False

        self._due: float | None = None
        """No rule acts before, where that is known."""
        self._after_sound_s = min(self._mute.patience_s, settings.end_silence_ms / 1000)
        """A rule that only a sound makes act does so later than this after it."""
        self._rules: Sequence[tuple[Callable[[], float], Callable[[], TurnAction]]] = (
            (self._over_due, self._over),
            (self._likely_due, self._likely),
            (self._finish_due, self._finish),
            (self._false_alarm_due, self._false_alarm),
            (self._silence_due, self._silence),
            (self._mute.due, self._mute.tell),
        )

    @property
    def caller_speaking(self) -> bool:
        """Whether we should not begin to speak now: the caller is in the middle of something."""
        ended = self._meter.ended
        if ended is not None and self._now - ended < self._settings.hold_ms / 1000:
            return True
        since_change = self._now - self._turn.changed_at
        fresh = since_change < self._settings.hold_partial_ms / 1000
        return fresh and bool(self._turn.open_piece)

    @property
    def next_due(self) -> float | None:
        """When `tick` may have something to say if nothing happens before; None: never."""
        due = self._next()
        return None if due == _NEVER else due

    # What happens.

    def frame(self, now: float, speech: bool) -> Sequence[TurnAction]:
        """Another 20 ms of the caller's line, and whether the gate hears speech in it."""
        self._advance(now)
        if self._exposed_ms < self._window_ms:
            self._exposed_ms = min(self._exposed_ms + FRAME_MS, self._window_ms)
        new_ms = self._meter.frame(self._now, speech)
        if new_ms:
            self._sound(new_ms)
        if speech and self._interrupts():
            return [self._cut(), *self._look()]
        return self._look()

    def recognised(self, event: Recognised, now: float) -> Sequence[TurnAction]:
        """The recogniser tells something."""
        self._advance(now)
        actions: list[TurnAction] = []
        match event:
            case SpeechStarted():
                # It may be our echo, so it cuts nothing; but words may follow.
                self._sieve.vendor_hears = True
                self._turn.vendor_ended = False
            case Partial(text):
                self._mute.written()
                words = self._theirs(text)
                self._turn.partial(words, self._now)
                actions += self._cut_by(words)
            case Final(text):
                self._mute.written()
                actions += self._final(text)
            case TurnEnded():
                actions += self._vendor_ended()
            case RecogniserDown():
                self._mute.written()
            case RecogniserUp():
                pass
        self._due = None
        return [*actions, *self._look()]

    def speaking(
        self, now: float, utterance: int | None, *, interruptible: bool = True, text: str = ""
    ) -> None:
        """The caller begins to hear this utterance, with this text; None: we have fallen silent."""
        self._advance(now)
        if utterance is None:
            self._sieve.we_are_silent(self._now)
        else:
            self._sieve.we_speak(text, self._now)
        if self._utterance is None or not self._interruptible:
            self._exposed_ms = 0
        self._utterance = utterance
        self._interruptible = interruptible
        self._stir()

    def thinking(self, now: float, busy: bool) -> None:
        """Whether an answer is being made."""
        self._advance(now)
        if busy != self._thinking:
            self._thinking = busy
            self._stir()

    def tick(self, now: float) -> Sequence[TurnAction]:
        """Time has passed."""
        self._advance(now)
        return self._look()

    # Sound.

    def _advance(self, now: float) -> None:
        if now > self._now:
            self._now = now
        if self._quiet_since is None:
            self._stir()

    def _stir(self) -> None:
        self._quiet_since = self._now
        self._due = None

    def _sound(self, new_ms: int) -> None:
        began = self._now if self._meter.began is None else self._meter.began
        if self._meter.stretch_ms == new_ms:
            # What the vendor has ended was before this stretch.
            self._finish_asked = False
            self._turn.vendor_ended = False
            self._due = None
        elif self._due is not None:
            # More of a stretch puts off what was due, or makes due what was not.
            self._due = min(self._due, self._now + self._after_sound_s)
        self._turn.sound(self._now, began)
        self._sieve.sound(new_ms, self._now)
        self._mute.sound(new_ms, began, self._now)
        self._prompts = 0

    def _interrupts(self) -> bool:
        if self._utterance is None or not self._interruptible:
            return False
        need_ms = max(self._settings.barge_in_ms, FRAME_MS)
        return self._meter.within(self._exposed_ms) >= need_ms

    def _cut(self) -> BargeIn:
        self._utterance = None
        self._sieve.we_are_silent(self._now)
        self._cut_at = self._now
        self._stir()
        return BargeIn()

    # Words.

    def _theirs(self, text: str) -> str:
        return self._sieve.theirs(text, self._now, turn_open=bool(self._turn.text))

    def _cut_by(self, words: str) -> Sequence[TurnAction]:
        """Words of the caller interrupt us, however short they sounded."""
        if not words:
            return ()
        self._prompts = 0
        self._stir()
        return (self._cut(),) if self._utterance is not None and self._interruptible else ()

    def _final(self, text: str) -> Sequence[TurnAction]:
        words = self._theirs(text)
        actions = list(self._cut_by(words))
        self._turn.final(words, self._now)
        unaccounted_ms = self._unaccounted_ms()
        self._sieve.final(text, self._now, accepted=bool(words), unaccounted_ms=unaccounted_ms)
        if words and self._turn.vendor_ended:
            actions.append(self._over(by_vendor=True))
        return actions

    def _unaccounted_ms(self) -> int:
        """Speech that cannot be in words that come now: the caller has just gone on."""
        began, first = self._meter.began, self._turn.began
        if began is None or first is None or began <= first:
            return 0
        return self._meter.stretch_ms if self._now - began < _RESUMED_S else 0

    def _vendor_ended(self) -> Sequence[TurnAction]:
        self._vendor_ends = True
        turn, sounding = self._turn, self._meter.sounding(self._now)
        if not turn.finals and (sounding or not turn.text):
            # Its words come late; or it is an end that was told twice.
            owed = self._sieve.words_owed or self._sieve.vendor_hears
            turn.vendor_ended = owed or bool(turn.text)
            return ()
        # Where the caller has gone on, the partial is of what comes next.
        next_piece = turn.without_partial() if sounding else ""
        over = self._over(by_vendor=True)
        self._turn.partial(next_piece, self._now)
        return (over,)

    def _over(self, *, by_vendor: bool = False) -> TurnOver:
        turn = self._turn
        self._sieve.turn_over(
            turn.open_piece,
            self._now,
            by_vendor=by_vendor,
            unaccounted_ms=self._unaccounted_ms(),
        )
        self._turn = OpenTurn()
        self._cut_at = None
        self._finish_asked = False
        self._stir()
        return turn.over(self._now)

    # What time brings.

    def _next(self) -> float:
        if self._due is None:
            self._due = min(due() for due, _ in self._rules)
        return self._due

    def _look(self) -> Sequence[TurnAction]:
        soon = self._now + _EARLY_S
        due = self._due
        if soon < (self._next() if due is None else due):
            return ()
        actions = [act() for due, act in self._rules if due() <= soon]
        self._due = None
        return actions

    def _since_sound(self, *others: float) -> float:
        ended = self._meter.ended
        return max(-_NEVER if ended is None else ended, *others)

    def _quiet_from(self) -> float:
        """When the caller fell silent in this turn, as far as it was heard."""
        return self._turn.changed_at if self._turn.began is None else self._since_sound(-_NEVER)

    def _over_due(self) -> float:
        settings, turn = self._settings, self._turn
        if not turn.text:
            return _NEVER
        due = self._quiet_from() + settings.end_silence_ms / 1000
        if turn.open_piece or self._vendor_ends:
            due = max(due, turn.changed_at) + settings.unfinished_ms / 1000
        else:
            due = max(due, turn.changed_at + settings.settle_ms / 1000)
        return min(due, turn.changed_at + settings.stale_ms / 1000)

    def _likely_due(self) -> float:
        if not self._turn.has_untold:
            return _NEVER
        stable = self._turn.changed_at + self._settings.stable_ms / 1000
        return max(stable, self._quiet_from() + self._settings.pause_ms / 1000)

    def _likely(self) -> Likely:
        return Likely(self._turn.told())

    def _finish_due(self) -> float:
        piece = self._turn.open_piece
        if self._finish_asked or not (piece or self._sieve.words_owed):
            return _NEVER
        since = self._since_sound(self._turn.changed_at if piece else -_NEVER)
        return since + self._settings.end_silence_ms / 1000 + _FINISH_GRACE_S

    def _finish(self) -> FinishTurn:
        self._finish_asked = True
        return FinishTurn()

    def _false_alarm_due(self) -> float:
        settings = self._settings
        if self._cut_at is None or self._turn.text or not settings.false_alarm_ms:
            return _NEVER
        if self._utterance is not None:
            # Somebody else has the word; what was cut off waits for its end.
            return _NEVER
        patience_ms = settings.end_silence_ms if self._sieve.vendor_hears else 0
        since = self._since_sound(self._cut_at, self._turn.changed_at)
        return since + (settings.false_alarm_ms + patience_ms) / 1000

    def _false_alarm(self) -> FalseAlarm:
        self._cut_at = None
        return FalseAlarm()

    def _silence_due(self) -> float:
        since, prompt_ms = self._quiet_since, self._settings.silence_prompt_ms
        busy = self._utterance is not None or self._thinking or self._turn.text
        if not prompt_ms or busy or since is None:
            return _NEVER
        return self._since_sound(since) + prompt_ms / 1000

    def _silence(self) -> CallerSilent:
        self._prompts += 1
        self._stir()
        return CallerSilent(self._prompts)
