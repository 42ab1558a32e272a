"""What the mock network's webhooks say. Pure.

Each is one JSON object; `type` tells which of the kinds below it is, `id` names the occurrence.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import CallId, CarrierCallId, EndReason
from openclaw_voice_call.errors import WebhookMalformed
from openclaw_voice_call.interfaces.carrier import Envelope, InboundOffer, Reading


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    leg: str
    call: str | None = None


class Offered(_Message, frozen=True, tag="offered"):
    from_number: str
    to_number: str


class Ringing(_Message, frozen=True, tag="ringing"):
    pass


class Answered(_Message, frozen=True, tag="answered"):
    machine: bool = False


class Played(_Message, frozen=True, tag="played"):
    utterance: int


class Spoke(_Message, frozen=True, tag="spoke"):
    """`keyed`: `text` are the keys that were pressed."""

    script: int
    text: str
    keyed: bool = False


class Keyed(_Message, frozen=True, tag="keyed"):
    """The digits that we sent have been played."""

    operation: str


class Unconnected(_Message, frozen=True, tag="unconnected"):
    """A media stream could not be opened."""

    stream: int
    detail: str


class HungUp(_Message, frozen=True, tag="hung-up"):
    reason: EndReason


Message: TypeAlias = Offered | Ringing | Answered | Played | Spoke | Keyed | Unconnected | HungUp
_decoder = msgspec.json.Decoder(Message)


def decode(body: bytes) -> Message:
    """Read a webhook's body. Raises WebhookMalformed."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookMalformed(f"not a message of the mock network: {error}") from error


def read(message: Message) -> Reading:
    """What the message says, as one envelope."""
    leg = CarrierCallId(message.leg)
    event, offer = _event(message, leg), None
    if isinstance(message, Offered):
        offer = InboundOffer(leg, message.from_number, message.to_number)
    envelope = Envelope(
        carrier_call_id=leg,
        call_id=CallId(message.call) if message.call else None,
        event=event,
        offer=offer,
        occurrence=message.id,
    )
    return Reading((envelope,), asks=False)


def _event(message: Message, leg: CarrierCallId) -> ev.CallEvent | None:
    match message:
        case Offered():
            return None
        case Ringing():
            return ev.LineRinging(leg)
        case Answered(machine=machine):
            return ev.LineAnswered(leg, machine)
        case Played(utterance=utterance):
            return ev.UtterancePlayed(utterance)
        case Spoke(script=script, text=text, keyed=keyed):
            return ev.Heard(text, script, keyed)
        case Keyed(operation=operation):
            return ev.DigitsSent(operation)
        case Unconnected(stream=stream, detail=detail):
            return ev.StreamFailed(f"the mock network: {detail}", stream)
        case HungUp(reason=reason):
            return ev.LineEnded(reason, carrier_call_id=leg)
