"""Looking at the outside: the public URL, its certificate, the port, the folder."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from openclaw_voice_call.setup.findings import Certificate, Folder, ProbeResult, Reached
from openclaw_voice_call.setup.probe import HEADER, Probe, proves

PROBE_S: Final = 10.0
TLS_S: Final = 5.0
_ANSWER_BYTES: Final = 1024
_UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": b64encode(bytes(16)).decode(),
}


async def send_probe(
    url: str, probe: Probe, session: aiohttp.ClientSession, timeout_s: float = PROBE_S
) -> ProbeResult:
    """POST to the public webhook URL, as the carrier does, and see who answers.

    A ws:// or wss:// URL is asked for a websocket, which is refused: the answer tells enough.
    """
    stream = urlsplit(url).scheme in ("ws", "wss")
    try:
        async with session.request(
            "GET" if stream else "POST",
            url,
            headers={HEADER: probe.header, **(_UPGRADE if stream else {})},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            if 300 <= response.status < 400:
                return ProbeResult(Reached.REDIRECT, f"HTTP {response.status}")
            body = await _beginning(response)
            if response.status == 200 and proves(probe, body):
                return ProbeResult(Reached.OURSELVES)
            if response.status == 426 and proves(probe, body):
                return ProbeResult(Reached.NO_UPGRADE)
            return ProbeResult(Reached.ANOTHER, f"HTTP {response.status}")
    except TimeoutError:
        return ProbeResult(Reached.NOBODY, f"no answer within {timeout_s:g} s")
    except aiohttp.ClientConnectorDNSError:
        return ProbeResult(Reached.NOBODY, "the host name is not known")
    except aiohttp.ClientConnectorCertificateError:
        return ProbeResult(Reached.NOBODY, "its TLS certificate is not valid")
    except aiohttp.ClientConnectorError as error:
        return ProbeResult(Reached.NOBODY, error.os_error.strerror or "no connection")
    except aiohttp.ClientError as error:
        return ProbeResult(Reached.NOBODY, type(error).__name__)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_ANSWER_BYTES):
        body += chunk
        if len(body) > _ANSWER_BYTES:
            break
    return bytes(body)


async def look_at_certificate(
    url: str, context: ssl.SSLContext | None = None, timeout_s: float = TLS_S
) -> Certificate | None:
    """What TLS at this URL's host shows; None when no connection came to be."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(
                host, parts.port or 443, ssl=context or ssl.create_default_context()
            )
    except ssl.SSLCertVerificationError as error:
        return Certificate(problem=error.verify_message)
    except ssl.SSLError as error:
        return Certificate(problem=error.reason or "no TLS")
    except (OSError, TimeoutError):
        return None
    try:
        found: object = writer.get_extra_info("peercert")
        return Certificate(expires_at=_not_after(found))
    finally:
        writer.close()


def _not_after(certificate: object) -> float | None:
    if not isinstance(certificate, dict):
        return None
    text: object = certificate.get("notAfter")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return float(ssl.cert_time_to_seconds(text)) if isinstance(text, str) else None


def who_holds(bind: str, port: int) -> str | None:
    """None when the port can be had: it is bound for a moment, and nothing listens on it."""
    try:
        address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(address[0], socket.SOCK_STREAM) as trial:
            if os.name == "posix":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address[4])
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def look_at_folder(path: Path) -> Folder:
    """Whether files can be made in it, or it can be made itself."""
    try:
        existing = path
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        with tempfile.TemporaryFile(dir=existing) as trial:
            trial.write(b"\0")
    except OSError as error:
        return Folder(str(path), error.strerror or type(error).__name__)
    return Folder(str(path), None)
