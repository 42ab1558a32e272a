"""What Plivo's requests mean, as tables of requests and readings."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.decide import decide
from openclaw_voice_call.call.events import (
    CallEvent,
    Heard,
    LineAnswered,
    LineEnded,
    LineNamed,
    LineRinging,
    LineSeen,
    StepReached,
    StreamFailed,
)
from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, EndReason
from openclaw_voice_call.carriers.forms import MAX_PARAMETERS, SPEECH_LIMIT
from openclaw_voice_call.carriers.plivo.links import LinkSeal, PlivoLinks
from openclaw_voice_call.carriers.plivo.signature import compute_v2, compute_v3
from openclaw_voice_call.carriers.plivo.webhook import (
    end_reason,
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
from openclaw_voice_call.interfaces.links import CallLinks, LinkKind, LinkTarget, read_link
from tests.voice_call.call.playbook import Playbook

UUID = CarrierCallId("3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36")
CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
TOKEN = "MzRhYjEyY2RlZjU2Nzg5MDEyMzQ1Njc4OTBhYmNk"
BASE = "https://voice.example.org/voice/webhook"
LINKS = PlivoLinks(CallLinks(BASE), TOKEN)
SEAL = LinkSeal(TOKEN)
HERE = StepRef(3, 1)

STEP = LinkTarget(LinkKind.STEP, CALL, HERE)
HEARD = LinkTarget(LinkKind.HEARD, CALL, HERE)
STATUS = LinkTarget(LinkKind.STATUS, CALL)
FALLBACK = LinkTarget(LinkKind.FALLBACK, CALL)
BARE = LinkTarget(LinkKind.BARE)
STREAM = "wss://voice.example.org/voice/stream/call-1/2/secret"
NUMBER_STATUS = LinkTarget(LinkKind.STATUS)


class RequestFile(TypedDict):
    requests: dict[str, dict[str, str]]


def _documented() -> dict[str, dict[str, str]]:
    text = (Path(__file__).parent / "data" / "requests.json").read_text("utf-8")
    loaded: RequestFile = json.loads(text)
    return loaded["requests"]


REQUESTS = _documented()


def read(target: LinkTarget, params: Mapping[str, str], nonce: str | None = None) -> Reading:
    return read_webhook(VerifiedWebhook(target, params, nonce=nonce))


def events(reading: Reading) -> list[CallEvent | None]:
    return [envelope.event for envelope in reading.envelopes]


def changed(name: str, **fields: str) -> dict[str, str]:
    return REQUESTS[name] | fields


ANSWERED = LineAnswered(UUID)
REACHED = StepReached(3, 1)


@pytest.mark.parametrize(
    ("target", "params", "expected"),
    [
        (STEP, REQUESTS["answer-outbound"], [ANSWERED, REACHED]),
        (STEP, REQUESTS["answer-machine-sync"], [LineAnswered(UUID, by_machine=True), REACHED]),
        (STEP, changed("answer-outbound", Machine="false"), [ANSWERED, REACHED]),
        (STEP, changed("answer-outbound", CallStatus="ringing"), [LineRinging(UUID), REACHED]),
        (STEP, changed("answer-outbound", CallStatus="something-new"), [LineSeen(UUID), REACHED]),
        (HEARD, REQUESTS["getinput-speech"], [ANSWERED, Heard("hello there", 3, confidence=0.92)]),
        (HEARD, REQUESTS["getinput-dtmf"], [ANSWERED, Heard("12", 3, keyed=True)]),
        (HEARD, changed("getinput-dtmf", Digits="*0#D"), [ANSWERED, Heard("*0#D", 3, keyed=True)]),
        (HEARD, changed("getinput-dtmf", Digits="x"), [ANSWERED]),
        (HEARD, changed("getinput-dtmf", Speech=" \n"), [ANSWERED, Heard("12", 3, keyed=True)]),
        (HEARD, changed("getinput-speech", Speech=" "), [ANSWERED]),
        (HEARD, REQUESTS["answer-inbound"] | {"CallStatus": "in-progress"}, [ANSWERED]),
        (
            HEARD,
            changed("getinput-speech", Speech="x" * 9000, SpeechConfidenceScore="nan"),
            [ANSWERED, Heard("x" * SPEECH_LIMIT, 3)],
        ),
        (
            HEARD,
            changed("getinput-speech", SpeechConfidenceScore=""),
            [ANSWERED, Heard("hello there", 3)],
        ),
        (FALLBACK, REQUESTS["answer-outbound"], [ANSWERED]),
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
    assert {(e.call_id, e.carrier_call_id, e.offer, e.occurrence) for e in reading.envelopes} == {
        (CALL, UUID, None, None)
    }


@pytest.mark.parametrize("target", [STEP, HEARD, FALLBACK, BARE])
def test_the_hang_up_may_be_told_to_any_url(target: LinkTarget) -> None:
    reading = read(target, REQUESTS["hangup-completed"])
    assert events(reading) == [LineEnded(EndReason.COMPLETED, None, UUID)]
    assert not reading.asks


def test_words_that_arrive_with_the_end_were_said_before_it() -> None:
    reading = read(HEARD, changed("getinput-speech", CallStatus="completed", AnswerTime="x"))
    assert events(reading) == [
        Heard("hello there", 3, confidence=0.92),
        LineEnded(EndReason.COMPLETED, None, UUID),
    ]
    assert not reading.asks


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (REQUESTS["ring"], LineRinging(UUID)),
        (changed("ring", CallStatus="queued"), LineSeen(UUID)),
        (REQUESTS["machine"], LineAnswered(UUID, by_machine=True)),
        (REQUESTS["hangup-completed"], LineEnded(EndReason.COMPLETED, None, UUID)),
        (REQUESTS["hangup-end-of-xml"], LineEnded(EndReason.COMPLETED, None, UUID)),
        (REQUESTS["hangup-busy"], LineEnded(EndReason.BUSY, "Plivo 3010 Busy Line", UUID)),
        (
            REQUESTS["hangup-no-answer"],
            LineEnded(EndReason.NO_ANSWER, "Plivo 3000 No Answer", UUID),
        ),
        (
            changed("hangup-completed", HangupCauseCode="7014", HangupCauseName="No\r\nsuch {URL}"),
            LineEnded(EndReason.FAILED, "Plivo 7014", UUID),
        ),
        (REQUESTS["stream-start"], LineSeen(UUID)),
        (REQUESTS["stream-stop"], LineSeen(UUID)),
        (changed("stream-stop", Event="stopped"), LineSeen(UUID)),
        (changed("stream-stop", Event="DegradedStream"), LineSeen(UUID)),
        (
            changed("stream-dropped", ServiceURL=STREAM, Error="connection failed"),
            StreamFailed("Plivo: connection failed", 2),
        ),
        (
            changed("stream-dropped", ServiceURL="", Error="", StatusReason="timed out"),
            StreamFailed("Plivo: timed out"),
        ),
        (
            changed("stream-dropped", Event="FAILED", Error=STREAM, StatusReason="", ServiceURL=""),
            StreamFailed("Plivo: the stream has failed"),
        ),
    ],
)
def test_a_status_callback_tells_one_thing(params: dict[str, str], expected: CallEvent) -> None:
    reading = read(STATUS, params)
    assert events(reading) == [expected]
    assert reading.envelopes[0].call_id == CALL
    assert not reading.asks


@pytest.mark.parametrize(
    ("code", "status", "answered", "reason"),
    [
        ("4000", "completed", True, EndReason.COMPLETED),
        ("4010", "completed", True, EndReason.COMPLETED),
        ("", "completed", True, EndReason.COMPLETED),
        ("4000", "completed", False, EndReason.COMPLETED),
        ("3010", "busy", False, EndReason.BUSY),
        ("3020", "failed", False, EndReason.BUSY),
        ("3000", "no-answer", False, EndReason.NO_ANSWER),
        ("6010", "timeout", False, EndReason.NO_ANSWER),
        ("", "timeout", False, EndReason.NO_ANSWER),
        ("4000", "timeout", True, EndReason.TIMEOUT),
        ("1000", "cancel", False, EndReason.HANGUP_BOT),
        ("4000", "cancel", False, EndReason.HANGUP_BOT),
        ("2000", "failed", False, EndReason.FAILED),
        ("5030", "failed", False, EndReason.FAILED),
        ("6020", "completed", True, EndReason.COMPLETED),
        ("7011", "completed", True, EndReason.FAILED),
        ("8012", "completed", True, EndReason.FAILED),
        ("9100", "completed", True, EndReason.VOICEMAIL),
        ("", "something-new", False, EndReason.FAILED),
    ],
)
def test_every_end_has_its_reason(
    code: str, status: str, answered: bool, reason: EndReason
) -> None:
    assert end_reason(code, status, answered=answered) is reason
    told = changed("hangup-completed", CallStatus=status, HangupCauseCode=code)
    told["AnswerTime"] = "2026-02-16 00:00:02" if answered else ""
    [event] = events(read(STATUS, told))
    assert isinstance(event, LineEnded)
    assert event.reason is reason


@pytest.mark.scenario("F72", carrier="plivo")
def test_an_applications_hang_up_url_names_the_call_by_uuid() -> None:
    for target in (NUMBER_STATUS, BARE):
        reading = read(target, REQUESTS["hangup-end-of-xml"])
        assert reading.envelopes == (
            Envelope(UUID, event=LineEnded(EndReason.COMPLETED, None, UUID)),
        )
        assert not reading.asks


OFFER = InboundOffer(UUID, "+15550001111", "+15550002222")


@pytest.mark.parametrize(
    ("params", "offer", "event"),
    [
        (REQUESTS["answer-inbound"], OFFER, None),
        (changed("answer-inbound", From="+15550001111", To="+15550002222"), OFFER, None),
        (changed("answer-inbound", Direction="something-new"), OFFER, None),
        (changed("answer-inbound", CallStatus="in-progress"), OFFER, ANSWERED),
        (
            REQUESTS["answer-outbound"],
            InboundOffer(UUID, "+15550002222", "+15550001111", Direction.OUTBOUND),
            ANSWERED,
        ),
    ],
)
def test_a_call_that_comes_in_is_offered(
    params: dict[str, str], offer: InboundOffer, event: CallEvent | None
) -> None:
    for target in (BARE, LinkTarget(LinkKind.FALLBACK)):
        reading = read(target, params)
        assert reading.envelopes == (Envelope(UUID, event=event, offer=offer),)
        assert reading.asks
        assert reading.step is None


@pytest.mark.parametrize(
    ("shown", "number"),
    [
        ("15550001111", "+15550001111"),
        (" +15550001111 ", "+15550001111"),
        ("1 (555) 000-1111", "+15550001111"),
        ("anonymous", ""),
        ("Restricted", ""),
        ("", ""),
        # Neither shortened nor lengthened to something that an allowlist might hold.
        ("0001111", "0001111"),
        ("911", "911"),
        ("99915550001111", "99915550001111"),
        ("15550001111;ext=1", "15550001111;ext=1"),
        ("sip:ann@phone.plivo.com", "sip:ann@phone.plivo.com"),
        ("١٥٥٥٠٠٠١١١١", "١٥٥٥٠٠٠١١١١"),
    ],
)
@pytest.mark.scenario("A1", carrier="plivo")
def test_the_callers_number_is_taken_exactly(shown: str, number: str) -> None:
    [envelope] = read(BARE, changed("answer-inbound", From=shown)).envelopes
    assert envelope.offer is not None
    assert envelope.offer.from_number == number


def test_a_caller_without_a_number_is_withheld() -> None:
    params = {name: value for name, value in REQUESTS["answer-inbound"].items() if name != "From"}
    [envelope] = read(BARE, params).envelopes
    assert envelope.offer is not None
    assert envelope.offer.from_number == ""


def test_a_request_and_its_call_may_have_different_names() -> None:
    request = CarrierCallId("9834029e-58b6-11e1-b8b7-a5bd0e4e126f")
    reading = read(STATUS, changed("ring", RequestUUID=request))
    assert reading.envelopes == (
        Envelope(request, CALL, LineNamed(UUID, request)),
        Envelope(UUID, CALL, LineRinging(UUID)),
    )


@pytest.mark.parametrize("uuid", ["", " ", "a/b", "x" * 65, "a\n"])
def test_a_request_without_a_call_is_malformed(uuid: str) -> None:
    with pytest.raises(WebhookMalformed, match="CallUUID"):
        read(STEP, changed("answer-outbound", CallUUID=uuid))


# --- version 2: nothing but the path and a nonce is signed


def post(url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> WebhookRequest:
    typed = {"content-type": "application/x-www-form-urlencoded", **headers}
    target = "/" + url.split("://")[1].partition("/")[2]
    return WebhookRequest("POST", target, typed, urlencode(params).encode(), "192.0.2.1")


def verified_v2(url: str, params: Mapping[str, str], nonce: str = "12345") -> VerifiedWebhook:
    signature = compute_v2(TOKEN, BASE, nonce)
    headers = {"x-plivo-signature-v2": signature, "x-plivo-signature-v2-nonce": nonce}
    return verify_webhook(post(url, params, headers), TOKEN, [url], SEAL)


def link(url: str) -> str:
    """As it comes back: without its fragment."""
    return url.partition("#")[0]


@pytest.mark.scenario("F96", "A10", carrier="plivo")
def test_a_sealed_link_is_believed_under_version_2() -> None:
    url = link(LINKS.heard(CALL, HERE))
    webhook = verified_v2(url, REQUESTS["getinput-speech"])
    assert webhook.target == HEARD
    assert webhook.nonce == "12345"
    # Whatever else is in the query: the link and the nonce are the same.
    more = verified_v2(f"{url}&x=1", REQUESTS["getinput-speech"])
    assert (more.target, more.nonce) == (webhook.target, webhook.nonce)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("script=3", "script=4"),
        ("step=1", "step=2"),
        ("type=heard", "type=step"),
        ("type=heard", "type=status"),
        ("000001", "000002"),
        ("$", "&script=4"),
        ("&seal=.*", ""),
        ("$", "0"),
        ("$", "&seal="),
        ("&seal=.*", "&seal=%C3%A9%FF"),
    ],
)
@pytest.mark.scenario("A10", carrier="plivo")
def test_a_link_that_was_changed_is_not_believed_under_version_2(part: str, other: str) -> None:
    url = re.sub(part, other, link(LINKS.heard(CALL, HERE)))
    with pytest.raises(SignatureError, match="not one of ours"):
        verified_v2(url, REQUESTS["getinput-speech"])


def test_another_accounts_seal_is_not_ours() -> None:
    other = PlivoLinks(CallLinks(BASE), "another token")
    with pytest.raises(SignatureError):
        verified_v2(link(other.status(CALL)), REQUESTS["ring"])
    assert TOKEN not in repr(SEAL)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (REQUESTS["ring"], REQUESTS["hangup-completed"]),
        (REQUESTS["ring"], changed("hangup-completed", RequestUUID="another")),
        (changed("getinput-speech", Speech=""), changed("getinput-speech", Speech="Pay them.")),
        (REQUESTS["getinput-speech"], changed("getinput-speech", CallStatus="completed")),
        (REQUESTS["getinput-speech"], changed("getinput-speech", Speech="Pay them.")),
    ],
)
@pytest.mark.parametrize("target", [STATUS, HEARD])
@pytest.mark.scenario("A10", carrier="plivo")
def test_a_nonce_counts_once_whatever_is_sent_with_it(
    target: LinkTarget, first: dict[str, str], again: dict[str, str]
) -> None:
    call = Playbook.answered().record
    for params, expected_effect in ((first, True), (again, False)):
        before = call
        for envelope in read(target, params, nonce="12345").envelopes:
            assert envelope.occurrence is not None
            assert envelope.event is not None
            call = decide(call, envelope.event, 2_000_000_000.0, envelope.occurrence).record
        assert (call != before) is expected_effect


@pytest.mark.parametrize("policy_sees", [REQUESTS["answer-inbound"], REQUESTS["answer-outbound"]])
@pytest.mark.scenario("A1", "F96", carrier="plivo")
def test_who_calls_is_not_believed_under_version_2(policy_sees: dict[str, str]) -> None:
    webhook = verified_v2(BASE, policy_sees)
    [envelope] = read_webhook(webhook).envelopes
    assert envelope.offer is not None
    assert envelope.offer.from_number == ""
    assert envelope.offer.direction is Direction.INBOUND
    assert envelope.event is None


@pytest.mark.parametrize("target", [BARE, NUMBER_STATUS])
def test_an_end_that_names_no_sealed_call_is_not_believed_under_version_2(
    target: LinkTarget,
) -> None:
    reading = read(target, REQUESTS["hangup-completed"], nonce="12345")
    assert reading.envelopes == (Envelope(UUID, event=None),)
    assert not reading.asks


# --- verifying and decoding


def signed_v3(url: str, params: Mapping[str, str]) -> WebhookRequest:
    signature = compute_v3(TOKEN, url, list(params.items()), "77")
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": "77"}
    return post(url, params, headers)


def test_the_link_is_read_from_the_url_that_was_signed() -> None:
    url = link(LINKS.step(CALL, HERE))
    request = signed_v3(url, REQUESTS["answer-outbound"])
    webhook = verify_webhook(request, TOKEN, ["https://other.example/x", url], SEAL)
    assert webhook == VerifiedWebhook(STEP, REQUESTS["answer-outbound"])


def test_a_get_brings_everything_in_its_query() -> None:
    url = f"{link(LINKS.status(CALL))}&{urlencode(REQUESTS['ring'])}"
    headers = {
        "x-plivo-signature-v3": compute_v3(TOKEN, url, None, "77"),
        "x-plivo-signature-v3-nonce": "77",
    }
    request = WebhookRequest("GET", "/", headers, b"", "192.0.2.1")
    webhook = verify_webhook(request, TOKEN, [url], SEAL)
    assert events(read_webhook(webhook)) == [LineRinging(UUID)]


@pytest.mark.parametrize(
    "request_",
    [
        WebhookRequest("PUT", "/", {}, b"", "192.0.2.1"),
        WebhookRequest("POST", "/", {"content-type": "application/json"}, b"{}", "192.0.2.1"),
        WebhookRequest("POST", "/", {}, b"a=1", "192.0.2.1"),
        WebhookRequest(
            "POST",
            "/",
            {"content-type": "application/x-www-form-urlencoded"},
            b"&".join([b"a=1"] * (MAX_PARAMETERS + 1)),
            "192.0.2.1",
        ),
    ],
)
def test_what_plivo_does_not_send_is_refused(request_: WebhookRequest) -> None:
    with pytest.raises(SignatureError):
        verify_webhook(request_, TOKEN, [BASE], SEAL)
    with pytest.raises(WebhookMalformed):
        trust_webhook(request_)


def test_what_is_not_utf8_is_malformed() -> None:
    with pytest.raises(WebhookMalformed, match="UTF-8"):
        trust_webhook(
            WebhookRequest(
                "POST",
                "/",
                {"content-type": "application/x-www-form-urlencoded"},
                b"CallUUID=%FF",
                "192.0.2.1",
            )
        )


@given(
    st.sampled_from([STEP, HEARD, STATUS, FALLBACK, BARE, NUMBER_STATUS]),
    st.dictionaries(
        st.sampled_from(sorted({name for params in REQUESTS.values() for name in params})),
        st.text(max_size=20) | st.sampled_from(["completed", "Hangup", "in-progress", "7011"]),
    ),
    st.none() | st.text(max_size=5),
)
def test_any_fields_are_read_or_malformed(
    target: LinkTarget, params: dict[str, str], nonce: str | None
) -> None:
    try:
        reading = read(target, {"CallUUID": UUID} | params, nonce)
    except WebhookMalformed:
        return
    assert all(each.call_id == target.call_id for each in reading.envelopes)


# --- links


def test_links_are_sealed_and_carry_the_overrides() -> None:
    for url, target in (
        (LINKS.step(CALL, HERE), STEP),
        (LINKS.heard(CALL, HERE), HEARD),
        (LINKS.status(CALL), STATUS),
        (LINKS.fallback(CALL), FALLBACK),
    ):
        bare, _, fragment = url.partition("#")
        assert fragment == "rc=5&rp=ct,rt,5xx"
        assert bare.isascii()
        assert read_link(bare) == target
        assert SEAL.holds(bare)
        assert SEAL.holds(url)


@given(st.text(max_size=80))
def test_any_text_is_a_sealed_link_or_not(url: str) -> None:
    assert not SEAL.holds(f"{url}&x")
