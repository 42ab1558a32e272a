"""All that is known of a call."""

from __future__ import annotations

import msgspec

from openclaw_voice_call.call.script import Script
from openclaw_voice_call.call.types import (
    CallId,
    CarrierCallId,
    DialState,
    Direction,
    EndReason,
    Mode,
    OperationKind,
    OperationState,
    Phase,
    Speaker,
    VoicePathKind,
)

DEFAULT_LANGUAGE = "en-US"
SEEN_LIMIT = 64
OPERATIONS_LIMIT = 16


class CallSettings(msgspec.Struct, frozen=True):
    """What the call began with; a later change of the configuration does not touch it."""

    mode: Mode
    session_key: str
    """The agent's history that this call reads and writes."""
    agent_id: str = "main"
    model: str | None = None
    """`provider/model` that answers; None for the agent's own."""
    prompt: str | None = None
    """The agent's instructions; None for ours."""
    language: str = DEFAULT_LANGUAGE
    voice: str | None = None
    """A carrier's voice name; None leaves the choice to the carrier."""
    max_duration_ms: int = 300_000
    """From the answer to the end."""
    ring_timeout_ms: int = 30_000
    reaper_ms: int = 120_000
    """A call that was never answered is given up for good at this age. 0 switches it off."""
    transcript_timeout_ms: int = 180_000
    """How long a `continue` waits for the other party's words."""
    reply_timeout_ms: int = 30_000
    notify_hangup_delay_ms: int = 3_000
    end_silence_ms: int = 800
    """Silence that ends the other party's turn."""
    live: bool = False
    """Whether live audio is to carry the call; if it cannot, the carrier's own voice does."""
    filler_ms: int = 0
    """How long the agent may think until the other party hears a sign of life; 0: for ever."""
    fillers: tuple[str, ...] = ()
    """The signs of life, in turn."""
    silence_prompt_ms: int = 0
    """Silence of the other party after which they are asked whether they are there; 0: never.
    Live audio only: nobody else can tell silence from a long speech."""
    head_start: bool = True
    """Whether the agent begins to answer while the last words are still being recognised."""
    record_audio: bool = False
    """Whether both legs are recorded."""


class Operation(msgspec.Struct, frozen=True):
    """A request of the owner that somebody may wait for. Settled exactly once."""

    id: str
    kind: OperationKind
    state: OperationState = OperationState.PENDING
    utterance: int | None = None
    turn: int | None = None
    text: str | None = None
    """A `continue`'s answer: the other party's words."""
    code: str | None = None
    """Why it failed: an error code of this package."""


class PendingReply(msgspec.Struct, frozen=True):
    """The agent was asked and has not answered yet."""

    turn: int
    text: str
    keyed: bool = False
    begun: bool = False
    """Its first sentence has been lined up while the rest is still being made."""
    fillers: int = 0
    """Signs of life given so far."""


class MediaStream(msgspec.Struct, frozen=True):
    """The live audio of a call: which of its streams is wanted or open. They count from 1."""

    number: int = 1
    open: bool = False
    retries: int = 0
    """How often another one is tried when the carrier cannot open this one."""

    def awaits(self, number: int) -> bool:
        """Whether the stream `number` is the one that is wanted and not open yet."""
        return not self.open and self.number == number


class Unsaid(msgspec.Struct, frozen=True):
    """Words that were not heard. `turn` is the one that an agent's words answer, else 0."""

    text: str
    speaker: Speaker
    turn: int


class Cut(msgspec.Struct, frozen=True):
    """What an interruption has cut off. Said after all if it turns out that nobody spoke."""

    utterance: int
    rest: tuple[Unsaid, ...]
    """What was not heard, in order."""
    turn: int
    """The turn of which an answer was cut off; 0: of none."""
    ending: EndReason | None = None
    """The end that was to follow."""


class Exchange(msgspec.Struct, frozen=True):
    """The last automatic reply, until the agent's history knows what was heard of it."""

    turn: int
    user_text: str
    reply: str
    heard: str | None = None
    """What of the reply the other party has heard so far; None: nothing is known yet."""


class Metrics(msgspec.Struct, frozen=True):
    """Figures that the original keeps in `metadata` (ms and epoch seconds)."""

    turns: int = 0
    listening_since: float | None = None
    heard_at: float | None = None
    last_turn_latency_ms: int | None = None
    """From the other party's words to the beginning of the answer."""
    last_listen_wait_ms: int | None = None
    """From the beginning of listening to the other party's words."""
    last_turn_at: float | None = None
    last_timed_turn: int = 0
    """The newest turn whose stages were measured."""


class CallRecord(msgspec.Struct, frozen=True):
    """One call. Times are epoch seconds. `version` counts the stored changes, from 1."""

    call_id: CallId
    carrier: str
    direction: Direction
    from_number: str
    to_number: str
    settings: CallSettings
    opened_at: float
    opening: str | None = None
    """The first thing to be said; None listens first."""
    version: int = 1
    phase: Phase = Phase.DIALLING
    path: VoicePathKind = VoicePathKind.CARRIER
    stream: MediaStream | None = None
    """None: no live audio. On the carrier's path: a stream that is still to be ended."""
    cut: Cut | None = None
    carrier_call_id: CarrierCallId | None = None
    dial: DialState = DialState.NONE
    answered_at: float | None = None
    ended_at: float | None = None
    end_reason: EndReason | None = None
    """Set once, before the line is hung up. While `phase` is not ended, hanging up is due."""
    end_detail: str | None = None
    ending: EndReason | None = None
    """The end that follows when what is lined up has been heard; an interruption revokes it."""
    turn: int = 0
    turn_open: bool = False
    utterances: int = 0
    message_said: bool = False
    fetched: bool = False
    """A markup carrier has asked for an instruction at least once."""
    script: Script = Script()
    reply: PendingReply | None = None
    keys: str = ""
    """Keys of an answer that is still being entered."""
    exchange: Exchange | None = None
    operations: tuple[Operation, ...] = ()
    """Pending ones and the newest settled ones, oldest first, at most `OPERATIONS_LIMIT`."""
    deadlines: dict[str, float] = {}
    """Name to epoch seconds; never changed in place."""
    lookups: int = 0
    """How often a dial of unknown outcome was to be looked up."""
    stray: bool = False
    """The call is over for us, yet the carrier shows a live leg of it: to be hung up."""
    seen: tuple[str, ...] = ()
    """The newest signed event ids of the carrier, at most `SEEN_LIMIT`."""
    metrics: Metrics = Metrics()
    recordings: tuple[str, ...] = ()
    """Files of the recordings' folder; they may have been deleted since."""
    recording_problem: str | None = None
    """Why the recording ended before the call."""

    @property
    def live(self) -> bool:
        """True until the line is known to be down: such a call holds a slot."""
        return self.phase is not Phase.ENDED

    @property
    def closing(self) -> bool:
        """True when the call's end is decided: nothing more is said or heard."""
        return self.end_reason is not None

    @property
    def speaks_live(self) -> bool:
        """True while live audio is what speaks and hears, or is about to."""
        return self.path is VoicePathKind.LIVE

    def awaits_stream(self, number: int) -> bool:
        """Whether the carrier is to open this media stream now."""
        stream = self.stream
        wanted = self.speaks_live and not self.closing
        return wanted and stream is not None and stream.awaits(number)

    @property
    def next_due(self) -> float | None:
        """When the earliest deadline passes, epoch seconds."""
        return min(self.deadlines.values()) if self.deadlines else None

    def operation(self, operation_id: str) -> Operation | None:
        return next((op for op in self.operations if op.id == operation_id), None)

    @property
    def waiter(self) -> Operation | None:
        """The `continue` that gets the other party's next words."""
        for op in self.operations:
            if op.kind is OperationKind.CONTINUE and op.state is OperationState.PENDING:
                return op
        return None
