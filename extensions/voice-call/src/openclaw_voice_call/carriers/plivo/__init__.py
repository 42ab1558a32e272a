"""Plivo: XML documents, signed webhooks, and the REST API for calls."""

from openclaw_voice_call.carriers.plivo.api import PlivoSettings, PlivoTimeouts
from openclaw_voice_call.carriers.plivo.carrier import PlivoCarrier

__all__ = ["PlivoCarrier", "PlivoSettings", "PlivoTimeouts"]
