"""What Telnyx's events mean: a table over one of each kind, and rules for all bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.opening import InboundPolicy, admit_inbound
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, EndReason
from openclaw_voice_call.carriers.telnyx.state import (
    LONGEST,
    ClientState,
    decode_state,
    encode_state,
)
from openclaw_voice_call.carriers.telnyx.webhook import (
    END_REASONS,
    read_webhook,
    trust_webhook,
)
from openclaw_voice_call.errors import WebhookMalformed
from openclaw_voice_call.interfaces.carrier import (
    Envelope,
    InboundOffer,
    Reading,
    WebhookRequest,
)

CALL = CallId("3f0c3c1e-0000-4000-8000-000000000001")
LEG = CarrierCallId("v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg")
DIALLED = ClientState(CALL, "dial")
STREAM = "wss://voice.example.org/voice/stream/call-1/2/secret"
SAYING = ClientState(CALL, "say", script=3, step=0, utterance=7)
LISTENING = ClientState(CALL, "listen", script=3, step=1)


def example(name: str) -> dict[str, object]:
    text = (Path(__file__).parent / "data" / "events.json").read_text("utf-8")
    return json.loads(text)["events"][name]


def read(body: Mapping[str, object]) -> Reading:
    request = WebhookRequest("POST", "/voice/webhook", {}, msgspec.json.encode(body), "192.0.2.1")
    return read_webhook(trust_webhook(request))


def told(name: str, state: ClientState | str | None = None, **payload: object) -> Envelope | None:
    """What the example says when its payload has these fields."""
    body = example(name)
    data = cast("dict[str, object]", body["data"])
    fields = cast("dict[str, object]", data["payload"])
    fields["client_state"] = encode_state(state) if isinstance(state, ClientState) else state
    fields |= payload
    reading = read(body)
    assert not reading.asks
    assert len(reading.envelopes) <= 1
    return reading.envelopes[0] if reading.envelopes else None


def event(name: str, state: ClientState | None = None, **payload: object) -> ev.CallEvent | None:
    envelope = told(name, state, **payload)
    return None if envelope is None else envelope.event


@pytest.mark.parametrize(
    ("name", "state", "meant"),
    [
        ("initiated-outgoing", DIALLED, ev.LineRinging(LEG)),
        ("answered", DIALLED, ev.LineAnswered(LEG)),
        ("speak-started", SAYING, None),
        ("speak-ended", SAYING, ev.UtterancePlayed(7)),
        ("speak-ended", LISTENING, None),
        ("speak-ended", None, None),
        ("speak-ended-hangup", SAYING, None),
        ("transcription-interim", LISTENING, None),
        (
            "transcription-final",
            LISTENING,
            ev.Heard("hello there", 3, confidence=0.977, continuous=True),
        ),
        ("transcription-final-bare", LISTENING, ev.Heard("hello there", 3, continuous=True)),
        ("dtmf", LISTENING, ev.KeyPressed("5", 3)),
        (
            "hangup-normal",
            SAYING,
            ev.LineEnded(EndReason.COMPLETED, None, LEG),
        ),
        (
            "hangup-busy",
            DIALLED,
            ev.LineEnded(EndReason.BUSY, "Telnyx: user_busy, SIP 486", LEG),
        ),
        (
            "hangup-timeout",
            DIALLED,
            ev.LineEnded(EndReason.NO_ANSWER, "Telnyx: timeout, SIP 487", LEG),
        ),
        ("bridged", SAYING, None),
        ("playback-started", SAYING, None),
        ("playback-ended", SAYING, None),
        ("gather-valid", LISTENING, None),
        ("gather-timeout", LISTENING, None),
        ("amd-human", DIALLED, None),
        ("streaming-started", SAYING, None),
        ("streaming-stopped", SAYING, None),
        ("streaming-failed", SAYING, ev.StreamFailed("Telnyx: connection_failed")),
    ],
)
def test_the_meaning_of_each_event(
    name: str, state: ClientState | None, meant: ev.CallEvent | None
) -> None:
    assert event(name, state) == meant


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        (
            {"stream_params": {"stream_url": STREAM}},
            ev.StreamFailed("Telnyx: connection_failed", 2),
        ),
        ({"stream_params": None}, ev.StreamFailed("Telnyx: connection_failed")),
        (
            {"failure_reason": f"cannot reach {STREAM}"},
            ev.StreamFailed("Telnyx: the stream has failed"),
        ),
        ({"failure_reason": None}, ev.StreamFailed("Telnyx: the stream has failed")),
    ],
)
def test_a_stream_that_fails_says_which_and_shows_no_token(
    payload: Mapping[str, object], meant: ev.StreamFailed
) -> None:
    assert event("streaming-failed", None, **payload) == meant


def test_every_example_is_read_or_acknowledged() -> None:
    text = (Path(__file__).parent / "data" / "events.json").read_text("utf-8")
    for body in json.loads(text)["events"].values():
        assert not read(body).asks


@pytest.mark.scenario("A7", carrier="telnyx")
def test_an_event_names_its_occurrence_call_leg_and_time() -> None:
    envelope = told("answered", DIALLED)
    assert envelope is not None
    assert envelope.occurrence == "0ccc7b54-4df3-4bca-a65a-000000000003"
    assert envelope.call_id == CALL
    assert envelope.carrier_call_id == LEG
    assert envelope.occurred_at == 1_771_200_003.0


# --- legs that begin


@pytest.mark.scenario("F10", carrier="telnyx")
def test_a_call_that_comes_in_is_an_offer() -> None:
    envelope = told("initiated-incoming")
    assert envelope is not None
    assert envelope.event is None
    assert envelope.call_id is None
    assert envelope.offer == InboundOffer(LEG, "+15550001111", "+15550002222", Direction.INBOUND)


@pytest.mark.scenario("F23", carrier="telnyx")
@pytest.mark.parametrize("state", [None, "aGF2ZSBhIG5pY2UgZGF5ID1d"])
def test_a_leg_placed_with_the_api_by_others_is_outbound(state: str | None) -> None:
    envelope = told("initiated-outgoing", state)
    assert envelope is not None
    assert envelope.offer is not None
    assert envelope.offer.direction is Direction.OUTBOUND


@pytest.mark.parametrize("direction", [None, "", "inbound", "sideways"])
def test_only_outgoing_escapes_the_inbound_policy(direction: str | None) -> None:
    envelope = told("initiated-incoming", direction=direction)
    assert envelope is not None
    assert envelope.offer is not None
    assert envelope.offer.direction is Direction.INBOUND


@pytest.mark.scenario("A1", carrier="telnyx")
@pytest.mark.parametrize(
    ("shown", "admitted"),
    [
        ("+15550001234", True),
        ("+1 555-000-1234", True),
        ("", False),
        (None, False),
        ("anonymous", False),
        ("Restricted", False),
        ("+99915550001234", False),
        ("5550001234", False),
        ("sip:+15550001234@198.51.100.7", False),
        ("sip:anonymous@anonymous.invalid", False),
    ],
)
def test_who_is_admitted_by_an_allowlist(shown: str | None, admitted: bool) -> None:
    envelope = told("initiated-incoming", **{"from": shown})
    assert envelope is not None
    assert envelope.offer is not None
    caller = envelope.offer.from_number
    refusal = admit_inbound(InboundPolicy.ALLOWLIST, ["+15550001234"], caller)
    assert (refusal is None) is admitted


# --- legs that end


@pytest.mark.parametrize(
    ("cause", "sip", "reason"),
    [
        ("normal_clearing", "200", EndReason.COMPLETED),
        ("timeout", "487", EndReason.NO_ANSWER),
        ("no_answer", "480", EndReason.NO_ANSWER),
        ("user_busy", "486", EndReason.BUSY),
        ("time_limit", "200", EndReason.TIMEOUT),
        ("call_rejected", "603", EndReason.BUSY),
        ("call_rejected", "486", EndReason.BUSY),
        ("call_rejected", "403", EndReason.FAILED),
        ("not_found", "404", EndReason.FAILED),
        ("unspecified", "480", EndReason.NO_ANSWER),
        ("unspecified", "503", EndReason.FAILED),
        ("unspecified", None, EndReason.FAILED),
        ("something_new", "200", EndReason.FAILED),
        (None, None, EndReason.FAILED),
        ("unspecified", 486, EndReason.BUSY),
    ],
)
def test_why_a_leg_ended(cause: str | None, sip: str | int | None, reason: EndReason) -> None:
    ended = event("hangup-busy", DIALLED, hangup_cause=cause, sip_hangup_cause=sip)
    assert isinstance(ended, ev.LineEnded)
    assert ended.reason is reason


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (DIALLED, EndReason.HANGUP_BOT),
        (None, EndReason.HANGUP_USER),
        (ClientState(CALL, "answer"), EndReason.HANGUP_USER),
    ],
    ids=["our call", "their call", "their call, being answered"],
)
def test_whoever_placed_the_call_took_it_back(state: ClientState | None, reason: EndReason) -> None:
    ended = event("hangup-busy", state, hangup_cause="originator_cancel", sip_hangup_cause="487")
    assert ended == ev.LineEnded(reason, "Telnyx: originator_cancel, SIP 487", LEG)


def test_every_cause_of_the_specification_is_known() -> None:
    told_apart = {"call_rejected", "not_found", "unspecified"}
    assert END_REASONS.keys() | told_apart == {
        "call_rejected",
        "normal_clearing",
        "originator_cancel",
        "timeout",
        "time_limit",
        "user_busy",
        "not_found",
        "no_answer",
        "unspecified",
    }


def test_a_detail_shows_nothing_but_causes() -> None:
    ended = event("hangup-busy", hangup_cause="<b>\n", sip_hangup_cause="486 Busy +15550001234")
    assert ended == ev.LineEnded(EndReason.FAILED, None, LEG)


# --- speech


@pytest.mark.scenario("F12", carrier="telnyx")
@pytest.mark.parametrize("state", [None, "", "Y2FsbF8x", "not base64", "e30="])
def test_words_without_a_state_of_ours_are_attributed_by_the_leg(state: str | None) -> None:
    envelope = told("transcription-final", state)
    assert envelope is not None
    assert envelope.call_id is None
    assert envelope.carrier_call_id == LEG
    assert envelope.event == ev.Heard("hello there", None, confidence=0.977, continuous=True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"transcript": "yes", "is_final": True}, "yes"),
        ({"transcript": "  yes \n", "is_final": True, "confidence": None}, "yes"),
        ({"transcript": "yes"}, "yes"),
        ({"transcript": "yes", "is_final": None}, "yes"),
        ({"transcript": "ye", "is_final": False}, None),
        ({"transcript": " ", "is_final": True}, None),
        ({"transcript": None, "is_final": True}, None),
        ({"is_final": True}, None),
        ({"transcript": "we said it", "is_final": True, "transcription_track": "outbound"}, None),
        (None, None),
    ],
)
def test_only_final_words_of_the_other_party_are_heard(
    data: Mapping[str, object] | None, text: str | None
) -> None:
    heard = event("transcription-final", LISTENING, transcription_data=data)
    assert (heard.text if isinstance(heard, ev.Heard) else None) == text


@pytest.mark.parametrize("confidence", [-0.1, 1.1, 1e308])
def test_a_confidence_that_is_none_is_left_out(confidence: float) -> None:
    data = {"transcript": "yes", "is_final": True, "confidence": confidence}
    heard = event("transcription-final", LISTENING, transcription_data=data)
    assert heard == ev.Heard("yes", 3, continuous=True)


@pytest.mark.parametrize("digit", ["", "12", "x", "\u0665", None, "#\n"])
def test_what_is_no_key_is_not_pressed(digit: str | None) -> None:
    assert event("dtmf", LISTENING, digit=digit) is None


@pytest.mark.parametrize("status", ["cancelled", "cancelled_amd", "failed"])
def test_a_sentence_that_was_stopped_is_over(status: str) -> None:
    assert event("speak-ended", SAYING, status=status) == ev.UtteranceInterrupted(7, "")


# --- client states


_texts = st.text(max_size=40)
_numbers = st.none() | st.integers(0, 2**53)


@given(st.builds(ClientState, _texts, _texts, _numbers, _numbers, _numbers))
def test_a_state_survives_its_journey(state: ClientState) -> None:
    assert decode_state(encode_state(state)) == state


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_any_other_text_is_no_state(text: str) -> None:
    assert decode_state(text) is None


def test_a_state_is_bounded() -> None:
    assert decode_state(encode_state(ClientState("c" * LONGEST, "dial"))) is None


# --- all bodies


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": {"event_type": "call.answered"}},
        {"event_type": "call.answered", "payload": {}},
        {"data": {"event_type": "call.answered", "id": "1", "payload": {}}},
        {"data": {"event_type": "call.answered", "id": "", "payload": {"call_control_id": "v3"}}},
        {"data": {"event_type": "call.answered", "id": "1", "payload": {"call_control_id": ""}}},
        {
            "data": {
                "event_type": "call.answered",
                "id": "1",
                "payload": {"call_control_id": "v" * 500},
            }
        },
        {"data": {"event_type": "call.answered", "id": "1", "payload": []}},
    ],
)
def test_what_is_no_event_is_malformed(body: Mapping[str, object]) -> None:
    with pytest.raises(WebhookMalformed):
        read(body)


def test_an_event_that_is_not_known_is_acknowledged() -> None:
    body = {"data": {"event_type": "message.received", "id": "1", "payload": {"text": "hi"}}}
    assert read(body) == Reading((), asks=False)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_fields = st.sampled_from(
    [
        "call_control_id",
        "client_state",
        "direction",
        "from",
        "to",
        "status",
        "digit",
        "hangup_cause",
        "sip_hangup_cause",
        "transcription_data",
    ]
)
_types = st.sampled_from(
    [
        "call.initiated",
        "call.answered",
        "call.hangup",
        "call.speak.ended",
        "call.transcription",
        "call.dtmf.received",
        "call.cost",
    ]
)


@given(_types, st.dictionaries(_fields, _json), st.booleans())
def test_any_event_is_read_or_malformed(
    event_type: str, payload: dict[str, object], named: bool
) -> None:
    if named:
        payload["call_control_id"] = LEG
    body = {"data": {"event_type": event_type, "id": "an-id", "payload": payload}}
    try:
        reading = read(body)
    except WebhookMalformed:
        return
    for envelope in reading.envelopes:
        assert envelope.carrier_call_id
        assert envelope.occurrence == "an-id"
        assert (envelope.event is None) != (envelope.offer is None)
