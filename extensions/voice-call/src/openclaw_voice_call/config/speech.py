"""Sections about hearing and speaking. They belong to live audio and are checked in full."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from openclaw_voice_call.config.base import (
    HttpUrl,
    Maybe,
    NonEmpty,
    Positive,
    Secret,
    Section,
    Share,
    Text,
)

TimeoutMs = Annotated[int, Field(ge=1000, le=120_000)]


class SttConfig(Section):
    """Speech recognition of recorded audio, as older files name it."""

    provider: Literal["openai"] = "openai"
    """Who recognises speech."""
    model: NonEmpty = "whisper-1"
    """The recognition model."""


class OpenAiTts(Section):
    """OpenAI's speech endpoint, or one that speaks like it."""

    api_key: Secret = None
    """The API key."""
    base_url: Maybe[HttpUrl] = None
    """Where the API is, with its version, for example `http://127.0.0.1:8880/v1`. Any server that
    speaks like OpenAI's serves, and needs no key."""
    model: Text = None
    """The speech model. Unset: `gpt-4o-mini-tts`."""
    voice: Text = None
    """The voice, as older files name it. Unset: `alloy`."""
    speaker_voice: Text = None
    """The voice; wins over `voice`."""
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    """How fast it speaks, 1 is normal."""
    instructions: Text = None
    """How it is to speak, in words; not for `tts-1` models."""


class ElevenLabsVoiceSettings(Section):
    """How an ElevenLabs voice sounds."""

    stability: Share | None = None
    """How even it sounds, 0 to 1."""
    similarity_boost: Share | None = None
    """How close to the original voice, 0 to 1."""
    style: Share | None = None
    """How expressive, 0 to 1."""
    use_speaker_boost: bool | None = None
    """Whether similarity is raised further, at the cost of time."""
    speed: Annotated[float, Field(ge=0.5, le=2)] | None = None
    """How fast it speaks, 1 is normal."""


class ElevenLabsTts(Section):
    """ElevenLabs."""

    api_key: Secret = None
    """The API key."""
    base_url: Maybe[HttpUrl] = None
    """Where the API is."""
    voice_id: Text = None
    """The voice's id, as older files name it. Unset: `pMsXgVXv3BLzUgSXRplE`."""
    speaker_voice_id: Text = None
    """The voice's id; wins over `voiceId`."""
    model_id: Text = None
    """The speech model. Unset: `eleven_flash_v2_5`, which begins to speak soonest."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """Asks for the same audio for the same text."""
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    """Whether numbers and dates are written out before they are spoken."""
    language_code: Text = None
    """ISO 639-1 code of the language to speak."""
    voice_settings: ElevenLabsVoiceSettings | None = None
    """How the voice sounds."""


class EspeakTts(Section):
    """The program espeak-ng (or espeak): no account, no network, an artificial voice."""

    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+./-]*$")] | None = None
    """The voice, for example `en-us` or `en-us+f3`. Unset: that of the call's language."""
    speed: Annotated[int, Field(ge=80, le=450)] | None = None
    """Words a minute. Unset: 165."""
    program: NonEmpty | None = None
    """The program's name or path. Unset: `espeak-ng`, else `espeak`."""


class ScriptedTts(Section):
    """Tones instead of speech, for demonstrations and load tests: nobody understands them but the
    scripted recogniser."""

    latency_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    """How long it takes to begin, in ms."""
    fault: Literal["refuses", "empty", "stalls", "breaks"] | None = None
    """What goes wrong with every sentence."""


class TtsModelOverrides(Section):
    """What a model may change in its own reply's speech."""

    enabled: bool | None = None
    """Whether it may change anything."""
    allow_text: bool | None = None
    """Whether it may give another text to speak."""
    allow_provider: bool | None = None
    """Whether it may choose the vendor."""
    allow_voice: bool | None = None
    """Whether it may choose the voice."""
    allow_model_id: bool | None = None
    """Whether it may choose the speech model."""
    allow_voice_settings: bool | None = None
    """Whether it may change how the voice sounds."""
    allow_normalization: bool | None = None
    """Whether it may change text normalisation."""
    allow_seed: bool | None = None
    """Whether it may set the seed."""


RawBlock = Annotated[Mapping[str, object] | None, Field(repr=False)]
"""A block that is kept as it stands. It may hold keys, so it is never shown."""


class TtsProviders(Section):
    """Settings by vendor. Others than these do not speak on calls; theirs are kept as they are."""

    model_config = ConfigDict(extra="allow")

    openai: OpenAiTts | None = None
    """OpenAI."""
    elevenlabs: ElevenLabsTts | None = None
    """ElevenLabs."""
    espeak: EspeakTts | None = None
    """The offline voice."""
    scripted: ScriptedTts | None = None
    """Tones, for demonstrations and load tests."""

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        # The settings of other vendors are raw and may hold keys.
        return ((name, getattr(self, name)) for name in type(self).model_fields)


class TtsConfig(Section):
    """Speech for calls, merged key by key over the host's own `messages.tts` or `tts`. A key that
    is empty here, or null, takes the host's value back."""

    provider: Text = None
    """Who speaks first: `openai`, `elevenlabs` or `espeak`. Where that fails, the others that have
    a key stand in, and then espeak if it is installed. Unset: the first of them that can."""
    openai: OpenAiTts | None = None
    """OpenAI's settings, as older files place them."""
    elevenlabs: ElevenLabsTts | None = None
    """ElevenLabs' settings, as older files place them."""
    edge: RawBlock = None
    """Microsoft Edge's settings. Its voices have no telephony output: another vendor speaks."""
    microsoft: RawBlock = None
    """The newer name of `edge`."""
    providers: TtsProviders | None = None
    """Settings by vendor's id; they win over the blocks beside them."""
    timeout_ms: TimeoutMs | None = None
    """How long a vendor may take until the first audio of a sentence, in ms; then the next one is
    asked. Unset: 4000."""
    max_text_length: Positive | None = None
    """The longest text that is spoken at once, in characters; what is longer is cut at a word."""
    auto: Literal["off", "always", "inbound", "tagged"] | None = None
    """For messages, not for calls: when replies are spoken."""
    enabled: bool | None = None
    """For messages, not for calls: the older form of `auto`."""
    mode: Literal["final", "all"] | None = None
    """For messages, not for calls: which replies are spoken."""
    summary_model: Text = None
    """For messages, not for calls: who shortens long texts."""
    prefs_path: Text = None
    """For messages, not for calls: where users' choices are kept."""
    persona: Text = None
    """The persona whose voice speaks."""
    personas: RawBlock = None
    """Personas by name."""
    model_overrides: TtsModelOverrides | None = None
    """What a model may change."""
