"""Twilio: TwiML documents, signed webhooks, and the REST API for calls."""

from openclaw_voice_call.carriers.twilio.carrier import TwilioCarrier
from openclaw_voice_call.carriers.twilio.rest import TwilioSettings, TwilioTimeouts

__all__ = ["TwilioCarrier", "TwilioSettings", "TwilioTimeouts"]
