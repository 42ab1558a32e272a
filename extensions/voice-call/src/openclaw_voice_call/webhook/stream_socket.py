"""One upgraded connection: messages in, a `Wire` out, and an end that is always bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import MediaDialect, MessageSink, StreamStart
from openclaw_voice_call.webhook import websocket
from openclaw_voice_call.webhook.websocket import Closing, FrameReader, Ping, Violation

IDLE_MESSAGES: Final = 64
"""Messages before the start: a greeting of the carrier, and audio that has overtaken the start."""


class SocketBounds(msgspec.Struct, frozen=True):
    """What one stream socket may take."""

    first_message_bytes: int = 8 * 1024
    """A message until the stream has started."""
    message_bytes: int = 64 * 1024
    """A message from then on."""
    unsent_bytes: int = 1024 * 1024
    """What may wait for a peer that does not read; then the connection is cut."""
    close_s: float = 1.0
    """From our closing, or the peer's, until the connection is cut."""


class StreamSocket:
    """Takes the connection's bytes (`feed_data`, `feed_eof`); is the `Wire` of its stream.

    Messages are handed on in the call that brings their bytes: no task, no queue. Between start and
    `open` nothing is read, so that what comes meanwhile waits in the network's buffers.
    """

    __slots__ = (
        "_bounds",
        "_closing",
        "_cut",
        "_deaf",
        "_dialect",
        "_frames",
        "_held",
        "_idle",
        "_refused",
        "_sink",
        "_started",
        "_transport",
        "gone",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        dialect: MediaDialect,
        bounds: SocketBounds,
        refused: Callable[[str, str], None],
    ) -> None:
        """`refused` is told reason and detail when the socket is closed for what came on it."""
        loop = asyncio.get_running_loop()
        self._transport = transport
        self._dialect = dialect
        self._bounds = bounds
        self._refused = refused
        self._frames = FrameReader(bounds.first_message_bytes)
        self._started: asyncio.Future[StreamStart | None] = loop.create_future()
        self._sink: MessageSink | None = None
        self._idle = 0
        self._held = False
        self._closing = False
        self._deaf = False
        self._cut: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when the connection is over."""

    async def start(self) -> StreamStart | None:
        """The stream's start; None when the connection ends or is closed before."""
        return await self._started

    def open(self, sink: MessageSink) -> None:
        """Hand all messages to `sink` from now on."""
        if self.gone.done():
            sink.closed()
            return
        self._sink = sink
        self._frames.limit = self._bounds.message_bytes
        self._release()

    # --- the Wire

    def send(self, message: str) -> None:
        if not self._closing:
            self._write(websocket.text_frame(message))

    @property
    def unsent(self) -> int:
        return 0 if self.gone.done() else self._transport.get_write_buffer_size()

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closing or self.gone.done():
            return
        self._closing = True
        self._settle_start(None)
        self._write(websocket.close_frame(code, reason))
        self._cut = asyncio.get_running_loop().call_later(
            self._bounds.close_s, self._transport.abort
        )
        self._release()

    def abort(self) -> None:
        """Cut the connection."""
        if not self.gone.done():
            self._closing = True
            self._settle_start(None)
            self._transport.abort()

    # --- what aiohttp hands over after the upgrade

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Gives what aiohttp's own websocket reader gives: not at the end, nothing left over."""
        if self._deaf:
            return False, b""
        whole = None if self._closing or self._sink is None else self._frames.whole(data)
        if whole is not None:
            self._message(whole)
        else:
            self._frames.feed(data)
            self._pump()
        return False, b""

    def feed_eof(self) -> None:
        """The connection is lost, by whomever."""
        if self.gone.done():
            return
        if self._cut is not None:
            self._cut.cancel()
        self._closing = True
        self._settle_start(None)
        self.gone.set_result(None)
        if self._sink is not None:
            self._sink.closed()

    # --- inside

    def _pump(self) -> None:
        while not (self._held or self._deaf):
            said = self._frames.next()
            if said is None:
                return
            if isinstance(said, str | bytes):
                if not self._closing:
                    self._message(said)
            elif isinstance(said, Ping):
                if not self._closing:
                    self._write(websocket.pong_frame(said.payload))
            elif isinstance(said, Closing):
                self._peer_closes(said)
            else:
                self._violated(said)

    def _message(self, message: str | bytes) -> None:
        try:
            if self._sink is not None:
                self._sink.feed(message)
            else:
                self._before_start(message)
        except MediaMalformed as exc:
            self._refuse("malformed", str(exc), websocket.UNSUPPORTED)

    def _before_start(self, message: str | bytes) -> None:
        read = self._dialect.read(message)
        if isinstance(read, StreamStart):
            self._held = True
            self._transport.pause_reading()
            self._settle_start(read)
            return
        self._idle += 1
        if self._idle > IDLE_MESSAGES:
            self._refuse("no-start", "many messages and no start", websocket.POLICY)

    def _peer_closes(self, said: Closing) -> None:
        self._deaf = True
        self.close(said.code)
        self._transport.close()

    def _violated(self, violation: Violation) -> None:
        # All that comes is thrown away: if it stayed unread, closing would reset the connection
        # and with that take away the reason.
        self._deaf = True
        reason = "too-big" if violation.code == websocket.TOO_BIG else "protocol"
        self._refuse(reason, violation.reason, violation.code)

    def _refuse(self, reason: str, detail: str, code: int) -> None:
        if not self._closing:
            self._refused(reason, detail)
            self.close(code, reason)

    def _settle_start(self, start: StreamStart | None) -> None:
        if not self._started.done():
            self._started.set_result(start)

    def _release(self) -> None:
        if self._held:
            self._held = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
            self._pump()

    def _write(self, frame: bytes) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(frame)
        if transport.get_write_buffer_size() > self._bounds.unsent_bytes:
            self._refused("stalled", "the peer does not read")
            self.abort()
