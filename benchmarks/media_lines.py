"""The other ends of `media.py`: callers on Twilio's media protocol, and a recogniser's server.

Both do as little as they can, on bare sockets, so that one process bears hundreds of them beside
the server under test. The caller's frames carry their number in soft samples, which the
recogniser's server reads, so the way of each frame is timed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from array import array
from typing import Final

from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tones import voice
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK: Final = b"\x5a\xc3\x19\x87"
DIGITS: Final = 6
"""Frames are numbered in base 15, a sample a digit, in the softest samples. 0xFF is none of them:
a recogniser hears silence where the ear holds back, and there is no number in silence."""
SOFTEST: Final = 0xF0
START: Final = (
    '{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1",'
    '"callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw",'
    '"sampleRate":8000,"channels":1},"customParameters":{}},"streamSid":"MZ1"}'
)
MARK_SENT: Final = b'{"event":"mark"'
AUDIO_SENT: Final = b'{"event":"media"'
TEXT_AFTER: Final = 25
"""Messages of audio after which the recogniser gives some text."""
TEXT: Final = (
    b'{"type":"Results","start":0,"duration":1,"is_final":false,'
    b'"channel":{"alternatives":[{"transcript":"some words"}]}}'
)


def number_frame(frame: bytes, number: int) -> bytes:
    """The frame with its number in it."""
    digits = bytearray(DIGITS)
    for n in range(DIGITS):
        number, digit = divmod(number, 15)
        digits[n] = SOFTEST + digit
    return bytes(digits) + frame[DIGITS:]


def numbered(frame: bytes) -> int | None:
    """The number in a frame, None in silence."""
    number = 0
    for n in reversed(range(DIGITS)):
        digit = frame[n] - SOFTEST
        if not 0 <= digit < 15:
            return None
        number = number * 15 + digit
    return number


def masked(payload: bytes) -> bytes:
    """A text message of 126 bytes to 64 KB, or a shorter one, as a client sends it."""
    size = len(payload)
    mask = (MASK * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    if size < 126:
        return bytes((0x81, 0x80 | size)) + MASK + body
    return bytes((0x81, 0xFE)) + size.to_bytes(2, "big") + MASK + body


class Frames:
    """Takes websocket frames, masked or not, out of a byte stream; all are under 64 KB."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Opcode and payload of each frame that is complete now."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        at = 0
        while len(buffer) - at >= 2:
            size, begin = buffer[at + 1] & 0x7F, at + 2
            if size == 126:
                size, begin = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            key = b""
            if buffer[at + 1] & 0x80:
                key, begin = bytes(buffer[begin : begin + 4]), begin + 4
            if len(buffer) < begin + size:
                break
            payload = bytes(buffer[begin : begin + size])
            if key:
                mask = (key * (size // 4 + 1))[:size]
                plain = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
                payload = plain.to_bytes(size, "big")
            frames.append((buffer[at] & 0x0F, payload))
            at = begin + size
        del buffer[:at]
        return frames


class Line:
    """A call: when each of its frames was sent, and how long it was on the way."""

    def __init__(self) -> None:
        self.sent_at = array("d")
        self.delays = array("d")
        self.gaps = 0
        """How often the caller ran out of our speech, after it had begun."""
        self._spoken = encode(voice(2000))

    def next_frame(self) -> bytes:
        """20 ms of the caller's, with their number; to be sent now."""
        number = len(self.sent_at)
        begin = number * FRAME_BYTES % len(self._spoken)
        self.sent_at.append(time.monotonic())
        return number_frame(self._spoken[begin : begin + FRAME_BYTES], number)

    def arrived(self, number: int | None) -> None:
        """A frame has come to the end of its way."""
        if number is not None and number < len(self.sent_at):
            self.delays.append(time.monotonic() - self.sent_at[number])

    def forget(self) -> None:
        """Count from now on only."""
        del self.delays[:]
        self.gaps = 0


class Caller(asyncio.Protocol):
    """One end of a socket that plays a carrier. `up` is done when frames may be sent."""

    def __init__(self, line: Line, path: str | None) -> None:
        """`path` None: bare TCP, no websocket."""
        self._line = line
        self._path = path
        self._frames = Frames()
        self._head = bytearray()
        self._open = path is None
        self._plays_until = 0.0
        self.up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._path is None:
            self.up.set_result(None)
            return
        head = (
            f"GET {self._path} HTTP/1.1\r\nHost: voice.example.com\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.up.set_exception(ConnectionError(head.decode("latin-1")))
                return
            self._open = True
            self._transport.write(masked(START.encode()))
            self.up.set_result(None)
        for opcode, payload in self._frames.feed(data):
            if opcode == 1:
                self._message(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.up.done():
            self.up.set_exception(exc or ConnectionError("closed at once"))

    def send(self) -> None:
        """The next 20 ms."""
        payload = base64.b64encode(self._line.next_frame())
        self._transport.write(
            masked(
                b'{"event":"media","sequenceNumber":"1000","media":{"track":"inbound","chunk":'
                b'"1000","timestamp":"1000","payload":"' + payload + b'"},"streamSid":"MZ1"}'
            )
        )

    def close(self) -> None:
        self._transport.abort()

    def _message(self, message: bytes) -> None:
        if message.startswith(MARK_SENT):
            loop = asyncio.get_running_loop()
            delay = max(0.0, self._plays_until - time.monotonic())
            loop.call_later(delay, self._transport.write, masked(message))
        elif b'"chunk"' in message:  # our own, sent back
            begin = message.index(b'"payload":"') + 11
            self._line.arrived(numbered(base64.b64decode(message[begin : begin + 8])))
        elif message.startswith(AUDIO_SENT):
            letters = message.index(b'"}}') - message.index(b'"payload":"') - 11
            self._play(letters * 3 // 4 // FRAME_BYTES * FRAME_MS / 1000)

    def _play(self, seconds: float) -> None:
        now = time.monotonic()
        if self._plays_until and now > self._plays_until:
            self._line.gaps += 1
        self._plays_until = max(now, self._plays_until) + seconds


class Ears(asyncio.Protocol):
    """A recogniser's connection: times the frames that come, and gives some text now and then."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._frames = Frames()
        self._head = bytearray()
        self._line: Line | None = None
        self._came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._line is None:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")
            if not found:
                return
            self._accept(head)
        for opcode, payload in self._frames.feed(data):
            if opcode == 2:
                self._hear(payload)
            elif opcode == 8:
                self._transport.close()

    def _accept(self, head: bytes) -> None:
        request, *fields = head.split(b"\r\n")
        named = {
            name.lower(): value.strip() for name, _, value in (f.partition(b":") for f in fields)
        }
        key = named[b"sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        # GET /<call>/listen?...
        self._line = self._lines[int(request.split(b"/")[1])]

    def _hear(self, mulaw: bytes) -> None:
        assert self._line is not None
        # The frames before it have waited for it, as they should: 40 ms travel together.
        self._line.arrived(numbered(mulaw[-FRAME_BYTES:]))
        self._came += 1
        if self._came % TEXT_AFTER == 0:
            self._transport.write(bytes((0x81, len(TEXT))) + TEXT)
