"""Twilio from the configuration."""

from __future__ import annotations

from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.carriers.twilio.carrier import TwilioCarrier
from openclaw_voice_call.carriers.twilio.rest import DEFAULT_BASE_URL, TwilioSettings
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.credentials import Credentials, TwilioCredentials
from openclaw_voice_call.errors import NotConfigured


def build(setup: CarrierSetup) -> TwilioCarrier:
    """Raises NotConfigured when the credentials are another carrier's."""
    settings = twilio_settings(setup.config, setup.credentials)
    return TwilioCarrier(settings, links=setup.links, session=setup.session)


def twilio_settings(config: VoiceCallConfig, credentials: Credentials) -> TwilioSettings:
    """Raises NotConfigured when the credentials are another carrier's."""
    account = credentials.carrier
    if not isinstance(account, TwilioCredentials):
        raise NotConfigured(["plugins.entries.voice-call.config.twilio is required"])
    return TwilioSettings(
        account_sid=account.account_sid,
        auth_token=account.auth_token.get_secret_value(),
        region=account.region or "us1",
        edge=account.edge,
        base_url=config.twilio.base_url or DEFAULT_BASE_URL,
        ring_timeout_ms=config.ring_timeout_ms,
        max_duration_ms=config.max_duration_seconds * 1000,
        end_silence_ms=config.silence_timeout_ms,
    )
