"""Environment variables that stand in for keys of the section, under their usual names."""

from collections.abc import Mapping
from typing import Final

FALLBACKS: Final[Mapping[str, tuple[str, ...]]] = {
    "twilio.accountSid": ("TWILIO_ACCOUNT_SID",),
    "twilio.authToken": ("TWILIO_AUTH_TOKEN",),
    "twilio.region": ("TWILIO_REGION",),
    "telnyx.apiKey": ("TELNYX_API_KEY",),
    "telnyx.connectionId": ("TELNYX_CONNECTION_ID",),
    "telnyx.publicKey": ("TELNYX_PUBLIC_KEY",),
    "plivo.authId": ("PLIVO_AUTH_ID",),
    "plivo.authToken": ("PLIVO_AUTH_TOKEN",),
    "tunnel.ngrokAuthToken": ("NGROK_AUTHTOKEN",),
    "tunnel.ngrokDomain": ("NGROK_DOMAIN",),
    "streaming.openaiApiKey": ("OPENAI_API_KEY",),
    "streaming.providers.openai.apiKey": ("OPENAI_API_KEY",),
    "streaming.providers.deepgram.apiKey": ("DEEPGRAM_API_KEY",),
    "streaming.providers.elevenlabs.apiKey": ("ELEVENLABS_API_KEY", "XI_API_KEY"),
    "tts.openai.apiKey": ("OPENAI_API_KEY",),
    "tts.openai.baseUrl": ("OPENAI_TTS_BASE_URL",),
    "tts.elevenlabs.apiKey": ("ELEVENLABS_API_KEY", "XI_API_KEY"),
    "tts.providers.openai.apiKey": ("OPENAI_API_KEY",),
    "tts.providers.openai.baseUrl": ("OPENAI_TTS_BASE_URL",),
    "tts.providers.elevenlabs.apiKey": ("ELEVENLABS_API_KEY", "XI_API_KEY"),
}
"""Path within the section to the variables that are asked in turn. The file wins."""

TWILIO_FROM_NUMBER: Final = "TWILIO_FROM_NUMBER"
"""Stands in for `fromNumber`, on Twilio only: a number belongs to one carrier."""
TWILIO_EDGE: Final = "TWILIO_EDGE"
"""Where requests enter Twilio's network. There is no key for it."""
