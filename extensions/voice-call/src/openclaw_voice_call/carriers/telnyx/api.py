"""Telnyx's Call Control API, over an HTTP session that is given.

Every command names itself (`command_id`), and Telnyx ignores a name that it has seen within the
last minute, dialling included. So a request whose answer is lost is sent again, unchanged, well
within that minute; what is still unknown then may or may not have been done.
Source: Telnyx's "Command retries", "API errors" and OpenAPI description.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from openclaw_voice_call.carriers.telnyx.commands import Command
from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRefused,
    CarrierUnreachable,
    LineGone,
)

log = logging.getLogger(__name__)

DEFAULT_BASE_URL: Final = "https://api.telnyx.com/v2"
BODY_LIMIT: Final = 1_000_000
"""Bytes of an answer that are read; a page of 250 calls has about 100 000."""
REPEATS: Final = 2
"""How often a request is tried again."""
FIRST_DELAY_S: Final = 0.1
"""Telnyx's advice is to try again at once; somebody is waiting on the phone."""
LONGEST_DELAY_S: Final = 5.0
"""A wait beyond this that Telnyx asks for is left to whoever asked."""
PAGE: Final = 250
"""Calls in one page of active calls, the most that Telnyx gives."""
PAGES: Final = 20
"""How many pages are read."""

CALL_ENDED: Final = "90018"
NO_SUCH_CALL: Final = frozenset({"10005", "90015"})
TRANSCRIBING: Final = "90054"
"""Transcription has been started already."""
TOO_MANY: Final = "10011"
CHANNELS_EXHAUSTED: Final = frozenset({"90041", "90042", "90043"})

_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_Shape = TypeVar("_Shape", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class TelnyxSettings:
    """Account, application, host, and the times that Telnyx rounds or bounds (ms)."""

    api_key: str = field(repr=False)
    connection_id: str
    """The id of the Call Control application."""
    public_key: str | None
    """Raw, SPKI or PEM; None verifies nothing, so every signed webhook is refused."""
    base_url: str = DEFAULT_BASE_URL
    ring_timeout_ms: int = 30_000
    max_duration_ms: int = 300_000
    end_silence_ms: int = 800


@dataclass(frozen=True, slots=True)
class TelnyxTimeouts:
    """Seconds for one attempt, connecting included. Short, because an attempt that is given up is
    followed by another one without harm."""

    dial_s: float = 5.0
    other_s: float = 2.5


class CallResource(msgspec.Struct, frozen=True):
    """The part of Telnyx's call object that we use. There is no state in it: `is_alive` is false
    before the leg exists and after it is over, times are ISO 8601."""

    call_control_id: str
    is_alive: bool = False
    client_state: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class _CallAnswer(msgspec.Struct, frozen=True):
    data: CallResource


class _Cursors(msgspec.Struct, frozen=True):
    after: str | None = None


class _PageMeta(msgspec.Struct, frozen=True):
    cursors: _Cursors = _Cursors()


class _CallPage(msgspec.Struct, frozen=True):
    data: list[CallResource] = []
    meta: _PageMeta = _PageMeta()


class _Done(msgspec.Struct, frozen=True):
    """A command's answer tells nothing but that it was taken."""


class _ErrorEntry(msgspec.Struct, frozen=True):
    code: str | int | None = None
    title: str | None = None
    detail: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    errors: list[_ErrorEntry] = []


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    """Below the API's base, percent-encoded, beginning with a slash."""
    what: str
    """For people: the path without ids."""
    body: Mapping[str, object] | None = None
    names_call: bool = True

    @property
    def dials(self) -> bool:
        return self.path == "/calls"

    @property
    def unknown(self) -> type[CarrierError]:
        """What it means that the answer is lost: a read changes nothing, all else may have."""
        return CarrierUnreachable if self.method == "GET" else CarrierOutcomeUnknown

    def lost(self, what: str) -> CarrierError:
        return self.unknown(f"{self.method} {self.what}: Telnyx {what}")


def api_base(base_url: str) -> str:
    """The API's base; a host without a path gets the version's."""
    base = base_url.rstrip("/") or DEFAULT_BASE_URL
    return base if urlsplit(base).path else f"{base}/v2"


class TelnyxApi:
    """Calls of one Call Control application. Keeps nothing; `session` belongs to its giver.

    Every method raises CarrierRefused, CarrierBusy, CarrierUnreachable or CarrierOutcomeUnknown,
    and LineGone for a leg that is over or not known.
    """

    def __init__(
        self,
        settings: TelnyxSettings,
        session: aiohttp.ClientSession,
        *,
        timeouts: TelnyxTimeouts,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._session = session
        self._sleep = sleep
        self._jitter = jitter
        self._timeouts = timeouts
        self._secret = settings.api_key
        self._connection_id = settings.connection_id
        self._root = api_base(settings.base_url)
        self._headers = {
            "Authorization": f"Bearer {settings.api_key}",
            "Accept": "application/json",
        }

    async def dial(self, body: Mapping[str, object]) -> CallResource:
        """Place a call. CarrierOutcomeUnknown: it may have been placed."""
        request = _Request("POST", "/calls", "/calls", body, names_call=False)
        return (await self._ask(request, _CallAnswer)).data

    async def retrieve(self, leg: str) -> CallResource:
        """Read a call; Telnyx forgets it about ten minutes after its end."""
        path = f"/calls/{_quoted(leg)}"
        return (await self._ask(_Request("GET", path, "/calls/..."), _CallAnswer)).data

    async def active_calls(self) -> list[CallResource]:
        """The calls of the application that are not over."""
        found: list[CallResource] = []
        path = f"/connections/{_quoted(self._connection_id)}/active_calls?page%5Blimit%5D={PAGE}"
        after = ""
        for _ in range(PAGES):
            request = _Request(
                "GET", path + after, "/connections/.../active_calls", names_call=False
            )
            page = await self._ask(request, _CallPage)
            found += page.data
            cursor = page.meta.cursors.after
            if not page.data or not cursor:
                break
            after = f"&page%5Bafter%5D={_quoted(cursor)}"
        return found

    async def command(self, leg: str, command: Command, *, repeats: int = REPEATS) -> None:
        """Have a leg do something."""
        request = _action("POST", leg, command.action, command.body)
        await self._ask(request, _Done, repeats)

    async def remember(self, leg: str, body: Mapping[str, object]) -> None:
        """Give a leg another client state without a command."""
        await self._ask(_action("PUT", leg, "client_state_update", body), _Done)

    async def _ask(self, request: _Request, shape: type[_Shape], repeats: int = REPEATS) -> _Shape:
        in_doubt = False
        for attempt in range(repeats + 1):
            try:
                return _parsed(request, await self._once(request), shape)
            except CarrierError as exc:
                delay = None if attempt == repeats else self._delay(exc, attempt)
                unknown = isinstance(exc, CarrierOutcomeUnknown)
                if delay is None:
                    if in_doubt and request.dials and not unknown:
                        # What this attempt was refused for says nothing of the one before.
                        raise request.lost(f"has not said whether it calls: {exc}") from exc
                    raise
                in_doubt = in_doubt or unknown
                log.warning(
                    "Telnyx request is repeated",
                    extra={"request": request.what, "code": exc.code, "delay_s": delay},
                )
            await self._sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _delay(self, exc: CarrierError, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none."""
        again = isinstance(exc, CarrierBusy | CarrierUnreachable | CarrierOutcomeUnknown)
        if not again:
            return None
        delay = FIRST_DELAY_S * 4**attempt * (1.0 + self._jitter())
        if exc.retry_after_s is not None:
            if exc.retry_after_s > LONGEST_DELAY_S:
                return None
            delay = max(delay, exc.retry_after_s)
        return delay

    async def _once(self, request: _Request) -> bytes:
        total = self._timeouts.dial_s if request.dials else self._timeouts.other_s
        # Connecting gets half of it, so that a host that cannot be reached is told apart from one
        # that took the request and fell silent.
        limits = aiohttp.ClientTimeout(total=total, connect=total / 2)
        sent = None if request.body is None else msgspec.json.encode(request.body)
        typed = {} if sent is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                request.method,
                # Leg ids have colons and more: they are sent as they were encoded.
                URL(self._root + request.path, encoded=True),
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
            raise CarrierUnreachable(f"Telnyx cannot be reached ({type(exc).__name__})") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise request.lost(f"gave no answer ({type(exc).__name__})") from exc

    def _refusal(
        self, request: _Request, response: aiohttp.ClientResponse, body: bytes
    ) -> CarrierError:
        """The error that an answer other than 2xx stands for; the code counts before the status."""
        status, told = response.status, _first_error(body)
        code = None if told.code is None else str(told.code)[:32]
        text = told.detail or told.title or response.reason or "no reason given"
        if self._secret:
            text = text.replace(self._secret, "...")
        text = f"Telnyx: {text[:300]} (HTTP {status}{f', code {code}' if code else ''})"
        error = _kind(request, status, code)(
            text,
            vendor_code=code,
            status=status,
            retry_after_s=_wait_asked_for(response),
        )
        if status == 401:
            error.remedy = "Check telnyx.apiKey: it must be a key of the API v2."
        elif code in CHANNELS_EXHAUSTED or "channel limit" in text.lower():
            error.remedy = "All channels of the account are in use: end a call, or raise its limit."
        elif status == 403:
            error.remedy = (
                "Check that the Call Control application has an outbound voice profile "
                "that allows this destination."
            )
        return error


def _kind(request: _Request, status: int, code: str | None) -> type[CarrierError]:
    if status == 429 or code == TOO_MANY:
        return CarrierBusy
    if request.names_call and (code == CALL_ENDED or code in NO_SUCH_CALL or status == 404):
        return LineGone
    return CarrierRefused if status < 500 else request.unknown


def _action(method: str, leg: str, action: str, body: Mapping[str, object]) -> _Request:
    path = f"/calls/{_quoted(leg)}/actions/{action}"
    return _Request(method, path, f"/calls/.../actions/{action}", body)


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
    if shape is _Done:
        return shape()
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise request.lost("gave an answer that cannot be read") from exc


def _first_error(body: bytes) -> _ErrorEntry:
    try:
        errors = msgspec.json.decode(body, type=_ErrorBody).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A proxy's page, for example: the HTTP status says what there is to say.
        return _ErrorEntry()
    return errors[0] if errors else _ErrorEntry()


def _wait_asked_for(response: aiohttp.ClientResponse) -> float | None:
    """Seconds. A date in `Retry-After` is for waits that are beyond a request's patience."""
    value = response.headers.get("Retry-After")
    if value is None and response.status == 429:
        value = response.headers.get("x-ratelimit-reset")
    return float(value) if value and value.isdecimal() and len(value) < 8 else None
