"""What a carrier offers. To add one: a folder in `carriers/` and a line in its registry.

Reading is pure (`verify`, `read`, `reply` take values and give values); only the `async` methods
reach the carrier. A carrier keeps no per-call state: all that is known of a call is in its record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from openclaw_voice_call.call.events import CallEvent
from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, EndReason
from openclaw_voice_call.interfaces.instruction import DialOrder, Instruction, LegOrder, Perform
from openclaw_voice_call.interfaces.links import LinkTarget
from openclaw_voice_call.interfaces.media import MediaDialect
from openclaw_voice_call.interfaces.speech import NativeVoice


class CarrierFeatures(msgspec.Struct, frozen=True):
    """What a carrier can do, so that nobody has to ask who it is."""

    markup: bool
    """True: the carrier fetches documents and is nudged to fetch. False: each verb is a command
    over its API."""
    long_poll_ms: int = 0
    """How long a fetch may be held while the agent thinks; 0 = answer at once."""
    dials_phones: bool = True
    """False for a carrier without a phone network: whom it calls need not be a phone number."""
    refuses_unanswered: bool = True
    """An inbound call can be refused without being answered (and billed)."""


class WebhookRequest(msgspec.Struct, frozen=True):
    """An HTTP request as it came in. `target` is path and query verbatim, header names are lower
    case, `body` is at most the server's limit. Nothing of it is trusted."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    remote: str

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())


class VerifiedWebhook(msgspec.Struct, frozen=True):
    """A request whose signature holds. `params` are the decoded form or query parameters (the last
    of repeated names), `document` is a JSON body, `target` is what our link named."""

    target: LinkTarget
    params: Mapping[str, str] = {}
    document: Mapping[str, object] = {}
    nonce: str | None = None
    """Set when the signature covers this and the path only, so that anybody who once saw such a
    request could send other parameters with it."""


class InboundOffer(msgspec.Struct, frozen=True):
    """Somebody calls. Withheld caller numbers are given as an empty `from_number`."""

    carrier_call_id: CarrierCallId
    from_number: str
    to_number: str
    direction: Direction = Direction.INBOUND
    """OUTBOUND for a leg that was placed with the carrier's API outside of this system (F23)."""


class Envelope(msgspec.Struct, frozen=True):
    """One thing that a webhook tells, and about which call.

    `call_id` comes from our own signed link, else `carrier_call_id` names the call. `offer` is set
    when the call may be new to us; `event` is None when the message only offers or asks.
    `occurrence` is the carrier's signed event id where it has one; None where the event itself
    says all (a step of a script, a state of the leg), so that repeating it changes nothing.
    """

    carrier_call_id: CarrierCallId | None
    call_id: CallId | None = None
    event: CallEvent | None = None
    offer: InboundOffer | None = None
    occurrence: str | None = None
    occurred_at: float | None = None


class Reading(msgspec.Struct, frozen=True):
    """All that one webhook says. `asks` is true when the answer must instruct the line, else it is
    only acknowledged. `step` is what our link named (None: the call's current step).
    `failed` is true when the carrier reports that an answer of ours could not be used."""

    envelopes: tuple[Envelope, ...]
    asks: bool
    step: StepRef | None = None
    failed: bool = False


class WebhookReply(msgspec.Struct, frozen=True):
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""


class LegState(StrEnum):
    LIVE = "live"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The carrier does not know such a leg (any more, or yet)."""


class LegStatus(msgspec.Struct, frozen=True):
    """What the carrier says about a leg when asked. `answered` tells live legs apart."""

    state: LegState
    answered: bool = False
    reason: EndReason | None = None
    detail: str | None = None


class Carrier(Protocol):
    """A phone company. Constructed complete: credentials, links, HTTP session, settings."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> CarrierFeatures: ...

    @property
    def media(self) -> MediaDialect | None:
        """How media streams are spoken; None for a carrier without them."""
        ...

    def voice_name(self, voice: NativeVoice) -> str | None:
        """Its own voice that fits best; None: its choice for the language is better."""
        ...

    def notices(self) -> Sequence[str]:
        """What the owner should know at start: rounded or bounded values, missing abilities."""
        ...

    def signature_headers(self) -> Sequence[str]:
        """Lower-case header names of which one must be present before a body is read (A9)."""
        ...

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        """Pure. `urls` are the public URLs that the carrier may have signed, likeliest first.

        Raises SignatureError; WebhookMalformed when signed but undecodable.
        """
        ...

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        """Decode without looking at the signature, for `skipSignatureVerification` only."""
        ...

    def read(self, webhook: VerifiedWebhook) -> Reading:
        """Pure. Raises WebhookMalformed."""
        ...

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        """Pure. Render the instruction (None: acknowledge)."""
        ...

    async def dial(self, order: DialOrder) -> CarrierCallId:
        """Place a call, once.

        Raises CarrierRefused, CarrierBusy, CarrierUnreachable (nothing was placed) or
        CarrierOutcomeUnknown (it may have been).
        """
        ...

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        """Look for a call whose dial had an unknown outcome. Raises CarrierError."""
        ...

    async def answer(self, leg: LegOrder) -> None:
        """Answer an inbound call. Markup carriers answer with their document: not called."""
        ...

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        """Turn an inbound call away by command. Markup carriers: not called."""
        ...

    async def perform(self, leg: LegOrder, order: Perform) -> float | None:
        """Begin a verb by command; its end comes as a webhook. Markup carriers: not called.

        Gives the seconds after which it is over where no webhook will tell, else None.

        Raises LineGone, CarrierError.
        """
        ...

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        """Make the line fetch `step` now, whatever it is doing. Command carriers: not called.

        Raises LineGone when the leg is not up (any more), CarrierError.
        """
        ...

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        """Stop the media stream `number`, so that the carrier's own voice can be used. Idempotent.

        Markup carriers: nothing to do, the next document replaces the stream.

        Raises LineGone, CarrierError.
        """
        ...

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        """End the leg (cancel it when it is not answered yet). Idempotent.

        Raises LineGone when there is no such live leg; CarrierError when it may still be up.
        """
        ...

    async def status(self, leg: LegOrder) -> LegStatus:
        """Ask the carrier about a leg. Raises CarrierError when it cannot tell."""
        ...

    async def close(self) -> None:
        """Release sockets and tasks, within 5 s."""
        ...
