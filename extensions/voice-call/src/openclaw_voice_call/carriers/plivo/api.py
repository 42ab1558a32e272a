"""Plivo's REST API for calls, over an HTTP session that is given.

What matters is what is known after a failure. Making a call has no idempotency key, so it is
repeated only after a 429, which says that nothing was done; what else goes wrong after the request
has left may or may not have placed a call. (Plivo's own packages send it again after a 5xx, and
can so place a call twice.) Reading, and ending a call, may be repeated freely.
Source: Plivo's API overview and its pages on calls; paths all end in a slash.
"""

from __future__ import annotations

import asyncio
import logging
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import quote

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

DEFAULT_BASE_URL: Final = "https://api.plivo.com"
API_VERSION: Final = "v1"
BODY_LIMIT: Final = 1_000_000
"""Bytes of an answer that are read; a call has some hundreds."""
REPEATS: Final = 2
"""How often a request is tried again where that is safe."""
PAGE: Final = 20
"""Calls in one page of a list, the most that Plivo gives."""
PAGES: Final = 3
"""How many pages are read."""
LONGEST_DELAY_S: Final = 5.0
"""A `Retry-After` beyond this is left to whoever asked."""

_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_Shape = TypeVar("_Shape", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class PlivoSettings:
    """Account, host, and the times that Plivo rounds or bounds (ms)."""

    auth_id: str = field(repr=False)
    auth_token: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    ring_timeout_ms: int = 30_000
    max_duration_ms: int = 300_000
    end_silence_ms: int = 800


@dataclass(frozen=True, slots=True)
class PlivoTimeouts:
    """Seconds for one attempt, connecting included."""

    create_s: float = 8.0
    other_s: float = 5.0


class LiveCall(msgspec.Struct, frozen=True):
    """A call that is queued or live. `session_start` is UTC, `2026-02-16 00:00:00.000001`."""

    call_status: str
    direction: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    call_uuid: str | None = None
    request_uuid: str | None = None
    session_start: str | None = None


class CallDetail(msgspec.Struct, frozen=True):
    """The record of a call that is over. `call_state`: ANSWER and so on."""

    call_state: str | None = None
    answer_time: str | None = None
    end_time: str | None = None
    hangup_cause_code: int | str | None = None
    hangup_cause_name: str | None = None


class _Created(msgspec.Struct, frozen=True):
    request_uuid: str


class _CallList(msgspec.Struct, frozen=True):
    calls: list[str] = []


class _Nothing(msgspec.Struct, frozen=True):
    """An answer whose status says all."""


class _ErrorBody(msgspec.Struct, frozen=True):
    """`error` is text, or an object that names what is wrong with which field."""

    error: object = None
    message: object = None


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    """Below the account, beginning and ending with a slash."""
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    freely: bool = False
    """Whether twice has the effect of once."""

    @property
    def creates(self) -> bool:
        return self.method == "POST" and not self.names_call

    @property
    def names_call(self) -> bool:
        return self.path != "/Call/"

    @property
    def unknown(self) -> type[CarrierError]:
        """What it means that the answer is lost: a read changes nothing, all else may have."""
        return CarrierUnreachable if self.method == "GET" else CarrierOutcomeUnknown

    def lost(self, what: str) -> CarrierError:
        return self.unknown(f"Plivo {what} to {self.method} {self.path}")


class PlivoApi:
    """Calls of one account. Keeps nothing; `session` belongs to whoever gave it.

    Every method raises CarrierRefused, CarrierBusy, CarrierUnreachable or CarrierOutcomeUnknown,
    and LineGone for a call that Plivo does not have (any more).
    """

    def __init__(
        self,
        settings: PlivoSettings,
        session: aiohttp.ClientSession,
        *,
        timeouts: PlivoTimeouts,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._session = session
        self._sleep = sleep
        self._jitter = jitter
        self._timeouts = timeouts
        self._hidden = tuple(filter(None, (settings.auth_token, settings.auth_id)))
        base = settings.base_url.rstrip("/") or DEFAULT_BASE_URL
        self._root = f"{base}/{API_VERSION}/Account/{_quoted(settings.auth_id)}"
        credentials = f"{settings.auth_id}:{settings.auth_token}".encode()
        self._headers = {
            "Authorization": f"Basic {b64encode(credentials).decode()}",
            "Accept": "application/json",
        }

    async def create(self, body: Mapping[str, object]) -> str:
        """Place a call; gives the name of the request, by which the call can be cancelled.

        CarrierOutcomeUnknown: it may have been placed; never repeat, look.
        """
        return (await self._ask(_Request("POST", "/Call/", body), _Created)).request_uuid

    async def listed(self, status: str) -> Sequence[str]:
        """The names of the calls that are `live` or `queued`, `PAGES` pages of them at most."""
        names: dict[str, None] = {}
        for page in range(PAGES):
            query = {"status": status, "limit": str(PAGE), "offset": str(page * PAGE)}
            request = _Request("GET", "/Call/", query=query, freely=True)
            found = (await self._ask(request, _CallList)).calls
            known = len(names)
            names.update(dict.fromkeys(found))
            if len(found) < PAGE or len(names) == known:
                break
        return list(names)

    async def current(self, uuid: str, status: str) -> LiveCall:
        """Read a call that is `live` or `queued`. LineGone: it is not."""
        request = _Request("GET", _call_path(uuid), query={"status": status}, freely=True)
        return await self._ask(request, LiveCall)

    async def detail(self, uuid: str) -> CallDetail:
        """Read the record of a call that is over. LineGone: there is none (yet)."""
        return await self._ask(_Request("GET", _call_path(uuid), freely=True), CallDetail)

    async def transfer(self, uuid: str, url: str) -> None:
        """Make a live call fetch `url` now. Repeated, it would begin that document again."""
        body = {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"}
        await self._ask(_Request("POST", _call_path(uuid), body), _Nothing)

    async def hang_up(self, uuid: str) -> None:
        """End a call."""
        await self._ask(_Request("DELETE", _call_path(uuid), freely=True), _Nothing)

    async def cancel(self, request_uuid: str) -> None:
        """Take a request for a call back that is queued or rings."""
        path = f"/Request/{_quoted(request_uuid)}/"
        await self._ask(_Request("DELETE", path, freely=True), _Nothing)

    async def _ask(self, request: _Request, shape: type[_Shape]) -> _Shape:
        for attempt in range(REPEATS + 1):
            try:
                return _parsed(request, await self._once(request), shape)
            except CarrierError as exc:
                delay = self._delay(request, exc, attempt)
                if delay is None:
                    raise
                log.warning(
                    "Plivo request is repeated",
                    extra={"method": request.method, "code": exc.code, "delay_s": delay},
                )
            await self._sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _delay(self, request: _Request, exc: CarrierError, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none."""
        safe = isinstance(exc, CarrierBusy) or (
            request.freely and isinstance(exc, CarrierUnreachable | CarrierOutcomeUnknown)
        )
        if not safe or attempt == REPEATS:
            return None
        delay = 0.5 * 2**attempt * (1.0 + self._jitter())
        if exc.retry_after_s is not None:
            if exc.retry_after_s > LONGEST_DELAY_S:
                return None
            delay = max(delay, exc.retry_after_s)
        return delay

    async def _once(self, request: _Request) -> bytes:
        total = self._timeouts.create_s if request.creates else self._timeouts.other_s
        # Connecting gets half of it, so that a host that cannot be reached is told apart from one
        # that took the request and fell silent.
        limits = aiohttp.ClientTimeout(total=total, connect=total / 2)
        sent = None if request.body is None else msgspec.json.encode(request.body)
        typed = {} if sent is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                request.method,
                self._root + request.path,
                params=request.query,
                data=sent,
                headers={**self._headers, **typed},
                timeout=limits,
                allow_redirects=False,
            ) as response:
                body = await _bounded(response)
                if response.status // 100 == 2:
                    return body
                raise self._refusal(request, response, body)
        except _NOT_SENT as exc:
            raise CarrierUnreachable(f"Plivo cannot be reached ({type(exc).__name__})") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise request.lost(f"gave no answer ({type(exc).__name__})") from exc

    def _refusal(
        self, request: _Request, response: aiohttp.ClientResponse, body: bytes
    ) -> CarrierError:
        """The error that an answer other than 2xx stands for."""
        status = response.status
        text = _error_text(body) or response.reason or "no reason given"
        for hidden in self._hidden:
            text = text.replace(hidden, "...")
        kind: type[CarrierError]
        if status == 429:
            kind = CarrierBusy
        elif request.names_call and status == 404:
            kind = LineGone
        elif status < 500:
            kind = CarrierRefused
        else:
            kind = request.unknown
        error = kind(
            f"Plivo: {text[:300]} (HTTP {status})",
            status=status,
            retry_after_s=_retry_after(response.headers.get("Retry-After")),
        )
        if status == 401:
            error.remedy = "Check plivo.authId and plivo.authToken."
        elif status == 403:
            error.remedy = (
                "Check at Plivo that the account may call this destination (geo permissions) "
                "and has a free line (concurrency limit)."
            )
        return error


def _call_path(uuid: str) -> str:
    return f"/Call/{_quoted(uuid)}/"


def _quoted(part: str) -> str:
    return quote(part, safe="")


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise aiohttp.ClientPayloadError(f"more than {BODY_LIMIT} bytes")
    return bytes(body)


def _parsed(request: _Request, body: bytes, shape: type[_Shape]) -> _Shape:
    if shape is _Nothing:
        return shape()
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise request.lost("gave an answer that cannot be read") from exc


def _error_text(body: bytes) -> str:
    try:
        told = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A proxy's page, for example: the HTTP status says what there is to say.
        return ""
    error = told.error or told.message or ""
    return error if isinstance(error, str) else msgspec.json.encode(error).decode()


def _retry_after(value: str | None) -> float | None:
    """Seconds. The other form, a date, is for waits that are beyond a request's patience."""
    return float(value) if value and value.isdecimal() and len(value) < 8 else None
