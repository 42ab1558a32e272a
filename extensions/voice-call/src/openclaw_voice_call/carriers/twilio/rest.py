"""Twilio's REST API over an HTTP session that is given: one request, its repetition, its failure.

What matters is what is known after a failure. Creating a call has no idempotency key, so it is
repeated only after a 429, which says that nothing was done; what else goes wrong after the request
has left may or may not have placed a call. Reading, and ending a call, may be repeated freely.
Source: Twilio's "Call resource", "Twilio API requests" and error pages; its OpenAPI description.
"""

from __future__ import annotations

import asyncio
import logging
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRefused,
    CarrierUnreachable,
    LineGone,
)

log = logging.getLogger(__name__)

DEFAULT_BASE_URL = "https://api.twilio.com"
API_VERSION = "2010-04-01"
BODY_LIMIT = 1_000_000
"""Bytes of an answer that are read; a page of 50 calls has about 75 000."""
REPEATS = 2
"""How often a request is tried again where that is safe."""
LONGEST_DELAY_S = 5.0
"""A `Retry-After` beyond this is left to whoever asked."""
CALLS = "/Calls.json"

_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_Shape = TypeVar("_Shape", bound=msgspec.Struct)

Fields: TypeAlias = Sequence[tuple[str, str]]
"""Form fields; a list is the same name several times."""


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


class Repeat(Enum):
    """When a request may be sent again."""

    NOT_DONE = "only if Twilio says that it did nothing"
    FREELY = "always: twice has the effect of once"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Below the account, beginning with a slash."""
    query: Fields = ()
    form: Fields = ()
    repeat: Repeat = Repeat.NOT_DONE

    @property
    def creates(self) -> bool:
        return self.method == "POST" and self.path == CALLS

    @property
    def names_call(self) -> bool:
        return self.path.startswith("/Calls/")

    @property
    def unknown(self) -> type[CarrierError]:
        """What it means that the answer is lost: a read changes nothing, all else may have."""
        return CarrierUnreachable if self.method == "GET" else CarrierOutcomeUnknown

    def lost(self, what: str) -> CarrierError:
        return self.unknown(f"Twilio {what} to {self.method} {self.path}")


class _Answer(NamedTuple):
    body: bytes
    date: str | None
    """The header `Date`."""


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


class TwilioRest:
    """Requests for one account. Keeps nothing; `session` belongs to whoever gave it.

    Both methods raise CarrierRefused, CarrierBusy, CarrierUnreachable or CarrierOutcomeUnknown,
    and LineGone for a call that Twilio does not have.
    """

    def __init__(
        self,
        settings: TwilioSettings,
        session: aiohttp.ClientSession,
        *,
        timeouts: TwilioTimeouts,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._session = session
        self._sleep = sleep
        self._jitter = jitter
        self._timeouts = timeouts
        # Twilio's texts repeat the path that was asked for, which names the account.
        self._hidden = tuple(filter(None, (settings.auth_token, settings.account_sid)))
        account = quote(settings.account_sid, safe="")
        self._root = f"{api_base(settings)}/{API_VERSION}/Accounts/{account}"
        credentials = f"{settings.account_sid}:{settings.auth_token}".encode()
        self._headers = {
            "Authorization": f"Basic {b64encode(credentials).decode()}",
            "Accept": "application/json",
        }

    async def ask(self, request: Request, shape: type[_Shape]) -> _Shape:
        return (await self.ask_dated(request, shape))[0]

    async def ask_dated(self, request: Request, shape: type[_Shape]) -> tuple[_Shape, float | None]:
        """The answer, and what Twilio's clock showed (epoch s), None if it did not say."""
        for attempt in range(REPEATS + 1):
            try:
                answer = await self._once(request)
                return _parsed(request, answer.body, shape), _epoch(answer.date)
            except CarrierError as exc:
                delay = self._delay(request, exc, attempt)
                if delay is None:
                    raise
                log.warning(
                    "Twilio request is repeated",
                    extra={"method": request.method, "code": exc.code, "delay_s": delay},
                )
            await self._sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _delay(self, request: Request, exc: CarrierError, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none."""
        safe = isinstance(exc, CarrierBusy) or (
            request.repeat is Repeat.FREELY
            and isinstance(exc, CarrierUnreachable | CarrierOutcomeUnknown)
        )
        if not safe or attempt == REPEATS:
            return None
        delay = 0.5 * 2**attempt * (1.0 + self._jitter())
        if exc.retry_after_s is not None:
            if exc.retry_after_s > LONGEST_DELAY_S:
                return None
            delay = max(delay, exc.retry_after_s)
        return delay

    async def _once(self, request: Request) -> _Answer:
        total = self._timeouts.create_s if request.creates else self._timeouts.other_s
        # Connecting gets half of it, so that a host that cannot be reached is told apart from one
        # that took the request and fell silent.
        limits = aiohttp.ClientTimeout(total=total, connect=total / 2)
        try:
            async with self._session.request(
                request.method,
                self._root + request.path,
                params=list(request.query),
                data=aiohttp.FormData(list(request.form)) if request.form else None,
                headers=self._headers,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                body = await _bounded(response)
                if response.status // 100 == 2:
                    return _Answer(body, response.headers.get("Date"))
                raise self._refusal(request, response, body)
        except _NOT_SENT as exc:
            raise CarrierUnreachable(f"Twilio cannot be reached ({type(exc).__name__})") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise request.lost(f"gave no answer ({type(exc).__name__})") from exc

    def _refusal(
        self, request: Request, response: aiohttp.ClientResponse, body: bytes
    ) -> CarrierError:
        """The error that an answer other than 2xx stands for."""
        status, told = response.status, _error_body(body)
        code = None if told.code is None else str(told.code)[:32]
        text = told.message or told.detail or told.title or response.reason or "no reason given"
        for hidden in self._hidden:
            text = text.replace(hidden, "...")
        text = f"Twilio: {text[:300]} (HTTP {status}{f', code {code}' if code else ''})"
        kind: type[CarrierError]
        if status == 429 or code == "20429":
            kind = CarrierBusy
        elif request.names_call and (status == 404 or code == "20404"):
            kind = LineGone
        elif status < 500:
            kind = CarrierRefused
        else:
            kind = request.unknown
        error = kind(
            text,
            vendor_code=code,
            status=status,
            retry_after_s=_retry_after(response.headers.get("Retry-After")),
        )
        if status in (401, 403):
            error.remedy = (
                "Check twilio.accountSid, twilio.authToken and twilio.region: "
                "each region has a token of its own."
            )
        return error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise aiohttp.ClientPayloadError(f"more than {BODY_LIMIT} bytes")
    return bytes(body)


def _parsed(request: Request, body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise request.lost("gave an answer that cannot be read") from exc


def _error_body(body: bytes) -> _ErrorBody:
    try:
        return msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A proxy's page, for example: the HTTP status says what there is to say.
        return _ErrorBody()


def _retry_after(value: str | None) -> float | None:
    """Seconds. The other form, a date, is for waits that are beyond a request's patience."""
    return float(value) if value and value.isdecimal() and len(value) < 8 else None


def _epoch(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
