"""The other ends of `media.py`: callers on Twilio's media protocol, and a recogniser's server.

Both do as little as they can, on bare sockets, and are processes of their own, so that they bear
hundreds of calls beside the server under test. The caller's frames carry in soft samples when they
were sent, which the recogniser's server reads, so the way of each frame is timed.

`python -m benchmarks.media_lines PORT` is the recogniser's server. Beside `/<anything>/listen` it
serves `/forget` and `/delays`, a JSON list of ms.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
import sys
import time
from array import array
from typing import Final

from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tones import voice
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK: Final = b"\x5a\xc3\x19\x87"
DIGITS: Final = 12
"""Monotonic time in us, in base 15, a sample a digit, in the softest samples. 0xFF is none of them:
a recogniser hears silence where the ear holds back, and silence was never sent."""
SOFTEST: Final = 0xF0
STAMP_LETTERS: Final = DIGITS * 4 // 3
"""In base64."""
MEDIA_BEFORE: Final = (
    b'{"event":"media","sequenceNumber":"1000","media":{"track":"inbound","chunk":"1000",'
    b'"timestamp":"1000","payload":"'
)
MEDIA_AFTER: Final = b'"},"streamSid":"MZ1"}'
HEAD_BYTES: Final = 8
"""Of a masked websocket message of 126 bytes to 64 KB."""
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


def stamp() -> bytes:
    """The time, to stand at the beginning of a frame."""
    now = time.monotonic_ns() // 1000
    digits = bytearray(DIGITS)
    for n in range(DIGITS):
        now, digit = divmod(now, 15)
        digits[n] = SOFTEST + digit
    return bytes(digits)


def age_ms(frame: bytes) -> float | None:
    """How long ago the frame that begins so was sent; None for silence."""
    sent = 0
    for n in reversed(range(DIGITS)):
        digit = frame[n] - SOFTEST
        if not 0 <= digit < 15:
            return None
        sent = sent * 15 + digit
    return (time.monotonic_ns() // 1000 - sent) / 1000


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


class Speech:
    """Two seconds of the caller's, again and again, as ready messages."""

    def __init__(self) -> None:
        spoken = encode(voice(2000))
        self._messages: list[bytearray] = []
        for begin in range(0, len(spoken), FRAME_BYTES):
            payload = base64.b64encode(spoken[begin : begin + FRAME_BYTES])
            message = masked(MEDIA_BEFORE + payload + MEDIA_AFTER)
            self._messages.append(bytearray(message))
        self._begin = HEAD_BYTES + len(MEDIA_BEFORE)
        turned = len(MEDIA_BEFORE) % len(MASK)
        mask = (MASK[turned:] + MASK * STAMP_LETTERS)[:STAMP_LETTERS]
        self._mask = int.from_bytes(mask, "big")

    def message(self, number: int) -> bytes:
        """The frame of this number, sent now."""
        message = self._messages[number % len(self._messages)]
        letters = int.from_bytes(base64.b64encode(stamp()), "big") ^ self._mask
        stamped = letters.to_bytes(STAMP_LETTERS, "big")
        message[self._begin : self._begin + STAMP_LETTERS] = stamped
        return bytes(message)


class Line:
    """What one caller has noticed."""

    def __init__(self) -> None:
        self.sent = 0
        """Frames."""
        self.delays_ms = array("d")
        """Of frames that came back."""
        self.gaps = 0
        """How often the caller ran out of our speech, after it had begun."""

    def forget(self) -> None:
        """Count from now on only."""
        del self.delays_ms[:]
        self.sent = self.gaps = 0


class Caller(asyncio.Protocol):
    """One end of a socket that plays a carrier. `up` is done when frames may be sent."""

    def __init__(self, line: Line, speech: Speech, path: str | None) -> None:
        """`path` None: bare TCP, no websocket."""
        self._line = line
        self._speech = speech
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
        self._transport.write(self._speech.message(self._line.sent))
        self._line.sent += 1

    def close(self) -> None:
        self._transport.abort()

    def _message(self, message: bytes) -> None:
        if message.startswith(MARK_SENT):
            loop = asyncio.get_running_loop()
            delay = max(0.0, self._plays_until - time.monotonic())
            loop.call_later(delay, self._transport.write, masked(message))
        elif message.startswith(MEDIA_BEFORE):  # our own, sent back
            begin = len(MEDIA_BEFORE)
            age = age_ms(base64.b64decode(message[begin : begin + STAMP_LETTERS]))
            if age is not None:
                self._line.delays_ms.append(age)
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

    def __init__(self, delays_ms: array[float]) -> None:
        self._delays_ms = delays_ms
        self._frames = Frames()
        self._head = bytearray()
        self._open = False
        self._came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")
            if not found:
                return
            self._asked(head)
        for opcode, payload in self._frames.feed(data):
            if opcode == 2:
                self._hear(payload)
            elif opcode == 8:
                self._transport.close()

    def _asked(self, head: bytes) -> None:
        request, *fields = head.split(b"\r\n")
        path = request.split()[1]
        if path == b"/forget":
            del self._delays_ms[:]
            self._answer(b"{}")
        elif path == b"/delays":
            self._answer(json.dumps(list(self._delays_ms)).encode())
        else:
            self._accept(fields)

    def _answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)
        self._transport.close()

    def _accept(self, fields: list[bytes]) -> None:
        named = (field.partition(b":") for field in fields)
        key = {name.lower(): value.strip() for name, _, value in named}[b"sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._open = True

    def _hear(self, mulaw: bytes) -> None:
        # The frames before it have waited for it, as they should: 40 ms travel together.
        age = age_ms(mulaw[-FRAME_BYTES:])
        if age is not None:
            self._delays_ms.append(age)
        self._came += 1
        if self._came % TEXT_AFTER == 0:
            self._transport.write(bytes((0x81, len(TEXT))) + TEXT)


async def listen(port: int) -> None:
    """Be the recogniser's server until SIGTERM."""
    delays_ms = array("d")
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    server = await loop.create_server(lambda: Ears(delays_ms), "127.0.0.1", port, backlog=512)
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(listen(int(sys.argv[1])))
