"""Plivo from the configuration."""

from __future__ import annotations

from openclaw_voice_call.carriers.plivo.api import DEFAULT_BASE_URL, PlivoSettings
from openclaw_voice_call.carriers.plivo.carrier import PlivoCarrier
from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.credentials import Credentials, PlivoCredentials
from openclaw_voice_call.errors import NotConfigured


def build(setup: CarrierSetup) -> PlivoCarrier:
    """Raises NotConfigured when the credentials are another carrier's."""
    settings = plivo_settings(setup.config, setup.credentials)
    return PlivoCarrier(settings, links=setup.links, session=setup.session)


def plivo_settings(config: VoiceCallConfig, credentials: Credentials) -> PlivoSettings:
    """Raises NotConfigured when the credentials are another carrier's."""
    account = credentials.carrier
    if not isinstance(account, PlivoCredentials):
        raise NotConfigured(["plugins.entries.voice-call.config.plivo is required"])
    return PlivoSettings(
        auth_id=account.auth_id,
        auth_token=account.auth_token.get_secret_value(),
        base_url=config.plivo.base_url or DEFAULT_BASE_URL,
        ring_timeout_ms=config.ring_timeout_ms,
        max_duration_ms=config.max_duration_seconds * 1000,
        end_silence_ms=config.silence_timeout_ms,
    )
