"""The plugin's manifest, made from the model. Pure, used when generating."""

import re
from typing import Final

from openclaw_voice_call.config.schema import Key, Schema, all_keys, config_schema

PLUGIN_ID: Final = "voice-call"
DISTRIBUTION: Final = "openclaw-voice-call"
ENTRY_POINT: Final = "openclaw_voice_call.plugin:VoiceCallPlugin"
COMMAND: Final = "voicecall"
TOOL: Final = "voice_call"

_WORDS: Final = {
    **{word: word.upper() for word in ("api", "id", "sid", "url", "stt", "tts", "vad")},
    "ip": "IP",
    "ips": "IPs",
    "ms": "(ms)",
    "sec": "(s)",
    "seconds": "(s)",
    "openai": "OpenAI",
    "deepgram": "Deepgram",
    "elevenlabs": "ElevenLabs",
    "ngrok": "ngrok",
    "tailscale": "Tailscale",
}
_SAMPLES: Final = {
    "fromNumber": "+15550001234",
    "toNumber": "+15550005678",
    "publicUrl": "https://voice.example.com/voice/webhook",
}


def manifest(version: str, description: str) -> Schema:
    """What `openclaw.plugin.json` holds."""
    keys = [key for key in all_keys() if key.section is None and "[]" not in key.path]
    return {
        "id": PLUGIN_ID,
        "name": "Voice Call",
        "description": description,
        "version": version,
        "python": {"distribution": DISTRIBUTION, "entryPoint": ENTRY_POINT},
        "activation": {"onStartup": True},
        "cliCommands": [COMMAND],
        "contracts": {"tools": [TOOL]},
        "configContracts": {
            "secretInputs": {
                "paths": [{"path": key.path, "expected": "string"} for key in keys if key.secret]
            }
        },
        "uiHints": {key.path: _hint(key) for key in keys},
        "configSchema": config_schema(),
    }


def _hint(key: Key) -> Schema:
    hint: Schema = {"label": label(key.path), "help": key.about}
    if key.path in _SAMPLES:
        hint["placeholder"] = _SAMPLES[key.path]
    if key.secret:
        hint["sensitive"] = True
    if key.advanced:
        hint["advanced"] = True
    return hint


def label(path: str) -> str:
    """A key's name in words: `twilio.authToken` is "Twilio auth token"."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", path.replace(".", " "))
    words = [_WORDS.get(word.lower(), word.lower()) for word in split.split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:] if not text.startswith("ngrok") else text
