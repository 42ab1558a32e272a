"""Telnyx from the configuration."""

from __future__ import annotations

from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.carriers.telnyx.api import DEFAULT_BASE_URL, TelnyxSettings
from openclaw_voice_call.carriers.telnyx.carrier import TelnyxCarrier
from openclaw_voice_call.credentials import TelnyxCredentials
from openclaw_voice_call.errors import NotConfigured


def build(setup: CarrierSetup) -> TelnyxCarrier:
    """Raises NotConfigured when the credentials are another carrier's, or the key is none."""
    account, config = setup.credentials.carrier, setup.config
    section = "plugins.entries.voice-call.config.telnyx"
    if not isinstance(account, TelnyxCredentials):
        raise NotConfigured([f"{section} is required"])
    settings = TelnyxSettings(
        api_key=account.api_key.get_secret_value(),
        connection_id=account.connection_id,
        public_key=account.public_key,
        base_url=config.telnyx.base_url or DEFAULT_BASE_URL,
        stream_target_legs=config.telnyx.stream_target_legs,
        ring_timeout_ms=config.ring_timeout_ms,
        max_duration_ms=config.max_duration_seconds * 1000,
        end_silence_ms=config.silence_timeout_ms,
    )
    try:
        return TelnyxCarrier(settings, links=setup.links, session=setup.session)
    except ValueError as exc:
        raise NotConfigured([f"{section}.publicKey {exc}"]) from exc
