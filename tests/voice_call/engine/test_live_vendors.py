"""Live calls with each vendor's own protocol: recognisers and voices over real sockets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from openclaw_voice_call.call.types import Mode
from tests.emulators.speech.deepgram_stt import DeepgramSttServer
from tests.emulators.speech.elevenlabs_stt import ElevenLabsSttServer
from tests.emulators.speech.elevenlabs_tts import ElevenLabsTtsEmulator
from tests.emulators.speech.openai_stt import OpenAiSttServer
from tests.emulators.speech.openai_tts import OpenAiTtsEmulator
from tests.emulators.speech.stt_server import SttServer
from tests.emulators.speech.tts_server import Refuse, TtsServer
from tests.secrecy import secret
from tests.voice_call.rig import rig

KEY: Final = secret("live-vendors")
ANN: Final = "+15550002001"
EARS: Final[Mapping[str, type[SttServer]]] = {
    "openai": OpenAiSttServer,
    "deepgram": DeepgramSttServer,
    "elevenlabs": ElevenLabsSttServer,
}
ROOTS: Final = {"openai": "/v1", "elevenlabs": ""}
"""What each vendor's `baseUrl` ends in."""
MOUTHS: Final[Mapping[str, type[TtsServer]]] = {
    "openai": OpenAiTtsEmulator,
    "elevenlabs": ElevenLabsTtsEmulator,
}


def config(ear: str, stt: SttServer, mouths: Mapping[str, TtsServer]) -> Mapping[str, object]:
    ann = {"number": ANN, "says": ["Good morning", "Two pizzas please"], "hangUpAfter": 2}
    return {
        "streaming": {
            "enabled": True,
            "provider": ear,
            "silenceDurationMs": 400,
            "providers": {ear: {"apiKey": KEY, "baseUrl": stt.base_url}},
        },
        "tts": {
            "provider": next(iter(mouths)),
            "providers": {
                name: {"apiKey": KEY, "baseUrl": server.url + ROOTS[name]}
                for name, server in mouths.items()
            },
        },
        "mock": {"speed": 1.0, "script": [ann], "voice": "tones"},
    }


@pytest.mark.parametrize(
    ("ear", "mouth"),
    [("openai", "openai"), ("deepgram", "elevenlabs"), ("elevenlabs", "openai")],
)
async def test_a_conversation_over_the_vendors_protocols(
    tmp_path: Path, ear: str, mouth: str
) -> None:
    async with (
        EARS[ear](KEY) as stt,
        MOUTHS[mouth](key=KEY) as tts,
        rig(tmp_path, **config(ear, stt, {mouth: tts})) as gateway,  # pyright: ignore[reportArgumentType]
    ):
        placed = await gateway.service.initiate(
            to=ANN, message="Hello, what would you like?", mode=Mode.CONVERSATION
        )
        ended = await gateway.ended(placed.call_id, 30)
    words = [(entry["speaker"], entry["text"]) for entry in ended["transcript"]]
    assert words[:3] == [
        ("bot", "Hello, what would you like?"),
        ("user", "Good morning"),
        ("bot", "You said: Good morning"),
    ]
    assert ("user", "Two pizzas please") in words
    assert stt.attempts == 1
    assert tts.requests


@pytest.mark.scenario("F37", "F15")
async def test_another_vendor_speaks_when_the_first_one_refuses(tmp_path: Path) -> None:
    async with (
        OpenAiSttServer(KEY) as stt,
        OpenAiTtsEmulator(key=KEY) as first,
        ElevenLabsTtsEmulator(key=KEY) as second,
    ):
        first.will(Refuse(429, {"error": {"message": "slow down", "code": "rate_limit"}}))
        mouths = {"openai": first, "elevenlabs": second}
        async with rig(tmp_path, **config("openai", stt, mouths)) as gateway:  # pyright: ignore[reportArgumentType]
            placed = await gateway.service.initiate(
                to=ANN, message="Hello, what would you like?", mode=Mode.CONVERSATION
            )
            ended = await gateway.ended(placed.call_id, 30)
    assert ended["transcript"][0]["text"] == "Hello, what would you like?"
    assert first.requests
    assert second.requests
