"""Live audio between a carrier and us: what a media stream carries, whoever the carrier is. Pure.

Audio is G.711 mu-law, 8000 Hz, mono, without header: 8 bytes a millisecond, 160 bytes a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, TypeAlias

import msgspec

from openclaw_voice_call.call.types import CallId, CarrierCallId

BYTES_PER_MS: Final = 8
FRAME_MS: Final = 20
FRAME_BYTES: Final = BYTES_PER_MS * FRAME_MS
MULAW_SILENCE: Final = 0xFF
"""The mu-law byte of the sample 0."""


class StreamTicket(msgspec.Struct, frozen=True):
    """Which stream of which call a socket claims to be. `number` counts a call's streams from 1."""

    call_id: CallId
    number: int


class StreamStart(msgspec.Struct, frozen=True):
    """The first message that tells what a stream is about."""

    stream_id: str
    """The carrier's name for the stream; every answer may have to carry it."""
    carrier_call_id: CarrierCallId
    encoding: str = "PCMU"
    """As the carrier says it; only mu-law is served."""
    sample_rate: int = 8000
    parameters: Mapping[str, str] = {}
    """What we gave along when we asked for the stream, where the carrier hands it back."""

    @property
    def is_mulaw(self) -> bool:
        """PCMU, audio/x-mulaw and so on, at 8000 Hz."""
        name = self.encoding.lower().partition(";")[0].removeprefix("audio/").removeprefix("x-")
        return name in ("pcmu", "mulaw", "ulaw", "mu-law", "g711_ulaw") and self.sample_rate == 8000


class AudioIn(msgspec.Struct, frozen=True):
    """Audio of the other party, usually one frame."""

    mulaw: bytes
    chunk: int | None = None
    """Counts the stream's audio messages where the carrier may reorder them."""


class MarkReached(msgspec.Struct, frozen=True):
    """All that was sent before the mark has been played, or was cleared."""

    name: str


class KeyIn(msgspec.Struct, frozen=True):
    """A key of the other party: `0-9 A-D * #`."""

    key: str


class StreamStopped(msgspec.Struct, frozen=True):
    """The carrier ends the stream."""

    reason: str | None = None


class StreamTrouble(msgspec.Struct, frozen=True):
    """The carrier could not use what we sent."""

    code: str
    detail: str


MediaMessage: TypeAlias = (
    StreamStart | AudioIn | MarkReached | KeyIn | StreamStopped | StreamTrouble | None
)
"""None: well-formed and of no interest (`connected`, what a newer carrier may add)."""


class MediaDialect(Protocol):
    """How one carrier speaks on its media socket. Pure, without state."""

    @property
    def reorders(self) -> bool:
        """Whether audio may come out of order, so that `chunk` is to be looked at."""
        ...

    def read(self, message: str | bytes) -> MediaMessage:
        """Raises MediaMalformed, and nothing else, for what is not of this protocol."""
        ...

    def audio(self, stream_id: str, mulaw: bytes) -> str:
        """A message that plays these bytes after all that was sent before."""
        ...

    def mark(self, stream_id: str, name: str) -> str:
        """A message that is answered by `MarkReached(name)` when all before it was played."""
        ...

    def clear(self, stream_id: str) -> str:
        """A message that stops playing and drops what has been sent."""
        ...


class Wire(Protocol):
    """An open stream socket. Nothing here blocks or raises; after the end, nothing has effect."""

    def send(self, message: str) -> None:
        """Send a text message after those before it."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that the network has not taken yet."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close; `code` as RFC 6455 has it."""
        ...


class MessageSink(Protocol):
    """Whoever serves an admitted stream. All calls come from the event loop's thread."""

    def feed(self, message: str | bytes) -> None:
        """The socket's next message. Raises MediaMalformed: the socket is then closed."""
        ...

    def closed(self) -> None:
        """The socket is gone, whoever closed it. Called once; nothing follows."""
        ...


class StreamDesk(Protocol):
    """Where stream sockets ask to be let in."""

    def expects(self, ticket: StreamTicket) -> bool:
        """Whether this very stream is being waited for now. Cheap; asked before the upgrade."""
        ...

    async def connect(self, ticket: StreamTicket, start: StreamStart, wire: Wire) -> MessageSink:
        """Let the stream in, once. Raises StreamRefused; StoreError when it cannot be noted."""
        ...
