"""The port of the webhook server, kept open while one server replaces another.

Whoever connects in between waits in the system's queue and is answered by the next server, so a
changed configuration costs no call that comes in at that moment.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Final

from openclaw_voice_call.errors import NotReady

BACKLOG: Final = 512


class WebhookPort:
    """Holds the listening sockets until it is closed, or another address is wanted."""

    def __init__(self) -> None:
        self._where: tuple[str, int] | None = None
        self._sockets: list[socket.socket] = []

    async def open(self, host: str, port: int) -> Sequence[socket.socket]:
        """Sockets that listen on `host`:`port` (0: any free port), the same ones as long as that is
        asked for. Closing them does not give the port back.

        Raises NotReady when the address cannot be had.
        """
        if self._where != (host, port):
            self.close()
            try:
                await self._bind(host, port)
            except OSError as exc:
                self.close()
                error = NotReady(f"The webhook server cannot listen on {host}:{port}: {_why(exc)}")
                error.remedy = "Stop what uses the port, or change serve.port and serve.bind."
                raise error from exc
            self._where = (host, port)
        return [each.dup() for each in self._sockets]

    def close(self) -> None:
        """Give the port back; whoever waits in the queue is refused."""
        self._where = None
        while self._sockets:
            self._sockets.pop().close()

    async def _bind(self, host: str, port: int) -> None:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            self._sockets.append(listener)
            listener.setblocking(False)
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(BACKLOG)


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
