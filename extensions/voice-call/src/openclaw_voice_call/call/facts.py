"""What is stored of a call, fact by fact: the rows of the journal's `events` table.

A fact is what changed the record. The transcript is a fold over these and lives nowhere else.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from openclaw_voice_call.call.types import (
    Direction,
    EndReason,
    Mode,
    OperationKind,
    Speaker,
    TurnTimes,
    VoicePathKind,
)


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    direction: Direction
    mode: Mode


class Dialled(msgspec.Struct, frozen=True, tag="dialled"):
    """The carrier took the order; `carrier_call_id` is its name for the leg."""

    carrier_call_id: str


class DialUnsettled(msgspec.Struct, frozen=True, tag="dial-unsettled"):
    detail: str


class Rang(msgspec.Struct, frozen=True, tag="rang"):
    pass


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    by_machine: bool = False


class Fetched(msgspec.Struct, frozen=True, tag="fetched"):
    """The line asked for its first instruction, so our answers reach it. Noted once."""


class Saying(msgspec.Struct, frozen=True, tag="saying"):
    """Handed to the line; whether it was heard is told by `Said` or `Interrupted`."""

    utterance: int
    text: str
    speaker: Speaker
    turn: int = 0


class Said(msgspec.Struct, frozen=True, tag="said"):
    """Played to its end. `confirmed` is false when only the time it takes has passed."""

    utterance: int
    text: str
    speaker: Speaker
    turn: int = 0
    confirmed: bool = True


class Interrupted(msgspec.Struct, frozen=True, tag="interrupted"):
    utterance: int
    heard: str
    speaker: Speaker
    turn: int = 0


class NotSaid(msgspec.Struct, frozen=True, tag="not-said"):
    """Given up before or while it was played: dropped for something newer, or not playable."""

    utterance: int
    why: str
    speaker: Speaker
    turn: int = 0


class TurnHeard(msgspec.Struct, frozen=True, tag="heard"):
    turn: int
    text: str
    keyed: bool = False
    confidence: float | None = None
    operation: str | None = None
    """The `continue` that these words went to; None when the agent answers them."""


class ReplyAsked(msgspec.Struct, frozen=True, tag="reply-asked"):
    turn: int


class ReplyGiven(msgspec.Struct, frozen=True, tag="reply-given"):
    turn: int


class ReplyMissed(msgspec.Struct, frozen=True, tag="reply-missed"):
    turn: int
    code: str


class OperationOpened(msgspec.Struct, frozen=True, tag="operation-opened"):
    operation: str
    kind: OperationKind


class OperationSettled(msgspec.Struct, frozen=True, tag="operation-settled"):
    operation: str
    ok: bool
    code: str | None = None


class DigitsPlayed(msgspec.Struct, frozen=True, tag="digits-played"):
    operation: str


class StreamUp(msgspec.Struct, frozen=True, tag="stream-up"):
    """The media stream `number` is open."""

    number: int


class StreamDown(msgspec.Struct, frozen=True, tag="stream-down"):
    number: int
    detail: str


class PathChanged(msgspec.Struct, frozen=True, tag="path-changed"):
    """Another voice speaks from now on, and another ear hears."""

    path: VoicePathKind
    why: str


class TurnMeasured(msgspec.Struct, frozen=True, tag="turn-measured"):
    turn: int
    times: TurnTimes


class Recorded(msgspec.Struct, frozen=True, tag="recorded"):
    """What was heard from then on is in this file of the recordings' folder."""

    file: str


class RecordingLost(msgspec.Struct, frozen=True, tag="recording-lost"):
    """What was heard from then on is not recorded, though it was to be."""

    detail: str


class EndDecided(msgspec.Struct, frozen=True, tag="end-decided"):
    reason: EndReason
    detail: str | None = None


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    reason: EndReason
    detail: str | None = None


Fact: TypeAlias = (
    Opened
    | Dialled
    | DialUnsettled
    | Rang
    | Answered
    | Fetched
    | Saying
    | Said
    | Interrupted
    | NotSaid
    | TurnHeard
    | ReplyAsked
    | ReplyGiven
    | ReplyMissed
    | OperationOpened
    | OperationSettled
    | DigitsPlayed
    | StreamUp
    | StreamDown
    | PathChanged
    | TurnMeasured
    | Recorded
    | RecordingLost
    | EndDecided
    | Ended
)


class StoredFact(msgspec.Struct, frozen=True):
    """A fact as the journal holds it: `at` is epoch seconds, `seq` counts up in a call."""

    seq: int
    at: float
    fact: Fact
