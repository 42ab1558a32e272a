"""Twilio's side of many phone calls: signed webhooks, and how long each answer took.

A call is what Twilio sends for somebody who dials the number: the number's own webhook, the fetch
of each next step, speech with its confidence, and the status at the end. Where to go next is read
from the answers, as Twilio does. The sender is written on bare sockets, so that one process can
keep a server busy.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from itertools import count
from typing import Final, TypeAlias, cast
from urllib.parse import quote_plus, urlsplit
from uuid import uuid4

from twilio.request_validator import RequestValidator  # pyright: ignore[reportMissingTypeStubs]

PATH: Final = "/voice/webhook"
PUBLIC_URL: Final = f"https://voice.example.com{PATH}"
ACCOUNT_SID: Final = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN: Final = "benchmark-auth-token"
OUR_NUMBER: Final = "+15550001234"
WORDS: Final = (
    "Hi, I would like to move my appointment on Thursday to next week, if that is possible.",
    "In the afternoon would be best, any day but Friday.",
    "Yes, Tuesday at three is fine, thank you very much.",
)
"""What a caller says; each time the agent answers."""
WEBHOOKS_PER_CALL: Final = 3 + 2 * len(WORDS)
ANSWER_S: Final = 20.0

REDIRECT: Final = re.compile(r"<Redirect[^>]*>([^<]+)</Redirect>")
STREAM: Final = re.compile(r'<Stream [^>]*?\burl="([^"]+)"')

_GATHER: Final = re.compile(r'<Gather [^>]*?\baction="([^"]+)"')
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
# The official package, which has no types.
_sign: Final = cast(
    "Callable[[str, Mapping[str, str]], str]",
    RequestValidator(AUTH_TOKEN).compute_signature,  # pyright: ignore[reportUnknownMemberType]
)
_callers: Final = count(2_000_000)


class UnexpectedAnswer(Exception):
    """The server did not go along with a call, so nothing was measured."""


@dataclass(frozen=True, slots=True)
class Webhook:
    url: str
    """The public URL, which is what is signed."""
    form: dict[str, str]

    def encoded(self) -> bytes:
        """The request as it travels."""
        target = urlsplit(self.url)
        body = "&".join(f"{name}={quote_plus(value)}" for name, value in self.form.items())
        signature = _sign(self.url, self.form)
        return (
            f"POST {target.path}{'?' if target.query else ''}{target.query} HTTP/1.1\r\n"
            f"Host: {target.netloc}\r\n"
            "User-Agent: TwilioProxy/1.1\r\n"
            "Accept: */*\r\n"
            "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"I-Twilio-Idempotency-Token: {uuid4()}\r\n"
            f"X-Twilio-Signature: {signature}\r\n"
            "X-Forwarded-For: 192.0.2.7\r\n"
            "X-Forwarded-Proto: https\r\n"
            "\r\n"
            f"{body}"
        ).encode()


Call: TypeAlias = Generator[Webhook, str, None]
"""Gives webhooks, takes the documents that answer them."""


def inbound_call() -> Call:
    """Somebody dials, hears the greeting, says all of `WORDS` in turn, and hangs up."""
    form = new_form()
    document = yield Webhook(PUBLIC_URL, form | {"CallStatus": "ringing"})
    up = form | {"CallStatus": "in-progress"}
    for words in WORDS:
        document = yield Webhook(link(REDIRECT, document), up)
        speech = {"SpeechResult": words, "Confidence": "0.9174", "Language": "en-US"}
        document = yield Webhook(link(_GATHER, document), up | speech)
    yield Webhook(link(REDIRECT, document), up)
    yield ended(form)


def ended(form: dict[str, str]) -> Webhook:
    """What a call's end is told with."""
    about = {
        "CallStatus": "completed",
        "CallDuration": "31",
        "Duration": "1",
        "Timestamp": "Thu, 01 Jan 2026 12:00:00 +0000",
        "CallbackSource": "call-progress-events",
        "SequenceNumber": "0",
    }
    return Webhook(f"{PUBLIC_URL}?type=status", form | about)


def new_form() -> dict[str, str]:
    """The parameters that all webhooks of another call carry."""
    caller = f"+1555{next(_callers)}"
    place = {"City": "SAN FRANCISCO", "State": "CA", "Zip": "94105", "Country": "US"}
    parties = {"From": caller, "Caller": caller, "To": OUR_NUMBER, "Called": OUR_NUMBER}
    places = {f"{party}{name}": value for party in parties for name, value in place.items()}
    return {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": f"CA{uuid4().hex}",
        "CallToken": "%7B%22parentCallInfoToken%22%3A%22" + "eyJhbGciOiJFUzI1NiJ9" * 12,
        "Direction": "inbound",
        "StirVerstat": "TN-Validation-Passed-A",
        **parties,
        **places,
    }


def link(pattern: re.Pattern[str], document: str) -> str:
    """What a document refers to. Raises UnexpectedAnswer."""
    found = pattern.search(document)
    if found is None:
        raise UnexpectedAnswer(f"no {pattern.pattern} in {document!r}")
    # The fragment holds connection overrides for Twilio, which never sends it.
    return unescape(found[1]).partition("#")[0]


class Connection(asyncio.Protocol):
    """A kept HTTP/1.1 connection with one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[tuple[int, str]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or UnexpectedAnswer("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or self._answer is None:
            return
        length = _LENGTH.search(head)
        if len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._answer.set_result((int(head[9:12]), body.decode()))

    async def send(self, request: bytes) -> tuple[int, str]:
        """Status and body of the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_S):
            return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def connections(port: int, number: int) -> AsyncGenerator[list[Connection]]:
    """`number` connections to a server on loopback."""
    loop = asyncio.get_running_loop()
    opened: list[Connection] = []
    try:
        for _ in range(number):
            _, each = await loop.create_connection(Connection, "127.0.0.1", port)
            opened.append(each)
        yield opened
    finally:
        for each in opened:
            each.close()


async def play(port: int, *, lines: int, calls: int) -> list[float]:
    """Have `calls` calls made, `lines` at a time; seconds that each webhook took.

    Raises UnexpectedAnswer, TimeoutError, OSError.
    """
    took: list[float] = []
    waiting = iter(range(calls))
    async with connections(port, lines) as opened, asyncio.TaskGroup() as group:
        for each in opened:
            group.create_task(_line(each, (inbound_call() for _ in waiting), took))
    return took


async def _line(connection: Connection, calls: Iterator[Call], took: list[float]) -> None:
    for call in calls:
        webhook = next(call, None)
        while webhook is not None:
            request = webhook.encoded()
            began = time.perf_counter()
            status, document = await connection.send(request)
            took.append(time.perf_counter() - began)
            if status not in (200, 204):
                raise UnexpectedAnswer(f"status {status} for {webhook.url}: {document!r}")
            try:
                webhook = call.send(document)
            except StopIteration:
                webhook = None


def percentile(values: Iterable[float], part: float) -> float:
    """The value below which `part` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
