"""What the recognisers' protocols ask for and how they read answers, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.interfaces.speech import (
    Final,
    ListenOrder,
    Partial,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.speech.deepgram.stt import DeepgramSttProtocol, DeepgramSttSettings
from openclaw_voice_call.speech.elevenlabs.stt import (
    ElevenLabsSttProtocol,
    ElevenLabsSttSettings,
)
from openclaw_voice_call.speech.openai.items import ItemChain
from openclaw_voice_call.speech.openai.stt import OpenAiSttProtocol, OpenAiSttSettings
from openclaw_voice_call.speech.scripted.stt import ScriptedSttProtocol
from openclaw_voice_call.speech.stt_protocol import (
    Ready,
    Settled,
    SttProtocol,
    Trouble,
    Verdict,
    endpoint,
    refusal,
)

ORDER = ListenOrder(language="en-GB", end_silence_ms=650, vad_threshold=0.4)
ZERO = ListenOrder(language="de", end_silence_ms=0, vad_threshold=0.0)
NEW: Sequence[Callable[[], SttProtocol]] = (
    lambda: OpenAiSttProtocol(OpenAiSttSettings(key="k"), ORDER),
    lambda: DeepgramSttProtocol(DeepgramSttSettings(key="k"), ORDER),
    lambda: ElevenLabsSttProtocol(ElevenLabsSttSettings(key="k"), ORDER),
    lambda: ScriptedSttProtocol(ORDER),
)
PROTOCOLS = pytest.mark.parametrize("new", NEW)


def opening(settings: OpenAiSttSettings, order: ListenOrder = ORDER) -> dict[str, object]:
    """What OpenAI is told first."""
    (message,) = OpenAiSttProtocol(settings, order).opening
    return cast("dict[str, object]", json.loads(message))


def query(protocol: SttProtocol) -> dict[str, str]:
    return {key: ",".join(values) for key, values in parse_qs(urlsplit(protocol.url).query).items()}


def test_openai_is_asked_in_its_present_form() -> None:
    protocol = OpenAiSttProtocol(OpenAiSttSettings(key="k"), ORDER)
    assert protocol.url == "wss://api.openai.com/v1/realtime?intent=transcription"
    assert protocol.headers == {"Authorization": "Bearer k"}
    assert opening(OpenAiSttSettings(prompt="Ada", noise_reduction="far_field")) == {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {
                        "model": "gpt-4o-transcribe",
                        "language": "en",
                        "prompt": "Ada",
                    },
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.4,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 650,
                    },
                    "noise_reduction": {"type": "far_field"},
                }
            },
        },
    }


def test_openai_is_asked_in_its_older_form() -> None:
    settings = OpenAiSttSettings(key="k", beta=True, language="auto", noise_reduction="near_field")
    protocol = OpenAiSttProtocol(settings, ORDER)
    assert protocol.headers == {"Authorization": "Bearer k", "OpenAI-Beta": "realtime=v1"}
    assert opening(settings) == {
        "type": "transcription_session.update",
        "session": {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.4,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 650,
            },
            "input_audio_noise_reduction": {"type": "near_field"},
        },
    }


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        (OpenAiSttSettings(end_silence_ms=0, vad_threshold=0.0), ORDER),
        (OpenAiSttSettings(), ZERO),
    ],
)
def test_zero_is_a_value(settings: OpenAiSttSettings, order: ListenOrder) -> None:
    text = json.dumps(opening(settings, order))
    assert '"silence_duration_ms": 0' in text
    assert '"threshold": 0.0' in text


def test_a_server_of_ones_own_is_told_the_model_in_the_url_and_needs_no_key() -> None:
    settings = OpenAiSttSettings(base_url="http://127.0.0.1:8000", model="whisper large")
    protocol = OpenAiSttProtocol(settings, ORDER)
    assert protocol.url == (
        "ws://127.0.0.1:8000/v1/realtime?intent=transcription&model=whisper%20large"
    )
    assert protocol.headers == {}


def test_deepgram_is_asked_in_the_url() -> None:
    settings = DeepgramSttSettings(key="k", keyterms=("Ada & Co", "Bob"))
    protocol = DeepgramSttProtocol(settings, ORDER)
    assert protocol.url.startswith("wss://api.deepgram.com/v1/listen?")
    assert protocol.headers == {"Authorization": "Token k"}
    assert query(protocol) == {
        "model": "nova-3",
        "encoding": "mulaw",
        "sample_rate": "8000",
        "channels": "1",
        "endpointing": "650",
        "utterance_end_ms": "1000",
        "vad_events": "true",
        "punctuate": "true",
        "smart_format": "true",
        "interim_results": "true",
        "language": "en-GB",
        "keyterm": "Ada & Co,Bob",
    }


@pytest.mark.parametrize(
    ("settings", "order", "expected"),
    [
        (DeepgramSttSettings(end_silence_ms=0), ORDER, {"endpointing": "10"}),
        (DeepgramSttSettings(), ZERO, {"endpointing": "10", "utterance_end_ms": "1000"}),
        (DeepgramSttSettings(end_silence_ms=1500), ZERO, {"utterance_end_ms": "1500"}),
        (DeepgramSttSettings(language="auto"), ORDER, {"language": "multi"}),
        (DeepgramSttSettings(language="pt-BR"), ORDER, {"language": "pt-BR"}),
    ],
)
def test_deepgrams_bounds_are_kept(
    settings: DeepgramSttSettings, order: ListenOrder, expected: Mapping[str, str]
) -> None:
    asked = query(DeepgramSttProtocol(settings, order))
    assert {key: asked[key] for key in expected} == expected


def test_elevenlabs_is_asked_in_the_url() -> None:
    settings = ElevenLabsSttSettings(key="k", min_speech_ms=100, min_silence_ms=50)
    protocol = ElevenLabsSttProtocol(settings, ORDER)
    assert protocol.url.startswith("wss://api.elevenlabs.io/v1/speech-to-text/realtime?")
    assert protocol.headers == {"xi-api-key": "k"}
    assert query(protocol) == {
        "model_id": "scribe_v2_realtime",
        "audio_format": "ulaw_8000",
        "commit_strategy": "vad",
        "vad_silence_threshold_secs": "0.65",
        "vad_threshold": "0.4",
        "min_speech_duration_ms": "100",
        "min_silence_duration_ms": "50",
        "language_code": "en",
    }


def test_elevenlabs_bounds_are_kept() -> None:
    asked = query(ElevenLabsSttProtocol(ElevenLabsSttSettings(), ZERO))
    assert (asked["vad_silence_threshold_secs"], asked["vad_threshold"]) == ("0.3", "0.1")
    long = ListenOrder(language="auto", end_silence_ms=60_000, vad_threshold=1.0)
    asked = query(ElevenLabsSttProtocol(ElevenLabsSttSettings(), long))
    assert (asked["vad_silence_threshold_secs"], asked["vad_threshold"]) == ("3", "0.9")
    assert "language_code" not in asked


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.example.com", "wss://api.example.com/v1/realtime"),
        ("https://api.example.com/", "wss://api.example.com/v1/realtime"),
        ("https://api.example.com/v1", "wss://api.example.com/v1/realtime"),
        ("wss://api.example.com/v1/", "wss://api.example.com/v1/realtime"),
        ("http://127.0.0.1:8000/stt/realtime", "ws://127.0.0.1:8000/stt/realtime"),
        ("ws://[::1]:80/prefix", "ws://[::1]:80/prefix/realtime"),
    ],
)
def test_base_urls_become_endpoints(base: str, url: str) -> None:
    assert endpoint(base, "/realtime") == url


@pytest.mark.scenario("F81")
@pytest.mark.parametrize(
    "settings",
    [
        OpenAiSttSettings(key="s3cr3t"),
        DeepgramSttSettings(key="s3cr3t"),
        ElevenLabsSttSettings(key="s3cr3t"),
    ],
)
def test_settings_do_not_show_the_key(settings: object) -> None:
    assert "s3cr3t" not in f"{settings!r} {settings}"


def test_what_a_failed_upgrade_means() -> None:
    assert refusal(401).verdict is Verdict.REFUSED
    assert refusal(429).verdict is Verdict.LOST
    assert refusal(500) == Trouble("http_500", "the connection was refused (HTTP 500)")
    deepgram = NEW[1]()
    detail = deepgram.refused(400, {"dg-error": "Bad Request: model\nnova-99"}).detail
    assert detail == "the connection was refused (HTTP 400): Bad Request: model nova-99"
    assert "abc" not in deepgram.refused(401, {"dg-error": "bad key abc"}).detail


EVENTS = st.dictionaries(
    st.sampled_from(
        [
            *("type", "message_type", "text", "item_id", "previous_item_id", "delta"),
            *("transcript", "audio_end_ms", "error", "channel", "start", "duration", "is_final"),
            *("speech_final", "code"),
        ]
    ),
    st.sampled_from(
        [
            "Results",
            "UtteranceEnd",
            "SpeechStarted",
            "Error",
            "session.updated",
            "input_audio_buffer.committed",
            "input_audio_buffer.speech_stopped",
            "conversation.item.input_audio_transcription.completed",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.failed",
            "error",
            "partial_transcript",
            "committed_transcript",
            "auth_error",
            "new_error",
        ]
    )
    | st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.integers()
    | st.text(max_size=5)
    | st.just({"alternatives": [{"transcript": "hi"}]})
    | st.just({"message": "m", "code": "invalid_api_key"}),
)


@PROTOCOLS
@given(
    messages=st.lists(st.binary(max_size=30) | st.text(max_size=30) | EVENTS.map(json.dumps)),
)
def test_whatever_comes_reading_gives_readings(
    new: Callable[[], SttProtocol], messages: Sequence[str | bytes]
) -> None:
    protocol = new()
    for message in messages:
        for reading in protocol.read(message):
            if isinstance(reading, Final | Partial):
                assert reading.text.strip()
    protocol.finish_turn()
    assert protocol.audio(b"\xff")


def test_openai_tells_a_configuration_that_is_refused_from_later_complaints() -> None:
    protocol = NEW[0]()
    wrong = {"type": "invalid_request_error", "code": "invalid_value", "message": "no such model"}
    error = json.dumps({"type": "error", "error": wrong})
    (trouble,) = protocol.read(error)
    assert trouble == Trouble("invalid_value", "no such model", Verdict.REFUSED)
    protocol.read('{"type":"session.updated"}')
    (trouble,) = protocol.read(error)
    assert trouble == Trouble("invalid_value", "no such model", Verdict.NOTED)


def test_a_server_of_ones_own_may_complain_and_go_on() -> None:
    protocol = OpenAiSttProtocol(OpenAiSttSettings(base_url="http://127.0.0.1:8000/v1"), ORDER)
    wrong = {"type": "invalid_request_error", "message": "turn_detection.prefix_padding_ms"}
    (trouble,) = protocol.read(json.dumps({"type": "error", "error": wrong}))
    assert isinstance(trouble, Trouble)
    assert trouble.verdict is Verdict.NOTED
    assert protocol.read('{"type":"session.updated"}') == (Ready(),)
    prefix = "input_audio_buffer.partial_transcription"
    delta = "conversation.item.input_audio_transcription.delta"
    protocol.read(json.dumps({"type": delta, "item_id": "a", "delta": "ca"}))
    protocol.read(json.dumps({"type": delta, "item_id": "a", "delta": ""}))
    for text in ("call", "call me"):
        event = {"type": prefix, "item_id": "a", "transcript": text}
        assert protocol.read(json.dumps(event)) == (Partial(text),)
    # Its times count from the item's own beginning, so they are not believed.
    stopped = {
        "type": "input_audio_buffer.speech_stopped",
        "item_id": "a",
        "audio_end_ms": 10,
    }
    assert protocol.read(json.dumps(stopped)) == ()
    done = {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "a",
        "transcript": "Call me.",
    }
    assert protocol.read(json.dumps(done)) == (Final("Call me."), Settled(), TurnEnded())


def test_openai_gives_what_was_heard_when_a_text_fails() -> None:
    protocol = NEW[0]()
    prefix = "conversation.item.input_audio_transcription"
    protocol.read(json.dumps({"type": f"{prefix}.delta", "item_id": "a", "delta": "call me"}))
    failed = {"type": f"{prefix}.failed", "item_id": "a", "error": {"code": "audio_unintelligible"}}
    trouble, *rest = protocol.read(json.dumps(failed))
    assert isinstance(trouble, Trouble)
    assert rest[0] == Final("call me")


def test_deepgrams_finals_say_where_their_speech_ended() -> None:
    protocol = NEW[1]()
    results = {
        "type": "Results",
        "start": 1.0,
        "duration": 2.5,
        "is_final": True,
        "channel": {"alternatives": [{"transcript": "so"}]},
    }
    assert protocol.read(json.dumps(results)) == (Final("so"), Settled(3500))
    assert protocol.read(json.dumps(results)) == ()
    assert protocol.read('{"type":"SpeechStarted","channel":[0,1],"timestamp":1.2}') == (
        SpeechStarted(),
    )


ITEMS = [f"item_{place}" for place in range(6)]


@given(
    first=st.permutations(ITEMS[:3]),
    second=st.permutations(ITEMS[3:]),
    doubled=st.lists(st.sampled_from(ITEMS)),
)
def test_items_are_given_in_the_order_of_speech_each_once(
    first: Sequence[str], second: Sequence[str], doubled: Sequence[str]
) -> None:
    chain = ItemChain()
    for previous, item in zip([None, *ITEMS], ITEMS, strict=False):
        chain.committed(item, previous)
    given: list[str] = []
    for item in [*first, *second]:
        given += [text for text, _ in chain.finished(item, item)]
    for item in doubled:
        assert chain.finished(item, item) == []
    assert given == ITEMS
    assert not chain.owes


def test_an_item_whose_text_never_comes_does_not_hold_up_those_behind_it() -> None:
    chain = ItemChain()
    chain.committed("a", None)
    chain.heard("a", "what was ")
    assert chain.heard("a", "heard") == "what was heard"
    chain.committed("b", "a")
    assert chain.finished("b", "second") == []
    assert chain.heard("c", "more") == "what was heard second more"
    assert chain.finished("c", "third") == []
    given = chain.finished("d", "fourth")
    assert [text for text, _ in given] == ["what was heard", "second", "third", "fourth"]
    assert chain.finished("a", "too late") == []


def test_a_committed_item_is_put_behind_the_one_that_it_names() -> None:
    chain = ItemChain()
    chain.committed("a", None)
    chain.heard("c", "third")
    chain.committed("b", "a")
    chain.committed("c", "b")
    assert chain.finished("c", "third") == []
    assert chain.finished("b", "second") == []
    assert [text for text, _ in chain.finished("a", "first")] == ["first", "second", "third"]
