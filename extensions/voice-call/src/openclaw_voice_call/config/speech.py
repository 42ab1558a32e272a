"""Sections about hearing and speaking. They belong to live audio and are checked in full."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from openclaw_voice_call.config.base import (
    HttpUrl,
    Maybe,
    NonEmpty,
    Positive,
    Secret,
    Section,
    Share,
    StreamUrl,
    Text,
    UrlPath,
)

TimeoutMs = Annotated[int, Field(ge=1000, le=120_000)]


class StreamingConfig(Section):
    """Live audio over the carrier's media stream."""

    enabled: bool = False
    """Whether calls use live audio instead of the carrier's own voice and recognition."""
    stream_path: UrlPath = "/voice/stream"
    """The path of the stream sockets, on the webhook server."""
    public_url: Maybe[StreamUrl] = None
    """The stream's public URL where it is not `publicUrl` with `streamPath`."""
    stt_provider: Literal["openai-realtime", "deepgram", "elevenlabs"] = "openai-realtime"
    """Who recognises speech."""
    openai_api_key: Secret = None
    """The key for speech recognition at OpenAI."""
    stt_model: NonEmpty = "gpt-4o-transcribe"
    """The recognition model."""
    silence_duration_ms: Positive = 800
    """Silence that ends the other party's turn, in ms."""
    vad_threshold: Share = 0.5
    """How sure voice activity detection must be that somebody speaks, 0 to 1."""
    pre_start_timeout_ms: Positive = 5000
    """How long an accepted stream socket may take to present its token, in ms."""
    max_pending_connections: Positive = 32
    """How many stream sockets may be unproven at once."""
    max_pending_connections_per_ip: Positive = 4
    """The same for one address."""
    max_connections: Positive = 128
    """How many stream sockets may be open at once."""


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
    """Where the API is."""
    model: Text = None
    """The speech model."""
    voice: Text = None
    """The voice, as older files name it."""
    speaker_voice: Text = None
    """The voice; wins over `voice`."""
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    """How fast it speaks, 1 is normal."""
    instructions: Text = None
    """How it is to speak, in words."""


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
    """The voice's id, as older files name it."""
    speaker_voice_id: Text = None
    """The voice's id; wins over `voiceId`."""
    model_id: Text = None
    """The speech model."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """Asks for the same audio for the same text."""
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    """Whether numbers and dates are written out before they are spoken."""
    language_code: Text = None
    """ISO 639-1 code of the language to speak."""
    voice_settings: ElevenLabsVoiceSettings | None = None
    """How the voice sounds."""


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


class TtsConfig(Section):
    """Speech for calls, merged over the host's own `messages.tts` or `tts`."""

    provider: Text = None
    """Who speaks, for example `openai` or `elevenlabs`."""
    openai: OpenAiTts | None = None
    """OpenAI's settings, as older files place them."""
    elevenlabs: ElevenLabsTts | None = None
    """ElevenLabs' settings, as older files place them."""
    edge: RawBlock = None
    """Microsoft Edge's settings. Its voices do not serve telephony: another vendor speaks."""
    microsoft: RawBlock = None
    """The newer name of `edge`."""
    providers: RawBlock = None
    """Settings by vendor's id; they win over the blocks beside them."""
    timeout_ms: TimeoutMs | None = None
    """How long a vendor may take for a sentence, in ms."""
    max_text_length: Positive | None = None
    """The longest text that is spoken, in characters."""
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
