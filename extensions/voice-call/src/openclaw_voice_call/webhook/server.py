"""The HTTP server for carriers: limits before trust, then `WebhookPipeline` or `StreamDoor`."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from aiohttp import web

from openclaw_voice_call.interfaces.carrier import WebhookReply, WebhookRequest
from openclaw_voice_call.setup.probe import HEADER
from openclaw_voice_call.webhook.gate import Admission, AdmissionGate, GateLimits
from openclaw_voice_call.webhook.port import BACKLOG, WebhookPort
from openclaw_voice_call.webhook.sockets import (
    COMMON_HEADERS,
    Connection,
    SocketLimits,
    Sockets,
    affordable,
)
from openclaw_voice_call.webhook.streams import StreamDoor, asks_for_upgrade

log = logging.getLogger(__name__)


_TURNS = 5


class Answers(Protocol):
    """What the server needs of `WebhookPipeline`."""

    @property
    def signature_headers(self) -> Sequence[str]: ...

    async def handle(
        self, request: WebhookRequest, verified: Callable[[], None]
    ) -> WebhookReply: ...


class ServerLimits(msgspec.Struct, frozen=True):
    body_bytes: int = 64 * 1024
    body_s: float = 5.0
    """For the whole body, from the end of the headers."""
    queue_s: float = 1.0
    """How long a request waits for a place at the gate."""
    stop_s: float = 5.0
    """How long requests in work may go on when the server stops."""
    gate: GateLimits = GateLimits()
    sockets: SocketLimits = SocketLimits()


class _Refused(Exception):
    """The request is answered with `status`, and its connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WebhookServer:
    """Serves `path`, and what is `streams`', on `host`:`port` (0: any free port); nothing else."""

    def __init__(
        self,
        pipeline: Answers,
        *,
        path: str,
        host: str = "127.0.0.1",
        port: int = 3334,
        limits: ServerLimits | None = None,
        prove: Callable[[str], str | None] = lambda _: None,
        streams: StreamDoor | None = None,
        kept: WebhookPort | None = None,
    ) -> None:
        """`prove` answers a probe that this process has sent to itself; None for all else. `kept`
        holds the port beyond this server."""
        self._pipeline = pipeline
        self._streams = streams
        self._prove = prove
        self._signature_headers = tuple(pipeline.signature_headers)
        self._path = path
        self._host = host
        self._port = port
        self._limits = limits or ServerLimits()
        self._gate = AdmissionGate(self._limits.gate)
        self._queue: dict[int, asyncio.Future[None]] = {}
        self._kept = kept
        self._sockets: Sockets | None = None
        self._listeners: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """The port that is listened on."""
        for listener in self._listeners:
            for each in listener.sockets:
                return int(each.getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Listen. Raises NotReady when the address cannot be had."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._sockets = Sockets(self._handle, affordable(self._limits.sockets, files))
        await self.open_port()

    async def close_port(self, grace_s: float = 1.0) -> None:
        """Take no new connections: who comes now is answered by whoever opens the port next.

        Returns when what was asked is answered, or `grace_s` is over.
        """
        await self._close_listeners()
        if self._sockets is not None:
            await self._sockets.quiet(grace_s)

    async def open_port(self) -> None:
        """Take connections, at first or again. Raises NotReady."""
        assert self._sockets is not None
        port = self._kept or WebhookPort()
        loop = asyncio.get_running_loop()
        sockets = await port.open(self._host, self._port)
        self._listeners = [
            await loop.create_server(self._sockets, sock=each, backlog=BACKLOG) for each in sockets
        ]
        if self._kept is None:
            port.close()

    async def stop(self) -> None:
        """Take no new requests, close streams, answer requests in work, close.

        Bounded by what streams take to close and `stop_s`, about twice.
        """
        listeners = await self._close_listeners()
        if not listeners or self._sockets is None:
            return
        if self._streams is not None:
            await self._streams.stop()
        await self._sockets.shutdown(self._limits.stop_s)
        for listener in listeners:
            await listener.wait_closed()

    async def _close_listeners(self) -> Sequence[asyncio.Server]:
        """A server that asyncio closes forgets the connections that it is about to take: they would
        stay open, and nobody would answer. So it stops accepting first, and has a few turns of the
        loop to hand over what it has accepted."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            for each in listener.sockets:
                loop.remove_reader(each.fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        return self._listeners

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.request_came()
        try:
            proof = self._proof(request)
            if proof is not None:
                return proof
            if self._streams is None or not self._streams.serves(request.raw_path):
                return await self._answer(request, connection)
        finally:
            connection.is_answered()
        return await self._streams.handle(request, connection)

    async def _answer(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        address = request.remote or ""
        try:
            self._check_head(request)
            # A body that came with the headers is judged at once and holds no place, so that
            # senders of slow bodies cannot shut out honest ones of the same address: behind a
            # tunnel everybody has the same one.
            inside = not request.content.is_eof()
            if inside:
                await self._enter(address)
        except _Refused as refusal:
            return _refusal(refusal.status)

        def leave() -> None:
            nonlocal inside
            if inside:
                inside = False
                self._leave(address)

        def verified() -> None:
            connection.prove()
            leave()

        try:
            body = await self._body(request)
            webhook = WebhookRequest(
                request.method, request.raw_path, _plain_headers(request), body, address
            )
            response = _response(await self._pipeline.handle(webhook, verified))
            if not connection.proved:
                response.force_close()
            return response
        except _Refused as refusal:
            return _refusal(refusal.status)
        finally:
            leave()

    def _proof(self, request: web.BaseRequest) -> web.Response | None:
        """What shows the sender of a probe that it has found itself, at the webhook's path or the
        streams'. There it is 426 when something on the way took the upgrade off.

        A request without a good probe goes the way of all others: strangers learn nothing here.
        """
        probe = request.headers.get(HEADER)
        if probe is None:
            return None
        at_streams = self._streams is not None and self._streams.serves(request.raw_path)
        if not at_streams and request.raw_path.partition("?")[0] != self._path:
            return None
        proof = self._prove(probe)
        if proof is None:
            return None
        status = 426 if at_streams and not asks_for_upgrade(request) else 200
        response = _response(WebhookReply(status, body=proof.encode()))
        response.force_close()
        return response

    def _check_head(self, request: web.BaseRequest) -> None:
        """All that can be refused before a byte of the body is read."""
        if request.raw_path.partition("?")[0] != self._path:
            raise _Refused(404)
        if request.method not in ("POST", "GET"):
            raise _Refused(405)
        headers = request.headers
        if self._signature_headers and not any(name in headers for name in self._signature_headers):
            raise _Refused(401 if request.method == "POST" else 405)
        length = headers.get("Content-Length")
        if length is not None:
            # Ten digits are too much already, and int() does not take thousands of them.
            self._check_size(int(length[:10]))

    async def _enter(self, address: str) -> None:
        ticket, admission = self._gate.arrive(address)
        if admission is Admission.ADMITTED:
            return
        if admission is Admission.REFUSED:
            raise _Refused(429)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue[ticket] = turn
        try:
            await asyncio.wait({turn}, timeout=self._limits.queue_s)
        finally:
            if not turn.done():
                del self._queue[ticket]
                self._gate.give_up(address, ticket)
        if not turn.done():
            raise _Refused(429)

    def _leave(self, address: str) -> None:
        ticket = self._gate.leave(address)
        if ticket is not None:
            self._queue.pop(ticket).set_result(None)

    async def _body(self, request: web.BaseRequest) -> bytes:
        content = request.content
        if content.is_eof():  # as good as always: it came with the headers
            body = content.read_nowait()
            self._check_size(len(body))
            return body
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        received = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                while chunk := await content.readany():
                    received += chunk
                    self._check_size(len(received))
        except TimeoutError:
            raise _Refused(408) from None
        except (web.RequestPayloadError, ConnectionError):
            raise _Refused(400) from None
        return bytes(received)

    def _check_size(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise _Refused(413)


def _plain_headers(request: web.BaseRequest) -> Mapping[str, str]:
    """Lower-case names; the values of a repeated name are joined by commas (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def _response(reply: WebhookReply) -> web.Response:
    headers = {**COMMON_HEADERS, "Content-Type": reply.content_type}
    if reply.status in (429, 503):
        headers["Retry-After"] = "1"
    return web.Response(status=reply.status, headers=headers, body=reply.body)


def _refusal(status: int) -> web.Response:
    response = _response(WebhookReply(status))
    if status == 405:
        response.headers["Allow"] = "POST"
    response.force_close()
    return response
