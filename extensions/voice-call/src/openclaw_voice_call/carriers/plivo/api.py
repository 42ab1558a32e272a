"""Plivo's REST API for calls, over an HTTP session that is given.

What matters is what is known after a failure. Making a call has no idempotency key, so it is
repeated only after a 429, which says that nothing was done; what else goes wrong after the request
has left may or may not have placed a call. (Plivo's own packages send it again after a 5xx, and
can so place a call twice.) Reading, and ending a call, may be repeated freely.
Source: Plivo's API overview and its pages on calls; paths all end in a slash.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from openclaw_voice_call.carriers.rest import (
    Fields,
    Nothing,
    Request,
    RestClient,
    RestDialect,
    Told,
    basic_authorization,
    readable,
)
from openclaw_voice_call.errors import CarrierError

DEFAULT_BASE_URL: Final = "https://api.plivo.com"
API_VERSION: Final = "v1"
PAGE: Final = 20
"""Calls in one page of a list, the most that Plivo gives."""
PAGES: Final = 3
"""How many pages are read."""

_CALLS: Final = "/Call/"


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


class _ErrorBody(msgspec.Struct, frozen=True):
    """`error` is text, or an object that names what is wrong with which field."""

    error: object = None
    message: object = None


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
        self._rest = RestClient(
            _DIALECT,
            account_root(settings),
            session,
            authorization=basic_authorization(settings.auth_id, settings.auth_token),
            hidden=(settings.auth_token, settings.auth_id),
            create_s=timeouts.create_s,
            other_s=timeouts.other_s,
            sleep=sleep,
            jitter=jitter,
        )

    async def create(self, body: Mapping[str, object]) -> str:
        """Place a call; gives the name of the request, by which the call can be cancelled.

        CarrierOutcomeUnknown: it may have been placed; never repeat, look.
        """
        request = Request("POST", _CALLS, json=body, creates=True)
        return (await self._rest.ask(request, _Created)).request_uuid

    async def listed(self, status: str) -> Sequence[str]:
        """The names of the calls that are `live` or `queued`, `PAGES` pages of them at most."""
        names: dict[str, None] = {}
        for page in range(PAGES):
            query = (("status", status), ("limit", str(PAGE)), ("offset", str(page * PAGE)))
            request = Request("GET", _CALLS, query=query, freely=True)
            found = (await self._rest.ask(request, _CallList)).calls
            known = len(names)
            # A call that comes in may be listed before it has a name.
            names.update(dict.fromkeys(name for name in found if name))
            if len(found) < PAGE or len(names) == known:
                break
        return list(names)

    async def current(self, uuid: str, status: str) -> LiveCall:
        """Read a call that is `live` or `queued`. LineGone: it is not."""
        request = _of_call("GET", uuid, query=(("status", status),), freely=True)
        return await self._rest.ask(request, LiveCall)

    async def detail(self, uuid: str) -> CallDetail:
        """Read the record of a call that is over. LineGone: there is none (yet)."""
        return await self._rest.ask(_of_call("GET", uuid, freely=True), CallDetail)

    async def transfer(self, uuid: str, url: str) -> None:
        """Make a live call fetch `url` now. Repeated, it would begin that document again."""
        body = {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"}
        await self._rest.ask(_of_call("POST", uuid, body=body), Nothing)

    async def hang_up(self, uuid: str) -> None:
        """End a call."""
        await self._rest.ask(_of_call("DELETE", uuid, freely=True), Nothing)

    async def cancel(self, request_uuid: str) -> None:
        """Take a request for a call back that is queued or rings."""
        path = f"/Request/{_quoted(request_uuid)}/"
        request = Request("DELETE", path, "/Request/.../", names_call=True, freely=True)
        await self._rest.ask(request, Nothing)


def account_root(settings: PlivoSettings) -> str:
    """The URL below which all that belongs to the account is."""
    base = settings.base_url.rstrip("/") or DEFAULT_BASE_URL
    return f"{base}/{API_VERSION}/Account/{_quoted(settings.auth_id)}"


def _of_call(
    method: str,
    uuid: str,
    *,
    query: Fields = (),
    body: Mapping[str, object] | None = None,
    freely: bool = False,
) -> Request:
    return Request(
        method,
        f"/Call/{_quoted(uuid)}/",
        "/Call/.../",
        query=query,
        json=body,
        names_call=True,
        freely=freely,
    )


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _told(body: bytes) -> Told:
    error = readable(body, _ErrorBody())
    told = error.error or error.message or ""
    return Told(told if isinstance(told, str) else msgspec.json.encode(told).decode())


def _remedy(error: CarrierError) -> str | None:
    if error.status == 401:
        return "Check plivo.authId and plivo.authToken."
    if error.status == 403:
        return (
            "Check at Plivo that the account may call this destination (geo permissions) "
            "and has a free line (concurrency limit)."
        )
    return None


_DIALECT: Final = RestDialect("Plivo", _told, _remedy)
