"""One request to a carrier's REST API: its limits, its repetition, and what a failure leaves known.

The same for all carriers. Each keeps its paths, credentials and error bodies, and says of every
request whether twice has the effect of once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeAlias, TypeVar

import aiohttp
import msgspec
from yarl import URL

from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRefused,
    CarrierUnreachable,
    LineGone,
)

log = logging.getLogger(__name__)

BODY_LIMIT: Final = 1_000_000
"""Bytes of an answer that are read; the longest page of calls has about 100 000."""
REPEATS: Final = 2
"""How often a request is tried again where that is safe."""
LONGEST_DELAY_S: Final = 5.0
"""A wait beyond this that a carrier asks for is left to whoever asked."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON of a stranger raises."""

_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_Shape = TypeVar("_Shape", bound=msgspec.Struct)

Fields: TypeAlias = Sequence[tuple[str, str]]
"""Of a query or a form; a list is the same name several times."""


class Nothing(msgspec.Struct, frozen=True):
    """An answer whose status says all."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Below the client's root, percent-encoded, beginning with a slash."""
    shown: str = ""
    """For people: the path without ids, where it has some."""
    query: Fields = ()
    form: Fields = ()
    json: Mapping[str, object] | None = None
    creates: bool = False
    """Whether it places a call."""
    names_call: bool = False
    """Whether "not found" means that a call is gone."""
    freely: bool = False
    """Whether twice has the effect of once. If not, it is sent again only after the carrier said
    that it did nothing."""

    @property
    def what(self) -> str:
        return f"{self.method} {self.shown or self.path}"

    @property
    def unknown(self) -> type[CarrierError]:
        """What it means that the answer is lost: a read changes nothing, all else may have."""
        return CarrierUnreachable if self.method == "GET" else CarrierOutcomeUnknown


class Told(NamedTuple):
    """What the body of a refusal says."""

    text: str = ""
    code: str | int | None = None


@dataclass(frozen=True, slots=True)
class RestDialect:
    """In what one carrier's API differs from the others'."""

    carrier: str
    told: Callable[[bytes], Told]
    """Reads the body of a refusal; an empty `Told` for what is none, a proxy's page for example."""
    remedy: Callable[[CarrierError], str | None]
    """What the operator can do about a refusal."""
    busy: frozenset[str] = frozenset()
    """Codes that say what HTTP 429 says: too many requests, and nothing was done."""
    gone: frozenset[str] = frozenset()
    """Codes that say what HTTP 404 says."""
    busy_wait_header: str | None = None
    """Has the seconds to wait after a 429 that comes without `Retry-After`."""
    first_delay_s: float = 0.5
    """Before the first repetition; chance makes every delay up to twice as long."""
    growth: float = 2.0
    """By which each further delay is longer."""
    paths_verbatim: bool = False
    """Send paths as they were encoded, where ids have colons and the like."""


class Answer(NamedTuple):
    """Whatever came back. `headers` are found in any case of letters."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status // 100 == 2

    @property
    def sent_at(self) -> float | None:
        """What the carrier's clock showed (epoch s), None if it did not say."""
        date = self.headers.get("Date")
        try:
            return parsedate_to_datetime(date).timestamp() if date else None
        except ValueError:
            return None


async def exchange(
    session: aiohttp.ClientSession,
    request: Request,
    url: str | URL,
    *,
    headers: Mapping[str, str],
    limits: aiohttp.ClientTimeout,
) -> Answer:
    """Send `request` once to `url` and read its answer, `BODY_LIMIT` bytes at most.

    Redirects are not followed. Raises aiohttp.ClientError or TimeoutError.
    """
    data: aiohttp.FormData | bytes | None = None
    typed: Mapping[str, str] = {}
    if request.form:
        data = aiohttp.FormData(list(request.form))
    elif request.json is not None:
        data, typed = msgspec.json.encode(request.json), {"Content-Type": "application/json"}
    async with session.request(
        request.method,
        url,
        params=list(request.query),
        data=data,
        headers={**headers, **typed, "Accept": "application/json"},
        timeout=limits,
        allow_redirects=False,
    ) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            body += chunk
            if len(body) > BODY_LIMIT:
                raise aiohttp.ClientPayloadError(f"more than {BODY_LIMIT} bytes")
        return Answer(response.status, response.reason or "", response.headers, bytes(body))


class RestClient:
    """Requests for one account. Keeps nothing; `session` belongs to whoever gave it.

    `root` is the URL below which the paths are, `hidden` are texts that no error may show,
    `create_s` and `other_s` the seconds for one attempt, connecting included.

    Both methods raise CarrierRefused, CarrierBusy, CarrierUnreachable or CarrierOutcomeUnknown,
    and LineGone for a call that the carrier does not have (any more).
    """

    def __init__(
        self,
        dialect: RestDialect,
        root: str,
        session: aiohttp.ClientSession,
        *,
        authorization: str,
        hidden: Sequence[str],
        create_s: float,
        other_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._dialect = dialect
        self._root = root
        self._session = session
        self._headers = {"Authorization": authorization}
        self._hidden = hidden
        self._create_s = create_s
        self._other_s = other_s
        self._sleep = sleep
        self._jitter = jitter

    async def ask(self, request: Request, shape: type[_Shape], *, repeats: int = REPEATS) -> _Shape:
        return (await self.ask_dated(request, shape, repeats=repeats))[0]

    async def ask_dated(
        self, request: Request, shape: type[_Shape], *, repeats: int = REPEATS
    ) -> tuple[_Shape, float | None]:
        """The answer, and what the carrier's clock showed (epoch s), None if it did not say."""
        in_doubt = False
        for attempt in range(repeats + 1):
            try:
                answer = await self._once(request)
                return self._parsed(request, answer.body, shape), answer.sent_at
            except CarrierError as exc:
                delay = None if attempt == repeats else self._delay(request, exc, attempt)
                unknown = isinstance(exc, CarrierOutcomeUnknown)
                if delay is None:
                    if in_doubt and request.creates and not unknown:
                        # What this attempt was refused for says nothing of the one before.
                        carrier = self._dialect.carrier
                        raise request.unknown(
                            f"{carrier} has not said whether it did {request.what}: {exc}"
                        ) from exc
                    raise
                in_doubt = in_doubt or unknown
                log.warning(
                    "carrier request is repeated",
                    extra={
                        "carrier": self._dialect.carrier,
                        "request": request.what,
                        "code": exc.code,
                        "delay_s": delay,
                    },
                )
            await self._sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _delay(self, request: Request, exc: CarrierError, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none."""
        safe = isinstance(exc, CarrierBusy) or (
            request.freely and isinstance(exc, CarrierUnreachable | CarrierOutcomeUnknown)
        )
        if not safe:
            return None
        dialect = self._dialect
        delay = dialect.first_delay_s * dialect.growth**attempt * (1.0 + self._jitter())
        if exc.retry_after_s is not None:
            if exc.retry_after_s > LONGEST_DELAY_S:
                return None
            delay = max(delay, exc.retry_after_s)
        return delay

    async def _once(self, request: Request) -> Answer:
        """The answer, whose status is 2xx."""
        total = self._create_s if request.creates else self._other_s
        # Connecting gets half of it, so that a host that cannot be reached is told apart from one
        # that took the request and fell silent.
        limits = aiohttp.ClientTimeout(total=total, connect=total / 2)
        target = self._root + request.path
        url = URL(target, encoded=True) if self._dialect.paths_verbatim else target
        try:
            answer = await exchange(
                self._session, request, url, headers=self._headers, limits=limits
            )
        except _NOT_SENT as exc:
            raise CarrierUnreachable(
                f"{self._dialect.carrier} cannot be reached ({type(exc).__name__})"
            ) from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise self._lost(request, f"gave no answer ({type(exc).__name__})") from exc
        if not answer.ok:
            raise self._refusal(request, answer)
        return answer

    def _lost(self, request: Request, what: str) -> CarrierError:
        return request.unknown(f"{self._dialect.carrier} {what} to {request.what}")

    def _refusal(self, request: Request, answer: Answer) -> CarrierError:
        """The error that an answer other than 2xx stands for; a code counts before the status."""
        dialect, status, told = self._dialect, answer.status, self._dialect.told(answer.body)
        code = None if told.code is None else str(told.code)[:32]
        text = shortened(told.text or answer.reason, self._hidden)
        kind: type[CarrierError]
        if status == 429 or code in dialect.busy:
            kind = CarrierBusy
        elif request.names_call and (status == 404 or code in dialect.gone):
            kind = LineGone
        else:
            kind = CarrierRefused if status < 500 else request.unknown
        error = kind(
            f"{dialect.carrier}: {text} (HTTP {status}{f', code {code}' if code else ''})",
            vendor_code=code,
            status=status,
            retry_after_s=_wait_asked_for(answer, dialect.busy_wait_header),
        )
        error.remedy = dialect.remedy(error)
        return error

    def _parsed(self, request: Request, body: bytes, shape: type[_Shape]) -> _Shape:
        if shape is Nothing:
            return shape()
        try:
            return msgspec.json.decode(body, type=shape)
        except UNREADABLE as exc:
            raise self._lost(request, "gave an answer that cannot be read") from exc


def basic_authorization(user: str, password: str) -> str:
    """The header's value for HTTP's basic authentication (RFC 7617), in UTF-8."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def readable(body: bytes, otherwise: _Shape) -> _Shape:
    """`body` read as what `otherwise` is, and `otherwise` when it is no such thing."""
    try:
        return msgspec.json.decode(body, type=type(otherwise))
    except UNREADABLE:
        return otherwise


def shortened(text: str, hidden: Sequence[str]) -> str:
    """The reason of a refusal, for people, without the texts of `hidden`.

    Carriers repeat what they were asked, which names the account.
    """
    for secret in filter(None, hidden):
        text = text.replace(secret, "...")
    return text[:300] or "no reason given"


def _wait_asked_for(answer: Answer, busy_header: str | None) -> float | None:
    """Seconds. A date in `Retry-After` is for waits that are beyond a request's patience."""
    value = answer.headers.get("Retry-After")
    if value is None and busy_header is not None and answer.status == 429:
        value = answer.headers.get(busy_header)
    return float(value) if value and value.isdecimal() and len(value) < 8 else None
