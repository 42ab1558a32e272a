"""ElevenLabs' streaming endpoint, `POST /v1/text-to-speech/{voice_id}/stream`. Pure.

Source: ElevenLabs' API reference, "Stream speech".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from pydantic import SecretStr

from openclaw_voice_call.audio.formats import PCM_24K, TELEPHONY, Encoding, RawFormat
from openclaw_voice_call.config.speech import ElevenLabsTts
from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.http_voice import (
    AudioForm,
    HttpVoiceMaker,
    SpeechRequest,
    Told,
)
from openclaw_voice_call.speech.voice_setup import Unusable, VoiceSources, read_settings

ROOT: Final = "https://api.elevenlabs.io"
MODEL: Final = "eleven_flash_v2_5"
VOICE_ID: Final = "pMsXgVXv3BLzUgSXRplE"
FORMS: Final = (
    AudioForm("ulaw_8000", TELEPHONY),
    AudioForm("pcm_24000", PCM_24K),
    AudioForm("pcm_16000", RawFormat(Encoding.S16, 16_000)),
)
"""The first needs no conversion. Plans differ in what they include."""


@dataclass(frozen=True, slots=True)
class ElevenLabsDialect:
    """Implements `SpeechDialect`."""

    key: SecretStr
    root: str = ROOT
    voice_id: str = VOICE_ID
    model: str = MODEL
    language: str | None = None
    """ISO 639-1; None: the model finds out from the text, which the call's language is not proof
    of. Models other than those of version 2.5 refuse one, so only their owner gives it."""
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    """Further fields of the request."""
    name: Literal["elevenlabs"] = "elevenlabs"

    @property
    def forms(self) -> Sequence[AudioForm]:
        return FORMS

    @property
    def hidden(self) -> Sequence[str]:
        return (self.key.get_secret_value(),)

    def request(self, order: SpeechOrder, form: AudioForm) -> SpeechRequest:
        voice = quote(order.voice or self.voice_id, safe="")
        body: dict[str, object] = {"text": order.text, "model_id": self.model, **self.options}
        if self.language is not None:
            body["language_code"] = self.language
        return SpeechRequest(
            f"{self.root}/v1/text-to-speech/{voice}/stream?output_format={form.name}",
            {"xi-api-key": self.key.get_secret_value()},
            body,
        )

    def told(self, body: bytes) -> Told:
        try:
            detail = msgspec.json.decode(body, type=_Refusal).detail
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Told()
        match detail:
            case str():
                return Told(detail)
            case _Detail():
                return Told(detail.message or "", detail.status or detail.code, detail.param or "")
            case [first, *_]:
                return Told(first.msg or "", first.type, str(first.loc[-1]) if first.loc else "")
            case _:
                return Told()

    def refuses_form(self, status: int, told: Told) -> bool:
        said = (told.about, told.code or "", told.text)
        return status in (400, 403, 422) and any("output_format" in each for each in said)


class ElevenLabsVoices:
    """Implements `VoiceVendor`."""

    id: Literal["elevenlabs"] = "elevenlabs"
    stands_in = True

    def set_up(self, raw: Mapping[str, object], sources: VoiceSources) -> HttpVoiceMaker | Unusable:
        settings = read_settings(ElevenLabsTts, raw)
        if isinstance(settings, Unusable):
            return settings
        key = sources.secret(self.id, "apiKey", settings.api_key)
        if key is None:
            return sources.no_key(self.id, settings.api_key)
        root = sources.value(self.id, "baseUrl", settings.base_url) or ROOT
        return HttpVoiceMaker(
            ElevenLabsDialect(
                key=key,
                # Older files write the version, newer ones do not.
                root=root.rstrip("/").removesuffix("/v1"),
                voice_id=settings.speaker_voice_id or settings.voice_id or VOICE_ID,
                model=settings.model_id or MODEL,
                language=settings.language_code,
                options=_options(settings),
            ),
            sources.patience,
        )


def _options(settings: ElevenLabsTts) -> Mapping[str, object]:
    sound = settings.voice_settings
    options = {
        "seed": settings.seed,
        "apply_text_normalization": settings.apply_text_normalization,
        "voice_settings": (sound and sound.model_dump(exclude_none=True)) or None,
    }
    return {name: value for name, value in options.items() if value is not None}


class _Detail(msgspec.Struct):
    status: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None


class _Finding(msgspec.Struct):
    loc: list[str | int] = []
    msg: str | None = None
    type: str | None = None


class _Refusal(msgspec.Struct):
    detail: str | _Detail | list[_Finding] | None = None
