"""Twilio: TwiML documents, signed webhooks, and the REST API for calls."""

from openclaw_voice_call.carriers.twilio.api import TwilioSettings, TwilioTimeouts
from openclaw_voice_call.carriers.twilio.carrier import TwilioCarrier

__all__ = ["TwilioCarrier", "TwilioSettings", "TwilioTimeouts"]
