"""The door for media streams: who may open a socket, and what it must show before it is a stream.

A carrier that keeps the path of a stream URL is known by its pass before anything is upgraded. One
that does not is a stranger until its start message brings the pass as a parameter. Nothing else is
believed, least of all headers that a proxy may or may not have set.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from openclaw_voice_call.errors import StoreError, StreamRefused
from openclaw_voice_call.interfaces.media import (
    MediaDialect,
    MessageSink,
    StreamDesk,
    StreamStart,
    StreamTicket,
)
from openclaw_voice_call.interfaces.stream_links import TOKEN_PARAMETER, StreamLinks
from openclaw_voice_call.webhook import websocket
from openclaw_voice_call.webhook.pipeline import Burst
from openclaw_voice_call.webhook.places import Place, PlaceLimits, Places
from openclaw_voice_call.webhook.public_url import parse_host
from openclaw_voice_call.webhook.sockets import COMMON_HEADERS, Connection
from openclaw_voice_call.webhook.stream_socket import SocketBounds, StreamSocket

log = logging.getLogger(__name__)

TOLD_CHARS: Final = 60
"""Of what a stranger has written, at most so much is logged."""


class StreamLimits(msgspec.Struct, frozen=True):
    pre_start_s: float = 5.0
    """From the upgrade until the start message."""
    connect_s: float = 5.0
    """How long letting a started stream in may take."""
    places: PlaceLimits = PlaceLimits()
    socket: SocketBounds = SocketBounds()


class StreamCounts(msgspec.Struct, frozen=True):
    """Sockets at present, and refusals since the start by reason."""

    open: int
    pending: int
    refused: Mapping[str, int]


class _Switching(web.StreamResponse):
    """`101 Switching Protocols`, after which the connection is no more HTTP's."""

    def __init__(self, accept: str) -> None:
        super().__init__(
            status=101,
            headers={
                "Server": COMMON_HEADERS["Server"],
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": accept,
            },
        )
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: HTTP would end a body here."""


class _Turned(Exception):
    """The request is answered with `status` and not upgraded."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class StreamDoor:
    """Lets streams of `dialect` in to `desk`. `clock` gives monotonic seconds."""

    def __init__(
        self,
        desk: StreamDesk,
        links: StreamLinks,
        dialect: MediaDialect,
        *,
        path: str,
        limits: StreamLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path`: of the stream sockets on the webhook server, `/voice/stream`."""
        self._desk = desk
        self._links = links
        self._dialect = dialect
        self._path = path.rstrip("/")
        self._limits = limits or StreamLimits()
        self._clock = clock
        self._places = Places(self._limits.places)
        self._sockets: set[StreamSocket] = set()
        self._refused: Counter[str] = Counter()
        self._bursts: dict[str, Burst] = {}
        self._stopped = False

    @property
    def counts(self) -> StreamCounts:
        return StreamCounts(self._places.open, self._places.pending, dict(self._refused))

    def serves(self, target: str) -> bool:
        """Whether a request target belongs to this door."""
        path = target.partition("?")[0]
        return path == self._path or path.startswith(f"{self._path}/")

    async def handle(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        """Answer a request that `serves`; returns when its stream is over."""
        address = request.remote or ""
        try:
            ticket = self._ticket(request)
            accept = _accept(request)
            if self._stopped:
                raise _Turned(503, "stopping")
            place = self._places.take(address, ticket)
            if place is None:
                raise _Turned(503, "full")
        except _Turned as turned:
            self._count(turned.reason, address)
            return _turned(turned.status)
        try:
            response = _Switching(accept)
            await response.prepare(request)
            await self._serve(connection, address, place, ticket)
            return response
        finally:
            self._places.leave(place)

    async def stop(self) -> None:
        """Let nobody in any more and close all streams; bounded by the sockets' `close_s`."""
        self._stopped = True
        for socket in list(self._sockets):
            socket.close(websocket.GOING_AWAY, "stopping")
        over = [socket.gone for socket in self._sockets]
        if over:
            await asyncio.wait(over, timeout=self._limits.socket.close_s + 0.5)

    def _ticket(self, request: web.BaseRequest) -> StreamTicket | None:
        """What the path names, None for the bare path. All of it before anything is read."""
        hosts = request.headers.getall("Host", [])
        if request.method != "GET":
            raise _Turned(405, "method")
        if len(hosts) != 1 or parse_host(hosts[0]) is None:
            raise _Turned(400, "host")
        presented = request.raw_path.partition("?")[0].removeprefix(self._path).strip("/")
        if not presented:
            return None
        ticket = self._links.read(presented)
        if ticket is None:
            raise _Turned(404, "forged")
        if not self._desk.expects(ticket):
            raise _Turned(403, "unexpected")
        return ticket

    async def _serve(
        self, connection: Connection, address: str, place: Place, ticket: StreamTicket | None
    ) -> None:
        transport = connection.transport
        if transport is None:
            return
        socket = StreamSocket(
            transport,
            self._dialect,
            self._limits.socket,
            lambda reason, detail: self._count(reason, address, detail),
        )
        self._sockets.add(socket)
        try:
            connection.set_parser(socket)  # pyright: ignore[reportArgumentType] - by what it does
            if ticket is not None:
                connection.prove()
            if self._stopped:
                socket.close(websocket.GOING_AWAY, "stopping")
            sink = await self._let_in(socket, connection, address, place, ticket)
            if sink is not None:
                socket.open(sink)
            await asyncio.shield(socket.gone)
        finally:
            socket.abort()
            self._sockets.discard(socket)

    async def _let_in(
        self,
        socket: StreamSocket,
        connection: Connection,
        address: str,
        place: Place,
        ticket: StreamTicket | None,
    ) -> MessageSink | None:
        """Who serves the stream; None when it was closed before it could be one."""

        def refuse(code: int, reason: str, detail: str = "") -> None:
            self._count(reason, address, detail)
            socket.close(code, reason)

        try:
            async with asyncio.timeout(self._limits.pre_start_s):
                start = await socket.start()
        except TimeoutError:
            return refuse(websocket.POLICY, "no-start", "silent, or nothing of use")
        if start is None:
            return None
        ticket = ticket or self._links.read(start.parameters.get(TOKEN_PARAMETER, ""))
        if ticket is None:
            return refuse(websocket.POLICY, "forged")
        connection.prove()
        if not start.is_mulaw:
            return refuse(websocket.UNSUPPORTED, "not-mulaw", _format(start))
        if not self._places.start(place):
            return refuse(websocket.TRY_AGAIN, "full")
        try:
            async with asyncio.timeout(self._limits.connect_s):
                return await self._desk.connect(ticket, start, socket)
        except StreamRefused as exc:
            return refuse(websocket.POLICY, "unexpected", str(exc))
        except (StoreError, TimeoutError) as exc:
            return refuse(websocket.TRY_AGAIN, "not-noted", str(exc))

    def _count(self, reason: str, address: str, detail: str = "") -> None:
        self._refused[reason] += 1
        burst = self._bursts.setdefault(reason, Burst())
        count = burst.count(self._clock())
        if count is not None:
            log.warning(
                "media stream refused",
                extra={
                    "reason": reason,
                    "detail": detail[:TOLD_CHARS],
                    "remote": address,
                    "count": count,
                },
            )


def _format(start: StreamStart) -> str:
    return f"the carrier sends {start.encoding[:30]!r} at {start.sample_rate} Hz"


def asks_for_upgrade(request: web.BaseRequest) -> bool:
    """Whether the request asks for a websocket."""
    connection = ",".join(request.headers.getall("Connection", []))
    return websocket.is_upgrade(request.headers.get("Upgrade", ""), connection)


def _accept(request: web.BaseRequest) -> str:
    headers = request.headers
    if not asks_for_upgrade(request):
        raise _Turned(426, "no-upgrade")
    version, key = headers.get("Sec-WebSocket-Version", ""), headers.get("Sec-WebSocket-Key", "")
    accept = websocket.accept(version, key)
    if accept is None:
        raise _Turned(400 if version.strip() == "13" else 426, "handshake")
    return accept


def _turned(status: int) -> web.Response:
    response = web.Response(status=status, headers=COMMON_HEADERS)
    if status == 405:
        response.headers["Allow"] = "GET"
    elif status == 426:
        # `Connection: close`, which follows, does not name it: no proxy passes this on.
        response.headers["Upgrade"] = "websocket"
        response.headers["Sec-WebSocket-Version"] = "13"
    elif status == 503:
        response.headers["Retry-After"] = "1"
    response.force_close()
    return response
