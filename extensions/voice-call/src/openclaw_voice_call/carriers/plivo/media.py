"""Plivo audio streaming: the messages of a bidirectional stream. Pure.

Source: Plivo's "Audio Streaming" reference; `stop` is known to the vendor's own packages only. What
Plivo calls a checkpoint is a mark, and `playedStream` its answer.
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

AUDIO_TYPE: Final = "audio/x-mulaw;rate=8000"
"""The format to ask for; without one Plivo sends linear samples."""
REASON_LIMIT: Final = 200
"""Characters of a `stop`'s reason that are kept."""

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]


class _Format(msgspec.Struct):
    encoding: str
    sample_rate: int = msgspec.field(name="sampleRate")


class _Details(msgspec.Struct):
    call_id: _Id = msgspec.field(name="callId")
    stream_id: _Id = msgspec.field(name="streamId")
    media_format: _Format = msgspec.field(name="mediaFormat")


class _Audio(msgspec.Struct):
    payload: bytes
    track: str = "inbound"


class _Key(msgspec.Struct):
    digit: str


class _OnStart(msgspec.Struct, tag_field="event", tag="start"):
    start: _Details
    extra_headers: object = None
    """Documented as `k=v;k=v`, shown as a JSON object in places; it only informs."""


class _OnMedia(msgspec.Struct, tag_field="event", tag="media"):
    media: _Audio


class _OnDtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: _Key


class _OnPlayed(msgspec.Struct, tag_field="event", tag="playedStream"):
    name: str


class _OnStop(msgspec.Struct, tag_field="event", tag="stop"):
    reason: str | None = None


_KNOWN: Final = frozenset({"start", "media", "dtmf", "playedStream", "stop"})
# The reference writes some numbers as strings, and its examples differ on which.
_decode: Final = msgspec.json.Decoder(
    _OnMedia | _OnStart | _OnDtmf | _OnPlayed | _OnStop, strict=False
).decode


class PlivoMedia(MediaDialect):
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
            '{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,'
            f'"payload":"{base64_text(mulaw)}"}}}}'
        )

    def mark(self, stream_id: str, name: str) -> str:
        return f'{{"event":"checkpoint","streamId":{quoted(stream_id)},"name":{quoted(name)}}}'

    def clear(self, stream_id: str) -> str:
        return f'{{"event":"clearAudio","streamId":{quoted(stream_id)}}}'


def _rarer(said: _OnMedia | _OnStart | _OnDtmf | _OnPlayed | _OnStop) -> MediaMessage:
    match said:
        case _OnStart(start=start, extra_headers=extra):
            return StreamStart(
                stream_id=start.stream_id,
                carrier_call_id=CarrierCallId(start.call_id),
                encoding=start.media_format.encoding,
                sample_rate=start.media_format.sample_rate,
                parameters=_pairs(extra),
            )
        case _OnDtmf(dtmf=dtmf):
            return key_in(dtmf.digit)
        case _OnPlayed(name=name):
            return MarkReached(name)
        case _OnStop(reason=reason):
            return StreamStopped(None if reason is None else reason[:REASON_LIMIT])
        case _OnMedia():
            return None


def _pairs(extra: object) -> Mapping[str, str]:
    """The extra headers; empty where they cannot be read."""
    if not isinstance(extra, str):
        return {}
    split = (pair.partition("=") for pair in extra.split(";"))
    return {name.strip(): value for name, mark, value in split if mark}
