"""Text to speech: `messages.tts` and its successor, the top-level `tts`.

The older shape has a block per vendor beside the settings (`openai`, `elevenlabs`, `edge`), the
newer one `providers.<id>`. Both are read; where both speak, the newer one wins.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SecretStr

from openclaw.config.model_base import NonEmpty, PositiveInt, Section, SharedSection
from openclaw.config.tree import Tree, deep_merge, is_tree

Unit = Annotated[float, Field(ge=0, le=1)]


class OpenAiVoice(SharedSection):
    """OpenAI's speech endpoint, or one that speaks like it."""

    api_key: SecretStr | None = None
    base_url: NonEmpty | None = None
    model: NonEmpty | None = None
    voice: NonEmpty | None = None
    speaker_voice: NonEmpty | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    instructions: str | None = None


class ElevenLabsVoiceSettings(Section):
    """How an ElevenLabs voice sounds."""

    stability: Unit | None = None
    similarity_boost: Unit | None = None
    style: Unit | None = None
    use_speaker_boost: bool | None = None
    speed: Annotated[float, Field(ge=0.5, le=2)] | None = None


class ElevenLabsVoice(SharedSection):
    """ElevenLabs."""

    api_key: SecretStr | None = None
    base_url: NonEmpty | None = None
    voice_id: NonEmpty | None = None
    speaker_voice_id: NonEmpty | None = None
    model_id: NonEmpty | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    language_code: str | None = None
    voice_settings: ElevenLabsVoiceSettings | None = None


class EdgeVoice(SharedSection):
    """Microsoft Edge's voices. They do not serve telephony; the block is checked and kept."""

    enabled: bool | None = None
    voice: str | None = None
    lang: str | None = None
    output_format: str | None = None
    pitch: str | None = None
    rate: str | None = None
    volume: str | None = None
    save_subtitles: bool | None = None
    proxy: str | None = None
    timeout_ms: PositiveInt | None = None


class ModelOverrides(Section):
    """What a model may change in its own reply's speech."""

    enabled: bool | None = None
    allow_text: bool | None = None
    allow_provider: bool | None = None
    allow_voice: bool | None = None
    allow_model_id: bool | None = None
    allow_voice_settings: bool | None = None
    allow_normalization: bool | None = None
    allow_seed: bool | None = None


class TtsProviders(SharedSection):
    """`providers.<id>`: the vendors whose settings are known here; others are kept as they are."""

    model_config = ConfigDict(extra="allow")

    openai: OpenAiVoice | None = None
    elevenlabs: ElevenLabsVoice | None = None
    microsoft: EdgeVoice | None = None
    edge: EdgeVoice | None = None

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        # The settings of unknown vendors are raw and may hold keys.
        return ((name, getattr(self, name)) for name in type(self).model_fields)


class TtsConfig(Section):
    """Text to speech."""

    auto: Literal["off", "always", "inbound", "tagged"] | None = None
    enabled: bool | None = None
    mode: Literal["final", "all"] | None = None
    provider: NonEmpty | None = None
    persona: str | None = None
    personas: Mapping[str, object] | None = None
    summary_model: str | None = None
    model_overrides: ModelOverrides | None = None
    openai: OpenAiVoice | None = None
    elevenlabs: ElevenLabsVoice | None = None
    edge: EdgeVoice | None = None
    microsoft: EdgeVoice | None = None
    providers: TtsProviders | None = None
    prefs_path: str | None = None
    max_text_length: PositiveInt | None = None
    timeout_ms: Annotated[int, Field(ge=1000, le=120_000)] | None = None

    @classmethod
    def merged(cls, *layers: Tree) -> Self:
        """One configuration from several raw blocks, each valid by itself; later ones win."""
        merged: object = {}
        for layer in layers:
            merged = deep_merge(merged, newer_shape(layer))
        return cls.model_validate(merged)


def newer_shape(block: Tree) -> dict[str, object]:
    """A raw block with the vendors' settings under `providers`, where they stand in newer files."""
    listed = block.get("providers")
    providers: object = {}
    for vendor in ("openai", "elevenlabs", "edge", "microsoft"):
        if is_tree(block.get(vendor)):
            name = "microsoft" if vendor == "edge" else vendor
            providers = deep_merge(providers, {name: block[vendor]})
    providers = deep_merge(providers, listed if is_tree(listed) else {})
    rest = {
        key: value
        for key, value in block.items()
        if key not in ("openai", "elevenlabs", "edge", "microsoft", "providers")
    }
    return {**rest, "providers": providers} if providers else rest
