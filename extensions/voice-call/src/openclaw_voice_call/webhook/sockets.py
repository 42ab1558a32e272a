"""Connections of the webhook port: how many, how long they may stay silent, what a bad one hears.

aiohttp parses HTTP; what it leaves open for a port that faces the world is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast

import msgspec
from aiohttp import web

log = logging.getLogger(__name__)

Handle: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

COMMON_HEADERS: Mapping[str, str] = {"Server": "openclaw", "Cache-Control": "no-store"}
"""In every answer. Without the first, aiohttp would tell its version and Python's."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: openclaw\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


class SocketLimits(msgspec.Struct, frozen=True):
    """`strangers_per_address` are connections of one address that have not proved who they are."""

    connections: int = 1024
    strangers_per_address: int = 256
    first_request_s: float = 5.0
    """From connecting until the first request's headers are complete."""
    keepalive_s: float = 75.0
    """Between requests. Proxies keep connections for 60 s by default, so they close first."""
    linger_s: float = 0.5
    """How long the rest of a refused body is thrown away, so that the refusal can be read."""


def affordable(limits: SocketLimits, files: int) -> SocketLimits:
    """The limits in a process that may have `files` descriptors open (negative: any number).

    Half of them are for what calls need: the journal, logs, requests to carriers and vendors. And
    no address may take all of what is left.
    """
    connections = limits.connections if files < 0 else min(limits.connections, files // 2)
    strangers = min(limits.strangers_per_address, connections // 2)
    return msgspec.structs.replace(limits, connections=connections, strangers_per_address=strangers)


class Connection(web.RequestHandler):
    """One connection; see aiohttp's RequestHandler."""

    __slots__ = ("_address", "_sockets", "_timer", "_welcome", "proved")

    def __init__(self, sockets: Sockets, server: web.Server) -> None:
        limits = sockets.limits
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.keepalive_s,
            lingering_time=limits.linger_s,
            access_log=None,  # pyright: ignore[reportArgumentType] - None switches it off
            # A compressed body could unfold to any size, and no carrier sends one.
            auto_decompress=False,
            logger=log,
        )
        self._sockets = sockets
        self._address = ""
        self._timer: asyncio.TimerHandle | None = None
        self._welcome = False
        self.proved = False
        """A signed request, or a stream with our pass, came on this connection; until then it is
        closed after its answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in what they do, not by inheritance.
        transport = cast("asyncio.Transport", transport)
        peer: tuple[str, int] | None = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._welcome = self._sockets.enter(self._address)
        if not self._welcome:
            transport.write(_FULL)
            transport.close()
            return
        super().connection_made(transport)
        self._sockets.asks(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._sockets.limits.first_request_s, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_timer()
        if self._welcome:
            self._welcome = False
            self._sockets.is_answered(self)
            self._sockets.leave(self._address, proved=self.proved)
        super().connection_lost(exc)

    def request_came(self) -> None:
        """The headers of a request are complete; from here on the request has its own limits."""
        self._forget_timer()
        self._sockets.asks(self)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_answered(self) -> None:
        """Its newest request is answered, or has become a stream."""
        self._sockets.is_answered(self)

    def prove(self) -> None:
        """Its sender is known by a signature or a pass."""
        if not self.proved:
            self.proved = True
            self._sockets.one_stranger_less(self._address)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What does not parse is the client's fault; all else is a defect of ours."""
        if status >= 500:
            log.error("webhook request failed unexpectedly", exc_info=exc)
        else:
            log.debug("not a well-formed HTTP request", extra={"reason": message})
        response = web.Response(status=status, text="bad request\n" if status < 500 else "failed\n")
        response.headers.update(COMMON_HEADERS)
        response.force_close()
        return response


class Sockets:
    """Makes a `Connection` for each socket that is accepted, and counts them."""

    def __init__(self, handle: Handle, limits: SocketLimits) -> None:
        self.limits = limits
        self._server = web.Server(handle)
        self._strangers: dict[str, int] = {}
        self._closed = False
        self._asking: set[Connection] = set()
        self._quiet = asyncio.Event()
        self.open = 0
        """Connections at present."""

    def __call__(self) -> Connection:
        return Connection(self, self._server)

    def enter(self, address: str) -> bool:
        """Count a new connection, or refuse it.

        One whose accepting ended only when the server had stopped would be answered by nobody.
        """
        if self._closed:
            return False
        strangers = self._strangers.get(address, 0)
        if self.open >= self.limits.connections or strangers >= self.limits.strangers_per_address:
            return False
        self.open += 1
        self._strangers[address] = strangers + 1
        return True

    def one_stranger_less(self, address: str) -> None:
        """A connection of this address has proved itself, or is gone."""
        self._strangers[address] -= 1
        if not self._strangers[address]:
            del self._strangers[address]

    def leave(self, address: str, *, proved: bool) -> None:
        """A connection that had entered is gone."""
        self.open -= 1
        if not proved:
            self.one_stranger_less(address)

    def asks(self, connection: Connection) -> None:
        """A request is expected on it, or in work."""
        self._asking.add(connection)

    def is_answered(self, connection: Connection) -> None:
        self._asking.discard(connection)
        if not self._asking:
            self._quiet.set()

    async def quiet(self, within_s: float) -> None:
        """Wait until nothing is asked and every connection has asked something, but not longer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._asking:
                    self._quiet.clear()
                    await self._quiet.wait()

    async def shutdown(self, grace_s: float) -> None:
        """Close idle connections at once, the others when they are answered or `grace_s` ends."""
        self._closed = True
        self._server.pre_shutdown()
        self._server.pre_shutdown()
        await self._server.shutdown(grace_s)
