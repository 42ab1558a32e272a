"""Plivo's messages on a media socket. Source: Plivo's "Audio Streaming" reference."""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import msgspec

from tests.emulators.clock import Clock
from tests.emulators.media import Clear, Mark, NotUnderstood, Order, Play

MULAW = "audio/x-mulaw;rate=8000"
LARGEST_MESSAGE, LARGEST_PAYLOAD = 64 * 1024, 16 * 1024
"""Characters."""


class _Media(msgspec.Struct):
    content_type: str = msgspec.field(name="contentType")
    sample_rate: int = msgspec.field(name="sampleRate")
    payload: str


class _Message(msgspec.Struct):
    event: str
    media: _Media | None = None
    name: str = ""
    stream_id: str = msgspec.field(name="streamId", default="")


@dataclass
class PlivoLanguage:
    """Implements `Language`. Numbers are numbers, but for time stamps."""

    stream_id: str
    call_uuid: str
    account: str
    extra_headers: str
    """As the document has them: `k=v,k=v`."""
    _sequence: "count[int]" = field(default_factory=count)
    _chunk: "count[int]" = field(default_factory=lambda: count(1))

    def opening(self) -> Sequence[str]:
        start = {
            "callId": self.call_uuid,
            "streamId": self.stream_id,
            "accountId": self.account,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        return (self._told("start", start=start, **self._extra()),)

    def audio(self, mulaw: bytes, at: float) -> str:
        media = {
            "track": "inbound",
            "timestamp": _milliseconds(),
            "chunk": next(self._chunk),
            "payload": b64encode(mulaw).decode(),
        }
        return self._told("media", streamId=self.stream_id, media=media, **self._extra())

    def key(self, key: str, at: float) -> str:
        dtmf = {"track": "inbound", "digit": key, "timestamp": _milliseconds()}
        return self._told("dtmf", streamId=self.stream_id, dtmf=dtmf)

    def reached(self, name: str) -> str:
        return self._told("playedStream", streamId=self.stream_id, name=name)

    def cleared(self) -> str | None:
        return self._told("clearedAudio", streamId=self.stream_id)

    def complaint(self, problem: str) -> str | None:
        """None: the reference knows no such message."""
        return None

    def stop(self) -> str | None:
        """None: the reference knows no such message; the socket is closed."""
        return None

    def read(self, message: str) -> Order:
        if len(message) > LARGEST_MESSAGE:
            raise NotUnderstood(f"a message of {len(message)} characters")
        try:
            said = msgspec.json.decode(message, type=_Message)
        except msgspec.DecodeError as error:
            raise NotUnderstood(f"{message[:200]!r}: {error}") from None
        if said.stream_id not in {"", self.stream_id}:
            raise NotUnderstood(f"streamId {said.stream_id!r} is not this stream's")
        match said:
            case _Message(event="playAudio", media=_Media() as media):
                return Play(_mulaw(media))
            case _Message(event="checkpoint", name=name, stream_id=stream) if name and stream:
                return Mark(name)
            case _Message(event="clearAudio", stream_id=stream) if stream:
                return Clear()
            case _:
                raise NotUnderstood(f"no such message: {message[:200]!r}")

    def _extra(self) -> dict[str, str]:
        extra = self.extra_headers
        return {"extra_headers": extra.replace(",", ";")} if extra else {}

    def _told(self, event: str, **fields: object) -> str:
        return json.dumps({"event": event, "sequenceNumber": next(self._sequence), **fields})


def _mulaw(media: _Media) -> bytes:
    # The content type has no rate here, other than in the document.
    if (media.content_type, media.sample_rate) != ("audio/x-mulaw", 8000):
        raise NotUnderstood(f"{media.content_type} at {media.sample_rate} Hz")
    if len(media.payload) > LARGEST_PAYLOAD:
        raise NotUnderstood(f"a payload of {len(media.payload)} characters")
    try:
        return b64decode(media.payload, validate=True)
    except Base64Error:
        raise NotUnderstood("a payload that is not base64") from None


def _milliseconds() -> str:
    return str(round(Clock.wall().timestamp() * 1000))
