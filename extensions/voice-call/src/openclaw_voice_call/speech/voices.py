"""Who speaks on calls: chosen from the plugin's and the host's settings, and built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from openclaw.sdk import host_tts_settings
from openclaw_voice_call.config.base import BASE_PATH
from openclaw_voice_call.config.speech import TtsConfig
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.interfaces.speech import NativeVoice
from openclaw_voice_call.speech.elevenlabs.tts import ElevenLabsVoices
from openclaw_voice_call.speech.espeak.tts import EspeakVoices
from openclaw_voice_call.speech.openai.tts import OpenAiVoices
from openclaw_voice_call.speech.scripted.tts import ScriptedVoices
from openclaw_voice_call.speech.spoken import Patience
from openclaw_voice_call.speech.voice_chain import VoiceChain
from openclaw_voice_call.speech.voice_setup import (
    Describer,
    Unusable,
    VoiceMaker,
    VoiceParts,
    VoiceSources,
    VoiceVendor,
)

VENDORS: Final[Sequence[VoiceVendor]] = (
    OpenAiVoices(),
    ElevenLabsVoices(),
    EspeakVoices(),
    ScriptedVoices(),
)
"""In the order in which they stand in for each other."""
DESCRIBERS: Final[Sequence[Describer]] = (OpenAiVoices(),)
NOT_FOR_TELEPHONES: Final[Mapping[str, str]] = {
    "microsoft": "microsoft (edge) gives MP3 only, which telephone lines do not carry",
}
"""Vendors that the host knows, and why they do not speak on calls."""
FIRST_AUDIO_MS: Final = 4000


@dataclass(frozen=True, slots=True)
class VoicePlan:
    """Who is to speak. Its repr shows no key."""

    makers: Sequence[VoiceMaker]
    """The preferred one first; empty when nobody can."""
    warnings: Sequence[str] = ()
    """What is ignored or missing, one line each."""
    max_text_length: int | None = None

    @property
    def problem(self) -> str | None:
        """Why live calls would be mute, None when somebody can speak."""
        if self.makers:
            return None
        return (
            f"{BASE_PATH}.tts: nobody can speak on calls; set a key (providers.openai.apiKey or "
            "OPENAI_API_KEY, providers.elevenlabs.apiKey or ELEVENLABS_API_KEY), or install "
            "espeak-ng"
        )


def resolve_voice(
    tts: TtsConfig,
    host_config: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    find_program: Callable[[str], str | None],
) -> VoicePlan:
    """The plugin's `tts` over the host's `messages.tts` and `tts`, and whom that lets speak. Pure.

    The chosen vendor speaks first, and the others that can stand in for it. `find_program` tells
    where a program is, as `shutil.which` does.
    """
    own = tts.model_dump(by_alias=True, exclude_unset=True)
    merged = host_tts_settings(host_config, own)
    providers = _tree(merged.get("providers"))
    patience = Patience(_number(merged.get("timeoutMs"), FIRST_AUDIO_MS) / 1000)
    sources = VoiceSources(environ, find_program, patience)
    chosen = _chosen(merged)
    vendors = sorted(VENDORS, key=lambda vendor: vendor.id != chosen)
    if vendors[0].id == chosen and not vendors[0].stands_in:
        vendors = vendors[:1]
    makers: list[VoiceMaker] = []
    refused: list[str] = []
    for vendor in vendors:
        if vendor.id != chosen and not vendor.stands_in:
            continue
        found = vendor.set_up(_tree(providers.get(vendor.id)), sources)
        if not isinstance(found, Unusable):
            makers.append(found)
        elif vendor.id == chosen or found.wanted:
            refused.append(f"{vendor.id} cannot speak: {found.reason}")
    refused += _not_for_telephones(chosen, _tree(host_tts_settings({}, own).get("providers")))
    instead = f"{makers[0].name} speaks first" if makers else "nobody speaks"
    limit = merged.get("maxTextLength")
    return VoicePlan(
        makers=tuple(makers),
        warnings=tuple(f"{BASE_PATH}.tts: {reason}; {instead} on calls" for reason in refused),
        max_text_length=_number(limit, 0) or None,
    )


def native_voice(tts: TtsConfig, host_config: Mapping[str, object]) -> NativeVoice | None:
    """What a carrier's own voice is to sound like, where live audio is off: like the voice that was
    chosen for the vendor that would speak. None leaves it to the carrier. Pure."""
    merged = host_tts_settings(host_config, tts.model_dump(by_alias=True, exclude_unset=True))
    chosen, providers = _chosen(merged), _tree(merged.get("providers"))
    for vendor in DESCRIBERS:
        if chosen in (None, vendor.id):
            return vendor.sounds_like(_tree(providers.get(vendor.id)))
    return None


def build_voice(plan: VoicePlan, parts: VoiceParts) -> VoiceChain:
    """The voice of all calls. Raises NotConfigured when `plan` has a problem."""
    if plan.problem is not None:
        raise NotConfigured([plan.problem])
    voices = [maker.build(parts) for maker in plan.makers]
    return VoiceChain(voices, parts.clock, max_text_length=plan.max_text_length)


def _chosen(merged: Mapping[str, object]) -> str | None:
    provider = merged.get("provider")
    if not isinstance(provider, str) or not provider:
        return None
    return "microsoft" if provider == "edge" else provider


def _not_for_telephones(chosen: str | None, own: Mapping[str, object]) -> list[str]:
    """Who is asked for on calls, and cannot be had there."""
    known = {vendor.id for vendor in VENDORS}
    asked = [chosen] if chosen is not None and chosen not in known else []
    asked += [vendor for vendor in own if vendor in NOT_FOR_TELEPHONES and vendor != chosen]
    return [
        NOT_FOR_TELEPHONES.get(vendor, f"{vendor} has no telephone output here") for vendor in asked
    ]


def _tree(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
