"""Twilio's messages on a media socket. Source: "Media Streams - WebSocket Messages"."""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from itertools import count

import msgspec

from tests.emulators.media import Clear, Mark, NotUnderstood, Order, Play


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class _Message(msgspec.Struct):
    event: str
    stream_sid: str = msgspec.field(name="streamSid")
    media: _Media | None = None
    mark: _Mark | None = None


class TwilioLanguage:
    """Implements `Language`. Numbers are strings, as Twilio writes them."""

    def __init__(
        self,
        stream_sid: str,
        call_sid: str,
        account_sid: str,
        parameters: tuple[tuple[str, str], ...],
    ) -> None:
        self._stream_sid = stream_sid
        self._call_sid = call_sid
        self._account_sid = account_sid
        self._parameters = dict(parameters)
        self._sequence = count(1)
        self._chunk = count(1)

    def opening(self) -> Sequence[str]:
        start = {
            "accountSid": self._account_sid,
            "streamSid": self._stream_sid,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
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
        return self._told("dtmf", dtmf={"track": "inbound_track", "digit": key})

    def reached(self, name: str) -> str:
        return self._told("mark", mark={"name": name})

    def cleared(self) -> str | None:
        return None

    def complaint(self, problem: str) -> str | None:
        """None: Twilio's debugger alone is told (31951)."""
        return None

    def stop(self) -> str | None:
        stop = {"accountSid": self._account_sid, "callSid": self._call_sid}
        return self._told("stop", stop=stop)

    def read(self, message: str) -> Order:
        try:
            said = msgspec.json.decode(message, type=_Message)
        except msgspec.DecodeError as error:
            raise NotUnderstood(f"{message[:200]!r}: {error}") from None
        if said.stream_sid != self._stream_sid:
            raise NotUnderstood(f"streamSid {said.stream_sid!r} is not this stream's")
        match said:
            case _Message(event="media", media=_Media(payload=payload)):
                return Play(_mulaw(payload))
            case _Message(event="mark", mark=_Mark(name=name)) if name:
                return Mark(name)
            case _Message(event="clear"):
                return Clear()
            case _:
                raise NotUnderstood(f"no such message: {message[:200]!r}")

    def _told(self, event: str, **fields: object) -> str:
        number = str(next(self._sequence))
        said = {"event": event, "sequenceNumber": number, **fields, "streamSid": self._stream_sid}
        return json.dumps(said)


def _mulaw(payload: str) -> bytes:
    try:
        audio = b64decode(payload, validate=True)
    except Base64Error:
        raise NotUnderstood("a payload that is not base64") from None
    if not audio:
        raise NotUnderstood("an empty payload")
    if audio[:4] in {b"RIFF", b"ID3\x03", b"ID3\x04"}:
        raise NotUnderstood("a file header, which is heard as noise")
    return audio
