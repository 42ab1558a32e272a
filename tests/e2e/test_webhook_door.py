"""Strangers at the webhook server: it answers little, remembers nothing and stays up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlencode

import pytest

from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.emulators.twilio import ACCOUNT_SID, Person

OPEN = {"inboundPolicy": "open", "inboundGreeting": "Hello, caller."}
ELSEWHERE = "127.0.0.2"
"""Another address than the one from which the carrier's requests come."""
MIB = 1 << 20


@asynccontextmanager
async def connected(
    phone: Setup, address: str = "127.0.0.1"
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", phone.webhook_port, local_addr=(address, 0)
    )
    try:
        yield reader, writer
    finally:
        writer.close()


async def status_of(reader: asyncio.StreamReader, within: float = 10.0) -> int:
    """The HTTP status that is answered; 0 when the connection is closed without one."""
    async with asyncio.timeout(within):
        try:
            line = await reader.readline()
        except ConnectionError:
            return 0
    return int(line.split()[1]) if line else 0


async def ask(phone: Setup, request: bytes) -> int:
    async with connected(phone) as (reader, writer):
        writer.write(request)
        return await status_of(reader)


async def still_up(phone: Setup) -> None:
    """A real call comes in and is answered."""
    caller = Person()
    call = phone.twilio.call_in(CALLEE, OUR_NUMBER, caller)
    await caller.wait_heard("Hello, caller.")
    phone.twilio.hang_up(call.sid)
    await phone.gateway.wait_call(call.sid, lambda view: view.ended_at > 0)


@pytest.mark.scenario("F93", carrier="twilio")
async def test_a_bad_host_header_is_the_senders_fault(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    hosts = (b"[::1", b"[", b"a b", b"a:99999", b":", b"\xff\xfe", b"x" * 5000, b"", b"a\tb", None)
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    signed = b"X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
    for host in hosts:
        line = b"" if host is None else b"Host: " + host + b"\r\n"
        for head, rest in (
            (b"POST /voice/webhook", b"Content-Length: 0\r\n"),
            (b"POST /voice/webhook?type=status", signed + b"Content-Length: 3\r\n\r\na=b"),
            (b"GET /voice/webhook", signed),
            (b"GET /voice/stream", upgrade),
            (b"GET /voice/webhook", upgrade + signed),
        ):
            request = head + b" HTTP/1.1\r\n" + line + rest
            request += b"" if request.endswith(b"a=b") else b"\r\n"
            answer = await ask(phone, request)
            assert 400 <= answer < 500, (host, head, answer)
    await still_up(phone)


async def test_what_is_not_http_is_refused(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    for noise in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\x00" * 64 + b"\r\n\r\n",
    ):
        assert await ask(phone, noise) in (0, 400)
    assert await ask(phone, b"DELETE /voice/webhook HTTP/1.1\r\nHost: a\r\n\r\n") == 405
    for path in (b"/", b"/healthz", b"/tools/invoke", b"/voice/webhook/", b"/../../etc/passwd"):
        assert await ask(phone, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 404
    await still_up(phone)


@pytest.mark.scenario("A5", carrier="twilio")
async def test_a_body_without_end_is_cut_and_costs_no_memory(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    await still_up(phone)
    before = phone.gateway.memory_bytes()
    block = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"

    async def pour() -> int:
        """100 MB in chunks, without a length; gives how much was taken."""
        sent = 0
        async with connected(phone) as (reader, writer):
            writer.write(
                b"POST /voice/webhook HTTP/1.1\r\nHost: voice.example.com\r\n"
                b"X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            answer = asyncio.ensure_future(status_of(reader))  # noqa: TID251 - awaited below
            try:
                while sent < 100 * MIB and not answer.done():
                    writer.write(block)
                    await writer.drain()
                    sent += 0x10000
            except ConnectionError:
                pass  # Cut in the middle, as it should be.
            assert await answer in (413, 0)
        return sent

    for _ in range(5):
        assert await pour() < 20 * MIB
    assert phone.gateway.memory_bytes() - before < 8 * MIB
    declared = b"POST /voice/webhook HTTP/1.1\r\nHost: a\r\nX-Twilio-Signature: x\r\n"
    for length in (b"100000000", b"9" * 4000, b"65537"):
        assert await ask(phone, declared + b"Content-Length: " + length + b"\r\n\r\n") in (400, 413)
    await still_up(phone)


@pytest.mark.scenario("A9", carrier="twilio")
async def test_without_a_signature_nothing_of_the_body_is_awaited(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    began = monotonic()
    head = b"POST /voice/webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
    assert await ask(phone, head) == 401
    assert monotonic() - began < 1
    await still_up(phone)


@pytest.mark.scenario("A9", carrier="twilio")
async def test_slow_bodies_are_cut_and_do_not_keep_others_out(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    head = (
        b"POST /voice/webhook HTTP/1.1\r\nHost: a\r\nX-Twilio-Signature: x\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n"
    )

    async def dawdle() -> tuple[int, float]:
        began = monotonic()
        async with connected(phone, ELSEWHERE) as (reader, writer):
            writer.write(head)
            answer = asyncio.ensure_future(status_of(reader))  # noqa: TID251 - awaited below
            while not answer.done():
                writer.write(b"a")
                await asyncio.wait({answer}, timeout=0.2)
            return answer.result(), monotonic() - began

    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(dawdle()) for _ in range(12)]
        # While they dawdle, the carrier is served as ever.
        await still_up(phone)
        assert not all(task.done() for task in slow)
    outcomes = [task.result() for task in slow]
    refused = [seconds for status, seconds in outcomes if status in (429, 503)]
    cut = [seconds for status, seconds in outcomes if status in (408, 0)]
    assert len(refused) + len(cut) == 12
    assert len(cut) == 8
    assert max(refused) < 3
    assert 4 < min(cut) <= max(cut) < 7
    await still_up(phone)


@pytest.mark.scenario("A1", "A9", carrier="twilio")
async def test_a_call_in_needs_a_signature(setup: StartSetup) -> None:
    phone = await setup(OPEN)
    form = {
        "CallSid": "CA" + "e" * 32,
        "AccountSid": ACCOUNT_SID,
        "From": CALLEE,
        "To": OUR_NUMBER,
        "CallStatus": "ringing",
    }
    for signature in ("", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "x" * 5000, "é", "\u2028"):
        if signature.isascii():
            answer = await phone.twilio.post(phone.public_url, form, signature=signature)
            assert answer.status in (400, 401), signature
    # A true signature of other words.
    other = phone.twilio.sign(phone.public_url, {**form, "From": "+15550009999"})
    assert (await phone.twilio.post(phone.public_url, form, signature=other)).status == 401
    get = f"{phone.public_url}?{urlencode(form)}"
    assert (await phone.twilio.post(get, {}, signature=other)).status == 401
    assert await phone.gateway.calls() == []
