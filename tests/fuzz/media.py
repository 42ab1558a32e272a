"""What comes on stream sockets: the pass in the path, websocket frames, the carriers' messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.carriers.mock.media import MockMedia
from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.carrier import Carrier
from openclaw_voice_call.interfaces.media import MediaDialect, StreamStart, StreamTicket
from openclaw_voice_call.interfaces.stream_links import TOKEN_PARAMETER, StreamLinks, stream_number
from openclaw_voice_call.webhook import websocket
from openclaw_voice_call.webhook.websocket import FrameReader, Violation
from tests.fuzz.campaign import Target
from tests.voice_call.webhook.stream_fakes import client_frame

LIMIT: Final = 512
LINKS: Final = StreamLinks("wss://voice.example.com/voice/stream", b"k" * 32)
GENUINE: Final = StreamTicket(CallId("0d9ecf60-8f2d-4d0c-9d0e-6a4c4e1b2a7f"), 1)
FRAMES: Final[Sequence[bytes]] = (
    client_frame(b'{"event":"connected"}') + client_frame(b"x" * 300),
    client_frame(b"ab", fin=False) + client_frame(b"p", 0x9) + client_frame(b"c", 0x0),
    client_frame(b"\x00\xff", 0x2) + client_frame((1000).to_bytes(2, "big") + b"bye", 0x8),
)


def media_targets(
    carriers: Sequence[Carrier], examples: Callable[[str], Sequence[bytes]]
) -> Iterator[Target]:
    """`examples` gives a file of the corpus. A mock network without live audio has a dialect all
    the same."""
    passes = [*examples("stream_pass"), LINKS.pass_for(GENUINE).encode()]
    yield Target("stream_pass", passes, _pass)
    yield Target("websocket", FRAMES, _frames)
    for carrier in carriers:
        messages = examples(f"media-{carrier.name}")
        read = _message(carrier.media or MockMedia())
        yield Target(f"media:{carrier.name}", messages, read, (MediaMalformed,))


def _pass(data: bytes) -> None:
    """Nothing but what we made is believed."""
    presented = data.decode("utf-8", "surrogateescape")
    stream_number(presented)
    ticket = LINKS.read(presented)
    if ticket is not None and LINKS.pass_for(ticket) != presented.strip("/"):
        raise AssertionError(f"a pass for {ticket} that we did not make")


def _frames(data: bytes) -> None:
    """The same is understood whole and byte by byte, and never more than the limit."""
    at_once, in_bytes = FrameReader(LIMIT), FrameReader(LIMIT)
    at_once.feed(data)
    whole = _everything(at_once)
    pieces: list[object] = []
    for byte in data[: 4 * LIMIT]:
        in_bytes.feed(bytes([byte]))
        pieces += _everything(in_bytes)
        if pieces and isinstance(pieces[-1], Violation):
            break
    if len(data) <= 4 * LIMIT and pieces != whole:
        raise AssertionError(f"in bytes {pieces!r}, at once {whole!r}")


def _everything(reader: FrameReader) -> list[object]:
    said: list[object] = []
    while (one := reader.next()) is not None:
        said.append(one)
        if isinstance(one, Violation):
            break
        if isinstance(one, str | bytes) and len(one) > LIMIT:
            raise AssertionError("a message beyond the limit")
    return said


def _message(dialect: MediaDialect) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        try:
            message: str | bytes = data.decode()
        except UnicodeDecodeError:
            message = data
        said = dialect.read(message)
        if isinstance(said, StreamStart):
            # Whatever a stream is called, it can be spoken to, and its pass looked at.
            LINKS.read(said.parameters.get(TOKEN_PARAMETER, ""))
            _ = said.is_mulaw
            for order in (
                dialect.audio(said.stream_id, b"\xff" * 160),
                dialect.mark(said.stream_id, "u7"),
                dialect.clear(said.stream_id),
            ):
                json.loads(order)
                websocket.text_frame(order)

    return read
