"""RFC 6455, the server's side: the handshake, and frames in both directions. Pure.

No extension is ever agreed on, so nothing is compressed and a message is as long as its frames say:
one that is too long is refused by its header, before its bytes are kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final, TypeAlias

import msgspec

try:
    from websockets.speedups import apply_mask
except ImportError:  # built without its C part
    from websockets.utils import apply_mask

GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
"""Data of a kind that cannot be used."""
NO_CODE: Final = 1005
"""Stands for a close without a code; never sent."""
NOT_UTF8: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
TRY_AGAIN: Final = 1013

_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_LONGEST_CONTROL: Final = 125
_LONG_TEXT: Final = bytes((_FIN | _TEXT, _MASKED | 126))
"""How a text message of 126 bytes to 64 KB in a single frame begins."""
_KEY_BYTES: Final = 16
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Ping(msgspec.Struct, frozen=True):
    """To be answered by a pong with the same payload, at most 125 bytes."""

    payload: bytes


class Closing(msgspec.Struct, frozen=True):
    """The peer sends nothing any more."""

    code: int = NO_CODE


class Violation(msgspec.Struct, frozen=True):
    """The peer broke the protocol or a limit; nothing after this can be understood."""

    code: int
    """What the connection is to be closed with."""
    reason: str


Incoming: TypeAlias = str | bytes | Ping | Closing | Violation
"""A text message, a binary message, or what concerns the connection."""


def is_upgrade(upgrade: str, connection: str) -> bool:
    """Whether a request with these headers (lists, any case) asks for a websocket."""
    return "websocket" in _tokens(upgrade) and "upgrade" in _tokens(connection)


def accept(version: str, key: str) -> str | None:
    """`Sec-WebSocket-Accept` for these headers; None when they are not of RFC 6455, 4.2.1."""
    try:
        decoded = base64.b64decode(key.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    if version.strip() != "13" or len(decoded) != _KEY_BYTES:
        return None
    digest = hashlib.sha1(key.strip().encode("ascii") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def text_frame(message: str) -> bytes:
    """A whole text message."""
    return _frame(_TEXT, message.encode())


def pong_frame(payload: bytes) -> bytes:
    return _frame(_PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """`NO_CODE` gives a frame without one. A reason that is too long is cut."""
    if code == NO_CODE:
        return _frame(_CLOSE, b"")
    told = reason.encode()[: _LONGEST_CONTROL - 2].decode("utf-8", "ignore").encode()
    return _frame(_CLOSE, code.to_bytes(2, "big") + told)


class FrameReader:
    """What a client sends, however it is cut into pieces.

    Keeps at most one message of `limit` bytes, which may be changed between messages, and what was
    fed and not asked for.
    """

    __slots__ = (
        "_begun",
        "_buffer",
        "_kind",
        "limit",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._kind = 0
        """The opcode of the message whose first frames are in `_begun`; 0: none."""
        self._begun = bytearray()

    def feed(self, data: bytes) -> None:
        """Bytes of the connection, in their order."""
        self._buffer += data

    def whole(self, data: bytes) -> str | None:
        """The text message that these bytes are, neither more nor less, as nearly all audio comes.

        None where they are anything else, or belong to what came before: `feed` them then.
        """
        if self._buffer or self._kind or data[:2] != _LONG_TEXT:
            return None
        size = len(data) - 8
        if size > self.limit or size != int.from_bytes(data[2:4], "big"):
            return None
        try:
            return apply_mask(data[8:], data[4:8]).decode()
        except UnicodeDecodeError:
            return None

    def next(self) -> Incoming | None:
        """What was said next; None until more is fed. Pongs, which nobody asked for, are left out.

        After a Violation it is not to be asked again.
        """
        while True:
            frame = self._frame()
            if frame is None or isinstance(frame, Violation):
                return frame
            opcode, payload = frame
            if opcode < _CLOSE:
                if self._kind:
                    payload = bytes(self._begun + payload)
                    self._kind = 0
                    self._begun.clear()
                return _message(opcode, payload)
            if opcode == _PING:
                return Ping(payload)
            if opcode == _CLOSE:
                return _closing(payload)

    def _frame(self) -> tuple[int, bytes] | Violation | None:
        """The last frame of a message, with the message's opcode, or a control frame."""
        while True:
            buffer = self._buffer
            have = len(buffer)
            if have < 2:
                return None
            first, second = buffer[0], buffer[1]
            size = second & 0x7F
            begin = 6
            if size > _LONGEST_CONTROL:
                begin = 8 if size == 126 else 14
                if have < begin - 4:
                    return None
                size = int.from_bytes(buffer[2 : begin - 4], "big")
            violation = self._judge(first, second, size)
            if violation is not None:
                return violation
            end = begin + size
            if have < end:
                return None
            payload = apply_mask(buffer[begin:end], buffer[begin - 4 : begin])
            del buffer[:end]
            opcode = first & 0x0F
            if opcode >= _CLOSE:
                return opcode, payload
            if first & _FIN:
                return opcode or self._kind, payload
            self._kind = opcode or self._kind
            self._begun += payload

    def _judge(self, first: int, second: int, size: int) -> Violation | None:
        """What is wrong with a frame that begins so."""
        opcode = first & 0x0F
        if opcode in (_TEXT, _BINARY, 0):
            if (opcode == 0) != (self._kind != 0):
                return Violation(PROTOCOL_ERROR, "fragments out of order")
            if len(self._begun) + size > self.limit:
                return Violation(TOO_BIG, f"a message may have {self.limit} bytes")
        elif opcode not in (_CLOSE, _PING, _PONG):
            return Violation(PROTOCOL_ERROR, "unknown opcode")
        elif size > _LONGEST_CONTROL or not first & _FIN:
            return Violation(PROTOCOL_ERROR, "a control frame that is long or in fragments")
        if first & _RESERVED:
            return Violation(PROTOCOL_ERROR, "an extension that was not agreed on")
        if not second & _MASKED:
            return Violation(PROTOCOL_ERROR, "not masked")
        return None


def _tokens(header: str) -> list[str]:
    return [token.strip().lower() for token in header.split(",")]


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size <= _LONGEST_CONTROL:
        return bytes((_FIN | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((_FIN | opcode, 126, size >> 8, size & 0xFF)) + payload
    return bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def _message(opcode: int, payload: bytes) -> Incoming:
    if opcode == _BINARY:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return Violation(NOT_UTF8, "a text message that is not UTF-8")


def _closing(payload: bytes) -> Closing | Violation:
    if not payload:
        return Closing()
    code = int.from_bytes(payload[:2], "big")
    # RFC 6455, 7.4: what may stand in a frame, with what was registered since.
    known = code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code < 5000
    if len(payload) < 2 or not known:
        return Violation(PROTOCOL_ERROR, "a close code that may not be sent")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return Violation(NOT_UTF8, "a close reason that is not UTF-8")
    return Closing(code)
