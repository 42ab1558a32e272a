"""The websocket under a recogniser's connection. What goes wrong is a value: `Trouble`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Protocol, TypeAlias

import aiohttp

from openclaw_voice_call.speech.stt_protocol import Message, SttProtocol, Trouble

_LARGEST_MESSAGE: Final = 1 << 20
_HEARTBEAT_S: Final = 15.0
"""A ping is sent this often; a peer that answers none within half of it is gone."""
_CLOSING_S: Final = 1.0


class SttSocket(Protocol):
    """An open connection; one sends at a time, and one receives."""

    def send(self, message: Message) -> Coroutine[object, None, Trouble | None]:
        """Returns when the network has room for more. It may be begun outside of a task, where it
        need not wait."""
        ...

    async def receive(self) -> Message | Trouble:
        """The next message; Trouble when there will be none."""
        ...

    async def close(self) -> None:
        """Bounded by a second."""
        ...


Dial: TypeAlias = Callable[[SttProtocol], Awaitable[SttSocket | Trouble]]
"""Opens a connection for a protocol. Has no deadline of its own, and may be cancelled."""


def dial_with(session: aiohttp.ClientSession) -> Dial:
    """Connections of this session, which belongs to whoever made it."""

    async def dial(protocol: SttProtocol) -> SttSocket | Trouble:
        try:
            socket = await session.ws_connect(
                protocol.url,
                headers=protocol.headers,
                heartbeat=_HEARTBEAT_S,
                max_msg_size=_LARGEST_MESSAGE,
            )
        except aiohttp.WSServerHandshakeError as error:
            return protocol.refused(error.status, error.headers or {})
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: what aiohttp finds wrong with a URL only when it connects.
            return Trouble("unreachable", f"cannot connect: {type(error).__name__}")
        return _AiohttpSocket(socket)

    return dial


class _AiohttpSocket:
    __slots__ = ("_socket",)

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: Message) -> Trouble | None:
        try:
            if isinstance(message, str):
                await self._socket.send_str(message)
            else:
                await self._socket.send_bytes(message)
        except (aiohttp.ClientError, OSError):
            return Trouble("closed", "the connection broke while audio was sent")
        return None

    async def receive(self) -> Message | Trouble:
        received = await self._socket.receive()
        match received.type:
            case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                message: Message = received.data
                return message
            case aiohttp.WSMsgType.ERROR:
                return Trouble("closed", f"the connection broke: {type(received.data).__name__}")
            case _:
                code = self._socket.close_code
                return Trouble("closed", f"the vendor closed the connection (code {code})")

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSING_S):
                await self._socket.close()
        except TimeoutError:
            # Cancelled inside of close(), the socket has dropped its connection.
            return
