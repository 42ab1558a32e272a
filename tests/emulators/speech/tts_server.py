"""What emulators of speech vendors have in common: an HTTP server whose answers are audio.

Answers come with latency, in pieces of any size, and go wrong on demand in the ways of the world.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

import msgspec
import numpy as np
from aiohttp import web

TONE_HZ = 1000


@dataclass(frozen=True)
class Give:
    """Answer with audio."""

    body: bytes | None = None
    """None: a tone in the form that was asked for, as long as the text takes."""
    pieces: int = 4096
    """Bytes that are sent at once."""
    end: Literal["whole", "stall", "break"] = "whole"
    """Whether the body then ends, just does not go on, or the connection breaks."""
    content_type: str | None = None


@dataclass(frozen=True)
class Refuse:
    """Answer with an HTTP error."""

    status: int
    body: object
    retry_after_s: int | None = None


@dataclass(frozen=True)
class Hang:
    """Take the request and answer nothing."""


@dataclass(frozen=True)
class Slam:
    """Close the connection instead of an answer."""


Answer = Give | Refuse | Hang | Slam


def tone(rate_hz: int, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """A sine of `TONE_HZ` at -9 dBFS."""
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.rint(11_627 * np.sin(2 * np.pi * TONE_HZ * time)).astype(np.int16)


def length_s(text: str) -> float:
    """How long a tone stands for this text: a twentieth of a second a character."""
    return len(text) / 20


def wav(samples: bytes, rate_hz: int, *, declared_bytes: int | None = None) -> bytes:
    """16-bit mono in a RIFF container."""
    size = len(samples) if declared_bytes is None else declared_bytes
    form = (
        (1).to_bytes(2, "little")
        + (1).to_bytes(2, "little")
        + rate_hz.to_bytes(4, "little")
        + (2 * rate_hz).to_bytes(4, "little")
        + (2).to_bytes(2, "little")
        + (16).to_bytes(2, "little")
    )
    return (
        b"RIFF"
        + min(size + 36, 0xFFFFFFFF).to_bytes(4, "little")
        + b"WAVEfmt "
        + (16).to_bytes(4, "little")
        + form
        + b"data"
        + size.to_bytes(4, "little")
        + samples
    )


class BadRequest(Exception):
    """A request that the vendor refuses."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(body)
        self.refusal = Refuse(status, body)


@dataclass
class TtsServer(ABC):
    """A vendor. Give it answers in order; the last one is repeated."""

    key: str = "key-of-test"
    latency_s: float = 0.0
    """From the request to the first byte of the answer."""
    requests: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])
    """Bodies of what was asked for and not refused."""
    warmed: int = 0
    """Requests that asked for nothing."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request has arrived."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has gone away before an answer's end."""
    url: str = ""
    _answers: deque[Answer] = field(default_factory=lambda: deque[Answer]([Give()]))
    _ports: set[int] = field(default_factory=set[int])
    _runner: web.AppRunner | None = None

    @abstractmethod
    def routes(self, app: web.Application) -> None:
        """Add where `answer` is asked for."""

    @abstractmethod
    def check(self, http: web.Request, body: Mapping[str, object]) -> bytes:
        """Check as the vendor does and give the audio. Raises BadRequest."""

    def will(self, *answers: Answer) -> None:
        """Answer the next requests so."""
        self._answers = deque(answers)

    @property
    def connections(self) -> int:
        """How many have been opened so far."""
        return len(self._ports)

    async def __aenter__(self) -> Self:
        app = web.Application()
        self.routes(app)
        app.router.add_get("/{rest:.*}", self._warm)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def answer(self, http: web.Request) -> web.StreamResponse:
        self._note(http)
        body = msgspec.json.decode(await http.read(), type=dict[str, object])
        try:
            audio = self.check(http, body)
        except BadRequest as refused:
            return _refusal(refused.refusal)
        self.requests.append(body)
        self.asked.set()
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.popleft()
        ended = False
        try:
            await asyncio.sleep(self.latency_s)
            match answer:
                case Refuse():
                    response = _refusal(answer)
                case Hang():
                    await asyncio.get_running_loop().create_future()
                    raise AssertionError
                case Slam():
                    _break(http)
                    response = web.Response()
                case Give():
                    response = await self._give(http, answer, audio)
            ended = True
        finally:
            if not ended:
                self.left.set()
        return response

    async def _give(self, http: web.Request, answer: Give, audio: bytes) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": answer.content_type or "application/octet-stream"}
        )
        response.enable_chunked_encoding()
        await response.prepare(http)
        body = audio if answer.body is None else answer.body
        for start in range(0, len(body), answer.pieces):
            await response.write(body[start : start + answer.pieces])
            await asyncio.sleep(0)
        if answer.end == "stall":
            await asyncio.get_running_loop().create_future()
        elif answer.end == "break":
            _break(http)
        return response

    async def _warm(self, http: web.Request) -> web.Response:
        self._note(http)
        self.warmed += 1
        return web.Response(status=404)

    def _note(self, http: web.Request) -> None:
        assert http.transport is not None
        self._ports.add(http.transport.get_extra_info("peername")[1])


def _refusal(refusal: Refuse) -> web.Response:
    wait = refusal.retry_after_s
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return web.json_response(refusal.body, status=refusal.status, headers=headers)


def _break(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.abort()
