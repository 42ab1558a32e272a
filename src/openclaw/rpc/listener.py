"""Listening sockets, and a limit on what a stranger may send before he is known."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence

from openclaw.errors import PortTaken

LOOPBACK = ("127.0.0.1", "::1")
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


class ByteGate(asyncio.Protocol):
    """Stands before an HTTP connection's protocol and can count what comes in.

    aiohttp's limit for a websocket message is fixed when the socket opens, and ours grows once the
    client is known. So until then the bytes themselves are counted here; what exceeds the budget is
    dropped, before anything of it is collected in memory.
    """

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._budget: int | None = None
        self._on_excess: Callable[[], None] | None = None

    def arm(self, budget: int, on_excess: Callable[[], None]) -> None:
        """From now on lets `budget` bytes in, then calls `on_excess` once and drops the rest."""
        self._budget, self._on_excess = budget, on_excess

    def disarm(self) -> None:
        """Stops counting."""
        self._budget = self._on_excess = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._on_excess = None
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._budget is not None:
            self._budget -= len(data)
            if self._budget < 0:
                on_excess, self._on_excess = self._on_excess, None
                if on_excess is not None:
                    on_excess()
                return
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Called by the event loop."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._inner.resume_writing()


class Listener:
    """The listening sockets of one port."""

    def __init__(self, servers: Sequence[asyncio.Server], port: int) -> None:
        self._servers = servers
        self.port = port

    @property
    def addresses(self) -> list[str]:
        """What is listened on, as `host:port` with brackets around IPv6."""
        names: list[str] = []
        for server in self._servers:
            for sock in server.sockets:
                host = str(sock.getsockname()[0])
                names.append(f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}")
        return names

    def close(self) -> None:
        """Accepts no more connections; those that exist go on."""
        for server in self._servers:
            server.close()


async def listen(
    make_protocol: Callable[[], asyncio.Protocol], hosts: Sequence[str], port: int
) -> Listener:
    """Listens on every host at the same port (0: any free one, the same for all).

    A host without IPv6 has no `::1`; the loopback pair is then 127.0.0.1 alone.
    Raises PortTaken, and OSError for an address that is not this machine's.
    """
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    try:
        for host in hosts:
            sock = _bind(host, port, optional=bool(servers) and host == "::1")
            if sock is None:
                continue
            port = port or int(sock.getsockname()[1])
            server = await loop.create_server(lambda: ByteGate(make_protocol()), sock=sock)
            servers.append(server)
    except BaseException:
        for server in servers:
            server.close()
        raise
    return Listener(servers, port)


def _bind(host: str, port: int, *, optional: bool) -> socket.socket | None:
    """A listening socket; None if the address is optional and this machine has none such."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock: socket.socket | None = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Otherwise "::" would take the IPv4 port as well.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        # Two sockets may bind the same port; only listening tells that it is taken.
        sock.listen(128)
        sock.setblocking(False)
    except OSError as exc:
        if sock is not None:
            sock.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortTaken(port) from exc
        if optional and exc.errno in _NO_SUCH_ADDRESS:
            return None
        raise
    return sock
