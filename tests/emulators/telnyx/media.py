"""Telnyx's messages on a media socket. Source: "Media Streaming over Websockets"."""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import msgspec

from tests.emulators.clock import Clock
from tests.emulators.media import Clear, Mark, NotUnderstood, Order, Play
from tests.emulators.telnyx.calls import Call, iso

SMALLEST, LARGEST = 160, 240_000
"""Bytes of one piece of audio: 20 ms to 30 s."""


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class _Message(msgspec.Struct):
    event: str
    media: _Media | None = None
    mark: _Mark | None = None


@dataclass(frozen=True)
class StreamRequest:
    """The parameters of `streaming_start`, with what Telnyx takes where they are not given."""

    url: str
    mode: str = "mp3"
    codec: str = "default"
    """Of what Telnyx sends: `default` is that of the call, here PCMA."""
    bidirectional_codec: str = "PCMU"
    track: str = "inbound_track"

    @classmethod
    def of(cls, body: Mapping[str, object]) -> "StreamRequest":
        return cls(
            str(body["stream_url"]),
            str(body.get("stream_bidirectional_mode", cls.mode)),
            str(body.get("stream_codec", cls.codec)),
            str(body.get("stream_bidirectional_codec", cls.bidirectional_codec)),
            str(body.get("stream_track", cls.track)),
        )


@dataclass
class TelnyxLanguage:
    """Implements `Language`. Numbers are strings, as Telnyx writes them."""

    stream_id: str
    call: Call
    request: StreamRequest
    _sequence: "count[int]" = field(default_factory=lambda: count(1))
    _chunk: "count[int]" = field(default_factory=lambda: count(1))

    def opening(self) -> Sequence[str]:
        call = self.call
        encoding = "PCMA" if self.request.codec == "default" else self.request.codec
        start = {
            "user_id": "2b8d7b8e-5c1a-4d3e-9f0a-6c7d8e9fa0b1",
            "call_control_id": call.control_id,
            "call_session_id": call.session_id,
            **call.numbers(),
            "tags": list[str](),
            "client_state": call.client_state,
            "media_format": {"encoding": encoding, "sample_rate": 8000, "channels": 1},
        }
        connected = {"event": "connected", "version": "1.0.0"}
        return json.dumps(connected), self._told("start", start=start)

    def audio(self, mulaw: bytes, at: float) -> str:
        media = {
            "track": "inbound",
            "chunk": str(next(self._chunk)),
            "timestamp": str(round(at * 1000)),
            "payload": b64encode(mulaw).decode(),
        }
        return self._told("media", media=media)

    def key(self, key: str, at: float) -> str:
        return self._told("dtmf", occurred_at=iso(Clock.wall()), dtmf={"digit": key})

    def reached(self, name: str) -> str:
        return self._told("mark", mark={"name": name})

    def cleared(self) -> str | None:
        return None

    def complaint(self, problem: str) -> str | None:
        payload = {"code": 100003, "title": "malformed_frame", "detail": problem}
        return json.dumps({"event": "error", "payload": payload, "stream_id": self.stream_id})

    def stop(self) -> str | None:
        stop = {
            "user_id": "2b8d7b8e-5c1a-4d3e-9f0a-6c7d8e9fa0b1",
            "call_control_id": self.call.control_id,
        }
        return self._told("stop", stop=stop)

    def read(self, message: str) -> Order:
        try:
            said = msgspec.json.decode(message, type=_Message)
        except msgspec.DecodeError as error:
            raise NotUnderstood(f"{message[:200]!r}: {error}") from None
        match said:
            case _Message(event="media", media=_Media(payload=payload)):
                return Play(self._mulaw(payload))
            case _Message(event="mark", mark=_Mark(name=name)) if name:
                return Mark(name)
            case _Message(event="clear"):
                return Clear()
            case _:
                raise NotUnderstood(f"no such message: {message[:200]!r}")

    def _mulaw(self, payload: str) -> bytes:
        request = self.request
        if (request.mode, request.bidirectional_codec) != ("rtp", "PCMU"):
            raise NotUnderstood(f"mu-law in mode {request.mode} {request.bidirectional_codec}")
        try:
            audio = b64decode(payload, validate=True)
        except Base64Error:
            raise NotUnderstood("a payload that is not base64") from None
        if not SMALLEST <= len(audio) <= LARGEST:
            raise NotUnderstood(f"a piece of {len(audio)} bytes")
        return audio

    def _told(self, event: str, **fields: object) -> str:
        number = str(next(self._sequence))
        said = {"event": event, "sequence_number": number, "stream_id": self.stream_id, **fields}
        return json.dumps(said)
