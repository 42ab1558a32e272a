"""The words that every part of a call is described with."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import msgspec

CallId = NewType("CallId", str)
"""Ours: a UUID4 in its usual text form."""

CarrierCallId = NewType("CarrierCallId", str)
"""The carrier's name for the call's leg (whatever that calls it: SID, UUID, control id)."""


class Direction(StrEnum):
    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Mode(StrEnum):
    """`notify` says one message and hangs up; `conversation` stays up turn after turn."""

    NOTIFY = "notify"
    CONVERSATION = "conversation"


class Phase(StrEnum):
    """Where the call stands. Only forward moves exist, see `MOVES`."""

    DIALLING = "dialling"
    RINGING = "ringing"
    UP = "up"
    ENDED = "ended"


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.DIALLING: frozenset({Phase.RINGING, Phase.UP, Phase.ENDED}),
    Phase.RINGING: frozenset({Phase.UP, Phase.ENDED}),
    Phase.UP: frozenset({Phase.ENDED}),
    Phase.ENDED: frozenset(),
}
"""The whole table of phases. A carrier's late event asks for a move that is not here: it is
ignored, so a call never goes back."""


class VoicePathKind(StrEnum):
    """What hears and speaks on the line: the carrier's own voice, or live audio."""

    NONE = "none"
    CARRIER = "carrier"
    LIVE = "live"


class EndReason(StrEnum):
    """Why a call is over. The values are the original's terminal states."""

    COMPLETED = "completed"
    HANGUP_USER = "hangup-user"
    HANGUP_BOT = "hangup-bot"
    TIMEOUT = "timeout"
    ERROR = "error"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"


class DialState(StrEnum):
    """What is known of the one request that places the call."""

    NONE = "none"
    BEGUN = "begun"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class Speaker(StrEnum):
    """On whose behalf something is said; an agent's unspoken words may be dropped."""

    OPENING = "opening"
    OWNER = "owner"
    AGENT = "agent"
    SYSTEM = "system"


class TurnTimes(msgspec.Struct, frozen=True):
    """How an answer came about, in ms from the end of the other party's speech. None: unknown."""

    final_ms: int | None = None
    """The words were final."""
    first_token_ms: int | None = None
    """The agent's first piece of text; before the end of speech if it had a head start."""
    first_sentence_ms: int | None = None
    first_audio_ms: int | None = None
    """The voice's first audio."""
    first_frame_ms: int | None = None
    """The first frame was sent to the carrier: the caller hears the answer begin."""
    head_start: bool = False


class OperationKind(StrEnum):
    SPEAK = "speak"
    CONTINUE = "continue"
    DIGITS = "digits"


class OperationState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
