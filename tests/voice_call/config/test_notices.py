"""What is said at start about a section that is valid."""

from collections.abc import Mapping

import pytest

from openclaw_voice_call.config.notices import inactive, risks
from openclaw_voice_call.config.parse import parse_config

BASE = "plugins.entries.voice-call.config"


def said(raw: Mapping[str, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    config = parse_config(raw, {}).config
    assert config is not None
    return inactive(config), risks(config)


def test_an_ordinary_section_is_silent() -> None:
    ordinary = {
        "provider": "twilio",
        "publicUrl": "https://voice.example.com/voice/webhook",
        "inboundPolicy": "allowlist",
        "allowFrom": ["+15550001111"],
        "webhookSecurity": {"trustForwardingHeaders": True, "allowedHosts": ["voice.example.com"]},
    }
    assert said(ordinary) == ((), ())
    assert said({"provider": "mock", "publicUrl": "http://127.0.0.1:3334/x"}) == ((), ())


def test_what_has_no_effect_is_said() -> None:
    live = {"streaming": {"enabled": True}, "tts": {"provider": "openai"}}
    assert said(live) == ((), ())
    (text,), dangers = said({**live, "stt": {"model": "whisper-1"}})
    assert text.startswith(f"{BASE}.stt: has no effect")
    assert dangers == ()


def test_recording_without_live_audio_is_said() -> None:
    recording = {"recording": {"enabled": True}}
    assert said({**recording, "streaming": {"enabled": True}}) == ((), ())
    (text,), _ = said(recording)
    assert text.startswith(f"{BASE}.recording.enabled: has no effect; only live audio is recorded")


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"skipSignatureVerification": True}, "skipSignatureVerification: webhooks are NOT"),
        (
            {"webhookSecurity": {"trustForwardingHeaders": True}},
            "webhookSecurity.trustForwardingHeaders: any sender",
        ),
        ({"inboundPolicy": "open"}, "inboundPolicy: open lets everybody"),
        ({"inboundPolicy": "allowlist"}, "allowFrom: empty, so the policy allowlist admits nobody"),
        ({"allowFrom": ["+15550001111", "+1555000"]}, "allowFrom[1]: no phone number"),
    ],
)
def test_an_open_door_is_said_loudly(raw: Mapping[str, object], line: str) -> None:
    waiting, (text,) = said({"provider": "twilio", **raw})
    assert text.startswith(f"{BASE}.{line}")
    assert waiting == ()
