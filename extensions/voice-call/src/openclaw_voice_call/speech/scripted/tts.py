"""Tones instead of speech: what the scripted recogniser understands. No account, no network."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from openclaw.sdk import Clock
from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.config.speech import ScriptedTts
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.spoken import STALL_S, failed
from openclaw_voice_call.speech.voice_setup import (
    Unusable,
    VoiceParts,
    VoiceSources,
    read_settings,
)

PIECE_BYTES: Final = 200 * BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class ScriptedSettings:
    """Implements `VoiceMaker`."""

    latency_s: float = 0.0
    fault: Literal["refuses", "empty", "stalls", "breaks"] | None = None
    name: Literal["scripted"] = "scripted"

    def build(self, parts: VoiceParts) -> ScriptedVoice:
        return ScriptedVoice(self, parts.clock)


class ScriptedVoices:
    """Implements `VoiceVendor`. It speaks where it was chosen, and then nobody stands in for it: a
    demonstration needs no network, whatever keys the machine has."""

    id: Literal["scripted"] = "scripted"
    stands_in = False

    def set_up(
        self, raw: Mapping[str, object], sources: VoiceSources
    ) -> ScriptedSettings | Unusable:
        settings = read_settings(ScriptedTts, raw)
        if isinstance(settings, Unusable):
            return settings
        return ScriptedSettings(settings.latency_ms / 1000, settings.fault)


class ScriptedVoice:
    """Implements `TextToSpeech`."""

    def __init__(self, settings: ScriptedSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def name(self) -> str:
        return self._settings.name

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        fault = self._settings.fault
        await self._clock.sleep(self._settings.latency_s)
        if fault == "refuses":
            raise failed(self.name, "refuses, as it is told", "refused")
        audio = b"" if fault == "empty" else tone_code.encode(order.text)
        if not audio:
            raise failed(self.name, "gave no audio", "empty")
        until = len(audio) // 2 if fault else len(audio)
        for start in range(0, until, PIECE_BYTES):
            yield audio[start : min(start + PIECE_BYTES, until)]
        if fault == "stalls":
            await self._clock.sleep(STALL_S)
            raise failed(self.name, f"fell silent for {STALL_S:g} s", "stalled", partial=True)
        if fault == "breaks":
            raise failed(self.name, "broke off", "broken", partial=True)

    async def warm_up(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to release."""
