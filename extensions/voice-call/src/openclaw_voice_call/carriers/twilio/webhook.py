"""What Twilio's requests mean. Verifying, decoding and reading are pure.

Field names and shapes: Twilio's "TwiML for Programmable Voice" (request parameters) and "Call
resource" (status callbacks).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from openclaw_voice_call.call.events import (
    CallEvent,
    LineAnswered,
    LineEnded,
    LineRinging,
    LineSeen,
    StreamFailed,
)
from openclaw_voice_call.call.phone import is_withheld
from openclaw_voice_call.call.types import CarrierCallId, Direction, EndReason
from openclaw_voice_call.carriers.forms import (
    Pairs,
    events_of,
    form_pairs,
    is_form,
    params_of,
    query_pairs,
)
from openclaw_voice_call.carriers.twilio.signature import (
    SETTINGS_HEADER,
    SIGNATURE_HEADER,
    body_hash_holds,
    matching_url,
)
from openclaw_voice_call.errors import SignatureError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    Envelope,
    InboundOffer,
    Reading,
    VerifiedWebhook,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.links import LinkKind, LinkTarget, read_link

END_REASONS: Mapping[str, EndReason] = {
    "completed": EndReason.COMPLETED,
    "busy": EndReason.BUSY,
    "failed": EndReason.FAILED,
    "no-answer": EndReason.NO_ANSWER,
    "canceled": EndReason.HANGUP_BOT,
}
"""Twilio's terminal call statuses. `canceled`: we took the call back before it was answered."""

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
# No slash: an error that quotes the stream's URL would put its token into the journal.
_STREAM_ERROR = re.compile(r"[A-Za-z0-9 ,.:;()'_-]{1,200}")
# Numbers that spell ANONYMOUS, UNAVAILABLE, RESTRICTED, BLOCKED and UNKNOWN on a keypad.
_WITHHELD_NUMBERS = frozenset({"266696687", "86282452253", "7378742833", "2562533", "8656696"})


def verify_webhook(request: WebhookRequest, token: str, urls: Sequence[str]) -> VerifiedWebhook:
    """Believe `request` if it was signed with `token` for one of `urls`, and decode it.

    What is read from the URL (our link, the parameters of a GET) is read from the one that was
    signed. Raises SignatureError; WebhookMalformed when signed but undecodable.
    """
    try:
        pairs = _form(request)
    except WebhookMalformed as exc:
        raise SignatureError(f"not a request of Twilio: {exc}") from exc
    signature, settings = request.header(SIGNATURE_HEADER), request.header(SETTINGS_HEADER)
    url = matching_url(token, urls, pairs or (), signature, settings)
    if url is None:
        raise SignatureError("the X-Twilio-Signature does not match this URL and these parameters")
    bodied = pairs is None and request.method == "POST" and request.body != b""
    if bodied and not body_hash_holds(url, request.body):
        raise SignatureError("the body is not the one whose bodySHA256 was signed")
    return _decoded(request, url, pairs)


def trust_webhook(request: WebhookRequest) -> VerifiedWebhook:
    """Decode without looking at the signature. Raises WebhookMalformed."""
    return _decoded(request, request.target, _form(request))


def _form(request: WebhookRequest) -> Pairs | None:
    """The decoded pairs of a form POST, blank values included; None for all other requests."""
    if request.method == "GET":
        return None
    if request.method != "POST":
        raise WebhookMalformed(f"Twilio sends GET or POST, not {request.method[:16]!r}")
    return form_pairs(request) if is_form(request) else None


def _decoded(request: WebhookRequest, url: str, pairs: Pairs | None) -> VerifiedWebhook:
    target = read_link(url.partition("#")[0])
    if pairs is None and request.method == "POST" and request.body:
        try:
            document = msgspec.json.decode(request.body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise WebhookMalformed("the body is neither a form nor a JSON object") from exc
        return VerifiedWebhook(target, document=document)
    if pairs is None and request.method == "GET":
        pairs = query_pairs(url)
    return VerifiedWebhook(target, params=params_of(pairs or ()))


def read_webhook(webhook: VerifiedWebhook, account_sid: str) -> Reading:
    """All that a request tells. Raises WebhookMalformed.

    A request of another account (a subaccount may share the token) is not ours to answer.
    """
    params, link = webhook.params, webhook.target
    if params.get("AccountSid", account_sid) != account_sid:
        raise WebhookMalformed("AccountSid is not the configured twilio.accountSid")
    sid = params.get("CallSid", "")
    if not _CALL_SID.fullmatch(sid):
        raise WebhookMalformed("CallSid is missing or is not CA and 32 hex digits")
    call = CarrierCallId(sid)
    if link.kind is LinkKind.BARE:
        return _number_called(params, call)
    if link.kind is LinkKind.STATUS and "StreamEvent" in params:
        return Reading(_envelopes([_stream_event(params, call)], link, params, call), asks=False)
    leg = _leg_event(params, call)
    events = events_of(
        link,
        leg,
        speech=params.get("SpeechResult", ""),
        confidence=params.get("Confidence", ""),
        keys=params.get("Digits", ""),
    )
    return Reading(
        _envelopes(events, link, params, call),
        asks=link.kind is not LinkKind.STATUS and not isinstance(leg, LineEnded),
        step=link.step,
        failed=link.kind is LinkKind.FALLBACK,
    )


def _envelopes(
    events: Sequence[CallEvent], link: LinkTarget, params: Mapping[str, str], call: CarrierCallId
) -> tuple[Envelope, ...]:
    at = _timestamp(params.get("Timestamp"))
    return tuple(Envelope(call, link.call_id, event, occurred_at=at) for event in events)


def _number_called(params: Mapping[str, str], call: CarrierCallId) -> Reading:
    """The number's own webhook: somebody calls, or a call of ours has no other instructions."""
    leg = _leg_event(params, call)
    if isinstance(leg, LineEnded):
        return Reading((Envelope(call, event=leg),), asks=False)
    offer = InboundOffer(
        call,
        from_number=_caller(params.get("From", "")),
        to_number=params.get("To", "").strip(),
        direction=_direction(params.get("Direction", "")),
    )
    answered = leg if isinstance(leg, LineAnswered) else None
    return Reading((Envelope(call, event=answered, offer=offer),), asks=True)


def _stream_event(params: Mapping[str, str], call: CarrierCallId) -> CallEvent:
    """What became of a media stream; that it has started or stopped, its socket tells."""
    if params["StreamEvent"] != "stream-error":
        return LineSeen(call)
    name, said = params.get("StreamName", ""), params.get("StreamError", "")
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 9 else None
    error = said if _STREAM_ERROR.fullmatch(said) else "stream-error"
    return StreamFailed(f"Twilio: {error}", number)


def _leg_event(params: Mapping[str, str], call: CarrierCallId) -> CallEvent:
    """What `CallStatus` and `AnsweredBy` say; an unknown status says only that the leg exists."""
    status = params.get("CallStatus", "")
    by_machine = params.get("AnsweredBy", "").startswith("machine_")
    if status in END_REASONS:
        return LineEnded(END_REASONS[status], _detail(params), call)
    if status == "in-progress" or (by_machine and not status):
        return LineAnswered(call, by_machine)
    if status == "ringing":
        return LineRinging(call)
    return LineSeen(call)


def _detail(params: Mapping[str, str]) -> str | None:
    parts = [
        f"{label} {code}"
        for label, code in (
            ("SIP", params.get("SipResponseCode", "")),
            ("Twilio error", params.get("ErrorCode", "")),
        )
        if code.isdecimal() and len(code) < 8 and code != "200"
    ]
    return ", ".join(parts) or None


def _timestamp(value: str | None) -> float | None:
    """Epoch seconds of an RFC 2822 date, None when there is none that can be read."""
    if not value or len(value) > 64:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _caller(number: str) -> str:
    """The caller's number, empty when it is withheld in one of Twilio's ways."""
    number = number.strip()
    withheld = is_withheld(number) or number.lstrip("+") in _WITHHELD_NUMBERS
    return "" if withheld else number


def _direction(value: str) -> Direction:
    # Only these two escape the inbound policy (F23); anything new or missing does not.
    outbound = value in ("outbound-api", "outbound-dial")
    return Direction.OUTBOUND if outbound else Direction.INBOUND
