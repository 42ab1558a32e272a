"""What a sense of turns is set to, and what it asks for. Pure."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All times in ms. Zero means no waiting, unless it says otherwise."""

    barge_in_ms: int = 200
    """Speech that interrupts us, gathered within two and a half times as long: words have gaps.
    With less than 180, a cough of 150 ms can do it; with 0, the first frame of speech does."""
    end_silence_ms: int = 800
    """Silence that ends a turn whose words are final, where the vendor does not end it before."""
    settle_ms: int = 200
    """How long after a final another one may follow, where the vendor does not end turns."""
    unfinished_ms: int = 2000
    """How much longer a partial may take to become final, then it is taken as it is; and the end
    of a turn to come from a vendor that has ended one before."""
    stale_ms: int = 10_000
    """A turn that gets no new words for so long is over, whatever sound goes on."""
    false_alarm_ms: int = 1000
    """Silence without words after which an interruption was none. Where the vendor has heard
    speech, too, `end_silence_ms` longer, because some write nothing before a pause. 0: never."""
    stable_ms: int = 250
    """How long words must stay the same to be likely all."""
    pause_ms: int = 100
    """Silence that likely words need."""
    silence_prompt_ms: int = 0
    """Silence of both sides after which the caller is to be asked. 0: never."""
    mute_speech_ms: int = 1500
    """Speech that must give some text."""
    mute_ms: int = 8000
    """How long after such speech the text may come. 0: for ever."""
    hold_ms: int = 300
    """We do not begin to speak for so long after the caller's last sound."""
    hold_partial_ms: int = 1500
    """The same after a change of words that are not final."""
    late_ms: int = 2000
    """Words that come within this time of the vendor's end of a turn, without new speech, belong
    to it and are dropped."""
    echo_ms: int = 2000
    """How long after we have spoken our words may come back from the recogniser."""


class BargeIn(msgspec.Struct, frozen=True):
    """Cut what we say: the caller speaks. At most once for each `speaking` with an utterance."""


class FalseAlarm(msgspec.Struct, frozen=True):
    """The sound that cut us was no words: what was not heard may be said again."""


class TurnOver(msgspec.Struct, frozen=True):
    """The caller has finished: one for each turn. Times in seconds, in this order."""

    text: str
    speech_began: float
    speech_ended: float
    """When the caller's voice was heard last, as far as the words belong to it."""
    final_at: float
    """When the last of the words came."""


class Likely(msgspec.Struct, frozen=True):
    """The caller has probably finished with these words. At most once for a text in a turn."""

    text: str


class CallerSilent(msgspec.Struct, frozen=True):
    """Nobody has spoken for a while. `count` counts from 1 since the caller last spoke."""

    count: int


class NoText(msgspec.Struct, frozen=True):
    """The caller has spoken since this time, and the recogniser writes nothing. Once, until it
    does."""

    since: float


class FinishTurn(msgspec.Struct, frozen=True):
    """The caller has been silent for longer than a turn's end needs, and words are owed: have the
    recogniser finish what it has. At most once for each stretch of speech."""


TurnAction: TypeAlias = (
    BargeIn | FalseAlarm | TurnOver | Likely | CallerSilent | NoText | FinishTurn
)
