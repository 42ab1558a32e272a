"""RFC 6455's server side against the `websockets` library as the client, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from openclaw_voice_call.webhook import websocket
from openclaw_voice_call.webhook.websocket import Closing, FrameReader, Incoming, Ping, Violation
from tests.voice_call.webhook.stream_fakes import client_frame

LIMIT = 4096


def client() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://127.0.0.1/"), state=OPEN)


def everything(reader: FrameReader) -> list[Incoming]:
    """What can be read now; nothing is asked after a violation."""
    said: list[Incoming] = []
    while (one := reader.next()) is not None:
        said.append(one)
        if isinstance(one, Violation):
            break
    return said


def read(data: bytes, *, limit: int = LIMIT) -> list[Incoming]:
    reader = FrameReader(limit)
    reader.feed(data)
    return everything(reader)


messages = st.one_of(
    st.text(max_size=300), st.binary(max_size=300), st.just("x" * 126), st.just(b"y" * LIMIT)
)


@given(st.lists(messages, max_size=6), st.data())
def test_messages_arrive_whatever_their_fragments_and_pieces(
    sent: Sequence[str | bytes], data: st.DataObject
) -> None:
    peer = client()
    for message in sent:
        raw = message.encode() if isinstance(message, str) else message
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=3)))
        edges = [0, *cuts, len(raw)]
        kind = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        for at, (begin, end) in enumerate(pairwise(edges)):
            if at:
                peer.send_ping(b"between")
            opcode = Opcode.CONT if at else kind
            frame = Frame(opcode, raw[begin:end], fin=end == len(raw) and at == len(edges) - 2)
            peer.send_frame(frame)
    stream = b"".join(peer.data_to_send())
    pieces = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader(LIMIT)
    got: list[Incoming] = []
    for begin, end in zip([0, *pieces], [*pieces, len(stream)], strict=True):
        reader.feed(stream[begin:end])
        got += everything(reader)
    assert [one for one in got if not isinstance(one, Ping)] == list(sent)
    assert all(one.payload == b"between" for one in got if isinstance(one, Ping))


@given(st.text(max_size=70_000))
def test_what_we_write_is_read_by_another_implementation(text: str) -> None:
    peer = client()
    peer.receive_data(websocket.text_frame(text) + websocket.pong_frame(b"p"))
    peer.receive_data(websocket.close_frame(1008, text))
    frames = [event for event in peer.events_received() if isinstance(event, Frame)]
    assert [frame.opcode for frame in frames] == [Opcode.TEXT, Opcode.PONG, Opcode.CLOSE]
    assert frames[0].data == text.encode()
    assert peer.close_rcvd is not None
    assert (peer.close_rcvd.code, text.startswith(peer.close_rcvd.reason)) == (1008, True)


@given(
    st.one_of(st.text(max_size=300).map(str.encode), st.binary(max_size=300)),
    st.sampled_from([0x1, 0x2, 0x9]),
    st.sampled_from([b"", b"\x81"]),
)
def test_bytes_that_are_one_message_are_that_message(
    payload: bytes, opcode: int, after: bytes
) -> None:
    data = client_frame(payload, opcode) + after
    whole = FrameReader(LIMIT).whole(data)
    assert whole is None or read(data) == [whole]


def test_only_a_whole_message_that_nothing_precedes_is_taken_at_once() -> None:
    text = "ü" * 100
    data = client_frame(text.encode())
    assert FrameReader(LIMIT).whole(data) == text
    assert FrameReader(199).whole(data) is None
    for before in (b"\x81", client_frame(b"begun", fin=False)):
        reader = FrameReader(LIMIT)
        reader.feed(before)
        assert reader.next() is None
        assert reader.whole(data) is None
    for other in (data[:-1], data + b"\x81", client_frame(b"\xff" * 200), client_frame(b"short")):
        assert FrameReader(LIMIT).whole(other) is None


@given(st.binary(max_size=600), st.integers(1, 64))
def test_any_bytes_are_read_or_refused(data: bytes, piece: int) -> None:
    reader = FrameReader(200)
    for begin in range(0, len(data), piece):
        reader.feed(data[begin : begin + piece])
        if any(isinstance(one, Violation) for one in everything(reader)):
            return


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (client_frame(b"x", 0x0), websocket.PROTOCOL_ERROR),
        (client_frame(b"a", fin=False) + client_frame(b"b", 0x1), websocket.PROTOCOL_ERROR),
        (client_frame(b"", fin=False) + client_frame(b"b", 0x2), websocket.PROTOCOL_ERROR),
        (client_frame(b"x", 0x3), websocket.PROTOCOL_ERROR),
        (client_frame(b"x", 0xB), websocket.PROTOCOL_ERROR),
        (client_frame(b"x", first=0x40), websocket.PROTOCOL_ERROR),
        (client_frame(b"x", 0x9, first=0x10), websocket.PROTOCOL_ERROR),
        (client_frame(b"x", 0x9, fin=False), websocket.PROTOCOL_ERROR),
        (client_frame(b"x" * 126, 0x9), websocket.PROTOCOL_ERROR),
        (client_frame(b"\x03", 0x8), websocket.PROTOCOL_ERROR),
        (client_frame((1005).to_bytes(2, "big"), 0x8), websocket.PROTOCOL_ERROR),
        (client_frame((999).to_bytes(2, "big"), 0x8), websocket.PROTOCOL_ERROR),
        (client_frame(b"\x03\xe8\xff", 0x8), websocket.NOT_UTF8),
        (client_frame(b"\xff"), websocket.NOT_UTF8),
        (client_frame(b"\xc3", fin=False) + client_frame(b"\x28", 0x0), websocket.NOT_UTF8),
        (b"\x81\x01x", websocket.PROTOCOL_ERROR),
        (client_frame(b"x" * 9), websocket.TOO_BIG),
        (client_frame(b"x" * 5, fin=False) + client_frame(b"x" * 4, 0x0), websocket.TOO_BIG),
        (b"\x81\xff" + b"\xff" * 8, websocket.TOO_BIG),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), websocket.TOO_BIG),
    ],
)
def test_violations_have_their_code(sent: bytes, code: int) -> None:
    last = read(sent, limit=8)[-1]
    assert isinstance(last, Violation)
    assert last.code == code


def test_a_message_as_long_as_the_limit_is_taken() -> None:
    whole = client_frame(b"x" * 5, fin=False) + client_frame(b"x" * 3, 0x0) + client_frame(b"y" * 8)
    assert read(whole, limit=8) == ["x" * 8, "y" * 8]


def test_the_limit_may_be_raised_between_messages() -> None:
    reader = FrameReader(2)
    reader.feed(client_frame(b"ab") + client_frame(b"abcdef"))
    assert reader.next() == "ab"
    reader.limit = 6
    assert reader.next() == "abcdef"


def test_pongs_are_left_out_and_closes_told() -> None:
    close = client_frame((1000).to_bytes(2, "big") + b"bye", 0x8)
    assert read(client_frame(b"late", 0xA) + client_frame(b"x") + close) == ["x", Closing(1000)]
    assert read(client_frame(b"", 0x8)) == [Closing()]
    assert websocket.close_frame(Closing().code) == b"\x88\x00"


def test_the_handshake_of_the_rfc() -> None:
    assert websocket.accept("13", "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert websocket.is_upgrade("WebSocket", "keep-alive, UPGRADE")


@pytest.mark.parametrize(
    ("version", "key"),
    [
        ("8", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("13", ""),
        ("13", "dGhlIHNhbXBsZQ=="),
        ("13", "dGhlIHNhbXBsZSBub25jZQ"),
        ("13", "\u00e9" * 24),
    ],
)
def test_a_handshake_that_is_none(version: str, key: str) -> None:
    assert websocket.accept(version, key) is None


@pytest.mark.parametrize(("upgrade", "connection"), [("", "upgrade"), ("websocket", "close")])
def test_what_does_not_ask_for_a_websocket(upgrade: str, connection: str) -> None:
    assert not websocket.is_upgrade(upgrade, connection)
