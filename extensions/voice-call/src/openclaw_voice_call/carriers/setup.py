"""What a carrier is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.credentials import Credentials
from openclaw_voice_call.interfaces.links import CallLinks


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """Given to a carrier's `build_setup`. `session` belongs to whoever made it."""

    config: VoiceCallConfig
    credentials: Credentials
    session: aiohttp.ClientSession


@dataclass(frozen=True, slots=True)
class CarrierSetup:
    """Given to a carrier's `build`. `session` is shared and closed by the runtime."""

    config: VoiceCallConfig
    credentials: Credentials
    links: CallLinks
    session: aiohttp.ClientSession
    clock: Clock
    tasks: TaskOwner
    local_webhook_url: Callable[[], str]
    """Where this process itself reaches the webhook server, once that listens."""
