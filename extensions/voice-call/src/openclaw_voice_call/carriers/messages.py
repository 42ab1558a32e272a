"""What the media sockets of carriers have in common: JSON messages with a name and base64. Pure."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import KeyIn

_KEYS: Final = frozenset("0123456789ABCD*#")
_INBOUND: Final = frozenset({"inbound", "inbound_track"})
_encode: Final = msgspec.json.Encoder().encode


class _Named(msgspec.Struct):
    event: str


_named: Final = msgspec.json.Decoder(_Named)


def ignore_unknown(message: str | bytes, known: AbstractSet[str], error: Exception) -> None:
    """Return if the message, which could not be read, is one that a newer carrier has added.

    Raises MediaMalformed when it has one of the `known` names, or none.
    """
    try:
        name = _named.decode(message).event
    except (ValueError, RecursionError):
        raise MediaMalformed(f"not a message of the media protocol: {error}") from error
    if name in known:
        raise MediaMalformed(f"media message {name!r}: {error}") from error


def quoted(text: str) -> str:
    """`text` as a JSON string."""
    return _encode(text).decode()


def base64_text(audio: bytes) -> str:
    return b2a_base64(audio, newline=False).decode("ascii")


def is_theirs(track: str) -> bool:
    """Whether a track is what the other party says. The other tracks have what we play."""
    return track in _INBOUND


def key_in(key: str) -> KeyIn | None:
    """The key, None for what is no key."""
    return KeyIn(key) if key in _KEYS else None
