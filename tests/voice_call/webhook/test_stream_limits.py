"""The door for media streams against strangers, broken carriers, too many, and the end."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress

import pytest

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.webhook.places import PlaceLimits
from openclaw_voice_call.webhook.stream_socket import IDLE_MESSAGES, SocketBounds
from openclaw_voice_call.webhook.streams import StreamLimits
from tests.voice_call.webhook.stream_fakes import (
    LINKS,
    STREAM_PATH,
    WAIT_S,
    HostileClient,
    client_frame,
    pass_path,
    start_message,
    upgrade,
)
from tests.voice_call.webhook.stream_house import AUDIO, FORGED, OTHER, close_code, house

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
    with suppress(ConnectionError):
        while True:
            await client.say(client_frame(b"again", 0x9))
            await asyncio.sleep(0.01)


async def test_messages_without_a_start_are_counted_and_audio_is_no_start() -> None:
    async with house(StreamLimits(pre_start_s=60)) as it:
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
        await client.until_gone()
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


async def test_what_comes_while_a_stream_is_let_in_waits_in_the_network() -> None:
    count = 1000
    async with house() as it:
        it.desk.gate.clear()
        client = await it.upgraded(pass_path())
        await client.say(client_frame(start_message().encode()))
        await asyncio.wait_for(it.desk.asked.acquire(), WAIT_S)
        client.writer.write(client_frame(b"x" * 60_000) * count)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.writer.drain(), 0.3)
        it.desk.gate.set()
        stream = await it.desk.stream()
        assert len(await stream.until(count)) == count


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
                await client.until_gone()
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
