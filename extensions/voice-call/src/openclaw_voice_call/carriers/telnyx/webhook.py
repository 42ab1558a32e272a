"""What Telnyx's webhooks mean. Verifying, decoding and reading are pure.

Event types and fields: the `webhooks` of Telnyx's OpenAPI description, and its "Voice API
webhooks". Events come in any order and more than once; each has an id that stays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openclaw_voice_call.call.events import (
    CallEvent,
    Heard,
    KeyPressed,
    LineAnswered,
    LineEnded,
    LineRinging,
    StreamFailed,
    UtteranceInterrupted,
    UtterancePlayed,
)
from openclaw_voice_call.call.phone import is_withheld
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, EndReason
from openclaw_voice_call.carriers.telnyx.signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    verify_signature,
)
from openclaw_voice_call.carriers.telnyx.state import ClientState, decode_state
from openclaw_voice_call.errors import SignatureError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    Envelope,
    InboundOffer,
    Reading,
    VerifiedWebhook,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.links import LinkKind, LinkTarget
from openclaw_voice_call.interfaces.stream_links import stream_number

SPEECH_LIMIT: Final = 4000
"""Characters of one transcript that are used."""
ID_LIMIT: Final = 200
"""Characters of an event's or a leg's id; Telnyx's have less than 80."""

END_REASONS: Final[Mapping[str, EndReason]] = {
    "normal_clearing": EndReason.COMPLETED,
    "originator_cancel": EndReason.HANGUP_USER,
    "timeout": EndReason.NO_ANSWER,
    "no_answer": EndReason.NO_ANSWER,
    "user_busy": EndReason.BUSY,
    "time_limit": EndReason.TIMEOUT,
}
"""Telnyx's hang-up causes; `call_rejected`, `not_found` and `unspecified` are told apart by the
answer of the other side."""
SIP_REASONS: Final[Mapping[str, EndReason]] = {
    "408": EndReason.NO_ANSWER,
    "480": EndReason.NO_ANSWER,
    "486": EndReason.BUSY,
    "487": EndReason.NO_ANSWER,
    "600": EndReason.BUSY,
    "603": EndReason.BUSY,
}
"""SIP's final answers (RFC 3261, section 21) that say more than that the call failed."""

_KEY: Final = re.compile(r"[0-9A-D*#]", re.ASCII)


class _Transcription(msgspec.Struct):
    transcript: str | None = None
    is_final: bool | None = None
    """Not every recogniser says so; what is not called interim is final."""
    confidence: float | None = None
    transcription_track: str | None = None


class _Stream(msgspec.Struct):
    stream_url: str | None = None


class _Payload(msgspec.Struct):
    """The fields of all events that we use."""

    call_control_id: str
    client_state: str | None = None
    direction: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    status: str | None = None
    digit: str | None = None
    hangup_cause: str | None = None
    sip_hangup_cause: str | int | None = None
    transcription_data: _Transcription | None = None
    failure_reason: str | None = None
    stream_params: _Stream | None = None


class _Event(msgspec.Struct):
    """The envelope of API version 2."""

    event_type: str
    id: str
    occurred_at: str | None = None
    payload: dict[str, object] = {}


class _Body(msgspec.Struct):
    data: _Event


def verify_webhook(
    request: WebhookRequest, key: Ed25519PublicKey | None, now: float
) -> VerifiedWebhook:
    """Believe `request` if the account's key signed it, and decode it.

    Without a key nothing is believed (A4). Raises SignatureError; WebhookMalformed when signed but
    undecodable.
    """
    if key is None:
        raise SignatureError("telnyx.publicKey is not set, so no webhook can be verified")
    signature, timestamp = request.header(SIGNATURE_HEADER), request.header(TIMESTAMP_HEADER)
    verify_signature(key, signature, timestamp, request.body, now)
    return trust_webhook(request)


def trust_webhook(request: WebhookRequest) -> VerifiedWebhook:
    """Decode without looking at the signature. Raises WebhookMalformed.

    The URL is not signed, so what its query says is no link of ours.
    """
    try:
        document = msgspec.json.decode(request.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WebhookMalformed("the body is not a JSON object") from exc
    return VerifiedWebhook(LinkTarget(LinkKind.BARE), document=document)


def read_webhook(webhook: VerifiedWebhook) -> Reading:
    """What an event tells; the ones that mean nothing to a call are only acknowledged.

    Raises WebhookMalformed.
    """
    try:
        event = msgspec.convert(webhook.document, _Body).data
    except (msgspec.ValidationError, RecursionError) as exc:
        raise WebhookMalformed(
            f"not an event of Telnyx's API v2: {exc} (is webhook_api_version 2?)"
        ) from exc
    rule = _RULES.get(event.event_type)
    if rule is None:
        return Reading((), asks=False)
    try:
        payload = msgspec.convert(event.payload, _Payload)
    except (msgspec.ValidationError, RecursionError) as exc:
        raise WebhookMalformed(f"{event.event_type[:64]}: {exc}") from exc
    leg, occurrence = payload.call_control_id, event.id
    if not 0 < len(leg) <= ID_LIMIT or not 0 < len(occurrence) <= ID_LIMIT:
        raise WebhookMalformed(f"{event.event_type}: an id is empty or too long")
    state = decode_state(payload.client_state)
    told = rule(payload, state)
    if told is None:
        return Reading((), asks=False)
    at = _epoch(event.occurred_at)
    if isinstance(told, InboundOffer):
        envelope = Envelope(CarrierCallId(leg), offer=told, occurrence=occurrence, occurred_at=at)
    else:
        call_id = CallId(state.call) if state is not None else None
        envelope = Envelope(
            CarrierCallId(leg), call_id, told, occurrence=occurrence, occurred_at=at
        )
    return Reading((envelope,), asks=False)


_Told = CallEvent | InboundOffer | None


def _initiated(payload: _Payload, state: ClientState | None) -> _Told:
    """A leg begins. There is no event for ringing: the leg that goes out is the nearest to it."""
    leg = CarrierCallId(payload.call_control_id)
    if payload.direction == "outgoing" and state is not None:
        return LineRinging(leg)
    # Only this escapes the inbound policy (F23); anything new or missing does not.
    outbound = payload.direction == "outgoing"
    return InboundOffer(
        leg,
        from_number=_caller(payload.from_ or ""),
        to_number=(payload.to or "").strip(),
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
    )


def _answered(payload: _Payload, _: ClientState | None) -> _Told:
    return LineAnswered(CarrierCallId(payload.call_control_id))


def _hung_up(payload: _Payload, state: ClientState | None) -> _Told:
    cause, sip = payload.hangup_cause or "", str(payload.sip_hangup_cause or "")
    reason = END_REASONS.get(cause) or SIP_REASONS.get(sip) or EndReason.FAILED
    if cause == "originator_cancel" and state is not None and state.doing == "dial":
        # The originator is whoever placed the call: of a call of ours it is us.
        reason = EndReason.HANGUP_BOT
    return LineEnded(reason, _detail(cause, sip), CarrierCallId(payload.call_control_id))


def _speak_ended(payload: _Payload, state: ClientState | None) -> _Told:
    """The utterance that the line was told last has ended.

    One that somebody else stopped counts as interrupted, so that the call goes on; one that the
    end of the call cut off is settled by that end.
    """
    if state is None or state.utterance is None or payload.status == "call_hangup":
        return None
    if payload.status in (None, "completed"):
        return UtterancePlayed(state.utterance)
    return UtteranceInterrupted(state.utterance, heard="")


def _transcribed(payload: _Payload, state: ClientState | None) -> _Told:
    data = payload.transcription_data
    if data is None or data.is_final is False or data.transcription_track == "outbound":
        return None
    text = (data.transcript or "").strip()[:SPEECH_LIMIT].strip()
    if not text:
        return None
    script = state.script if state is not None else None
    return Heard(text, script, confidence=_confidence(data.confidence), continuous=True)


def _stream_failed(payload: _Payload, _: ClientState | None) -> _Told:
    """That a stream has started or stopped, its socket tells."""
    url = payload.stream_params.stream_url if payload.stream_params is not None else None
    cause = payload.failure_reason or ""
    said = cause if re.fullmatch(r"[a-zA-Z0-9_ -]{1,80}", cause) else "the stream has failed"
    return StreamFailed(f"Telnyx: {said}", stream_number(url or ""))


def _key_pressed(payload: _Payload, state: ClientState | None) -> _Told:
    key = payload.digit or ""
    if not _KEY.fullmatch(key):
        return None
    return KeyPressed(key, state.script if state is not None else None)


_RULES: Final[Mapping[str, Callable[[_Payload, ClientState | None], _Told]]] = {
    "call.initiated": _initiated,
    "call.answered": _answered,
    "call.hangup": _hung_up,
    "call.speak.ended": _speak_ended,
    "call.transcription": _transcribed,
    "call.dtmf.received": _key_pressed,
    "streaming.failed": _stream_failed,
}


def _detail(cause: str, sip: str) -> str | None:
    known = re.fullmatch(r"[a-z_]{1,40}", cause) is not None and cause != "normal_clearing"
    answered = re.fullmatch(r"[1-6][0-9]{2}", sip, re.ASCII) is not None and sip != "200"
    parts = [*([f"Telnyx: {cause}"] if known else []), *([f"SIP {sip}"] if answered else [])]
    return ", ".join(parts) or None


def _caller(number: str) -> str:
    """The caller's number, empty when it is withheld.

    A SIP address stays one, which no policy takes for a phone number: anybody may write any number
    into it.
    """
    number = number.strip()
    return "" if is_withheld(number) else number


def _confidence(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and 0.0 <= value <= 1.0 else None


def _epoch(moment: str | None) -> float | None:
    """Epoch seconds of an ISO 8601 time, None when there is none that can be read."""
    if not moment or len(moment) > 64:
        return None
    try:
        parsed = datetime.fromisoformat(moment)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
