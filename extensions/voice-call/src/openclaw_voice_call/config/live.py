"""What of the section is taken by each call when it begins, and what is built in. Pure.

A call keeps what it began with. So a change of the first kind is applied by exchanging the typed
section as a whole; one of the second kind takes a new runtime, which has to wait for an idle line.
"""

from typing import Final

from openclaw_voice_call.call.phone import normalise
from openclaw_voice_call.call.record import CallSettings
from openclaw_voice_call.call.types import CallId, Mode
from openclaw_voice_call.config.model import VoiceCallConfig

DEFAULT_GREETING: Final = "Hello! How can I help you?"

PER_CALL: Final = frozenset(
    {
        "to_number",
        "outbound",
        "inbound_policy",
        "allow_from",
        "inbound_greeting",
        "session_scope",
        "agent_id",
        "response_model",
        "response_system_prompt",
        "response_timeout_ms",
        "max_duration_seconds",
        "max_concurrent_calls",
        "ring_timeout_ms",
        "silence_timeout_ms",
        "transcript_timeout_ms",
        "stale_call_reaper_seconds",
        "filler_after_ms",
        "filler_phrases",
        "recording",
    }
)
"""The fields of `VoiceCallConfig` that are read when a call begins. A field that is not named here
is built in, which is always right and only slower."""


def built_in_changes(old: VoiceCallConfig, new: VoiceCallConfig) -> tuple[str, ...]:
    """The keys, as the file names them, whose change takes a new runtime."""
    return tuple(
        info.alias or name
        for name, info in VoiceCallConfig.model_fields.items()
        if name not in PER_CALL and getattr(old, name) != getattr(new, name)
    )


def greeting(config: VoiceCallConfig) -> str:
    """What an inbound call hears first."""
    return config.inbound_greeting or DEFAULT_GREETING


def call_settings(
    config: VoiceCallConfig,
    call_id: CallId,
    mode: Mode,
    other_number: str,
    *,
    live: bool = False,
    voice: str | None = None,
) -> CallSettings:
    """What a call that begins now takes from the configuration. `live`: live audio works; `voice`:
    the carrier's own that is like the configured one."""
    return CallSettings(
        mode=mode,
        session_key=session_key(config, call_id, other_number),
        agent_id=config.agent_id,
        model=config.response_model,
        prompt=config.response_system_prompt,
        max_duration_ms=config.max_duration_seconds * 1000,
        ring_timeout_ms=config.ring_timeout_ms,
        reaper_ms=config.stale_call_reaper_seconds * 1000,
        transcript_timeout_ms=config.transcript_timeout_ms,
        reply_timeout_ms=config.response_timeout_ms,
        notify_hangup_delay_ms=config.outbound.notify_hangup_delay_sec * 1000,
        end_silence_ms=config.streaming.silence_duration_ms if live else config.silence_timeout_ms,
        live=live,
        voice=voice,
        filler_ms=config.filler_after_ms,
        fillers=config.filler_phrases,
        silence_prompt_ms=config.streaming.silence_prompt_seconds * 1000 if live else 0,
        head_start=config.streaming.head_start,
        record_audio=live and config.recording.enabled,
    )


def session_key(config: VoiceCallConfig, call_id: CallId, other_number: str) -> str:
    """Whose history a call reads and writes (F107).

    A number that is withheld or no phone number is nobody in particular: each such call stands
    for itself, so that strangers never share a memory.
    """
    agent = f"agent:{config.agent_id}"
    if config.session_scope == "main":
        return f"{agent}:main"
    number = normalise(other_number)
    if config.session_scope == "per-phone" and number is not None:
        return f"{agent}:voice:{number.removeprefix('+')}"
    return f"{agent}:voice:call:{call_id}"
