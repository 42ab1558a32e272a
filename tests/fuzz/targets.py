"""Every parser of what strangers, carriers, clients and files say."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import aiohttp
import msgspec
from multidict import CIMultiDict

from openclaw.cli.log_view import parse_line
from openclaw.clock import SystemClock
from openclaw.config.load import inspect_config
from openclaw.errors import ConfigError, FrameError, HandshakeRefused
from openclaw.rpc.frames import parse_request, parse_server_frame
from openclaw.rpc.handshake import AuthPolicy, admit, read_connect
from openclaw.rpc.peer import Peer, counts_failures, host_name, identify, origin_allowed
from openclaw.tasks import Supervisor
from openclaw_voice_call.call import pairing
from openclaw_voice_call.call.snapshot import snapshot
from openclaw_voice_call.carriers.registry import CARRIERS, build_carrier
from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import resolve_credentials
from openclaw_voice_call.errors import (
    InvalidRequest,
    JournalUnreadable,
    SignatureError,
    WebhookMalformed,
)
from openclaw_voice_call.interfaces.carrier import Carrier, WebhookRequest
from openclaw_voice_call.interfaces.instruction import Release
from openclaw_voice_call.interfaces.links import CallLinks, read_link
from openclaw_voice_call.plugin import VoiceCallPlugin
from openclaw_voice_call.store.importer import past_call, read_snapshots
from openclaw_voice_call.store.pairings import FILE_NAME, PairingFile
from openclaw_voice_call.surfaces import arguments
from openclaw_voice_call.webhook.public_url import UrlPolicy, candidates, parse_host
from tests.fuzz.campaign import Target
from tests.fuzz.media import media_targets

CORPUS: Final = Path(__file__).with_name("corpus")
NOW: Final = 1_771_200_000.0
PATH: Final = "/voice/webhook"
PUBLIC_URL: Final = f"https://voice.example.com{PATH}"
SECTION: Final[Mapping[str, object]] = {
    "fromNumber": "+15550001234",
    "publicUrl": PUBLIC_URL,
    "twilio": {"accountSid": "AC0123456789abcdef0123456789abcdef", "authToken": "twilio-token"},
    "telnyx": {
        "apiKey": "telnyx-key",
        "connectionId": "1684641123236054244",
        "publicKey": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    },
    "plivo": {"authId": "MAXXXXXXXXXXXXXXXXXX", "authToken": "plivo-token"},
}
POLICIES: Final = (
    UrlPolicy(serve_path=PATH, public_url=PUBLIC_URL),
    UrlPolicy(serve_path=PATH, trusted_proxies=["10.0.0.0/8", "::1"], allowed_hosts=["a.example"]),
    UrlPolicy(serve_path=PATH, trust_forwarding_headers=True),
    UrlPolicy(serve_path=PATH, ngrok_bypass=True),
)


@contextmanager
def all_targets(scratch: Path) -> Generator[Sequence[Target]]:
    """Every target; `scratch` takes the files of those that read files."""
    with asyncio.Runner() as runner:
        session = runner.run(_session())
        try:
            carriers = [runner.run(_carrier(name, session)) for name in sorted(CARRIERS)]
            media = media_targets(carriers, _examples)
            yield [*map(_webhook, carriers), *media, *_pure(), *_files(scratch)]
        finally:
            runner.run(session.close())


def _examples(name: str) -> Sequence[bytes]:
    texts = cast("list[str]", json.loads((CORPUS / f"{name}.json").read_text("utf-8")))
    return [text.encode("utf-8") for text in texts]


# --- webhooks


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _carrier(name: str, session: aiohttp.ClientSession) -> Carrier:
    config = parse_config({**SECTION, "provider": name}, {}).config
    assert config is not None
    setup = CarrierSetup(
        config=config,
        credentials=resolve_credentials(config, {}),
        links=CallLinks(PUBLIC_URL),
        session=session,
        clock=SystemClock(),
        tasks=Supervisor("fuzz", logging.getLogger("fuzz")),
        local_webhook_url=lambda: PUBLIC_URL,
    )
    return build_carrier(name, setup)


def _webhook(carrier: Carrier) -> Target:
    """Nothing but a wrong signature comes of a stranger's request; behind a signature, words of
    any kind are read, or refused as malformed."""

    def read(data: bytes) -> None:
        request = request_from(data)
        try:
            carrier.verify(request, candidates(request, POLICIES[0]), NOW)
        except (SignatureError, WebhookMalformed):
            pass
        webhook = carrier.trust(request)
        msgspec.json.encode(carrier.read(webhook).envelopes)
        carrier.reply(webhook, None)
        if carrier.features.markup:
            carrier.reply(webhook, Release())

    return Target(f"webhook:{carrier.name}", _examples(carrier.name), read, (WebhookMalformed,))


def request_from(data: bytes) -> WebhookRequest:
    """`METHOD target`, header lines, a blank line and the body, decoded as the server does."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    method, _, target = first.partition(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return WebhookRequest(method, target, headers, body, "10.0.0.7")


# --- parsers of texts


def _pure() -> Iterator[Target]:
    yield Target("public_url", _examples("public_url"), _public_url)
    yield Target("links", _examples("links"), lambda data: read_link(_text(data)))
    yield Target("rpc", _examples("rpc"), _frame, (FrameError,))
    yield Target("connect", _examples("rpc")[-1:], _connect, (FrameError, HandshakeRefused))
    yield Target("peer", _examples("peer"), _peer)
    yield Target("arguments", _examples("arguments"), _arguments, (InvalidRequest,))
    yield Target("calls.jsonl", _examples("calls"), _import)
    yield Target("log", _examples("log"), lambda data: parse_line(data.decode("utf-8", "replace")))


def _public_url(data: bytes) -> None:
    request = request_from(data)
    parse_host(request.header("host"))
    for remote in ("10.0.0.7", "::ffff:10.0.0.7", "127.0.0.1", "203.0.113.9", "", "fe80::1%eth0"):
        seen = msgspec.structs.replace(request, remote=remote)
        for policy in POLICIES:
            candidates(seen, policy)


def _frame(data: bytes) -> None:
    try:
        parse_request(data)
    except FrameError:
        parse_server_frame(data)


def _connect(data: bytes) -> None:
    connect = read_connect(parse_request(data))
    policy = AuthPolicy(mode="token", secret="the-gateway-token")
    peer = Peer(address="127.0.0.1", local=True)
    nonce = "a4bfaeeb-6b2b-49c2-b358-ea4fac58a862"
    open_house = AuthPolicy(mode="none")
    try:
        admit(connect, peer, policy, nonce=nonce, now_ms=int(NOW * 1000))
    except HandshakeRefused:
        admit(connect, peer, open_house, nonce=nonce, now_ms=int(NOW * 1000))


def _peer(data: bytes) -> None:
    headers = CIMultiDict(request_from(data).headers)
    for remote in ("127.0.0.1", "10.0.0.7", None):
        peer = identify(remote, headers)
        origin_allowed(peer, ["https://console.example.com"])
        counts_failures(peer)
        host_name(headers.get("host", ""))


def _arguments(data: bytes) -> None:
    try:
        params: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if not isinstance(params, dict):
        return
    asked = cast("Mapping[str, object]", params)
    readers: Sequence[Callable[[arguments.Params], object]] = (
        arguments.initiate,
        arguments.start,
        arguments.call_and_message,
        arguments.call_and_digits,
        arguments.call_id,
        arguments.operation_id,
        arguments.wait_ms,
        arguments.idempotency_key,
    )
    for reader in readers:
        try:
            reader(asked)
        except InvalidRequest:
            continue


def _import(data: bytes) -> None:
    """What is imported can be stored and shown."""
    calls, _ = read_snapshots(data.splitlines())
    for call in calls:
        record, facts = past_call(call)
        msgspec.json.encode(record)
        msgspec.json.encode([fact.fact for fact in facts])
        msgspec.json.encode(snapshot(record, facts))


# --- parsers of files


def _files(scratch: Path) -> Iterator[Target]:
    config, pairings = scratch / "openclaw.json", scratch / FILE_NAME
    environ = {
        "OPENCLAW_CONFIG_PATH": str(config),
        "OPENCLAW_STATE_DIR": str(scratch),
        "HOME": str(scratch),
        "TOKEN": "t",
    }

    def read_config(data: bytes) -> None:
        config.write_bytes(data)
        loaded = inspect_config(environ, scratch)
        section = loaded.plugin_config("voice-call")
        for problem in (*loaded.problems, *VoiceCallPlugin().check_config(section, loaded.env)):
            problem.render()

    def read_pairings(data: bytes) -> None:
        pairings.write_bytes(data)
        book = PairingFile(scratch).read()
        asked = pairing.ask(book, "+15550007777", "654321", NOW)
        if asked.request is not None:
            pairing.approve(asked.book, asked.request, NOW)
        msgspec.json.encode(pairing.revoke(asked.book, "+15550007777"))

    yield Target("config", _examples("config"), read_config, (ConfigError,))
    yield Target("pairings", _examples("pairings"), read_pairings, (JournalUnreadable,))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
