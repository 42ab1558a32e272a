"""Looking at the outside, with real sockets, certificates and folders."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from openclaw_voice_call.setup.findings import ProbeResult, Reached
from openclaw_voice_call.setup.look import (
    look_at_certificate,
    look_at_folder,
    send_probe,
    who_holds,
)
from openclaw_voice_call.setup.probe import HEADER, ProbeBook
from tests.voice_call.setup.plant import free_port, website

NOW = 1_700_000_000.0
DAY_S = 86_400.0


def certificate(folder: Path, valid_s: float) -> Path:
    """A self-signed one for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    begin = datetime.now(UTC) - timedelta(days=3)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(datetime.now(UTC) + timedelta(seconds=valid_s))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def tls_server(pem: Path) -> AsyncGenerator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/voice/webhook"


def trusting(pem: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pem))


async def test_a_valid_certificate_tells_when_it_expires(tmp_path: Path) -> None:
    pem = certificate(tmp_path, 30 * DAY_S)
    async with tls_server(pem) as url:
        found = await look_at_certificate(url, trusting(pem))
    assert found is not None
    assert found.problem is None
    assert found.expires_at == pytest.approx(time.time() + 30 * DAY_S, abs=60)


async def test_certificates_that_do_not_hold_are_told_why(tmp_path: Path) -> None:
    pem = certificate(tmp_path, -DAY_S)
    async with tls_server(pem) as url:
        expired = await look_at_certificate(url, trusting(pem))
        unknown = await look_at_certificate(url)
    assert expired is not None
    assert "expired" in str(expired.problem)
    assert unknown is not None
    assert unknown.problem is not None


async def test_no_tls_and_nobody_there() -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async with website(page) as origin:
        plain = await look_at_certificate(origin.replace("http:", "https:"))
    assert plain is not None
    assert plain.problem is not None
    assert await look_at_certificate(f"https://127.0.0.1:{free_port()}/") is None


async def test_a_probe_meets_itself_or_is_told_whom_it_met() -> None:
    book = ProbeBook(b"k" * 32)

    async def answer(request: web.Request) -> web.StreamResponse:
        assert (request.method, await request.read()) == ("POST", b"")
        return web.Response(text=book.answer(request.headers[HEADER], NOW) or "who?")

    async with website(answer) as origin, aiohttp.ClientSession() as session:
        ours = await send_probe(origin, book.open("n", NOW), session)
        assert ours == ProbeResult(Reached.OURSELVES)
        theirs = await send_probe(origin, ProbeBook(b"o" * 32).open("n", NOW), session)
        assert theirs == ProbeResult(Reached.ANOTHER, "HTTP 200")


@pytest.mark.parametrize(
    ("status", "reached"),
    [(200, Reached.OURSELVES), (426, Reached.NO_UPGRADE), (404, Reached.ANOTHER)],
)
async def test_a_stream_url_is_asked_for_a_websocket(status: int, reached: Reached) -> None:
    book = ProbeBook(b"k" * 32)

    async def answer(request: web.Request) -> web.StreamResponse:
        assert web.WebSocketResponse().can_prepare(request).ok
        proof = book.answer(request.headers[HEADER], NOW) or "who?"
        return web.Response(status=status, text=proof)

    async with website(answer) as origin, aiohttp.ClientSession() as session:
        url = f"{origin.replace('http:', 'ws:')}/voice/stream"
        found = await send_probe(url, book.open("n", NOW), session)
    assert found.reached is reached


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}/", "Connect"),
        ("http://nobody.invalid/", "the host name is not known"),
    ],
)
async def test_nobody_is_told_with_the_reason(url: str, reason: str) -> None:
    async with aiohttp.ClientSession() as session:
        probe = ProbeBook(b"k" * 32).open("n", NOW)
        found = await send_probe(url.format(port=free_port()), probe, session)
    assert found.reached is Reached.NOBODY
    assert reason in found.detail


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async with website(hang) as origin, aiohttp.ClientSession() as session:
        probe = ProbeBook(b"k" * 32).open("n", NOW)
        found = await send_probe(origin, probe, session, timeout_s=0.2)
    assert found == ProbeResult(Reached.NOBODY, "no answer within 0.2 s")


async def test_a_broken_certificate_is_nobody(tmp_path: Path) -> None:
    async with tls_server(certificate(tmp_path, DAY_S)) as url, aiohttp.ClientSession() as session:
        found = await send_probe(url, ProbeBook(b"k" * 32).open("n", NOW), session)
    assert found == ProbeResult(Reached.NOBODY, "its TLS certificate is not valid")


def test_a_port_is_free_or_held_and_free_again_after_the_look() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert "use" in str(who_holds("127.0.0.1", port))
    assert who_holds("127.0.0.1", port) is None
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert who_holds("no.such.host.invalid", 80) is not None


def test_a_folder_can_be_written_or_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    assert look_at_folder(tmp_path).problem is None
    assert look_at_folder(tmp_path / "not" / "there" / "yet").problem is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert look_at_folder(tmp_path / "file").problem is not None
    assert look_at_folder(tmp_path / "file" / "below").problem is not None
