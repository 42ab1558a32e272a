"""Telnyx media streaming: the messages of a bidirectional stream in mode `rtp`. Pure.

Source: Telnyx's "Media Streaming over Websockets". Audio may arrive out of order; `chunk` counts
it. Messages of ours name no stream. A mark comes back when all before it has been played, and also
when it has been cleared.
"""

from __future__ import annotations

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
    StreamTrouble,
)

DETAIL_LIMIT: Final = 300
"""Characters of an error's text that are kept."""

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]


class _Format(msgspec.Struct):
    encoding: str
    sample_rate: int


class _Details(msgspec.Struct):
    call_control_id: _Id
    media_format: _Format


class _Audio(msgspec.Struct):
    payload: bytes
    chunk: int | None = None
    track: str = "inbound"


class _Key(msgspec.Struct):
    digit: str


class _Mark(msgspec.Struct):
    name: str


class _Trouble(msgspec.Struct):
    """`code`: 100002 unknown_error, 100003 malformed_frame, 100004 invalid_media,
    100005 rate_limit_reached."""

    code: int | str = ""
    title: str | None = None
    detail: str | None = None


class _OnStart(msgspec.Struct, tag_field="event", tag="start"):
    start: _Details
    stream_id: _Id


class _OnMedia(msgspec.Struct, tag_field="event", tag="media"):
    media: _Audio


class _OnDtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: _Key


class _OnMark(msgspec.Struct, tag_field="event", tag="mark"):
    mark: _Mark


class _OnStop(msgspec.Struct, tag_field="event", tag="stop"):
    pass


class _OnError(msgspec.Struct, tag_field="event", tag="error"):
    payload: _Trouble


_KNOWN: Final = frozenset({"start", "media", "dtmf", "mark", "stop", "error"})
# Numbers come as strings, and no version of the API promises that they stay so.
_decode: Final = msgspec.json.Decoder(
    _OnMedia | _OnStart | _OnDtmf | _OnMark | _OnStop | _OnError, strict=False
).decode


class TelnyxMedia(MediaDialect):
    """Implements `interfaces.media.MediaDialect`."""

    @property
    def reorders(self) -> bool:
        return True

    def read(self, message: str | bytes) -> MediaMessage:
        try:
            said = _decode(message)
        except (ValueError, RecursionError) as error:
            return ignore_unknown(message, _KNOWN, error)
        if type(said) is _OnMedia:
            audio = said.media
            return AudioIn(audio.payload, audio.chunk) if is_theirs(audio.track) else None
        return _rarer(said)

    def audio(self, stream_id: str, mulaw: bytes) -> str:
        return f'{{"event":"media","media":{{"payload":"{base64_text(mulaw)}"}}}}'

    def mark(self, stream_id: str, name: str) -> str:
        return f'{{"event":"mark","mark":{{"name":{quoted(name)}}}}}'

    def clear(self, stream_id: str) -> str:
        return '{"event":"clear"}'


def _rarer(said: _OnMedia | _OnStart | _OnDtmf | _OnMark | _OnStop | _OnError) -> MediaMessage:
    match said:
        case _OnStart(start=start, stream_id=stream_id):
            return StreamStart(
                stream_id=stream_id,
                carrier_call_id=CarrierCallId(start.call_control_id),
                encoding=start.media_format.encoding,
                sample_rate=start.media_format.sample_rate,
            )
        case _OnDtmf(dtmf=dtmf):
            return key_in(dtmf.digit)
        case _OnMark(mark=mark):
            return MarkReached(mark.name)
        case _OnStop():
            return StreamStopped()
        case _OnError(payload=trouble):
            told = ": ".join(each for each in (trouble.title, trouble.detail) if each)
            return StreamTrouble(str(trouble.code)[:32], told[:DETAIL_LIMIT])
        case _OnMedia():
            return None
