"""A carrier's media protocol in small, a desk that takes notes, and clients that keep no rules."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from contextlib import suppress
from typing import cast

from openclaw_voice_call.call.types import CallId, CarrierCallId
from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import (
    AudioIn,
    MediaMessage,
    StreamStart,
    StreamTicket,
    Wire,
)
from openclaw_voice_call.interfaces.stream_links import TOKEN_PARAMETER, StreamLinks

STREAM_PATH = "/voice/stream"
LINKS = StreamLinks(f"wss://voice.example.com{STREAM_PATH}", b"k" * 32)
TICKET = StreamTicket(CallId("call 1"), 1)
WAIT_S = 10.0


def pass_path(ticket: StreamTicket = TICKET) -> str:
    return f"{STREAM_PATH}/{LINKS.pass_for(ticket)}"


def start_message(token: str | None = None, *, encoding: str = "audio/x-mulaw") -> str:
    parameters = {} if token is None else {TOKEN_PARAMETER: token}
    return json.dumps({"start": {"encoding": encoding, "parameters": parameters}})


class Dialect:
    """`{"start": {..}}`, `{"audio": ".."}`; other objects are of no interest."""

    reorders = False

    def read(self, message: str | bytes) -> MediaMessage:
        try:
            body: object = json.loads(message)
        except ValueError as exc:
            raise MediaMalformed("not JSON") from exc
        if not isinstance(body, dict):
            raise MediaMalformed("not an object")
        said = cast("dict[str, object]", body)
        start = said.get("start")
        if isinstance(start, dict):
            told = cast("dict[str, object]", start)
            return StreamStart(
                "MZ1",
                CarrierCallId("CA1"),
                encoding=str(told.get("encoding", "")),
                parameters=cast("dict[str, str]", told.get("parameters", {})),
            )
        if "audio" in said:
            return AudioIn(str(said["audio"]).encode())
        return None

    def audio(self, stream_id: str, mulaw: bytes) -> str:
        return json.dumps({"audio": mulaw.decode("latin-1")})

    def mark(self, stream_id: str, name: str) -> str:
        return json.dumps({"mark": name})

    def clear(self, stream_id: str) -> str:
        return json.dumps({"clear": True})


class Stream:
    """A stream that was let in: what came on it."""

    def __init__(self, ticket: StreamTicket, start: StreamStart, wire: Wire) -> None:
        self.ticket = ticket
        self.start = start
        self.wire = wire
        self.messages: list[str | bytes] = []
        self.came = asyncio.Semaphore(0)
        self.ends = 0
        self.over = asyncio.Event()

    def feed(self, message: str | bytes) -> None:
        if message in ("not of the protocol", b"not of the protocol"):
            raise MediaMalformed("not of the protocol")
        self.messages.append(message)
        self.came.release()

    def closed(self) -> None:
        self.ends += 1
        self.over.set()

    async def until(self, count: int) -> list[str | bytes]:
        """The messages so far, when there are that many."""
        while len(self.messages) < count:
            await asyncio.wait_for(self.came.acquire(), WAIT_S)
        return self.messages


class StreamDesk:
    """Expects the tickets it is told of, each once."""

    def __init__(self, *expected: StreamTicket) -> None:
        self.expected = set(expected)
        self.failures: list[Exception] = []
        """Raised by the next `connect` calls, first to last."""
        self.gate = asyncio.Event()
        """While it is clear, `connect` is held."""
        self.gate.set()
        self.asked = asyncio.Semaphore(0)
        self.streams: list[Stream] = []
        self.opened = asyncio.Semaphore(0)

    def expects(self, ticket: StreamTicket) -> bool:
        return ticket in self.expected

    async def connect(self, ticket: StreamTicket, start: StreamStart, wire: Wire) -> Stream:
        self.asked.release()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.expected.discard(ticket)
        self.streams.append(Stream(ticket, start, wire))
        self.opened.release()
        return self.streams[-1]

    async def stream(self) -> Stream:
        """The next stream that is let in."""
        await asyncio.wait_for(self.opened.acquire(), WAIT_S)
        return self.streams[-1]


class HostileClient:
    """Writes frames as it likes; reads only close frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), WAIT_S)

    async def status(self) -> int:
        """Of the answer to the upgrade."""
        return (await self.answer())[0]

    async def answer(self) -> tuple[int, dict[str, str]]:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT_S)
        lines = head.decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the server's next frame."""
        async with asyncio.timeout(WAIT_S):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return first & 0x0F, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        """Of the close frame, whatever comes before."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 0x8:
                return int.from_bytes(payload[:2], "big")

    async def until_gone(self) -> None:
        """The server has closed the connection."""
        with suppress(ConnectionError):
            await asyncio.wait_for(self.reader.read(), WAIT_S)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await asyncio.wait_for(self.writer.wait_closed(), WAIT_S)


def upgrade(
    target: str = STREAM_PATH,
    *,
    method: str = "GET",
    host: bytes = b"Host: 127.0.0.1\r\n",
    upgrade: str = "websocket",
    version: str = "13",
    key: str | None = None,
    extra: str = "",
) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode() if key is None else key
    lines = (
        f"Upgrade: {upgrade}\r\nConnection: keep-alive, Upgrade\r\n"
        f"Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n{extra}\r\n"
    )
    return f"{method} {target} HTTP/1.1\r\n".encode() + host + lines.encode()


def client_frame(payload: bytes, opcode: int = 0x1, *, fin: bool = True, first: int = 0) -> bytes:
    """A frame as a client sends it; `first`: further bits of its first byte."""
    size, mask = len(payload), b"\x11\x22\x33\x44"
    length = (
        bytes([0x80 | size])
        if size < 126
        else bytes([0x80 | 126]) + size.to_bytes(2, "big")
        if size < 1 << 16
        else bytes([0x80 | 127]) + size.to_bytes(8, "big")
    )
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if fin else 0) | first | opcode]) + length + mask + masked
