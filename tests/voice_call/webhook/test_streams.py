"""The door for media streams, over real sockets."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.errors import JournalRefused, StreamRefused
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from openclaw_voice_call.webhook.pipeline import WebhookPipeline
from openclaw_voice_call.webhook.places import PlaceLimits
from openclaw_voice_call.webhook.public_url import UrlPolicy
from openclaw_voice_call.webhook.server import ServerLimits, WebhookServer
from openclaw_voice_call.webhook.stream_socket import IDLE_MESSAGES, SocketBounds
from openclaw_voice_call.webhook.streams import StreamDoor, StreamLimits
from tests.voice_call.webhook.fakes import Desk, HmacCarrier
from tests.voice_call.webhook.stream_fakes import (
    LINKS,
    STREAM_PATH,
    TICKET,
    WAIT_S,
    Dialect,
    HostileClient,
    StreamDesk,
    client_frame,
    pass_path,
    start_message,
    upgrade,
)

OTHER = StreamTicket(CallId("call 2"), 1)
AUDIO = json.dumps({"audio": "x" * 216})


class House:
    """A running server with a stream door."""

    def __init__(self, server: WebhookServer, door: StreamDoor, desk: StreamDesk) -> None:
        self.server = server
        self.door = door
        self.desk = desk
        self.clients: list[HostileClient] = []

    @asynccontextmanager
    async def carrier(self, path: str | None = None) -> AsyncGenerator[ClientConnection]:
        """A client that keeps the rules, upgraded."""
        url = f"ws://127.0.0.1:{self.server.port}{path or pass_path()}"
        async with connect(url, proxy=None, open_timeout=WAIT_S, close_timeout=WAIT_S) as socket:
            yield socket

    async def stranger(self, head: bytes | None, from_host: str = "127.0.0.1") -> HostileClient:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.server.port, local_addr=(from_host, 0)),
            WAIT_S,
        )
        client = HostileClient(reader, writer)
        self.clients.append(client)
        if head is not None:
            await client.say(head)
        return client

    async def upgraded(self, path: str = STREAM_PATH) -> HostileClient:
        client = await self.stranger(upgrade(path))
        assert await client.status() == 101
        return client

    def refused(self, reason: str) -> int:
        return self.door.counts.refused.get(reason, 0)


@asynccontextmanager
async def house(
    limits: StreamLimits | None = None, *expected: StreamTicket
) -> AsyncGenerator[House]:
    desk = StreamDesk(*(expected or (TICKET,)))
    door = StreamDoor(desk, LINKS, Dialect(), path=STREAM_PATH, limits=limits)
    pipeline = WebhookPipeline(HmacCarrier(), Desk(), UrlPolicy(serve_path="/voice/webhook"))
    server = WebhookServer(
        pipeline, path="/voice/webhook", port=0, limits=ServerLimits(stop_s=1.0), streams=door
    )
    await server.start()
    it = House(server, door, desk)
    try:
        yield it
    finally:
        desk.gate.set()
        for client in it.clients:
            await client.close()
        await asyncio.wait_for(server.stop(), WAIT_S)
    assert (door.counts.open, door.counts.pending) == (0, 0)
    assert all(stream.ends == 1 for stream in desk.streams)


async def close_code(socket: ClientConnection) -> int | None:
    """What the server closes with, whatever it says before."""
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                await socket.recv()
    except ConnectionClosed as exc:
        return exc.rcvd.code if exc.rcvd is not None else None


# --- a stream


async def test_a_stream_that_is_expected_is_let_in_and_carries_messages_both_ways() -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send('{"connected": true}')
        await carrier.send(start_message())
        stream = await it.desk.stream()
        assert (stream.ticket, stream.start.stream_id) == (TICKET, "MZ1")
        assert it.door.counts.open == 1
        assert it.door.counts.pending == 0
        for n in range(5):
            await carrier.send(f"in {n}")
            stream.wire.send(f"out {n} \u00e4")
        await carrier.send(b"binary")
        assert await stream.until(6) == [*(f"in {n}" for n in range(5)), b"binary"]
        heard = [await asyncio.wait_for(carrier.recv(), WAIT_S) for _ in range(5)]
        assert heard == [f"out {n} \u00e4" for n in range(5)]
        assert stream.wire.unsent == 0
        await carrier.close()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert carrier.close_code == 1000
        stream.wire.send("nobody hears this")
        stream.wire.close()


async def test_no_word_is_lost_that_comes_with_or_right_after_the_start() -> None:
    async with house() as it:
        it.desk.gate.clear()
        client = await it.upgraded(pass_path())
        said = [f"m{n}" for n in range(200)]
        frames = [client_frame(text.encode()) for text in (start_message(), *said)]
        await client.say(b"".join(frames[:50]))
        await asyncio.wait_for(it.desk.asked.acquire(), WAIT_S)
        await client.say(b"".join(frames[50:]))
        it.desk.gate.set()
        stream = await it.desk.stream()
        assert await stream.until(200) == said


async def test_frames_that_come_with_the_upgrade_itself_are_not_lost() -> None:
    async with house() as it:
        client = await it.stranger(
            upgrade(pass_path()) + client_frame(start_message().encode()) + client_frame(b"early")
        )
        assert await client.status() == 101
        stream = await it.desk.stream()
        assert await stream.until(1) == ["early"]


async def test_we_close_and_the_sink_is_told_once() -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send(start_message())
        stream = await it.desk.stream()
        stream.wire.send("last words")
        stream.wire.close(1000, "call over")
        stream.wire.close(1011, "again")
        assert await asyncio.wait_for(carrier.recv(), WAIT_S) == "last words"
        assert await close_code(carrier) == 1000
        assert carrier.close_reason == "call over"
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert stream.ends == 1


async def test_what_comes_after_our_close_is_not_handed_on() -> None:
    async with house(StreamLimits(socket=SocketBounds(close_s=0.2))) as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        stream.wire.close(1000)
        assert await client.close_code() == 1000
        await client.say(client_frame(b"too late"))
        # It does not answer our close, so it is cut.
        assert await client.gone()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert stream.messages == []


async def test_a_carrier_that_vanishes_ends_the_stream() -> None:
    async with house() as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        client.writer.transport.abort()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert stream.wire.unsent == 0


async def test_a_carrier_that_vanishes_while_it_is_let_in_is_still_reported() -> None:
    async with house() as it:
        it.desk.gate.clear()
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        await asyncio.wait_for(it.desk.asked.acquire(), WAIT_S)
        client.writer.transport.abort()
        it.desk.gate.set()
        stream = await it.desk.stream()
        await asyncio.wait_for(stream.over.wait(), WAIT_S)


# --- who is let in


@pytest.mark.scenario("F2")
@pytest.mark.parametrize("path", [STREAM_PATH, f"{STREAM_PATH}/", f"{STREAM_PATH}?dropped=1"])
async def test_a_carrier_that_gives_only_parameters_back_is_let_in_by_its_start(path: str) -> None:
    async with house() as it, it.carrier(path) as carrier:
        await carrier.send(start_message(LINKS.pass_for(TICKET)))
        stream = await it.desk.stream()
        assert stream.ticket == TICKET
        await carrier.send(AUDIO)
        assert await stream.until(1) == [AUDIO]


FORGED = StreamLinks(LINKS.base_url, b"x" * 32).pass_for(TICKET)


@pytest.mark.scenario("F2")
@pytest.mark.parametrize("token", [None, "", "x", FORGED, f"{LINKS.pass_for(TICKET)}A"])
async def test_a_start_without_our_pass_is_refused(token: str | None) -> None:
    async with house() as it, it.carrier(STREAM_PATH) as carrier:
        await carrier.send(start_message(token))
        assert await close_code(carrier) == 1008
        assert it.refused("forged") == 1
        assert it.desk.streams == []


async def test_a_pass_of_a_stream_that_is_over_is_refused_in_path_and_parameter() -> None:
    async with house(None, OTHER) as it:
        client = await it.stranger(upgrade(pass_path(TICKET)))
        assert await client.status() == 403
        it.desk.failures = [StreamRefused("not expected")]
        async with it.carrier(STREAM_PATH) as carrier:
            await carrier.send(start_message(LINKS.pass_for(TICKET)))
            assert await close_code(carrier) == 1008
        assert it.refused("unexpected") == 2
        assert it.desk.streams == []


async def test_a_second_stream_with_the_same_pass_is_refused() -> None:
    async with house() as it, it.carrier() as first, it.carrier() as second:
        await first.send(start_message())
        stream = await it.desk.stream()
        it.desk.failures = [StreamRefused("already open")]
        await second.send(start_message())
        assert await close_code(second) == 1008
        assert (await it.stranger(upgrade(pass_path()))) is not None
        assert await it.clients[-1].status() == 403
        await first.send("still there")
        assert await stream.until(1) == ["still there"]


@pytest.mark.parametrize(
    ("head", "status", "header"),
    [
        (upgrade(f"{STREAM_PATH}/{FORGED}"), 404, None),
        (upgrade(f"{STREAM_PATH}/{'a' * 4000}"), 404, None),
        (upgrade(f"{pass_path()}/more"), 404, None),
        (upgrade("/voice/streams"), 404, None),
        (upgrade("/voice"), 404, None),
        (upgrade(f"//{pass_path()}"), 404, None),
        (upgrade(pass_path(), method="POST"), 405, ("allow", "get")),
        (upgrade(pass_path(), upgrade="h2c"), 426, ("upgrade", "websocket")),
        (upgrade(pass_path(), version="8"), 426, ("sec-websocket-version", "13")),
        (upgrade(pass_path(), key="short"), 400, None),
        (f"GET {pass_path()} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 426, None),
    ],
)
async def test_what_is_not_upgraded(
    head: bytes, status: int, header: tuple[str, str] | None
) -> None:
    async with house() as it:
        client = await it.stranger(head)
        answered, headers = await client.answer()
        assert (answered, headers["connection"]) == (status, "close")
        assert header is None or headers[header[0]] == header[1]
        assert headers["server"] == "openclaw"
        assert await client.gone()
        assert it.desk.streams == []


@pytest.mark.scenario("F93")
@pytest.mark.parametrize("path", [STREAM_PATH, pass_path()])
@pytest.mark.parametrize(
    "host",
    [
        *(b"Host: [::1\r\n", b"Host: \r\n", b"Host: \xff\xfe\r\n", b"Host: a b\r\n", b""),
        b"Host: a\r\nHost: b\r\n",
    ],
)
async def test_a_malformed_host_on_an_upgrade_is_never_our_fault(host: bytes, path: str) -> None:
    async with house() as it:
        client = await it.stranger(upgrade(path, host=host))
        assert 400 <= await client.status() < 500
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            await it.desk.stream()


async def test_no_extension_is_agreed_on() -> None:
    async with house() as it, it.carrier() as carrier:
        assert carrier.response is not None
        assert "Sec-WebSocket-Extensions" not in carrier.response.headers


async def test_a_stream_in_another_coding_is_refused_by_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send(start_message(encoding="audio/L16"))
        assert await close_code(carrier) == 1003
        (line,) = [line for line in caplog.records if line.message == "media stream refused"]
        assert vars(line)["detail"] == "the carrier sends 'audio/L16' at 8000 Hz"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(StreamRefused("not expected"), 1008), (JournalRefused("disk full"), 1013)],
)
async def test_a_refusal_of_the_desk_has_its_close_code(failure: Exception, code: int) -> None:
    async with house() as it, it.carrier() as carrier:
        it.desk.failures = [failure]
        await carrier.send(start_message())
        assert await close_code(carrier) == code


async def test_a_desk_that_does_not_answer_is_given_up() -> None:
    async with house(StreamLimits(connect_s=0.05)) as it, it.carrier() as carrier:
        it.desk.gate.clear()
        await carrier.send(start_message())
        assert await close_code(carrier) == 1013


async def test_a_defect_of_ours_cuts_the_stream_and_the_door_stays_open() -> None:
    async with house() as it:
        it.desk.failures = [RuntimeError("a defect")]
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            assert await close_code(carrier) is None
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            await it.desk.stream()


# --- what strangers and broken carriers send


async def test_a_socket_that_only_pings_is_answered_and_closed() -> None:
    async with house(StreamLimits(pre_start_s=0.3)) as it:
        client = await it.upgraded()
        await client.say(client_frame(b"one", 0x9))
        assert await client.frame() == (0xA, b"one")
        async with asyncio.TaskGroup() as group:
            pinging = group.create_task(ping(client))
            assert await client.close_code() == 1008
            pinging.cancel()
        assert it.refused("no-start") == 1


async def ping(client: HostileClient) -> None:
    while True:
        await client.say(client_frame(b"again", 0x9))
        await asyncio.sleep(0.01)


async def test_messages_without_a_start_are_counted_and_audio_is_no_start() -> None:
    async with house() as it:
        client = await it.upgraded()
        await client.say(client_frame(AUDIO.encode()) * (IDLE_MESSAGES + 1))
        assert await client.close_code() == 1008
    async with house() as it, it.carrier() as carrier:
        for _ in range(IDLE_MESSAGES):
            await carrier.send(AUDIO)
        await carrier.send(start_message())
        stream = await it.desk.stream()
        await carrier.send("first")
        assert await stream.until(1) == ["first"]


@pytest.mark.parametrize("path", [STREAM_PATH, pass_path()])
@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (client_frame(b"{"), 1003, "malformed"),
        (client_frame(b"[]"), 1003, "malformed"),
        (client_frame(b"\xff\xfe", 0x2), 1003, "malformed"),
        (client_frame(b"\xff\xfe"), 1007, "protocol"),
        (client_frame(b"{}", first=0x40), 1002, "protocol"),
        (b"\x81\x02{}", 1002, "protocol"),
        (client_frame(b"x" * 8193), 1009, "too-big"),
        (client_frame(b"x" * 5000, fin=False) + client_frame(b"x" * 5000, 0x0), 1009, "too-big"),
    ],
)
async def test_what_is_not_of_the_protocol_closes_the_socket(
    sent: bytes, code: int, reason: str, path: str
) -> None:
    async with house(StreamLimits(socket=SocketBounds(close_s=0.1))) as it:
        client = await it.upgraded(path)
        await client.say(sent)
        assert await client.close_code() == code
        assert await client.gone()
        assert it.refused(reason) == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (client_frame(b"not of the protocol"), 1003),
        (client_frame(b"\xff"), 1007),
        (client_frame(b"x" * 70_000), 1009),
        (client_frame(b"", 0x0), 1002),
    ],
)
async def test_what_breaks_a_running_stream_closes_it(sent: bytes, code: int) -> None:
    async with house(StreamLimits(socket=SocketBounds(close_s=0.1))) as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        await client.say(client_frame(b"x" * 65_536))
        await stream.until(1)
        await client.say(sent + client_frame(b"after"))
        assert await client.close_code() == code
        await asyncio.wait_for(stream.over.wait(), WAIT_S)
        assert len(stream.messages) == 1


@pytest.mark.scenario("A14", "A15")
@pytest.mark.parametrize("path", [STREAM_PATH, pass_path()])
@pytest.mark.parametrize("fragments", [1, 5000])
async def test_a_first_message_of_50_mb_is_refused_and_memory_stays_flat(
    fragments: int, path: str
) -> None:
    async with house() as it:
        client = await it.upgraded(path)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        whole = 50 * 1024 * 1024
        piece = b"a" * (whole // 5000)
        header = b"\x01\xff" if fragments > 1 else b"\x81\xff"
        sent = 0
        try:
            while sent < whole:
                if sent == 0 or fragments > 1:
                    size = whole // fragments
                    await client.say(header + size.to_bytes(8, "big") + bytes(4))
                    header = b"\x00\xff"
                await client.say(piece)
                sent += len(piece)
        except ConnectionError:
            pass
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert await client.close_code() == 1009
        assert grown_kib < 8 * 1024
        assert it.refused("too-big") == 1


async def test_a_peer_that_does_not_read_is_cut_and_holds_little() -> None:
    bounds = SocketBounds(unsent_bytes=64 * 1024)
    async with house(StreamLimits(socket=bounds)) as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        most = 0
        async with asyncio.timeout(WAIT_S):
            while not stream.over.is_set():
                stream.wire.send("x" * 10_000)
                most = max(most, stream.wire.unsent)
                await asyncio.sleep(0)
        assert 0 < most <= 64 * 1024 + 10_000
        assert it.refused("stalled") == 1


# --- how many


@pytest.mark.scenario("A6")
async def test_silent_sockets_are_few_and_short_and_a_stream_still_gets_in() -> None:
    async with house(StreamLimits(pre_start_s=1.0)) as it:
        silent = [await it.stranger(upgrade()) for _ in range(200)]
        statuses = [await client.status() for client in silent]
        assert (statuses.count(101), statuses.count(503)) == (4, 196)
        assert it.door.counts.pending == 4
        async with it.carrier() as carrier:
            await carrier.send(start_message())
            stream = await it.desk.stream()
            began = asyncio.get_running_loop().time()
            for client, status in zip(silent, statuses, strict=True):
                if status == 101:
                    assert await client.close_code() == 1008
                assert await client.gone()
            assert asyncio.get_running_loop().time() - began < 3
            await carrier.send(AUDIO)
            assert await stream.until(1) == [AUDIO]
        assert it.refused("full") == 196


async def test_pending_sockets_of_all_addresses_are_limited() -> None:
    limits = StreamLimits(places=PlaceLimits(pending_per_address=2, pending=3))
    async with house(limits) as it:
        hosts = [f"127.0.0.{n}" for n in (2, 2, 2, 3, 4)]
        clients = [await it.stranger(upgrade(), host) for host in hosts]
        assert [await client.status() for client in clients] == [101, 101, 503, 101, 503]
        await clients[0].close()
        async with asyncio.timeout(WAIT_S):
            while await (await it.stranger(upgrade(), "127.0.0.5")).status() != 101:
                pass


async def test_open_streams_are_limited() -> None:
    tickets = [StreamTicket(CallId("c"), n) for n in (1, 2, 3)]
    async with house(StreamLimits(places=PlaceLimits(open=2)), *tickets) as it:
        clients = [await it.stranger(upgrade(pass_path(ticket))) for ticket in tickets]
        answers = [await client.answer() for client in clients]
        assert [status for status, _ in answers] == [101, 101, 503]
        assert answers[2][1]["retry-after"] == "1"


async def test_many_refusals_are_one_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as it:
        for _ in range(20):
            client = await it.stranger(upgrade(f"{STREAM_PATH}/{FORGED}"))
            assert await client.status() == 404
    lines = [line for line in caplog.records if line.message == "media stream refused"]
    assert len(lines) == 1
    assert FORGED not in str(vars(lines[0]))


# --- the end


async def test_stopping_closes_streams_and_whoever_waits_to_become_one() -> None:
    async with house() as it, it.carrier() as carrier:
        await carrier.send(start_message())
        stream = await it.desk.stream()
        silent = await it.upgraded()
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(it.server.stop())
            assert await close_code(carrier) == 1001
            assert await silent.close_code() == 1001
            await silent.close()
            await asyncio.wait_for(stopping, WAIT_S)
        assert asyncio.get_running_loop().time() - began < 0.9
        assert stream.ends == 1


async def test_stopping_does_not_wait_for_peers_that_do_not_answer() -> None:
    async with house(StreamLimits(socket=SocketBounds(close_s=0.1))) as it:
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        stream = await it.desk.stream()
        connecting = await it.upgraded()
        it.desk.gate.clear()
        await connecting.say(client_frame(start_message(LINKS.pass_for(OTHER)).encode()))
        await asyncio.wait_for(it.desk.asked.acquire(), WAIT_S)
        await asyncio.wait_for(it.server.stop(), 4)
        assert stream.ends == 1
