"""The whole section, typed. Names and meanings are the original plugin's."""

from typing import Literal

from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.config.base import (
    Choice,
    HttpUrl,
    Items,
    Maybe,
    NonEmpty,
    NotNegative,
    PhoneNumber,
    Positive,
    Section,
    Text,
)
from openclaw_voice_call.config.carriers import (
    MockConfig,
    PlivoConfig,
    TelnyxConfig,
    TwilioConfig,
)
from openclaw_voice_call.config.network import (
    ServeConfig,
    TailscaleConfig,
    TunnelConfig,
    WebhookSecurityConfig,
)
from openclaw_voice_call.config.recording import RecordingConfig
from openclaw_voice_call.config.speech import SttConfig, TtsConfig
from openclaw_voice_call.config.streaming import StreamingConfig


class OutboundConfig(Section):
    """Calls that we place."""

    default_mode: Choice[Mode] = Mode.NOTIFY
    """What a call does that names no mode: `notify` says its message and hangs up,
    `conversation` stays up turn after turn."""
    notify_hangup_delay_sec: NotNegative = 3
    """How long a notify call stays up after its message was heard, in seconds."""


class VoiceCallConfig(Section):
    """Phone calls for the agent."""

    enabled: bool = True
    """`false` switches the plugin off although its entry is enabled."""
    provider: Maybe[Literal["twilio", "telnyx", "plivo", "mock"]] = None
    """The carrier. `mock` needs no account and no network."""
    from_number: Maybe[PhoneNumber] = None
    """The number that calls are placed from, in E.164. Needed for every carrier but `mock`."""
    to_number: Maybe[PhoneNumber] = None
    """Whom to call when a request names nobody, in E.164."""
    twilio: TwilioConfig = TwilioConfig()
    """Twilio's account."""
    telnyx: TelnyxConfig = TelnyxConfig()
    """Telnyx's account."""
    plivo: PlivoConfig = PlivoConfig()
    """Plivo's account."""
    mock: MockConfig = MockConfig()
    """The mock carrier's people."""
    serve: ServeConfig = ServeConfig()
    """The webhook server."""
    public_url: Maybe[HttpUrl] = None
    """The webhook's public URL: what carriers call, and what they sign. Without a path, that of
    `serve` is added. Needed for every carrier but `mock`."""
    tunnel: TunnelConfig = TunnelConfig()
    """A tunnel to the webhook server."""
    tailscale: TailscaleConfig = TailscaleConfig()
    """Exposure through Tailscale."""
    webhook_security: WebhookSecurityConfig = WebhookSecurityConfig()
    """Rebuilding the signed URL behind a proxy."""
    skip_signature_verification: bool = False
    """Accepts webhooks from anybody. For experiments on loopback only."""
    outbound: OutboundConfig = OutboundConfig()
    """Calls that we place."""
    inbound_policy: Choice[InboundPolicy] = InboundPolicy.DISABLED
    """Who may call: nobody, the numbers of `allowFrom`, approved numbers, or everybody."""
    allow_from: Items[PhoneNumber] = ()
    """Who may call under the policies `allowlist` and `pairing`, in E.164. Whole numbers are
    compared, and a withheld one never matches."""
    inbound_greeting: Text = None
    """What an inbound call hears first. Unset: a short greeting."""
    session_scope: Literal["per-phone", "per-call", "main"] = "per-phone"
    """What the agent remembers: one history per phone number, per call, or the agent's main one."""
    agent_id: NonEmpty = "main"
    """The agent that answers."""
    response_model: Text = "openai/gpt-4o-mini"
    """The model that answers, `provider/model`. Empty: the agent's own model."""
    response_system_prompt: Text = None
    """The agent's instructions for calls. Unset: a short one about speaking on the phone."""
    response_timeout_ms: Positive = 30_000
    """How long the agent may think before the caller hears an apology, in ms."""
    max_duration_seconds: Positive = 300
    """The longest call, from its answer, in seconds."""
    max_concurrent_calls: Positive = 1
    """How many calls may be live at once, inbound ones included."""
    ring_timeout_ms: Positive = 30_000
    """How long a phone may ring, in ms."""
    silence_timeout_ms: Positive = 800
    """Silence that ends the other party's turn, in ms."""
    transcript_timeout_ms: Positive = 180_000
    """How long a `continue` waits for the other party's words, in ms."""
    stale_call_reaper_seconds: NotNegative = 120
    """A call that was never answered is given up for good at this age, in seconds; 0: never."""
    filler_after_ms: NotNegative = 2500
    """How long the agent may think until the caller hears a sign of life, in ms; 0: no sign."""
    filler_phrases: Items[NonEmpty] = (
        "One moment, please.",
        "I am still working on it.",
        "This takes a little longer. Please stay on the line.",
    )
    """The signs of life, one after another with ten seconds between them."""
    streaming: StreamingConfig = StreamingConfig()
    """Live audio."""
    recording: RecordingConfig = RecordingConfig()
    """Recording of calls."""
    stt: SttConfig = SttConfig()
    """Recognition of recorded audio."""
    tts: TtsConfig = TtsConfig()
    """Speech of calls."""
    store: Text = None
    """The folder of the call journal. Unset: `voice-calls` in the state folder."""
