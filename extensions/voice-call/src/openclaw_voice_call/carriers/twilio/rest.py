"""Twilio's REST API over an HTTP session that is given: its account, its host, its errors.

Creating a call has no idempotency key, so it is repeated only after a 429, which says that nothing
was done; what else goes wrong after the request has left may or may not have placed a call.
Reading, and ending a call, may be repeated freely.
Source: Twilio's "Call resource", "Twilio API requests" and error pages; its OpenAPI description.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from openclaw_voice_call.carriers.rest import (
    RestClient,
    RestDialect,
    Told,
    basic_authorization,
    readable,
)
from openclaw_voice_call.errors import CarrierError

DEFAULT_BASE_URL: Final = "https://api.twilio.com"
API_VERSION: Final = "2010-04-01"


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    """Account, host, and the times that Twilio rounds or bounds (ms)."""

    account_sid: str = field(repr=False)
    auth_token: str = field(repr=False)
    region: str = "us1"
    """us1, ie1 or au1; each has credentials of its own."""
    edge: str | None = None
    """Where requests enter Twilio's network, for example `dublin`."""
    base_url: str = DEFAULT_BASE_URL
    """Another host than Twilio's is used as it is, without region and edge."""
    ring_timeout_ms: int = 30_000
    max_duration_ms: int = 300_000
    end_silence_ms: int = 800


@dataclass(frozen=True, slots=True)
class TwilioTimeouts:
    """Seconds for one attempt, connecting included."""

    create_s: float = 8.0
    other_s: float = 5.0


class _ErrorBody(msgspec.Struct, frozen=True):
    """Both shapes of Twilio's errors: `code` and `message`, and RFC 9457 with `code`, `title` and
    `detail`."""

    code: int | str | None = None
    message: str | None = None
    title: str | None = None
    detail: str | None = None


def api_base(settings: TwilioSettings) -> str:
    """Scheme and host of the API: `api[.edge][.region].twilio.com`, or the configured host.

    An edge implies a region; us1 without an edge is the plain host.
    """
    base = settings.base_url.rstrip("/") or DEFAULT_BASE_URL
    if urlsplit(base).hostname != "api.twilio.com":
        return base
    region = settings.region or "us1"
    if settings.edge:
        return f"https://api.{settings.edge}.{region}.twilio.com"
    return base if region == "us1" else f"https://api.{region}.twilio.com"


def rest_client(
    settings: TwilioSettings,
    session: aiohttp.ClientSession,
    *,
    timeouts: TwilioTimeouts,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> RestClient:
    """A client for the account's resources. `session` belongs to whoever gave it."""
    account = quote(settings.account_sid, safe="")
    return RestClient(
        _DIALECT,
        f"{api_base(settings)}/{API_VERSION}/Accounts/{account}",
        session,
        authorization=basic_authorization(settings.account_sid, settings.auth_token),
        hidden=(settings.auth_token, settings.account_sid),
        create_s=timeouts.create_s,
        other_s=timeouts.other_s,
        sleep=sleep,
        jitter=jitter,
    )


def _told(body: bytes) -> Told:
    error = readable(body, _ErrorBody())
    return Told(error.message or error.detail or error.title or "", error.code)


def _remedy(error: CarrierError) -> str | None:
    if error.status in (401, 403):
        return (
            "Check twilio.accountSid, twilio.authToken and twilio.region: "
            "each region has a token of its own."
        )
    return None


_DIALECT: Final = RestDialect(
    "Twilio", _told, _remedy, busy=frozenset({"20429"}), gone=frozenset({"20404"})
)
