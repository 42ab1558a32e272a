"""The mock network's media socket: both ends of its messages. Pure.

One JSON object each, in the usual shape with names of its own; `audio` is base64 mu-law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.messages import base64_text, ignore_unknown, key_in, quoted
from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import (
    AudioIn,
    MarkReached,
    MediaDialect,
    MediaMessage,
    StreamStart,
    StreamStopped,
)

ENCODING: Final = "audio/x-mulaw"


class Began(msgspec.Struct, tag_field="event", tag="began"):
    stream: str
    leg: str
    encoding: str = ENCODING
    rate: int = 8000
    parameters: Mapping[str, str] = {}


class Spoken(msgspec.Struct, tag_field="event", tag="spoken"):
    """What the person says, one frame after the other."""

    audio: bytes


class Pressed(msgspec.Struct, tag_field="event", tag="pressed"):
    key: str


class Reached(msgspec.Struct, tag_field="event", tag="reached"):
    """The person has heard all before the mark, or will not hear it any more."""

    name: str


class Stopped(msgspec.Struct, tag_field="event", tag="stopped"):
    reason: str | None = None


class Play(msgspec.Struct, tag_field="event", tag="play"):
    audio: bytes


class Mark(msgspec.Struct, tag_field="event", tag="mark"):
    name: str


class Clear(msgspec.Struct, tag_field="event", tag="clear"):
    pass


FromNetwork: TypeAlias = Began | Spoken | Pressed | Reached | Stopped
ToNetwork: TypeAlias = Play | Mark | Clear

_KNOWN: Final = frozenset({"began", "spoken", "pressed", "reached", "stopped"})
_decode: Final = msgspec.json.Decoder(Spoken | Began | Pressed | Reached | Stopped).decode
_decode_order: Final = msgspec.json.Decoder(Play | Mark | Clear).decode
_encode: Final = msgspec.json.Encoder().encode


def to_gateway(message: FromNetwork) -> str:
    """A message as the network sends it."""
    return _encode(message).decode()


def read_order(message: str | bytes) -> ToNetwork:
    """What the gateway tells the network. Raises MediaMalformed."""
    try:
        return _decode_order(message)
    except (ValueError, RecursionError) as error:
        raise MediaMalformed(f"not an order to the mock network: {error}") from error


class MockMedia(MediaDialect):
    """Implements `interfaces.media.MediaDialect`."""

    @property
    def reorders(self) -> bool:
        return False

    def read(self, message: str | bytes) -> MediaMessage:
        try:
            said: FromNetwork = _decode(message)
        except (ValueError, RecursionError) as error:
            return ignore_unknown(message, _KNOWN, error)
        match said:
            case Spoken(audio=audio):
                return AudioIn(audio)
            case Began(stream=stream, leg=leg, encoding=encoding, rate=rate, parameters=given):
                return StreamStart(stream, CarrierCallId(leg), encoding, rate, given)
            case Pressed(key=key):
                return key_in(key)
            case Reached(name=name):
                return MarkReached(name)
            case Stopped(reason=reason):
                return StreamStopped(reason)

    def audio(self, stream_id: str, mulaw: bytes) -> str:
        return f'{{"event":"play","audio":"{base64_text(mulaw)}"}}'

    def mark(self, stream_id: str, name: str) -> str:
        return f'{{"event":"mark","name":{quoted(name)}}}'

    def clear(self, stream_id: str) -> str:
        return '{"event":"clear"}'
