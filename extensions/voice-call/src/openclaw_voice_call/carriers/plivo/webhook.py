"""What Plivo's requests mean. Verifying, decoding and reading are pure.

Under version 2 of the signature nothing that a request says is signed, only that Plivo sent some
request to this path. So a link of ours is believed by its seal (see `links`), and then the
request counts once for its nonce; the carrier's own words about who calls are not believed at
all: such a caller counts as withheld, and no policy but `open` admits one.

Field names and shapes: Plivo's "Answer URL", "Hangup URL" and "GetInput" pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from openclaw_voice_call.call.events import (
    CallEvent,
    LineAnswered,
    LineEnded,
    LineNamed,
    LineRinging,
    LineSeen,
    StreamFailed,
)
from openclaw_voice_call.call.phone import is_withheld, normalise
from openclaw_voice_call.call.types import CarrierCallId, Direction, EndReason
from openclaw_voice_call.carriers.forms import (
    Pairs,
    events_of,
    form_pairs,
    is_form,
    params_of,
    query_pairs,
)
from openclaw_voice_call.carriers.plivo.links import LinkSeal
from openclaw_voice_call.carriers.plivo.signature import matching_url
from openclaw_voice_call.errors import SignatureError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    Envelope,
    InboundOffer,
    Reading,
    VerifiedWebhook,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.links import LinkKind, LinkTarget, read_link
from openclaw_voice_call.interfaces.stream_links import stream_number

END_REASONS: Final[Mapping[str, EndReason]] = {
    "completed": EndReason.COMPLETED,
    "busy": EndReason.BUSY,
    "failed": EndReason.FAILED,
    "no-answer": EndReason.NO_ANSWER,
    "timeout": EndReason.NO_ANSWER,
    "cancel": EndReason.HANGUP_BOT,
    "canceled": EndReason.HANGUP_BOT,
}
"""Plivo's terminal call statuses. `cancel`: we took the call back before it was answered."""
CAUSE_REASONS: Final[Mapping[str, EndReason]] = {
    "3000": EndReason.NO_ANSWER,
    "3010": EndReason.BUSY,
    "3020": EndReason.BUSY,
    "4000": EndReason.COMPLETED,
    "4010": EndReason.COMPLETED,
    "6010": EndReason.NO_ANSWER,
    "9100": EndReason.VOICEMAIL,
}
"""Plivo's hang-up cause codes that say how a call ended: no answer, busy line, rejected, normal,
end of the document, ring timeout, machine."""

STREAM_FAILURES: Final = frozenset({"droppedstream", "failed"})
STREAM_EVENTS: Final = STREAM_FAILURES | {
    "startstream",
    "stopstream",
    "degradedstream",
    "playedstream",
    "clearedaudio",
    "started",
    "stopped",
}
"""What a stream's status callbacks are about, in both of Plivo's vocabularies, in small letters."""

_MOST_EVENTS: Final = 3
"""That one request can tell of."""
_DOCUMENT_CAUSES: Final = ("7", "8")
"""Codes that begin so: a URL of ours could not be fetched, or its document not used."""
_UNREMARKABLE: Final = frozenset({"4000", "4010"})
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CODE: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9 ,./()'_-]{1,80}")


def verify_webhook(
    request: WebhookRequest, token: str, urls: Sequence[str], seal: LinkSeal
) -> VerifiedWebhook:
    """Believe `request` if it was signed with `token` for one of `urls`, and decode it.

    What is read from the URL (our link, the parameters of a GET) is read from the one that was
    signed. Raises SignatureError; WebhookMalformed when signed but undecodable.
    """
    try:
        pairs = _form(request)
        match = matching_url(token, urls, pairs, request.headers)
    except (WebhookMalformed, ValueError) as exc:
        raise SignatureError(f"not a request of Plivo: {exc}") from exc
    if match is None:
        raise SignatureError("no X-Plivo-Signature matches this URL and these parameters")
    if match.nonce is not None and _names_call(match.url) and not seal.holds(match.url):
        raise SignatureError("signed by version 2 only, and the link is not one of ours")
    return _decoded(match.url, pairs, match.nonce)


def trust_webhook(request: WebhookRequest) -> VerifiedWebhook:
    """Decode without looking at the signature. Raises WebhookMalformed."""
    return _decoded(request.target, _form(request), None)


def _names_call(url: str) -> bool:
    return read_link(url.partition("#")[0]).call_id is not None


def _form(request: WebhookRequest) -> Pairs | None:
    """The decoded pairs of a form POST, blank values included; None for a GET."""
    if request.method == "GET":
        return None
    if request.method != "POST":
        raise WebhookMalformed(f"Plivo sends GET or POST, not {request.method[:16]!r}")
    if request.body and not is_form(request):
        # No signature of Plivo's would cover it.
        raise WebhookMalformed("the body is not a form")
    return form_pairs(request)


def _decoded(url: str, pairs: Pairs | None, nonce: str | None) -> VerifiedWebhook:
    target = url.partition("#")[0]
    params = params_of(query_pairs(target) if pairs is None else pairs)
    return VerifiedWebhook(read_link(target), params=params, nonce=nonce)


def read_webhook(webhook: VerifiedWebhook) -> Reading:
    """All that a request tells. Raises WebhookMalformed."""
    params, link = webhook.params, webhook.target
    uuid = params.get("CallUUID", "")
    if not _ID.fullmatch(uuid):
        raise WebhookMalformed("CallUUID is missing or is no id")
    call = CarrierCallId(uuid)
    if link.call_id is None:
        return _number_called(webhook, call)
    if link.kind is LinkKind.STATUS and params.get("Event", "").lower() in STREAM_EVENTS:
        return Reading(_envelopes(webhook, link, call, [_stream_event(params, call)]), asks=False)
    leg = _leg_event(params, call)
    events = events_of(
        link,
        leg,
        speech=params.get("Speech", ""),
        confidence=params.get("SpeechConfidenceScore", ""),
        keys=params.get("Digits", ""),
    )
    return Reading(
        _envelopes(webhook, link, call, events),
        asks=link.kind is not LinkKind.STATUS and not isinstance(leg, LineEnded),
        step=link.step,
        failed=link.kind is LinkKind.FALLBACK,
    )


def _envelopes(
    webhook: VerifiedWebhook, link: LinkTarget, call: CarrierCallId, events: Sequence[CallEvent]
) -> tuple[Envelope, ...]:
    """The events, after the news that the call which we know by its request has a name."""
    request = webhook.params.get("RequestUUID", "")
    renamed: list[tuple[CarrierCallId, CallEvent]] = []
    if request != call and _ID.fullmatch(request):
        before = CarrierCallId(request)
        renamed.append((before, LineNamed(call, before)))
    told = [(call, event) for event in events]
    if webhook.nonce is None:
        return tuple(Envelope(leg, link.call_id, event) for leg, event in (*renamed, *told))
    # What is not signed counts once. All places are taken at once, by news of nothing if need be:
    # the same nonce with other parameters finds none that is free.
    nothing = [(call, LineSeen(call))] * (_MOST_EVENTS - len(renamed) - len(told))
    return tuple(
        Envelope(leg, link.call_id, event, occurrence=f"v2:{webhook.nonce}:{place}")
        for place, (leg, event) in enumerate((*renamed, *nothing, *told))
    )


def _number_called(webhook: VerifiedWebhook, call: CarrierCallId) -> Reading:
    """A URL of the application: somebody calls, or a call of ours has no other instructions."""
    params, signed = webhook.params, webhook.nonce is None
    leg = _leg_event(params, call)
    if isinstance(leg, LineEnded):
        return Reading((Envelope(call, event=leg if signed else None),), asks=False)
    if webhook.target.kind is LinkKind.STATUS:
        return Reading((Envelope(call, event=leg if signed else None),), asks=False)
    outbound = params.get("Direction") == "outbound"
    offer = InboundOffer(
        call,
        from_number=caller(params.get("From", "")) if signed else "",
        to_number=_plus(params.get("To", "").strip()),
        # Only this escapes the inbound policy (F23); anything new or missing does not.
        direction=Direction.OUTBOUND if outbound and signed else Direction.INBOUND,
    )
    answered = leg if isinstance(leg, LineAnswered) and signed else None
    return Reading((Envelope(call, event=answered, offer=offer),), asks=True)


def _stream_event(params: Mapping[str, str], call: CarrierCallId) -> CallEvent:
    """What became of a media stream; that it has started or stopped, its socket tells."""
    if params["Event"].lower() not in STREAM_FAILURES:
        return LineSeen(call)
    reasons = (params.get(name, "") for name in ("Error", "StatusReason"))
    said = next((reason for reason in reasons if _NAME.fullmatch(reason)), "the stream has failed")
    return StreamFailed(f"Plivo: {said}", stream_number(params.get("ServiceURL", "")))


def _leg_event(params: Mapping[str, str], call: CarrierCallId) -> CallEvent:
    """What `CallStatus`, `Event` and `Machine` say; an unknown status says only that it exists.

    The hang-up may be told to any URL, when none was set for it, so the URL does not matter.
    """
    status = params.get("CallStatus", "").lower()
    if status in END_REASONS or params.get("Event") == "Hangup":
        answered = bool(params.get("AnswerTime", ""))
        reason = end_reason(params.get("HangupCauseCode", ""), status, answered=answered)
        return LineEnded(reason, end_detail(params), call)
    if status == "in-progress":
        return LineAnswered(call, params.get("Machine", "").lower() == "true")
    if status == "ringing":
        return LineRinging(call)
    return LineSeen(call)


def end_reason(code: str, status: str, *, answered: bool) -> EndReason:
    """How a call ended, by its hang-up cause code and, where that says little, its status."""
    if code.startswith(_DOCUMENT_CAUSES) and len(code) == 4:
        return EndReason.FAILED
    if status == "timeout" and answered:
        return EndReason.TIMEOUT
    known = CAUSE_REASONS.get(code)
    if known is EndReason.COMPLETED and not answered:
        # A normal clearing before the answer, which only the status tells more about.
        known = None
    return known or END_REASONS.get(status, EndReason.FAILED)


def end_detail(fields: Mapping[str, str]) -> str | None:
    """The cause for people, from `HangupCauseCode` and `HangupCauseName`; None if it is usual."""
    code, name = fields.get("HangupCauseCode", ""), fields.get("HangupCauseName", "")
    if not _CODE.fullmatch(code) or code in _UNREMARKABLE:
        return None
    return f"Plivo {code} {name}" if _NAME.fullmatch(name) else f"Plivo {code}"


def caller(number: str) -> str:
    """The caller's number in E.164, empty when it is withheld."""
    number = number.strip()
    return "" if is_withheld(number) else _plus(number)


def _plus(number: str) -> str:
    """Plivo writes E.164 without its plus; what is no such number stays as it is."""
    return normalise(f"+{number}") or number
