"""What can happen to a call. Past tense, carrier-neutral; time is given beside the event.

Requests of the owner are events too: one inbox per call.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from openclaw_voice_call.call.types import CarrierCallId, EndReason, TurnTimes


class DialAccepted(msgspec.Struct, frozen=True, tag="dial-accepted"):
    carrier_call_id: CarrierCallId


class DialRefused(msgspec.Struct, frozen=True, tag="dial-refused"):
    """The carrier will not place this call; nothing rings and nothing bills."""

    detail: str
    reason: EndReason = EndReason.FAILED


class DialOutcomeUnknown(msgspec.Struct, frozen=True, tag="dial-outcome-unknown"):
    """The request may have been processed. It is looked up, never repeated."""

    detail: str


class LookupFinished(msgspec.Struct, frozen=True, tag="lookup-finished"):
    """The carrier was searched for a dial of unknown outcome and knows no such call (yet)."""


class LineRinging(msgspec.Struct, frozen=True, tag="line-ringing"):
    carrier_call_id: CarrierCallId | None = None


class LineAnswered(msgspec.Struct, frozen=True, tag="line-answered"):
    carrier_call_id: CarrierCallId | None = None
    by_machine: bool = False


class LineEnded(msgspec.Struct, frozen=True, tag="line-ended"):
    """The carrier says that the leg is over. `reason` is what the carrier calls it."""

    reason: EndReason
    detail: str | None = None
    carrier_call_id: CarrierCallId | None = None


class LineSeen(msgspec.Struct, frozen=True, tag="line-seen"):
    """A signed message of the carrier that tells nothing but the leg's id (queued, initiated)."""

    carrier_call_id: CarrierCallId


class LineNamed(msgspec.Struct, frozen=True, tag="line-named"):
    """The leg that was called `before` is called `carrier_call_id` from now on: some carriers give
    a name to the request for a call, and another one to the call."""

    carrier_call_id: CarrierCallId
    before: CarrierCallId


class StepReached(msgspec.Struct, frozen=True, tag="step-reached"):
    """The carrier asks what to do at this step, so every step before it is done."""

    script: int
    step: int


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """Words (or keyed digits) of the other party.

    `script` names the listening that they answer; None when the carrier hears all the time.
    """

    text: str
    script: int | None = None
    keyed: bool = False
    confidence: float | None = None
    continuous: bool = False
    """The carrier reports each sentence as it ends and goes on listening: what follows while the
    agent still thinks belongs to the same turn."""
    unspoken: int | None = None
    """The utterance that was about to begin and did not, because the other party was speaking."""


class KeyPressed(msgspec.Struct, frozen=True, tag="key-pressed"):
    """One key of the other party, `0-9 A-D * #`, from a carrier that reports keys one by one.

    `script` names the listening that it answers; None when that is not known.
    """

    key: str
    script: int | None = None


class UtterancePlayed(msgspec.Struct, frozen=True, tag="utterance-played"):
    """A command carrier confirms that it has played an utterance to its end."""

    utterance: int


class UtteranceInterrupted(msgspec.Struct, frozen=True, tag="utterance-interrupted"):
    """The other party spoke into it; `heard` is the part that was played."""

    utterance: int
    heard: str


class UtteranceRefused(msgspec.Struct, frozen=True, tag="utterance-refused"):
    """It could not be played (synthesis or carrier failed)."""

    utterance: int
    detail: str


class StreamOpened(msgspec.Struct, frozen=True, tag="stream-opened"):
    """The carrier has opened the call's media stream `number`: the line is up and can hear us."""

    number: int
    stream_id: str


class StreamClosed(msgspec.Struct, frozen=True, tag="stream-closed"):
    """The media stream `number` is gone."""

    number: int
    detail: str


class StreamFailed(msgspec.Struct, frozen=True, tag="stream-failed"):
    """The carrier could not open a media stream. `number` None: the one that is being opened."""

    detail: str
    number: int | None = None


class LiveAudioFailed(msgspec.Struct, frozen=True, tag="live-audio-failed"):
    """Live audio cannot go on although the stream may: nobody recognises, or nobody speaks."""

    detail: str


class DigitsSent(msgspec.Struct, frozen=True, tag="digits-sent"):
    operation: str


class DigitsRefused(msgspec.Struct, frozen=True, tag="digits-refused"):
    operation: str
    detail: str


class ReplyReady(msgspec.Struct, frozen=True, tag="reply-ready"):
    turn: int
    text: str


class ReplyFailed(msgspec.Struct, frozen=True, tag="reply-failed"):
    turn: int
    code: str


class ReplySentence(msgspec.Struct, frozen=True, tag="reply-sentence"):
    """The next sentence of a reply that is still being made."""

    turn: int
    text: str


class ReplyFinished(msgspec.Struct, frozen=True, tag="reply-finished"):
    """All sentences of a reply have been given."""

    turn: int


class InterruptionVoid(msgspec.Struct, frozen=True, tag="interruption-void"):
    """Nobody has said a word after the interruption: it was a noise."""


class CallerSilent(msgspec.Struct, frozen=True, tag="caller-silent"):
    """The other party has been silent for long, `count` times in a row."""

    count: int


class TurnTimed(msgspec.Struct, frozen=True, tag="turn-timed"):
    """How long each stage of answering a turn took."""

    turn: int
    times: TurnTimes


class SpeakRequested(msgspec.Struct, frozen=True, tag="speak-requested"):
    operation: str
    text: str


class ContinueRequested(msgspec.Struct, frozen=True, tag="continue-requested"):
    operation: str
    text: str


class DigitsRequested(msgspec.Struct, frozen=True, tag="digits-requested"):
    operation: str
    digits: str


class EndRequested(msgspec.Struct, frozen=True, tag="end-requested"):
    """`at_once` false lets what is being said be heard to its end (a farewell).

    `after_reply` also lets the reply be heard that the agent is making: an agent that ends its own
    call says good-bye in the same breath.
    """

    reason: EndReason = EndReason.HANGUP_BOT
    at_once: bool = False
    after_reply: bool = False
    detail: str | None = None


class RecordingBegan(msgspec.Struct, frozen=True, tag="recording-began"):
    """What is heard on the call goes to this file of the recordings' folder."""

    file: str


class RecordingFailed(msgspec.Struct, frozen=True, tag="recording-failed"):
    """The recording has ended before the call."""

    detail: str


class DeadlinePassed(msgspec.Struct, frozen=True, tag="deadline-passed"):
    name: str


class HangUpConfirmed(msgspec.Struct, frozen=True, tag="hang-up-confirmed"):
    """The carrier has ended the leg, or has no such live leg."""


class Restored(msgspec.Struct, frozen=True, tag="restored"):
    """The record was read from the journal by a new process."""


CallEvent: TypeAlias = (
    DialAccepted
    | DialRefused
    | DialOutcomeUnknown
    | LookupFinished
    | LineSeen
    | LineNamed
    | LineRinging
    | LineAnswered
    | LineEnded
    | StepReached
    | Heard
    | KeyPressed
    | UtterancePlayed
    | UtteranceInterrupted
    | UtteranceRefused
    | StreamOpened
    | StreamClosed
    | StreamFailed
    | LiveAudioFailed
    | DigitsSent
    | DigitsRefused
    | ReplyReady
    | ReplySentence
    | ReplyFinished
    | ReplyFailed
    | InterruptionVoid
    | CallerSilent
    | TurnTimed
    | SpeakRequested
    | ContinueRequested
    | DigitsRequested
    | EndRequested
    | RecordingBegan
    | RecordingFailed
    | DeadlinePassed
    | HangUpConfirmed
    | Restored
)
