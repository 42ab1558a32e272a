"""Live audio judged: the ear, the voice, and the way of the stream."""

from __future__ import annotations

import pytest

from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.setup import live_checks
from openclaw_voice_call.setup.findings import ProbeResult, Reached, SpeechFindings
from openclaw_voice_call.setup.report import Check, Level

STREAM = "wss://voice.example.com/voice/stream"


def config(**section: object) -> VoiceCallConfig:
    parsed = parse_config({"provider": "twilio", "streaming": {"enabled": True}, **section}, {})
    assert parsed.config is not None, parsed.problems
    return parsed.config


def level(found: list[Check]) -> list[tuple[str, str]]:
    for check in found:
        assert check.level is not Level.FAIL or check.remedy, check
    return [(check.id, check.level.value) for check in found]


@pytest.mark.scenario("F4")
def test_live_audio_needs_an_ear_and_a_voice() -> None:
    whole = SpeechFindings("openai", None, ["openai", "elevenlabs", "espeak"], None)
    heard, spoken = live_checks.speech(whole)
    assert level([heard, spoken]) == [("speech", "ok"), ("speech", "ok")]
    assert heard.message == "openai recognises speech on live calls"
    expected = "openai speaks first on live calls, elevenlabs and espeak after it"
    assert spoken.message == expected
    deaf = whole._replace(recogniser_problem="a key is required")
    assert level(list(live_checks.speech(deaf))) == [("speech", "fail"), ("speech", "ok")]
    mute = whole._replace(voices=[], voice_problem="nobody can speak")
    assert level(list(live_checks.speech(mute))) == [("speech", "ok"), ("speech", "fail")]
    limping = whole._replace(voices=["espeak"], voice_warnings=["openai cannot speak: no key"])
    assert level(list(live_checks.speech(limping))) == [
        ("speech", "ok"),
        ("speech", "warn"),
        ("speech", "ok"),
    ]


def test_without_live_audio_nothing_of_it_is_needed() -> None:
    assert level(list(live_checks.speech(None))) == [("speech", "ok")]
    assert list(live_checks.exposed(config(), None)) == []
    assert list(live_checks.reachable(None, None)) == []


@pytest.mark.scenario("F80")
@pytest.mark.parametrize(
    ("url", "out_there", "in_a_lab"),
    [
        (STREAM, "ok", "ok"),
        ("wss://192.168.1.5/voice/stream", "fail", "ok"),
        ("wss://localhost:3334/voice/stream", "fail", "ok"),
        ("ws://voice.example.com/voice/stream", "fail", "warn"),
    ],
)
def test_a_stream_url_must_be_where_the_carrier_is_and_encrypted(
    url: str, out_there: str, in_a_lab: str
) -> None:
    assert level(list(live_checks.exposed(config(), url))) == [("stream-exposure", out_there)]
    local = config(twilio={"baseUrl": "http://127.0.0.1:9"})
    assert level(list(live_checks.exposed(local, url))) == [("stream-exposure", in_a_lab)]
    mock = config(provider="mock")
    assert level(list(live_checks.exposed(mock, url))) == [("stream-exposure", "ok")]


@pytest.mark.parametrize(
    ("result", "expected", "said"),
    [
        (None, "warn", "not tried"),
        (ProbeResult(Reached.OURSELVES), "ok", "reaches this gateway"),
        (ProbeResult(Reached.NO_UPGRADE), "fail", "but not as a websocket"),
        (ProbeResult(Reached.ANOTHER, "HTTP 404"), "fail", "somebody else (HTTP 404)"),
        (ProbeResult(Reached.REDIRECT, "HTTP 301"), "fail", "redirects (HTTP 301)"),
        (ProbeResult(Reached.NOBODY, "refused"), "fail", "cannot be reached from here: refused"),
    ],
)
def test_who_answers_at_the_stream_url(
    result: ProbeResult | None, expected: str, said: str
) -> None:
    (found,) = live_checks.reachable(result, STREAM)
    assert level([found]) == [("stream-reach", expected)]
    assert said in found.message
