"""Twilio Media Streams: the messages of a bidirectional stream. Pure.

Source: Twilio's "Media Streams - WebSocket Messages". Every message of ours names the stream. A
mark comes back when all before it has been played, and also when it has been cleared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.messages import (
    base64_text,
    ignore_unknown,
    is_theirs,
    key_in,
    quoted,
)
from openclaw_voice_call.interfaces.media import (
    AudioIn,
    MarkReached,
    MediaDialect,
    MediaMessage,
    StreamStart,
    StreamStopped,
)

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]


class _Format(msgspec.Struct):
    encoding: str
    sample_rate: int = msgspec.field(name="sampleRate")


class _Details(msgspec.Struct):
    stream_sid: _Id = msgspec.field(name="streamSid")
    call_sid: _Id = msgspec.field(name="callSid")
    media_format: _Format = msgspec.field(name="mediaFormat")
    parameters: Mapping[str, str] = msgspec.field(
        name="customParameters", default_factory=dict[str, str]
    )


class _Audio(msgspec.Struct):
    payload: bytes
    track: str = "inbound"


class _Key(msgspec.Struct):
    digit: str


class _Mark(msgspec.Struct):
    name: str


class _OnStart(msgspec.Struct, tag_field="event", tag="start"):
    start: _Details


class _OnMedia(msgspec.Struct, tag_field="event", tag="media"):
    media: _Audio


class _OnDtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: _Key


class _OnMark(msgspec.Struct, tag_field="event", tag="mark"):
    mark: _Mark


class _OnStop(msgspec.Struct, tag_field="event", tag="stop"):
    pass


_KNOWN: Final = frozenset({"start", "media", "dtmf", "mark", "stop"})
# Numbers come as strings, and no version of the API promises that they stay so.
_decode: Final = msgspec.json.Decoder(
    _OnMedia | _OnStart | _OnDtmf | _OnMark | _OnStop, strict=False
).decode


class TwilioMedia(MediaDialect):
    """Implements `interfaces.media.MediaDialect`."""

    @property
    def reorders(self) -> bool:
        return False

    def read(self, message: str | bytes) -> MediaMessage:
        try:
            said = _decode(message)
        except (ValueError, RecursionError) as error:
            return ignore_unknown(message, _KNOWN, error)
        if type(said) is _OnMedia:
            return AudioIn(said.media.payload) if is_theirs(said.media.track) else None
        return _rarer(said)

    def audio(self, stream_id: str, mulaw: bytes) -> str:
        return (
            f'{{"event":"media","streamSid":{quoted(stream_id)},'
            f'"media":{{"payload":"{base64_text(mulaw)}"}}}}'
        )

    def mark(self, stream_id: str, name: str) -> str:
        return (
            f'{{"event":"mark","streamSid":{quoted(stream_id)},"mark":{{"name":{quoted(name)}}}}}'
        )

    def clear(self, stream_id: str) -> str:
        return f'{{"event":"clear","streamSid":{quoted(stream_id)}}}'


def _rarer(said: _OnMedia | _OnStart | _OnDtmf | _OnMark | _OnStop) -> MediaMessage:
    match said:
        case _OnStart(start=start):
            return StreamStart(
                stream_id=start.stream_sid,
                carrier_call_id=CarrierCallId(start.call_sid),
                encoding=start.media_format.encoding,
                sample_rate=start.media_format.sample_rate,
                parameters=start.parameters,
            )
        case _OnDtmf(dtmf=dtmf):
            return key_in(dtmf.digit)
        case _OnMark(mark=mark):
            return MarkReached(mark.name)
        case _OnStop():
            return StreamStopped()
        case _OnMedia():
            return None
