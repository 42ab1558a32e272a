"""The port that faces the world, over real sockets."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from openclaw_voice_call.errors import JournalRefused, NotReady
from openclaw_voice_call.webhook.gate import GateLimits
from openclaw_voice_call.webhook.pipeline import WebhookPipeline
from openclaw_voice_call.webhook.public_url import UrlPolicy
from openclaw_voice_call.webhook.server import ServerLimits, WebhookServer
from openclaw_voice_call.webhook.sockets import SocketLimits, affordable
from tests.voice_call.webhook.fakes import SIGNATURE, Desk, HmacCarrier, sign

PATH = "/voice/webhook"
PUBLIC = "https://voice.example.com/voice/webhook"
WAIT_S = 10.0


class House:
    """A running server and its desk."""

    def __init__(self, server: WebhookServer, desk: Desk) -> None:
        self.server = server
        self.desk = desk
        self.clients: list[Client] = []

    async def connect(self, from_host: str = "127.0.0.1") -> Client:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.server.port, local_addr=(from_host, 0)),
            WAIT_S,
        )
        self.clients.append(Client(reader, writer))
        return self.clients[-1]


class Client:
    """One connection that says bytes and hears answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), WAIT_S)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def status(self) -> int:
        return (await self.answer())[0]

    async def gone(self) -> bool:
        """True when the server closes without another word."""
        try:
            return await asyncio.wait_for(self.reader.read(), WAIT_S) == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await asyncio.wait_for(self.writer.wait_closed(), WAIT_S)


def head(
    *,
    method: str = "POST",
    target: str = PATH,
    length: int | None = None,
    signature: str | None = "00",
    extra: str = "",
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    if signature is not None:
        lines.append(f"{SIGNATURE}: {signature}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode()


def signed(body: bytes = b"CA1", **options: str) -> bytes:
    return head(length=len(body), signature=sign(PUBLIC, body), **options) + body


@asynccontextmanager
async def house(limits: ServerLimits | None = None) -> AsyncGenerator[House]:
    desk = Desk()
    pipeline = WebhookPipeline(
        HmacCarrier(), desk, UrlPolicy(serve_path=PATH, public_url=PUBLIC), answer_limit_s=5.0
    )
    server = WebhookServer(pipeline, path=PATH, port=0, limits=limits)
    await server.start()
    it = House(server, desk)
    try:
        yield it
    finally:
        desk.gate.set()
        for each in it.clients:
            await each.close()
        await asyncio.wait_for(server.stop(), WAIT_S)


async def test_a_signed_webhook_is_answered_and_the_connection_kept() -> None:
    async with house() as it:
        client = await it.connect()
        for n in range(3):
            await client.say(signed(f"CA{n}".encode()))
            status, headers, body = await client.answer()
            assert (status, body) == (200, b"ok")
            assert headers["content-type"] == "text/xml; charset=utf-8"
            assert headers["server"] == "openclaw"
        legs = [each.envelopes[0].carrier_call_id for each in it.desk.received]
        assert legs == ["CA0", "CA1", "CA2"]


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with house() as it:
        client = await it.connect()
        await client.say(signed(b"CA1") + signed(b"") + signed(b"CA2"))
        assert [await client.status() for _ in range(3)] == [200, 400, 200]


async def test_a_body_in_pieces_and_in_chunks() -> None:
    async with house() as it:
        client = await it.connect()
        whole = signed(b"CA1 some occurrence")
        for position in range(0, len(whole), 7):
            await client.say(whole[position : position + 7])
            await asyncio.sleep(0)
        assert await client.status() == 200
        chunked = head(signature=sign(PUBLIC, b"CA2"), extra="Transfer-Encoding: chunked\r\n")
        await client.say(chunked)
        await client.say(b"1\r\nC\r\n2\r\nA2\r\n0\r\n\r\n")
        assert await client.status() == 200


async def test_who_asks_before_sending_is_told_to_go_on() -> None:
    async with house() as it:
        client = await it.connect()
        await client.say(
            head(length=3, signature=sign(PUBLIC, b"CA1"), extra="Expect: 100-continue\r\n")
        )
        line = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT_S)
        assert line == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.say(b"CA1")
        assert await client.status() == 200


@pytest.mark.scenario("A9")
async def test_without_a_signature_the_answer_comes_before_the_body() -> None:
    async with house() as it:
        client = await it.connect()
        await client.say(head(length=50_000, signature=None))
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert await client.gone()
        assert it.desk.received == []


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(target="/", length=0), 404),
        (head(target=PATH + "/", length=0), 404),
        (head(target="/voice/webhook%20", length=0), 404),
        (head(target="//voice/webhook", length=0), 404),
        (head(target="/voice/../voice/webhook", length=0), 404),
        (head(target="/voice/stream", length=0), 404),
        (head(target=f"http://127.0.0.1{PATH}", length=0), 404),
        (head(method="PUT", length=0), 405),
        (head(method="OPTIONS", length=0), 405),
        (head(method="GET", signature=None), 405),
        (head(method="GET"), 401),
        (head(length=70_000), 413),
        (head(length=10**18), 413),
    ],
)
async def test_what_is_refused_by_its_head_alone(request_head: bytes, status: int) -> None:
    async with house() as it:
        client = await it.connect()
        await client.say(request_head)
        assert await client.status() == status
        assert it.desk.received == []


@pytest.mark.scenario("F93")
@pytest.mark.parametrize("signature", [None, "00"])
@pytest.mark.parametrize(
    "host", [b"Host: [::1\r\n", b"Host: \r\n", b"Host: \xff\xfe\r\n", b"Host: a b\r\n", b""]
)
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"])
async def test_a_malformed_host_is_never_our_fault(
    host: bytes, signature: str | None, upgrade: bytes
) -> None:
    async with house() as it:
        client = await it.connect()
        sent = head(length=0, signature=signature).replace(b"Host: 127.0.0.1\r\n", host + upgrade)
        await client.say(sent)
        assert 400 <= await client.status() < 500
        again = await it.connect()
        await again.say(signed())
        assert await again.status() == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST http://[bad/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /voice/webhook HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /voice/webhook HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /voice/webhook HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /voice/webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"POST /voice/webhook HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /voice/webhook HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_request(garbage: bytes) -> None:
    async with house() as it:
        client = await it.connect()
        await client.say(garbage)
        status, headers, body = await client.answer()
        assert 400 <= status < 500
        assert headers["server"] == "openclaw"
        assert b"Traceback" not in body
        assert await client.gone()


async def test_a_body_with_a_malformed_chunk_is_the_clients_fault() -> None:
    async with house(ServerLimits(body_s=0.05)) as it:
        client = await it.connect()
        await client.say(head(extra="Transfer-Encoding: chunked\r\n"))
        await client.say(b"zz\r\nabc\r\n")
        assert 400 <= await client.status() < 500


@pytest.mark.scenario("A5")
async def test_an_endless_body_is_cut_and_memory_stays_flat() -> None:
    async with house() as it:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        client = await it.connect()
        chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        sent = 0
        await client.say(head(extra="Transfer-Encoding: chunked\r\n"))
        try:
            while sent < 100 * 1024 * 1024:
                client.writer.write(chunk)
                await asyncio.wait_for(client.writer.drain(), WAIT_S)
                sent += len(chunk)
        except ConnectionError:
            pass
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown_kib < 20 * 1024
        assert it.desk.received == []


@pytest.mark.scenario("A5")
async def test_a_body_too_long_is_told_so() -> None:
    async with house() as it:
        client = await it.connect()
        await client.say(head(extra="Transfer-Encoding: chunked\r\n"))
        await client.say(b"10001\r\n" + b"a" * 0x10001 + b"\r\n")
        assert await client.status() == 413
        assert await client.gone()


@pytest.mark.scenario("A9")
async def test_a_slow_body_is_cut() -> None:
    async with house(ServerLimits(body_s=0.05)) as it:
        client = await it.connect()
        await client.say(head(length=10) + b"abc")
        assert await client.status() == 408
        assert await client.gone()


@pytest.mark.scenario("A9")
async def test_unproven_requests_of_an_address_are_limited_and_others_unaffected() -> None:
    limits = ServerLimits(queue_s=0.05, gate=GateLimits(per_address=8, queue_per_address=2))
    async with house(limits) as it:
        slow = [await it.connect() for _ in range(8)]
        for each in slow:
            await each.say(head(length=10) + b"a")
        # Only what has arrived is counted, so the next ones are asked until the house is full.
        await until_answered(it, "127.0.0.1", 429)

        other = await it.connect(from_host="127.0.0.2")
        await other.say(signed())
        assert await other.status() == 200

        # A place that is freed goes to whoever waits for it.
        await slow[0].close()
        await until_answered(it, "127.0.0.1", 200)


async def test_a_burst_of_honest_requests_is_not_turned_away() -> None:
    async with house() as it:
        clients = [await it.connect() for _ in range(64)]
        whole = signed()
        for each in clients:
            await each.say(whole[:-2])
        for each in clients:
            await each.say(whole[-2:])
        assert [await each.status() for each in clients] == [200] * 64


@pytest.mark.scenario("A9")
async def test_slow_bodies_do_not_shut_out_honest_requests_of_their_own_address() -> None:
    """Behind a tunnel, strangers and the carrier come from one address."""
    limits = ServerLimits(queue_s=0.05, gate=GateLimits(per_address=2, queue_per_address=1))
    async with house(limits) as it:
        for _ in range(20):
            slow = await it.connect()
            await slow.say(head(length=10) + b"a")
        carrier = await it.connect()
        for _ in range(5):
            await carrier.say(signed())
            assert await carrier.status() == 200


async def test_a_connection_is_kept_only_once_it_has_proved_itself() -> None:
    async with house() as it:
        forger = await it.connect()
        await forger.say(head(length=0))
        status, headers, _ = await forger.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert await forger.gone()
        carrier = await it.connect()
        await carrier.say(signed() + head(length=0) + signed())
        assert [await carrier.status() for _ in range(3)] == [200, 401, 200]


async def test_a_held_answer_does_not_count_once_its_signature_holds() -> None:
    async with house(ServerLimits(queue_s=0.01, gate=GateLimits(per_address=2))) as it:
        it.desk.gate.clear()
        held = [await it.connect() for _ in range(10)]
        for each in held:
            await each.say(signed())
            await asyncio.wait_for(it.desk.arrived.acquire(), WAIT_S)
        it.desk.gate.set()
        assert [await each.status() for each in held] == [200] * 10


async def test_a_silent_connection_is_closed() -> None:
    limits = ServerLimits(sockets=SocketLimits(first_request_s=0.05, keepalive_s=0.05))
    async with house(limits) as it:
        silent = await it.connect()
        assert await silent.gone()
        slow = await it.connect()
        await slow.say(head(length=3)[:-2])
        assert await slow.gone()
        idle = await it.connect()
        await idle.say(signed())
        assert await idle.status() == 200
        assert await idle.gone()


async def test_connections_of_strangers_are_limited_those_of_the_carrier_are_not() -> None:
    limits = ServerLimits(sockets=SocketLimits(connections=6, strangers_per_address=2))
    async with house(limits) as it:
        proved = [await it.connect() for _ in range(1)]
        for _ in range(3):
            await proved[-1].say(signed())
            assert await proved[-1].status() == 200
            proved.append(await it.connect())
        await it.connect()
        third = await it.connect()
        status, headers, _ = await third.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        assert await third.gone()
        # The total counts all.
        elsewhere = await it.connect(from_host="127.0.0.2")
        await elsewhere.say(signed())
        assert await elsewhere.status() == 200
        last = await it.connect(from_host="127.0.0.3")
        assert await last.status() == 503


async def test_strangers_leave_descriptors_for_calls() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 120, hard))
    try:
        most = (in_use + 120) // 2
        async with house(ServerLimits(sockets=SocketLimits(first_request_s=WAIT_S))) as it:
            # Both ends of each connection are in this process.
            silent = [await it.connect("127.0.0.2") for _ in range(most // 2 + 1)]
            assert await silent[-1].status() == 503
            carrier = await it.connect()
            await carrier.say(signed())
            assert await carrier.status() == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("files", "connections", "strangers"),
    [(-1, 1024, 256), (65_536, 1024, 256), (1024, 512, 256), (256, 128, 64)],
)
def test_the_limits_fit_the_process(files: int, connections: int, strangers: int) -> None:
    limits = affordable(SocketLimits(), files)
    assert (limits.connections, limits.strangers_per_address) == (connections, strangers)


@pytest.mark.scenario("F95")
async def test_a_webhook_that_could_not_be_stored_is_processed_when_repeated() -> None:
    async with house() as it:
        it.desk.failures = [JournalRefused("database or disk is full")]
        client = await it.connect()
        await client.say(signed())
        status, headers, _ = await client.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        await client.say(signed())
        assert await client.status() == 200
        assert len(it.desk.received) == 1


async def test_a_defect_is_an_error_500_and_the_server_goes_on() -> None:
    async with house() as it:
        it.desk.failures = [RuntimeError("secret detail")]
        client = await it.connect()
        await client.say(signed())
        status, _, body = await client.answer()
        assert (status, body) == (500, b"failed\n")
        again = await it.connect()
        await again.say(signed())
        assert await again.status() == 200


async def test_stopping_answers_what_is_in_work_and_closes_what_is_idle() -> None:
    async with house() as it:
        it.desk.gate.clear()
        idle, busy = await it.connect(), await it.connect()
        await busy.say(signed())
        await asyncio.wait_for(it.desk.arrived.acquire(), WAIT_S)
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(it.server.stop())
            assert await idle.gone()
            it.desk.gate.set()
            assert await busy.status() == 200
            await asyncio.wait_for(stopping, WAIT_S)
        with pytest.raises(OSError, match=r"127\.0\.0\.1"):
            await it.connect()


async def test_stopping_does_not_wait_for_ever() -> None:
    async with house(ServerLimits(stop_s=0.05)) as it:
        it.desk.gate.clear()
        busy = await it.connect()
        await busy.say(signed())
        await asyncio.wait_for(it.desk.arrived.acquire(), WAIT_S)
        await asyncio.wait_for(it.server.stop(), 2)


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        pipeline = WebhookPipeline(HmacCarrier(), Desk(), UrlPolicy(serve_path=PATH))
        server = WebhookServer(pipeline, path=PATH, port=port)
        with pytest.raises(NotReady, match=f"127.0.0.1:{port}") as refusal:
            await server.start()
        assert refusal.value.remedy is not None
        assert "serve.port" in refusal.value.remedy


async def until_answered(it: House, address: str, status: int) -> None:
    """Ask from `address` until the answer is `status`: another client's effect is on its way."""
    async with asyncio.timeout(WAIT_S):
        while await ask(it, address) != status:
            pass


async def ask(it: House, address: str) -> int:
    """A signed request whose last bytes are sent only if it is not refused for a while."""
    client = await it.connect(from_host=address)
    whole = signed()
    await client.say(whole[:-2])
    try:
        return await asyncio.wait_for(client.status(), 0.2)
    except TimeoutError:
        await client.say(whole[-2:])
        return await client.status()
    finally:
        await client.close()
