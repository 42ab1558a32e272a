"""A vendor's recognition socket, over real TCP: what the three vendors' emulators have in common.

It understands the tone code, or, where `script` is given, says its sentences one for each stretch
of speech. Faults are set on the server and hold for the connections that come after.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self, cast

from aiohttp import WSMsgType, web

from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.speech.scripted.ear import Heard, ScriptedEar

PATIENCE_S: Final = 10.0
"""How long a test waits for something that must come."""
Json = Mapping[str, object]


class News:
    """Lets tests wait for what they expect, without asking again and again."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until it holds; it is asked whenever something has happened."""
        async with asyncio.timeout(PATIENCE_S):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()


class SttConnection:
    """One client's connection, as the vendor sees it."""

    def __init__(self, request: web.Request, news: News) -> None:
        self.query = request.query
        self.headers = request.headers
        self.heard = bytearray()
        """All audio that has come, as mu-law."""
        self.received: list[Json] = []
        """All JSON that has come."""
        self.closed = False
        """Whether the connection is over, whoever ended it."""
        self.socket = web.WebSocketResponse(max_msg_size=1 << 20)
        self.silence_ms = 800
        self._request = request
        self._news = news
        self.ear = ScriptedEar(self.silence_ms)

    @property
    def heard_ms(self) -> float:
        return len(self.heard) / BYTES_PER_MS

    async def send(self, message: Json | str) -> None:
        """Send JSON, or text as it stands; nothing when the client is gone."""
        text = message if isinstance(message, str) else json.dumps(message)
        try:
            await self.socket.send_str(text)
        except (ConnectionError, RuntimeError):
            # RuntimeError: aiohttp's for a socket that is closing.
            return

    def drop(self) -> None:
        """Break the connection, without a close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def stop_reading(self) -> None:
        """Take nothing more from the network."""
        assert isinstance(self._request.transport, asyncio.Transport)
        self._request.transport.pause_reading()

    def note(self, message: Json) -> None:
        self.received.append(message)
        self._news.tell()

    def types(self, key: str = "type") -> list[object]:
        """The kinds of the messages that have come, in order."""
        return [each.get(key) for each in self.received]


class SttServer(ABC):
    """Use as a context manager; `base_url` is what a configuration would say."""

    path: str

    def __init__(self, key: str, script: list[str] | None = None) -> None:
        self.key = key
        self.news = News()
        self.connections: list[SttConnection] = []
        self.attempts = 0
        """Upgrades that were asked for, refused ones included."""
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        """HTTP status and headers for the next upgrades."""
        self.admit = asyncio.Event()
        """While cleared, upgrades are not answered."""
        self.admit.set()
        self.greet = asyncio.Event()
        """While cleared, nobody is told that the vendor is ready."""
        self.greet.set()
        self.understands = True
        """Without it, audio is taken and never answered."""
        self.doubles = False
        """Whether every final comes twice."""
        self.text_delay_s = 0.0
        self._script = None if script is None else deque(script)
        self._runner: web.AppRunner | None = None
        self._origin = ""

    @property
    def base_url(self) -> str:
        return f"{self._origin}/v1"

    @property
    def last(self) -> SttConnection:
        return self.connections[-1]

    async def until(self, predicate: Callable[[], object]) -> None:
        await self.news.until(predicate)

    async def connected(self, count: int = 1) -> SttConnection:
        """Wait for the count-th connection."""
        await self.until(lambda: len(self.connections) >= count)
        return self.connections[count - 1]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(self.path, self._upgrade)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = cast("tuple[str, int]", self._runner.addresses[0][:2])
        self._origin = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        for connection in self.connections:
            connection.drop()
        await self._runner.cleanup()

    @abstractmethod
    def refusal(self, request: web.Request) -> tuple[int, dict[str, str]] | None:
        """What the vendor finds wrong with an upgrade."""

    @abstractmethod
    async def greeting(self, connection: SttConnection) -> None:
        """What the vendor says on an open socket; `greet` holds it back."""

    @abstractmethod
    async def text(self, connection: SttConnection, message: Json) -> None:
        """A JSON message has come."""

    async def binary(self, connection: SttConnection, data: bytes) -> None:
        """A binary message has come; most vendors take none."""
        await connection.socket.close(code=1003)

    @abstractmethod
    async def answer(self, connection: SttConnection, heard: Heard) -> None:
        """Say what was heard, as the vendor does."""

    async def listen(self, connection: SttConnection, mulaw: bytes) -> None:
        """Audio has come."""
        connection.heard += mulaw
        heard = connection.ear.hear(mulaw)
        self.news.tell()
        await self.say_all(connection, heard)

    async def say_all(self, connection: SttConnection, heard: list[Heard]) -> None:
        for each in heard if self.understands else ():
            await self.answer(connection, each)

    def decode(self, mulaw: bytes) -> str:
        """What this stretch of speech says."""
        if self._script is None:
            return tone_code.decode(mulaw)
        return self._script.popleft() if self._script else ""

    def set_silence(self, connection: SttConnection, silence_ms: int) -> None:
        """Turns end after so much silence."""
        connection.silence_ms = silence_ms
        connection.ear = ScriptedEar(silence_ms, self.decode)

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        self.news.tell()
        await self.admit.wait()
        refused = self.refusals.popleft() if self.refusals else self.refusal(request)
        if refused is not None:
            self.news.tell()
            status, headers = refused
            return web.json_response({"error": "refused"}, status=status, headers=headers)
        connection = SttConnection(request, self.news)
        connection.ear = ScriptedEar(connection.silence_ms, self.decode)
        await connection.socket.prepare(request)
        self.connections.append(connection)
        self.news.tell()
        try:
            await self._serve(connection)
        finally:
            connection.closed = True
            self.news.tell()
        return connection.socket

    async def _serve(self, connection: SttConnection) -> None:
        await self.greet.wait()
        await self.greeting(connection)
        async for message in connection.socket:
            if message.type is WSMsgType.BINARY:
                await self.binary(connection, cast("bytes", message.data))
            elif message.type is WSMsgType.TEXT:
                parsed = cast("Json", json.loads(cast("str", message.data)))
                connection.note(parsed)
                await self.text(connection, parsed)
