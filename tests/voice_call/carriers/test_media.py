"""What each carrier's media socket says and is told, from its documentation and from nobody."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.mock.media import MockMedia
from openclaw_voice_call.carriers.plivo.media import PlivoMedia
from openclaw_voice_call.carriers.telnyx.media import TelnyxMedia
from openclaw_voice_call.carriers.twilio.media import TwilioMedia
from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import (
    AudioIn,
    KeyIn,
    MarkReached,
    MediaDialect,
    MediaMessage,
    StreamStart,
    StreamStopped,
    StreamTrouble,
)

TWILIO, TELNYX, PLIVO, MOCK = TwilioMedia(), TelnyxMedia(), PlivoMedia(), MockMedia()
DIALECTS = {"twilio": TWILIO, "telnyx": TELNYX, "plivo": PLIVO, "mock": MOCK}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())

FRAME = bytes(range(160))
BASE64 = base64.b64encode(FRAME).decode()

DOCUMENTED: dict[str, dict[str, dict[str, object]]] = json.loads(
    (Path(__file__).parent / "data" / "media.json").read_text()
)

AUDIO, KEPT = AudioIn(FRAME), MarkReached("say:7")
MEANINGS: dict[str, dict[str, MediaMessage]] = {
    "twilio": {
        "connected": None,
        "start": StreamStart(
            "MZ18ad3ab5a668481ce02b83e7395059f0",
            CarrierCallId("CA0123456789abcdef0123456789abcdef"),
            "audio/x-mulaw",
            8000,
            {"token": "call-1/1/abc"},
        ),
        "media": AUDIO,
        "media-outbound": None,
        "dtmf": KeyIn("#"),
        "dtmf-no-key": None,
        "mark": KEPT,
        "stop": StreamStopped(),
        "new": None,
    },
    "telnyx": {
        "connected": None,
        "start": StreamStart(
            "32de0dea-53cb-4b21-89a4-9e1819c043bc", CarrierCallId("v3:leg"), "PCMU", 8000
        ),
        "media": AudioIn(FRAME, 2),
        "media-numbers": AudioIn(FRAME, 3),
        "media-outbound": None,
        "dtmf": KeyIn("1"),
        "mark": KEPT,
        "stop": StreamStopped(),
        "error": StreamTrouble("100004", "invalid_media: not mu-law"),
        "error-short": StreamTrouble("100002", "unknown_error"),
        "new": None,
    },
    "plivo": {
        "start": StreamStart(
            "20170ada-f610-433b-8758-c02a2aab3662",
            CarrierCallId("3e82"),
            "audio/x-mulaw",
            8000,
            {"token": "abc", "call": "1=2"},
        ),
        "media": AUDIO,
        "media-outbound": None,
        "dtmf": KeyIn("5"),
        "played": KEPT,
        "cleared": None,
        "stop": StreamStopped(),
        "stop-reason": StreamStopped("hangup"),
        "new": None,
    },
    "mock": {
        "start": StreamStart("s-1", CarrierCallId("mock-1"), "audio/x-mulaw"),
        "media": AUDIO,
        "dtmf": KeyIn("*"),
        "mark": KEPT,
        "stop": StreamStopped("hung up"),
        "new": None,
    },
}


@pytest.mark.parametrize(
    ("carrier", "name"),
    [(carrier, name) for carrier, messages in DOCUMENTED.items() for name in messages],
)
def test_each_documented_message_has_its_meaning(carrier: str, name: str) -> None:
    message = json.dumps(DOCUMENTED[carrier][name])
    read = DIALECTS[carrier].read
    assert read(message) == read(message.encode()) == MEANINGS[carrier][name]


def test_only_telnyx_reorders() -> None:
    assert [name for name, dialect in DIALECTS.items() if dialect.reorders] == ["telnyx"]


def started(carrier: str, **changed: object) -> dict[str, object]:
    """The carrier's first message, with other details."""
    message = DOCUMENTED[carrier]["start"]
    details = message["start"]
    assert isinstance(details, dict)
    return {**message, "start": {**details, **changed}}


@pytest.mark.parametrize(
    ("encoding", "rate", "served"),
    [
        ("audio/x-mulaw", 8000, True),
        ("audio/x-mulaw;rate=8000", 8000, True),
        ("PCMU", 8000, True),
        ("PCMU", "8000", True),
        ("audio/x-l16", 8000, False),
        ("PCMA", 8000, False),
        ("PCMU", 16_000, False),
        ("", 8000, False),
    ],
)
def test_another_encoding_is_seen_and_not_taken_for_mu_law(
    encoding: str, rate: int | str, served: bool
) -> None:
    form = {"encoding": encoding, "sampleRate": rate, "channels": 1}
    twilio, plivo = started("twilio", mediaFormat=form), started("plivo", mediaFormat=form)
    telnyx = started("telnyx", media_format={"encoding": encoding, "sample_rate": rate})
    for dialect, message in ((TWILIO, twilio), (TELNYX, telnyx), (PLIVO, plivo)):
        start = dialect.read(json.dumps(message))
        assert isinstance(start, StreamStart)
        assert (start.encoding, start.sample_rate) == (encoding, 8000 if served else int(rate))
        assert start.is_mulaw is served


@pytest.mark.parametrize("extra", ["", "{}", "  ", None, {"a": "b"}, 7, "=;=;a"])
def test_extra_headers_only_inform(extra: object) -> None:
    start = PLIVO.read(json.dumps({**started("plivo"), "extra_headers": extra}))
    assert isinstance(start, StreamStart)
    assert "token" not in start.parameters


@every_dialect
@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '"media"',
        '{"event":null}',
        '{"event":7}',
        "[" * 100_000,
        b"\xff\xfe",
        '{"event":"\udc80"}',
        '{"event":"media"}',
        '{"event":"media","media":{}}',
        '{"event":"media","media":{"payload":"A"}}',
        '{"event":"media","media":{"payload":7}}',
        '{"event":"media","media":{"payload":"\\u00e4\\u00f6\\u00fc\\u00df"}}',
        '{"event":"start"}',
        '{"event":"start","start":{}}',
    ],
)
def test_what_is_no_message_is_malformed(dialect: MediaDialect, message: str | bytes) -> None:
    if dialect is MOCK and isinstance(message, str) and message.startswith('{"event":"'):
        # Names that the mock network does not have are of no interest to it.
        message = message.replace('"media"', '"spoken"', 1).replace('"start"', '"began"', 1)
    with pytest.raises(MediaMalformed):
        dialect.read(message)


def test_a_stream_without_an_id_is_malformed() -> None:
    no_stream = {**started("telnyx"), "stream_id": ""}
    no_call, endless = started("twilio", callSid=""), started("plivo", streamId="s" * 1000)
    for dialect, message in ((TELNYX, no_stream), (TWILIO, no_call), (PLIVO, endless)):
        with pytest.raises(MediaMalformed):
            dialect.read(json.dumps(message))


# --- what we say

STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"


@pytest.mark.parametrize(
    ("dialect", "audio", "mark", "clear"),
    [
        (
            TWILIO,
            {"event": "media", "streamSid": STREAM, "media": {"payload": BASE64}},
            {"event": "mark", "streamSid": STREAM, "mark": {"name": "say:7"}},
            {"event": "clear", "streamSid": STREAM},
        ),
        (
            TELNYX,
            {"event": "media", "media": {"payload": BASE64}},
            {"event": "mark", "mark": {"name": "say:7"}},
            {"event": "clear"},
        ),
        (
            PLIVO,
            {
                "event": "playAudio",
                "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": BASE64},
            },
            {"event": "checkpoint", "streamId": STREAM, "name": "say:7"},
            {"event": "clearAudio", "streamId": STREAM},
        ),
        (
            MOCK,
            {"event": "play", "audio": BASE64},
            {"event": "mark", "name": "say:7"},
            {"event": "clear"},
        ),
    ],
)
def test_what_we_say_is_what_the_carrier_documents(
    dialect: MediaDialect,
    audio: dict[str, object],
    mark: dict[str, object],
    clear: dict[str, object],
) -> None:
    assert json.loads(dialect.audio(STREAM, FRAME)) == audio
    assert json.loads(dialect.mark(STREAM, "say:7")) == mark
    assert json.loads(dialect.clear(STREAM)) == clear


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@every_dialect
@given(stream=_TEXT, name=_TEXT, audio=st.binary(max_size=2000))
def test_no_name_breaks_out_of_its_message(
    dialect: MediaDialect, stream: str, name: str, audio: bytes
) -> None:
    marked = json.loads(dialect.mark(stream, name))
    assert name in (marked.get("name"), marked.get("mark", {}).get("name"))
    said = json.loads(dialect.audio(stream, audio))
    payload = said["audio"] if dialect is MOCK else said["media"]["payload"]
    assert base64.b64decode(payload, validate=True) == audio
    named = [
        fields[key]
        for fields in (marked, said, json.loads(dialect.clear(stream)))
        for key in ("streamSid", "streamId")
        if key in fields
    ]
    assert all(each == stream for each in named)


# --- anything else

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_EVENTS = (
    "start media dtmf mark stop error connected playedStream clearedAudio "
    "began spoken pressed reached stopped"
)
_FIELDS = (
    "start media dtmf mark stop payload track chunk name streamSid streamId stream_id digit "
    "audio key leg stream rate encoding extra_headers"
)
_FIELD = st.sampled_from(_FIELDS.split())
_MESSAGES = st.fixed_dictionaries(
    {"event": st.sampled_from(_EVENTS.split())},
    optional={name: _JSON | st.dictionaries(_FIELD, _JSON) for name in _FIELDS.split()},
)


@every_dialect
@given(message=_MESSAGES.map(json.dumps) | _JSON.map(json.dumps) | st.text() | st.binary())
def test_any_message_is_read_or_malformed(dialect: MediaDialect, message: str | bytes) -> None:
    with suppress(MediaMalformed):
        said = dialect.read(message)
        assert not isinstance(said, StreamStart) or said.stream_id
