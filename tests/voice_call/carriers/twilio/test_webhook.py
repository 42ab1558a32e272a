"""What Twilio's requests mean, as tables of requests and readings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.events import (
    CallEvent,
    Heard,
    LineAnswered,
    LineEnded,
    LineRinging,
    LineSeen,
    StepReached,
    StreamFailed,
)
from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, EndReason
from openclaw_voice_call.carriers.forms import MAX_PARAMETERS, SPEECH_LIMIT
from openclaw_voice_call.carriers.twilio.signature import compute_signature
from openclaw_voice_call.carriers.twilio.webhook import (
    read_webhook,
    trust_webhook,
    verify_webhook,
)
from openclaw_voice_call.errors import SignatureError, WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    Envelope,
    InboundOffer,
    Reading,
    VerifiedWebhook,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.links import CallLinks, LinkKind, LinkTarget

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
SID = CarrierCallId("CA0123456789abcdef0123456789abcdef")
CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
TOKEN = "a9f1c0ffee00112233445566778899aa"
BASE = "https://voice.example.org/voice/webhook"
HERE = StepRef(3, 1)

STEP = LinkTarget(LinkKind.STEP, CALL, HERE)
HEARD = LinkTarget(LinkKind.HEARD, CALL, HERE)
STATUS = LinkTarget(LinkKind.STATUS, CALL)
FALLBACK = LinkTarget(LinkKind.FALLBACK, CALL)
BARE = LinkTarget(LinkKind.BARE)


class RequestFile(TypedDict):
    requests: dict[str, dict[str, str]]


def _documented() -> dict[str, dict[str, str]]:
    text = (Path(__file__).parent / "data" / "requests.json").read_text("utf-8")
    loaded: RequestFile = json.loads(text)
    return loaded["requests"]


REQUESTS = _documented()


def read(target: LinkTarget, params: Mapping[str, str]) -> Reading:
    return read_webhook(VerifiedWebhook(target, params), ACCOUNT)


def events(reading: Reading) -> list[CallEvent | None]:
    return [envelope.event for envelope in reading.envelopes]


def changed(name: str, **fields: str) -> dict[str, str]:
    return REQUESTS[name] | fields


ANSWERED = LineAnswered(SID)
REACHED = StepReached(3, 1)


@pytest.mark.parametrize(
    ("target", "params", "expected"),
    [
        (STEP, REQUESTS["outbound-answered"], [ANSWERED, REACHED]),
        (STEP, REQUESTS["outbound-answered-amd"], [ANSWERED, REACHED]),
        (
            STEP,
            changed("outbound-answered", AnsweredBy="machine_end_beep"),
            [LineAnswered(SID, by_machine=True), REACHED],
        ),
        (STEP, changed("outbound-answered", CallStatus="queued"), [LineSeen(SID), REACHED]),
        (STEP, changed("outbound-answered", CallStatus="initiated"), [LineSeen(SID), REACHED]),
        (STEP, changed("outbound-answered", CallStatus="ringing"), [LineRinging(SID), REACHED]),
        (HEARD, REQUESTS["gather-speech"], [ANSWERED, Heard("hello there", 3, confidence=0.93)]),
        (HEARD, REQUESTS["gather-speech-no-confidence"], [ANSWERED, Heard("hello there", 3)]),
        (HEARD, REQUESTS["gather-dtmf"], [ANSWERED, Heard("12", 3, keyed=True)]),
        (HEARD, changed("gather-dtmf", Digits="*0#D"), [ANSWERED, Heard("*0#D", 3, keyed=True)]),
        (HEARD, changed("gather-dtmf", Digits="hangup"), [ANSWERED]),
        (HEARD, changed("gather-dtmf", SpeechResult=" \n"), [ANSWERED, Heard("12", 3, keyed=True)]),
        (HEARD, changed("gather-speech", SpeechResult=" "), [ANSWERED]),
        (HEARD, REQUESTS["outbound-answered"], [ANSWERED]),
        (
            HEARD,
            changed("gather-speech", SpeechResult="x" * 9000, Confidence="nan"),
            [ANSWERED, Heard("x" * SPEECH_LIMIT, 3)],
        ),
        (FALLBACK, REQUESTS["fallback"], [ANSWERED]),
    ],
)
def test_a_fetch_asks_for_instructions(
    target: LinkTarget, params: dict[str, str], expected: list[CallEvent]
) -> None:
    reading = read(target, params)

    assert events(reading) == expected
    assert reading.asks
    assert reading.step == target.step
    assert reading.failed is (target is FALLBACK)
    assert {(e.call_id, e.carrier_call_id, e.offer) for e in reading.envelopes} == {
        (CALL, SID, None)
    }


@pytest.mark.parametrize("target", [STEP, HEARD, FALLBACK, BARE])
def test_a_fetch_of_a_call_that_is_over_asks_nothing(target: LinkTarget) -> None:
    reading = read(target, REQUESTS["status-completed"])
    assert events(reading) == [LineEnded(EndReason.COMPLETED, None, SID)]
    assert not reading.asks


def test_words_that_arrive_with_the_end_were_said_before_it() -> None:
    reading = read(HEARD, changed("gather-speech", CallStatus="completed"))
    assert events(reading) == [
        Heard("hello there", 3, confidence=0.93),
        LineEnded(EndReason.COMPLETED, None, SID),
    ]
    assert not reading.asks


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (changed("status-initiated", CallStatus="queued"), LineSeen(SID)),
        (REQUESTS["status-initiated"], LineSeen(SID)),
        (changed("status-initiated", CallStatus="something-new"), LineSeen(SID)),
        (REQUESTS["status-ringing"], LineRinging(SID)),
        (REQUESTS["status-answered"], LineAnswered(SID)),
        (
            changed("status-answered", AnsweredBy="machine_start"),
            LineAnswered(SID, by_machine=True),
        ),
        (REQUESTS["async-amd"], LineAnswered(SID, by_machine=True)),
        (changed("async-amd", AnsweredBy="human"), LineSeen(SID)),
        (REQUESTS["status-completed"], LineEnded(EndReason.COMPLETED, None, SID)),
        (REQUESTS["status-busy"], LineEnded(EndReason.BUSY, "SIP 486", SID)),
        (REQUESTS["status-failed"], LineEnded(EndReason.FAILED, "SIP 404", SID)),
        (
            changed("status-failed", ErrorCode="13224", SipResponseCode="no\nnumber"),
            LineEnded(EndReason.FAILED, "Twilio error 13224", SID),
        ),
        (REQUESTS["status-no-answer"], LineEnded(EndReason.NO_ANSWER, "SIP 487", SID)),
        (REQUESTS["stream-started"], LineSeen(SID)),
        (REQUESTS["stream-stopped"], LineSeen(SID)),
        (
            changed("stream-error", StreamName="2"),
            StreamFailed("Twilio: connection refused", 2),
        ),
        (
            changed("stream-error", StreamError="wss://h/voice/stream/call/1/secret"),
            StreamFailed("Twilio: stream-error"),
        ),
        (REQUESTS["status-canceled"], LineEnded(EndReason.HANGUP_BOT, "SIP 487", SID)),
    ],
)
def test_a_status_callback_tells_one_thing(params: dict[str, str], expected: CallEvent) -> None:
    reading = read(STATUS, params)
    assert events(reading) == [expected]
    assert reading.envelopes[0].call_id == CALL
    assert not reading.asks


def test_a_status_callback_says_when() -> None:
    assert read(STATUS, REQUESTS["status-ringing"]).envelopes[0].occurred_at == 1771200001.0
    for stamp in ("", "yesterday", "Mon, 99 Feb 2026 00:00:01 +0000", "9" * 5000):
        reading = read(STATUS, changed("status-ringing", Timestamp=stamp))
        assert reading.envelopes[0].occurred_at is None


@pytest.mark.scenario("F72", carrier="twilio")
def test_a_number_level_status_callback_names_the_call_by_sid() -> None:
    for target in (LinkTarget(LinkKind.STATUS), BARE):
        reading = read(target, REQUESTS["number-status-completed"])
        assert reading.envelopes == (
            Envelope(SID, event=LineEnded(EndReason.COMPLETED, None, SID)),
        )
        assert not reading.asks


@pytest.mark.parametrize(
    ("params", "offer", "event"),
    [
        (REQUESTS["inbound-first"], InboundOffer(SID, "+15550001111", "+15550002222"), None),
        (REQUESTS["gather-speech"], InboundOffer(SID, "+15550001111", "+15550002222"), ANSWERED),
        (
            changed("inbound-first", Direction="something-new"),
            InboundOffer(SID, "+15550001111", "+15550002222"),
            None,
        ),
        (
            REQUESTS["outbound-answered"],
            InboundOffer(SID, "+15550002222", "+15550001111", Direction.OUTBOUND),
            ANSWERED,
        ),
        (
            changed("outbound-answered", Direction="outbound-dial", CallStatus="ringing"),
            InboundOffer(SID, "+15550002222", "+15550001111", Direction.OUTBOUND),
            None,
        ),
    ],
)
@pytest.mark.scenario("F23", carrier="twilio")
def test_the_numbers_webhook_offers_a_call(
    params: dict[str, str], offer: InboundOffer, event: CallEvent | None
) -> None:
    assert read(BARE, params) == Reading((Envelope(SID, event=event, offer=offer),), asks=True)


@pytest.mark.parametrize(
    "caller",
    [
        "",
        " ",
        "anonymous",
        "Anonymous",
        "RESTRICTED",
        "unavailable",
        "Unknown",
        "+266696687",
        "266696687",
        "+86282452253",
        "+7378742833",
        "+2562533",
        "+8656696",
    ],
)
def test_a_withheld_number_is_no_number(caller: str) -> None:
    offer = read(BARE, changed("anonymous-inbound", From=caller)).envelopes[0].offer
    assert offer is not None
    assert offer.from_number == ""


def test_a_missing_caller_is_no_number() -> None:
    params = {name: value for name, value in REQUESTS["inbound-first"].items() if name != "From"}
    offer = read(BARE, params).envelopes[0].offer
    assert offer is not None
    assert offer.from_number == ""


@pytest.mark.parametrize("caller", ["client:alice", "sip:bob@example.org", "+99915550001234"])
def test_other_callers_are_passed_as_they_are(caller: str) -> None:
    offer = read(BARE, changed("inbound-first", From=caller)).envelopes[0].offer
    assert offer is not None
    assert offer.from_number == caller


@pytest.mark.parametrize("target", [STEP, HEARD, STATUS, FALLBACK, BARE])
@pytest.mark.parametrize(
    "params",
    [
        changed("inbound-first", AccountSid="AC" + "f" * 32),
        changed("inbound-first", AccountSid=""),
        changed("inbound-first", CallSid=""),
        changed("inbound-first", CallSid="CA0123/../../x"),
        changed("inbound-first", CallSid=SID + "\n"),
        {"AccountSid": ACCOUNT},
        {},
    ],
)
def test_a_request_of_another_account_or_of_no_call_is_refused(
    target: LinkTarget, params: dict[str, str]
) -> None:
    with pytest.raises(WebhookMalformed):
        read(target, params)


# --- from bytes


def request(
    url: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    content_type: str = "application/x-www-form-urlencoded",
    **headers: str,
) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    target = "/" + url.split("://", 1)[-1].partition("/")[2]
    return WebhookRequest(method, target, {"content-type": content_type} | named, body, "192.0.2.1")


def signed(url: str, params: Mapping[str, str]) -> WebhookRequest:
    return request(
        url,
        urlencode(params).encode(),
        x_twilio_signature=compute_signature(TOKEN, url, params.items()),
    )


@pytest.mark.scenario("F87", carrier="twilio")
def test_a_link_is_read_from_the_url_that_was_signed() -> None:
    links = CallLinks(BASE)
    for url, target in [
        (links.step(CALL, HERE), STEP),
        (links.heard(CALL, HERE), HEARD),
        (links.status(CALL), STATUS),
        (links.fallback(CALL), FALLBACK),
        (BASE, BARE),
        (BASE + "?type=status", LinkTarget(LinkKind.STATUS)),
    ]:
        webhook = verify_webhook(signed(url, REQUESTS["gather-speech"]), TOKEN, [BASE, url])
        assert webhook.target == target
        assert webhook.params == REQUESTS["gather-speech"]


def test_what_the_request_claims_beside_the_signed_url_is_not_believed() -> None:
    honest = CallLinks(BASE).status(CALL)
    forged = signed(honest, REQUESTS["status-ringing"])
    forged = WebhookRequest(
        "POST", "/voice/webhook?type=step&call=other", forged.headers, forged.body, forged.remote
    )
    assert verify_webhook(forged, TOKEN, [honest]).target == STATUS


def test_a_get_carries_its_parameters_in_the_url() -> None:
    url = f"{BASE}?type=status&{urlencode(REQUESTS['status-busy'])}"
    got = request(url, method="GET", x_twilio_signature=compute_signature(TOKEN, url, ()))
    webhook = verify_webhook(got, TOKEN, [url])
    assert events(read_webhook(webhook, ACCOUNT)) == [LineEnded(EndReason.BUSY, "SIP 486", SID)]


def test_a_delivery_reads_the_same_however_often_it_comes() -> None:
    """Nothing unsigned, such as the idempotency token, makes a repeated delivery a new event."""
    url = CallLinks(BASE).heard(CALL, HERE)
    first = signed(url, REQUESTS["gather-speech"])
    again = WebhookRequest(
        first.method,
        first.target,
        {**first.headers, "i-twilio-idempotency-token": "another"},
        first.body,
        "198.51.100.7",
    )
    readings = [
        read_webhook(verify_webhook(each, TOKEN, [url]), ACCOUNT) for each in (first, again)
    ]
    assert readings[0] == readings[1]
    assert isinstance(readings[0].envelopes[1].event, Heard)
    assert readings[0].envelopes[1].event.script == HERE.script


@pytest.mark.parametrize("change", ["body", "url", "signature", "unsigned", "method", "type"])
def test_a_forged_request_is_refused(change: str) -> None:
    url = CallLinks(BASE).heard(CALL, HERE)
    good = signed(url, REQUESTS["gather-speech"])
    headers = dict(good.headers)
    method, body, urls = "POST", good.body, [url]
    match change:
        case "body":
            body = body.replace(b"hello", b"hullo")
        case "url":
            urls = [CallLinks(BASE).heard(CALL, StepRef(4, 1))]
        case "signature":
            headers["x-twilio-signature"] = "A" * 28
        case "unsigned":
            del headers["x-twilio-signature"]
        case "method":
            method = "PUT"
        case _:
            headers["content-type"] = "application/json"
    with pytest.raises(SignatureError):
        verify_webhook(WebhookRequest(method, good.target, headers, body, "::1"), TOKEN, urls)


def test_a_body_of_too_many_parameters_is_not_looked_at() -> None:
    params = {f"p{n}": "" for n in range(MAX_PARAMETERS + 1)}
    with pytest.raises(SignatureError, match="parameters"):
        verify_webhook(signed(BASE, params), TOKEN, [BASE])
    with pytest.raises(WebhookMalformed, match="parameters"):
        trust_webhook(signed(BASE, params))


def test_signed_bytes_that_are_not_utf8_are_malformed() -> None:
    body = b"CallSid=CA1&From=%FF%FE"
    signature = compute_signature(TOKEN, BASE, [("CallSid", "CA1"), ("From", "\udcff\udcfe")])
    with pytest.raises(WebhookMalformed, match="UTF-8"):
        verify_webhook(request(BASE, body, x_twilio_signature=signature), TOKEN, [BASE])


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_neither_form_nor_object_is_malformed(body: bytes) -> None:
    with pytest.raises(WebhookMalformed):
        trust_webhook(request(BASE, body, content_type="application/json"))


def test_trusting_decodes_without_a_signature() -> None:
    body = urlencode(REQUESTS["inbound-first"]).encode()
    webhook = trust_webhook(request(BASE, body))
    assert webhook == VerifiedWebhook(BARE, REQUESTS["inbound-first"])


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text(max_size=80),
    st.binary(max_size=80),
    st.sampled_from(["application/x-www-form-urlencoded", "application/json", ""]),
)
def test_garbage_is_a_reading_or_a_documented_error(
    method: str, target: str, body: bytes, content_type: str
) -> None:
    sent = WebhookRequest(method, target, {"content-type": content_type}, body, "::1")
    with pytest.raises(WebhookMalformed):
        read_webhook(trust_webhook(sent), ACCOUNT)


_FIELDS = st.dictionaries(
    st.sampled_from(sorted({name for params in REQUESTS.values() for name in params})),
    st.text(max_size=20) | st.sampled_from(["in-progress", "completed", "inbound", "12", "0.5"]),
)


@given(st.sampled_from([STEP, HEARD, STATUS, FALLBACK, BARE]), _FIELDS)
def test_any_fields_give_a_reading(target: LinkTarget, fields: dict[str, str]) -> None:
    reading = read(target, fields | {"CallSid": SID, "AccountSid": ACCOUNT})
    assert reading.envelopes
    assert reading.asks is (
        target is not STATUS
        and not any(isinstance(envelope.event, LineEnded) for envelope in reading.envelopes)
    )
