"""A webhook server with a stream door, and both kinds of clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from openclaw_voice_call.webhook.pipeline import WebhookPipeline
from openclaw_voice_call.webhook.public_url import UrlPolicy
from openclaw_voice_call.webhook.server import ServerLimits, WebhookServer
from openclaw_voice_call.webhook.streams import StreamDoor, StreamLimits
from tests.voice_call.webhook.fakes import Desk, HmacCarrier
from tests.voice_call.webhook.stream_fakes import (
    LINKS,
    STREAM_PATH,
    TICKET,
    WAIT_S,
    Dialect,
    HostileClient,
    StreamDesk,
    pass_path,
    upgrade,
)

FORGED = StreamLinks(LINKS.base_url, b"x" * 32).pass_for(TICKET)
OTHER = StreamTicket(CallId("call 2"), 1)
AUDIO = json.dumps({"audio": "x" * 216})


class House:
    """A running server with a stream door."""

    def __init__(self, server: WebhookServer, door: StreamDoor, desk: StreamDesk) -> None:
        self.server = server
        self.door = door
        self.desk = desk
        self.clients: list[HostileClient] = []

    @asynccontextmanager
    async def carrier(self, path: str | None = None) -> AsyncGenerator[ClientConnection]:
        """A client that keeps the rules, upgraded."""
        url = f"ws://127.0.0.1:{self.server.port}{path or pass_path()}"
        async with connect(url, proxy=None, open_timeout=WAIT_S, close_timeout=WAIT_S) as socket:
            yield socket

    async def stranger(self, head: bytes | None, from_host: str = "127.0.0.1") -> HostileClient:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.server.port, local_addr=(from_host, 0)),
            WAIT_S,
        )
        client = HostileClient(reader, writer)
        self.clients.append(client)
        if head is not None:
            await client.say(head)
        return client

    async def upgraded(self, path: str = STREAM_PATH) -> HostileClient:
        client = await self.stranger(upgrade(path))
        assert await client.status() == 101
        return client

    def refused(self, reason: str) -> int:
        return self.door.counts.refused.get(reason, 0)


@asynccontextmanager
async def house(
    limits: StreamLimits | None = None, *expected: StreamTicket, desk: StreamDesk | None = None
) -> AsyncGenerator[House]:
    desk = desk or StreamDesk(*(expected or (TICKET,)))
    door = StreamDoor(desk, LINKS, Dialect(), path=STREAM_PATH, limits=limits)
    pipeline = WebhookPipeline(HmacCarrier(), Desk(), UrlPolicy(serve_path="/voice/webhook"))
    server = WebhookServer(
        pipeline, path="/voice/webhook", port=0, limits=ServerLimits(stop_s=1.0), streams=door
    )
    await server.start()
    it = House(server, door, desk)
    try:
        yield it
    finally:
        desk.gate.set()
        for client in it.clients:
            await client.close()
        await asyncio.wait_for(server.stop(), WAIT_S)
    assert (door.counts.open, door.counts.pending) == (0, 0)
    assert all(stream.ends == 1 for stream in desk.streams)


async def close_code(socket: ClientConnection) -> int | None:
    """What the server closes with, whatever it says before."""
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                await socket.recv()
    except ConnectionClosed as exc:
        return exc.rcvd.code if exc.rcvd is not None else None
