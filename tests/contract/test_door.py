"""Who may tell us of calls: the carrier, in its own words, and nobody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.contract.bench import Bench, company, leaves_after, transcript, words
from tests.contract.network import THEIRS, Company, Signing
from tests.contract.networks import COMPANIES
from tests.emulators.faults import Repeat
from tests.emulators.people import Person

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)

UNSIGNED_HEADERS = (
    {"I-Twilio-Idempotency-Token": "another"},
    {"X-Request-Id": "another"},
    {"X-Forwarded-For": "192.0.2.9"},
    {"X-Forwarded-Host": "voice.example.com", "X-Forwarded-Proto": "https"},
    {"User-Agent": "somebody else"},
)


@pytest.mark.parametrize("signing", ["none", "garbled", "foreign key", "changed body"])
async def test_nobody_else_is_believed(carrier: str, tmp_path: Path, signing: Signing) -> None:
    async with company(carrier, tmp_path, inboundPolicy="open") as here:
        assert await here.network.offer(THEIRS, signing) == 401
        assert await here.service.calls() == []
        assert here.network.asked("dial", "hang up", "look up", "other") == 0
        # What was wrong is the signature.
        assert await here.network.offer(THEIRS, "genuine") == 200
        await here.inbound()


@pytest.mark.scenario("A7", "A8")
async def test_a_replay_is_the_same_whatever_is_added_that_is_not_signed(
    carrier: str, tmp_path: Path
) -> None:
    callee = Person(["Once."])
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        call = await here.call()
        await here.wait_words(call, "bot", "You said: Once.")
        await here.network.until(lambda: callee.calls[0].listening, "the line listens")
        before = await here.view(call)
        for sent in here.network.sent():
            for headers in UNSIGNED_HEADERS:
                assert await sent.again(headers, "") in {200, 204}
        after = await here.view(call)
        assert transcript(after) == transcript(before)
        assert [request.text for request in here.agents.asked] == ["Once."]
        assert len(await here.service.calls()) == 1
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("A7")
@pytest.mark.scenario("A10", carrier="plivo")
async def test_a_replay_with_a_longer_query_is_refused_or_the_same(
    carrier: str, tmp_path: Path
) -> None:
    """Some signatures cover the query and some do not; a second effect has neither."""
    callee = Person(["Once."])
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        call = await here.call()
        await here.wait_words(call, "bot", "You said: Once.")
        await here.network.until(lambda: callee.calls[0].listening, "the line listens")
        before = await here.view(call)
        for sent in here.network.sent():
            for extra in ("x=1", "kind=status", "step=99", "call=another"):
                suffix = f"{'&' if '?' in sent.url else '?'}{extra}"
                assert await sent.again({}, suffix) in {200, 204, 400, 401}
        after = await here.view(call)
        assert after["state"] == before["state"] == "listening"
        assert transcript(after) == transcript(before)
        assert len(await here.service.calls()) == 1
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.scenario("A7", "A8")
async def test_an_offer_that_is_replayed_after_its_call_opens_no_other(
    carrier: str, tmp_path: Path
) -> None:
    async with company(carrier, tmp_path, inboundPolicy="open") as here:
        here.network.ring_in(THEIRS, leaves_after("Once."))
        record = await here.ended(await here.inbound())
        for sent in here.network.sent("offered"):
            for headers in ({}, *UNSIGNED_HEADERS):
                assert await sent.again(headers, "") in {200, 204}
        assert await here.service.calls() == [record]


@pytest.mark.scenario("F99")
async def test_without_verification_webhooks_still_count_once(carrier: str, tmp_path: Path) -> None:
    caller = leaves_after("Once.")
    async with company(
        carrier, tmp_path, inboundPolicy="open", skipSignatureVerification=True
    ) as here:
        here.network.spoil(Repeat(times=2, at_once=True))
        here.network.ring_in(THEIRS, caller)
        record = await here.ended(await here.inbound())
        assert words(record, "user") == ["Once."]
        assert caller.texts() == ["Hello! How can I help you?", "You said: Once."]
        assert len(await here.service.calls()) == 1
        assert await here.network.offer("+15550004444", "none") == 200


HOSTS = (b"[::1", b"[", b"a b", b"a:99999", b":", b"\xff\xfe", b"", None)
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def ask(here: Bench[Company], request: bytes) -> int:
    """The status of the answer to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10.0):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()


@pytest.mark.scenario("F93")
async def test_a_bad_host_header_is_the_senders_fault(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, inboundPolicy="open") as here:
        for host in HOSTS:
            line = b"" if host is None else b"Host: " + host + b"\r\n"
            for head, rest in (
                (b"POST /voice/webhook", b"Content-Length: 0\r\n"),
                (b"GET /voice/webhook", b""),
                (b"GET /voice/stream", UPGRADE),
            ):
                status = await ask(here, head + b" HTTP/1.1\r\n" + line + rest + b"\r\n")
                assert 400 <= status < 500, (host, head)
        assert await here.network.offer(THEIRS, "genuine") == 200
        await here.inbound()


@pytest.mark.scenario("A9")
async def test_without_a_signature_nobody_waits_for_the_body(carrier: str, tmp_path: Path) -> None:
    """The answer comes before the body is sent."""
    async with company(carrier, tmp_path, inboundPolicy="open") as here:
        head = b"POST /voice/webhook HTTP/1.1\r\nHost: voice.example.com\r\n"
        assert await ask(here, head + b"Content-Length: 60000\r\n\r\n") == 401
        assert await ask(here, head + b"Transfer-Encoding: chunked\r\n\r\n") == 401
        assert await here.service.calls() == []
