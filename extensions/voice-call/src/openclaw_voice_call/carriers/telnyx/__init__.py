"""Telnyx: Call Control v2. Commands over REST, events as signed JSON webhooks."""

from openclaw_voice_call.carriers.telnyx.api import TelnyxSettings, TelnyxTimeouts
from openclaw_voice_call.carriers.telnyx.carrier import TelnyxCarrier

__all__ = ["TelnyxCarrier", "TelnyxSettings", "TelnyxTimeouts"]
