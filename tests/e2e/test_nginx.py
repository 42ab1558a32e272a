"""A real proxy in front: TLS ends there, the path is rewritten, the port is not the usual one."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from twilio.request_validator import RequestValidator  # pyright: ignore[reportMissingTypeStubs]

from tests.e2e.conftest import OUR_NUMBER
from tests.e2e.gateway import WEBHOOK_PATH, GatewayProcess, free_port
from tests.e2e.nginx import NGINX, nginx, through_tls
from tests.emulators.twilio import ACCOUNT_SID, AUTH_TOKEN, HangsUp, Person
from tests.load.companies import EMULATED, Company, open_company
from tests.load.house import open_house

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed (Debian package nginx-light); .ci/run installs it"
)

HOST = "voice.example.com"
PUBLIC_PATH = "/hooks/phone"
CALLEE = "+15550005678"


def proxy_port() -> int:
    """8443, or another one where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8443))
        except OSError:
            return free_port()
    return 8443


@dataclass(frozen=True)
class Door:
    """`front` leads through nginx to what the world knows as `public_url`."""

    company: Company
    gateway: GatewayProcess
    public_url: str
    front: str
    webhook_port: int


@asynccontextmanager
async def behind_nginx(
    folder: Path, carrier: str, section: Mapping[str, object] | None = None
) -> AsyncGenerator[Door]:
    port, webhook_port = proxy_port(), free_port()
    public_url = f"https://{HOST}:{port}{PUBLIC_PATH}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            nginx(folder / "nginx", HOST, port, PUBLIC_PATH, webhook_port, WEBHOOK_PATH)
        )
        origin = await stack.enter_async_context(through_tls(folder / "nginx", HOST, port))
        company = await stack.enter_async_context(
            open_company(carrier, public_url, f"{origin}{PUBLIC_PATH}")
        )
        gateway = await stack.enter_async_context(
            open_house(folder / "home", webhook_port, {**company.section, **(section or {})})
        )
        yield Door(company, gateway, public_url, f"{origin}{PUBLIC_PATH}", webhook_port)


@pytest.mark.scenario("F88", "F89", "F90")
@pytest.mark.parametrize("carrier", EMULATED)
async def test_calls_through_nginx(tmp_path: Path, carrier: str) -> None:
    async with behind_nginx(tmp_path, carrier) as door:
        exchange, gateway = door.company.exchange, door.gateway
        callee = Person(["Good morning."], hangs_up=HangsUp(after_hearing="You said"))
        exchange.people[CALLEE] = callee
        call = await gateway.initiate(CALLEE, "Hello from behind nginx.")
        await gateway.wait_call(call, lambda view: view.ended_at > 0)
        assert callee.texts() == ["Hello from behind nginx.", "You said: Good morning."]

        caller = Person(hangs_up=HangsUp(after_hearing="Hello, caller."))
        incoming = exchange.call_in("+15550009876", OUR_NUMBER, caller)
        await exchange.until(lambda: incoming.over, "the end of the call")
        assert caller.texts() == ["Hello, caller."]
        await exchange.wait_idle()
        assert {each.status for each in exchange.deliveries} <= {200, 204}
        assert exchange.violations == []
        assert "wrong signature" not in gateway.log


FORGED = {
    "X-Forwarded-Host": "stranger.example.net",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "443",
    "Forwarded": "host=stranger.example.net;proto=https",
}
TRUST: Mapping[str, object] = {
    "webhookSecurity": {"trustedProxyIPs": ["127.0.0.1/32"], "allowedHosts": [HOST]}
}


async def post(origin: str, signed_url: str, headers: Mapping[str, str], address: str) -> int:
    """A call that comes in, signed for `signed_url` and sent to `origin`; the HTTP status."""
    form = {
        "CallSid": "CA" + "e" * 32,
        "AccountSid": ACCOUNT_SID,
        "From": CALLEE,
        "To": OUR_NUMBER,
        "CallStatus": "ringing",
        "Direction": "inbound",
    }
    # The official package, which has no types.
    sign = RequestValidator(AUTH_TOKEN).compute_signature  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    signature = str(sign(signed_url, form))  # pyright: ignore[reportUnknownArgumentType]
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(
            origin, data=form, headers={"X-Twilio-Signature": signature, **headers}
        ) as answer,
    ):
        return answer.status


@pytest.mark.scenario("A2", "F90", carrier="twilio")
async def test_nobody_chooses_the_url_that_is_checked(tmp_path: Path) -> None:
    """The proxy is trusted, and says what it was asked for; strangers say what they like."""
    stranger = f"https://stranger.example.net{WEBHOOK_PATH}"
    async with behind_nginx(tmp_path, "twilio", TRUST) as door:
        straight, front = f"http://127.0.0.1:{door.webhook_port}{WEBHOOK_PATH}", door.front
        asked = {"Host": "stranger.example.net"}
        # Through nginx: the headers of the client are replaced, its Host is not one of ours.
        assert await post(front, stranger, {"Host": HOST, **FORGED}, "127.0.0.1") == 401
        assert await post(front, stranger, asked, "127.0.0.1") == 401
        # Past nginx, from an address that is no proxy's.
        assert await post(straight, stranger, FORGED, "127.0.0.2") == 401
        as_seen = stranger.replace("https", "http")
        assert await post(straight, as_seen, asked, "127.0.0.2") == 401
        assert await door.gateway.calls() == []
        # What is signed for the public URL is believed, whatever else is said.
        assert await post(front, door.public_url, {"Host": HOST, **FORGED}, "127.0.0.1") == 200
        await door.gateway.end("CA" + "e" * 32, at_once=True)
