"""OpenAI's speech endpoint, `POST /v1/audio/speech`, and servers that speak like it. Pure.

Source: OpenAI's API reference, "Create speech".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
from pydantic import SecretStr

from openclaw_voice_call.audio.formats import PCM_24K
from openclaw_voice_call.config.speech import OpenAiTts
from openclaw_voice_call.interfaces.speech import NativeVoice, SpeechOrder
from openclaw_voice_call.speech.http_voice import (
    AudioForm,
    HttpVoiceMaker,
    SpeechRequest,
    Told,
)
from openclaw_voice_call.speech.voice_setup import Unusable, VoiceSources, read_settings

ROOT: Final = "https://api.openai.com/v1"
MODEL: Final = "gpt-4o-mini-tts"
VOICE: Final = "alloy"
FORMS: Final = (AudioForm("pcm", PCM_24K), AudioForm("wav", PCM_24K))
"""Some compatible servers have no `pcm`."""
SOUNDS_LIKE: Final[Mapping[str, NativeVoice]] = {
    "alloy": NativeVoice("female"),
    "echo": NativeVoice("male"),
    "fable": NativeVoice("female", "en-GB"),
    "onyx": NativeVoice("male", "en-GB"),
    "nova": NativeVoice("female", number=1),
    "shimmer": NativeVoice("female", number=2),
    "ash": NativeVoice("male"),
    "ballad": NativeVoice("male", "en-GB"),
    "cedar": NativeVoice("male"),
    "coral": NativeVoice("female"),
    "marin": NativeVoice("female"),
    "sage": NativeVoice("female", number=1),
    "verse": NativeVoice("male"),
}
"""What carriers' own voices come near to these, where live audio is off. The first six are the
original's choice."""


@dataclass(frozen=True, slots=True)
class OpenAiDialect:
    """Implements `SpeechDialect`."""

    root: str = ROOT
    key: SecretStr | None = None
    model: str = MODEL
    voice: str = VOICE
    speed: float | None = None
    instructions: str | None = field(default=None, repr=False)
    name: Literal["openai"] = "openai"

    @property
    def forms(self) -> Sequence[AudioForm]:
        return FORMS

    @property
    def hidden(self) -> Sequence[str]:
        return () if self.key is None else (self.key.get_secret_value(),)

    def request(self, order: SpeechOrder, form: AudioForm) -> SpeechRequest:
        body: dict[str, object] = {
            "model": self.model,
            "input": order.text,
            "voice": order.voice or self.voice,
            "response_format": form.name,
        }
        if self.speed is not None:
            body["speed"] = self.speed
        # The tts-1 models refuse instructions.
        if self.instructions and not self.model.startswith("tts-1"):
            body["instructions"] = self.instructions
        headers: dict[str, str] = {}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        return SpeechRequest(f"{self.root}/audio/speech", headers, body)

    def told(self, body: bytes) -> Told:
        try:
            error = msgspec.json.decode(body, type=_Refusal).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Told()
        return Told(error.message or "", error.code or error.type, error.param or "")

    def refuses_form(self, status: int, told: Told) -> bool:
        return status in (400, 422) and "response_format" in (told.about, *told.text.split("'"))


class OpenAiVoices:
    """Implements `VoiceVendor`."""

    id: Literal["openai"] = "openai"
    stands_in = True

    def sounds_like(self, raw: Mapping[str, object]) -> NativeVoice | None:
        settings = read_settings(OpenAiTts, raw)
        if isinstance(settings, Unusable):
            return None
        return SOUNDS_LIKE.get((settings.speaker_voice or settings.voice or "").lower())

    def set_up(self, raw: Mapping[str, object], sources: VoiceSources) -> HttpVoiceMaker | Unusable:
        settings = read_settings(OpenAiTts, raw)
        if isinstance(settings, Unusable):
            return settings
        root = sources.value(self.id, "baseUrl", settings.base_url)
        key = sources.secret(self.id, "apiKey", settings.api_key)
        # A server of one's own needs no key; OpenAI's does.
        if key is None and (root is None or settings.api_key is not None):
            return sources.no_key(self.id, settings.api_key)
        return HttpVoiceMaker(
            OpenAiDialect(
                root=(root or ROOT).rstrip("/"),
                key=key,
                model=settings.model or MODEL,
                voice=settings.speaker_voice or settings.voice or VOICE,
                speed=settings.speed,
                instructions=settings.instructions,
            ),
            sources.patience,
        )


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | None = None


class _Refusal(msgspec.Struct):
    error: _Error
