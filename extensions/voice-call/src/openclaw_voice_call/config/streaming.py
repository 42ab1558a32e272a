"""Live audio: the stream sockets, and who recognises speech on them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from openclaw_voice_call.config.base import (
    Items,
    Maybe,
    NonEmpty,
    NotNegative,
    Positive,
    Secret,
    Section,
    Share,
    StreamUrl,
    Text,
    UrlPath,
)

RecogniserName: TypeAlias = Literal["openai", "deepgram", "elevenlabs", "scripted"]


class OpenAiStt(Section):
    """OpenAI's Realtime transcription, or a server that speaks like it."""

    api_key: Secret = None
    """The API key."""
    base_url: Maybe[StreamUrl] = None
    """Where the API is. Unset: https://api.openai.com/v1."""
    model: Text = None
    """The recognition model. Unset: gpt-4o-transcribe."""
    language: Text = None
    """The language spoken, for example `en`; `auto` has the model find out. Unset: the call's."""
    prompt: Text = None
    """Words and names to expect, as text."""
    silence_duration_ms: NotNegative | None = None
    """Silence that ends the other party's turn, in ms. Unset: `streaming.silenceDurationMs`."""
    vad_threshold: Share | None = None
    """How loud speech must be, 0 to 1. Unset: `streaming.vadThreshold`."""
    noise_reduction: Maybe[Literal["near_field", "far_field"]] = None
    """Which noise is filtered before recognition: that of a handset or of a room."""
    api: Literal["ga", "beta"] = "ga"
    """The form of the protocol: `beta` for older servers."""
    audio_format: Literal["g711_ulaw", "pcm16"] = "g711_ulaw"
    """What audio is sent as. `pcm16`, at 24 kHz, is for servers that take no mu-law."""


class DeepgramStt(Section):
    """Deepgram's live recognition."""

    api_key: Secret = None
    """The API key."""
    base_url: Maybe[StreamUrl] = None
    """Where the API is. Unset: https://api.deepgram.com/v1."""
    model: Text = None
    """The recognition model. Unset: nova-3."""
    language: Text = None
    """The language spoken, for example `en-US`; `auto` and `multi` take several. Unset: the
    call's."""
    endpointing_ms: NotNegative | None = None
    """Silence that ends the other party's turn, in ms; under 10 counts as 10. Unset:
    `streaming.silenceDurationMs`."""
    interim_results: bool = True
    """Whether words are told while they are spoken. Without them the answer comes later."""
    keyterms: Items[NonEmpty] = ()
    """Words and names to expect."""
    encoding: Literal["mulaw"] = "mulaw"
    """What the line carries; nothing else is sent."""
    sample_rate: Literal[8000] = 8000
    """What the line carries, in Hz; nothing else is sent."""


class ElevenLabsStt(Section):
    """ElevenLabs' Scribe, the realtime kind."""

    api_key: Secret = None
    """The API key."""
    base_url: Maybe[StreamUrl] = None
    """Where the API is. Unset: https://api.elevenlabs.io/v1."""
    model: Text = None
    """The recognition model, as this plugin's other vendors name it."""
    model_id: Text = None
    """The recognition model; wins over `model`. Unset: scribe_v2_realtime."""
    language: Text = None
    """The language spoken, as this plugin's other vendors name it."""
    language_code: Text = None
    """The language spoken, for example `en`; `auto` has the model find out. Wins over `language`.
    Unset: the call's."""
    commit_strategy: Literal["vad", "manual"] = "vad"
    """Who ends a turn: ElevenLabs' own voice activity detection, or ours."""
    vad_silence_threshold_secs: Annotated[float, Field(ge=0.3, le=3)] | None = None
    """Silence that ends the other party's turn, in seconds. Unset: `streaming.silenceDurationMs`,
    moved into these bounds."""
    vad_threshold: Annotated[float, Field(ge=0.1, le=0.9)] | None = None
    """How loud speech must be. Unset: `streaming.vadThreshold`, moved into these bounds."""
    min_speech_duration_ms: Annotated[int, Field(ge=50, le=2000)] | None = None
    """Shorter sounds are no speech, in ms."""
    min_silence_duration_ms: Annotated[int, Field(ge=50, le=2000)] | None = None
    """Shorter pauses are no silence, in ms."""
    audio_format: Literal["ulaw_8000"] = "ulaw_8000"
    """What the line carries; nothing else is sent."""
    sample_rate: Literal[8000] = 8000
    """What the line carries, in Hz; nothing else is sent."""


class ScriptedStt(Section):
    """A recogniser without a network, that knows the mock carrier's tones. For trials and tests."""

    connect_delay_ms: NotNegative = 0
    """How long it takes to become ready, in ms."""
    final_delay_ms: NotNegative = 0
    """How long a text takes after the end of its speech, in ms."""
    refuses: bool = False
    """Whether it refuses as for a wrong key."""
    drops_after_ms: Positive | None = None
    """Each connection is lost after this much audio, in ms."""
    mute: bool = False
    """Whether it takes audio and never answers."""


class SttProviders(Section):
    """Settings of each recogniser; the one that `streaming.provider` names counts."""

    openai: OpenAiStt = OpenAiStt()
    """OpenAI, or a server that speaks like it."""
    deepgram: DeepgramStt = DeepgramStt()
    """Deepgram."""
    elevenlabs: ElevenLabsStt = ElevenLabsStt()
    """ElevenLabs."""
    scripted: ScriptedStt = ScriptedStt()
    """The recogniser without a network."""


class StreamingConfig(Section):
    """Live audio over the carrier's media stream."""

    enabled: bool = False
    """Whether calls use live audio instead of the carrier's own voice and recognition."""
    stream_path: UrlPath = "/voice/stream"
    """The path of the stream sockets, on the webhook server."""
    public_url: Maybe[StreamUrl] = None
    """The stream's public URL where it is not `publicUrl` with `streamPath`."""
    provider: Maybe[RecogniserName] = None
    """Who recognises speech; wins over `sttProvider`."""
    providers: SttProviders = SttProviders()
    """Settings of each recogniser."""
    stt_provider: Literal["openai-realtime", "deepgram", "elevenlabs"] = "openai-realtime"
    """Who recognises speech, as older files name it."""
    openai_api_key: Secret = None
    """The key for speech recognition at OpenAI, as older files place it."""
    stt_model: NonEmpty = "gpt-4o-transcribe"
    """The recognition model, as older files place it. It is that of OpenAI, or of `sttProvider`."""
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
    barge_in: bool = True
    """Whether the other party can interrupt the agent. The greeting is never interrupted."""
    head_start: bool = True
    """Whether the agent begins to answer words that are probably all, before that is certain. It
    answers sooner, and some answers are made in vain."""
    silence_prompt_seconds: NotNegative = 20
    """Silence after which the other party is asked whether they are still there, in seconds; 0:
    never."""
    max_lateness_ms: NotNegative = 60
    """How late audio may leave, in ms, until further calls are refused; 0: they never are."""

    @property
    def recogniser(self) -> RecogniserName:
        """Who recognises speech, whichever key says it."""
        if self.provider is not None:
            return self.provider
        return "openai" if self.stt_provider == "openai-realtime" else self.stt_provider

    def model_for(self, name: RecogniserName) -> str | None:
        """The older `sttModel`, where it is written and means this recogniser."""
        if "stt_model" not in self.model_fields_set:
            return None
        older = "openai" if self.provider is not None else self.recogniser
        return self.stt_model if name == older else None
