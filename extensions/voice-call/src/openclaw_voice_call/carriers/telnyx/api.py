"""Telnyx's Call Control API, over an HTTP session that is given.

Every command names itself (`command_id`), and Telnyx ignores a name that it has seen within the
last minute, dialling included. So a request whose answer is lost is sent again, unchanged, well
within that minute; what is still unknown then may or may not have been done.
Source: Telnyx's "Command retries", "API errors" and OpenAPI description.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from openclaw_voice_call.carriers.rest import (
    REPEATS,
    Nothing,
    Request,
    RestClient,
    RestDialect,
    Told,
    readable,
)
from openclaw_voice_call.carriers.telnyx.commands import Command
from openclaw_voice_call.errors import CarrierError

DEFAULT_BASE_URL: Final = "https://api.telnyx.com/v2"
FIRST_DELAY_S: Final = 0.1
"""Telnyx's advice is to try again at once; somebody is waiting on the phone."""
PAGE: Final = 250
"""Calls in one page of active calls, the most that Telnyx gives."""
PAGES: Final = 20
"""How many pages are read."""

CALL_ENDED: Final = "90018"
NO_SUCH_CALL: Final = frozenset({"10005", "90015"})
TRANSCRIBING: Final = "90054"
"""Transcription has been started already."""
NO_STREAM: Final = "90048"
"""The command needs a media stream, and there is none."""
TOO_MANY: Final = "10011"
CHANNELS_EXHAUSTED: Final = frozenset({"90041", "90042", "90043"})


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
    stream_target_legs: str = "both"
    """Which legs hear what we send on a media stream. A call with us has one leg only, and Telnyx
    does not say whether that one is `self` or `opposite`."""
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


class _ErrorEntry(msgspec.Struct, frozen=True):
    code: str | int | None = None
    title: str | None = None
    detail: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    errors: list[_ErrorEntry] = []


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
        self._connection_id = settings.connection_id
        self._rest = RestClient(
            _DIALECT,
            api_base(settings.base_url),
            session,
            authorization=f"Bearer {settings.api_key}",
            hidden=(settings.api_key,),
            create_s=timeouts.dial_s,
            other_s=timeouts.other_s,
            sleep=sleep,
            jitter=jitter,
        )

    async def dial(self, body: Mapping[str, object]) -> CallResource:
        """Place a call. CarrierOutcomeUnknown: it may have been placed."""
        request = Request("POST", "/calls", json=body, creates=True, freely=True)
        return (await self._rest.ask(request, _CallAnswer)).data

    async def retrieve(self, leg: str) -> CallResource:
        """Read a call; Telnyx forgets it about ten minutes after its end."""
        path = f"/calls/{_quoted(leg)}"
        request = Request("GET", path, "/calls/...", names_call=True, freely=True)
        return (await self._rest.ask(request, _CallAnswer)).data

    async def active_calls(self) -> list[CallResource]:
        """The calls of the application that are not over."""
        found: list[CallResource] = []
        path = f"/connections/{_quoted(self._connection_id)}/active_calls?page%5Blimit%5D={PAGE}"
        after = ""
        for _ in range(PAGES):
            shown = "/connections/.../active_calls"
            page = await self._rest.ask(Request("GET", path + after, shown, freely=True), _CallPage)
            found += page.data
            cursor = page.meta.cursors.after
            if not page.data or not cursor:
                break
            after = f"&page%5Bafter%5D={_quoted(cursor)}"
        return found

    async def command(self, leg: str, command: Command, *, repeats: int = REPEATS) -> None:
        """Have a leg do something."""
        request = _action("POST", leg, command.action, command.body)
        await self._rest.ask(request, Nothing, repeats=repeats)

    async def remember(self, leg: str, body: Mapping[str, object]) -> None:
        """Give a leg another client state without a command."""
        await self._rest.ask(_action("PUT", leg, "client_state_update", body), Nothing)


def _action(method: str, leg: str, action: str, body: Mapping[str, object]) -> Request:
    return Request(
        method,
        f"/calls/{_quoted(leg)}/actions/{action}",
        f"/calls/.../actions/{action}",
        json=body,
        names_call=True,
        freely=True,
    )


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _told(body: bytes) -> Told:
    errors = readable(body, _ErrorBody()).errors
    first = errors[0] if errors else _ErrorEntry()
    return Told(first.detail or first.title or "", first.code)


def _remedy(error: CarrierError) -> str | None:
    if error.status == 401:
        return "Check telnyx.apiKey: it must be a key of the API v2."
    if error.vendor_code in CHANNELS_EXHAUSTED or "channel limit" in str(error).lower():
        return "All channels of the account are in use: end a call, or raise its limit."
    if error.status == 403:
        return (
            "Check that the Call Control application has an outbound voice profile "
            "that allows this destination."
        )
    return None


_DIALECT: Final = RestDialect(
    "Telnyx",
    _told,
    _remedy,
    busy=frozenset({TOO_MANY}),
    gone=NO_SUCH_CALL | {CALL_ENDED},
    busy_wait_header="x-ratelimit-reset",
    first_delay_s=FIRST_DELAY_S,
    growth=4.0,
    paths_verbatim=True,
)
