"""All recognisers, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, cast

import aiohttp
from pydantic import SecretStr

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.config.base import BASE_PATH
from openclaw_voice_call.config.fallbacks import FALLBACKS
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.streaming import RecogniserName, StreamingConfig, SttProviders
from openclaw_voice_call.credentials import VendorKeys, vendor_keys
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.interfaces.speech import SpeechToText
from openclaw_voice_call.speech.recogniser import Patience
from openclaw_voice_call.speech.stt_setup import SttSetup
from openclaw_voice_call.speech.stt_socket import dial_with

RECOGNISERS: Final[Mapping[RecogniserName, str]] = {
    "openai": "openclaw_voice_call.speech.openai.stt",
    "deepgram": "openclaw_voice_call.speech.deepgram.stt",
    "elevenlabs": "openclaw_voice_call.speech.elevenlabs.stt",
    "scripted": "openclaw_voice_call.speech.scripted.stt",
}
"""The name in the configuration, and the module whose `build` makes it. Imported when chosen."""


def build_recogniser(
    config: VoiceCallConfig,
    keys: VendorKeys,
    *,
    session: aiohttp.ClientSession,
    clock: Clock,
    tasks: TaskOwner,
    patience: Patience | None = None,
) -> SpeechToText:
    """The recogniser that `streaming` chooses. Raises NotConfigured when its key is missing.

    `session` is shared and belongs to whoever made it. Each live call holds a connection of it, so
    its connector must not be limited to fewer than there may be calls.
    """
    problem = _problem(config.streaming, keys)
    if problem is not None:
        raise NotConfigured([problem])
    name = config.streaming.recogniser
    setup = SttSetup(
        streaming=config.streaming,
        key=_key(name, keys),
        dial=dial_with(session),
        clock=clock,
        tasks=tasks,
        patience=patience,
    )
    build = cast("Callable[[SttSetup], SpeechToText]", import_module(RECOGNISERS[name]).build)
    return build(setup)


def recogniser_problem(config: VoiceCallConfig, environ: Mapping[str, str]) -> str | None:
    """Why the chosen recogniser cannot be used, None when it can; for set-up and start. Pure."""
    return _problem(config.streaming, vendor_keys(config, environ))


def _problem(streaming: StreamingConfig, keys: VendorKeys) -> str | None:
    name = streaming.recogniser
    if _key(name, keys) is not None or not _asks_for_key(name, streaming.providers):
        return None
    path = f"streaming.providers.{name}.apiKey"
    return (
        f"{BASE_PATH}.{path} is required (or set {' or '.join(FALLBACKS[path])} env): without it "
        "nothing is recognised"
    )


def _asks_for_key(name: RecogniserName, providers: SttProviders) -> bool:
    """A server of the owner's own may need no key; if it does, it will refuse us."""
    match name:
        case "openai":
            return providers.openai.base_url is None
        case "deepgram":
            return providers.deepgram.base_url is None
        case "elevenlabs":
            return providers.elevenlabs.base_url is None
        case "scripted":
            return False


def _key(name: RecogniserName, keys: VendorKeys) -> SecretStr | None:
    match name:
        case "openai":
            return keys.openai_stt
        case "deepgram":
            return keys.deepgram
        case "elevenlabs":
            return keys.elevenlabs_stt
        case "scripted":
            return None
