"""How Twilio and Plivo are asked for live audio, and what they tell when nothing comes of it.

The gateway's double takes no sockets, so each upgrade is refused and seen.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol, cast

import pytest
from aiohttp import web
from plivo import utils
from twilio.request_validator import RequestValidator

from tests.emulators import plivo as plivo_emulator
from tests.emulators import twilio as twilio_emulator
from tests.emulators.gateway_double import Seen, WebhookApp
from tests.emulators.people import Person
from tests.emulators.plivo import PlivoEmulator
from tests.emulators.plivo.markup import DocumentError
from tests.emulators.plivo.markup import parse as parse_plivo
from tests.emulators.twilio import TwilioEmulator

US, THEM = "+15550001234", "+15550005678"
ORIGIN = "https://voice.example.com"
REFUSAL = web.Response(status=403)
TWILIO = """<Response>
  <Connect><Stream url="wss://voice.example.com/stream/pass?lost=1" name="1"
    statusCallback="{origin}/status"/></Connect>
  <Say>after</Say>
</Response>"""
PLIVO = """<Response>
  <Stream bidirectional="true" audioTrack="inbound" contentType="audio/x-mulaw;rate=8000"
    keepCallAlive="{holds}" statusCallbackUrl="{origin}/status"
    >wss://voice.example.com/stream/pass?kept=1</Stream>
  <Speak>after</Speak>
</Response>"""


class Official(Protocol):
    def validate_v3_signature(
        self,
        method: str,
        uri: str,
        nonce: str,
        auth_token: str,
        v3_signature: str,
        params: dict[str, list[str]],
    ) -> bool: ...


@asynccontextmanager
async def twilio(app: WebhookApp, them: Person) -> AsyncGenerator[TwilioEmulator]:
    settings = twilio_emulator.Settings(
        numbers={US: twilio_emulator.Number(app.answer("/in", TWILIO.format(origin=app.origin)))},
        origins={ORIGIN: app.origin},
        speed=100,
    )
    async with TwilioEmulator.start(settings) as emulator:
        emulator.call_in(THEM, US, them)
        yield emulator
        await emulator.wait_idle()


@asynccontextmanager
async def plivo(app: WebhookApp, them: Person, *, holds: bool) -> AsyncGenerator[PlivoEmulator]:
    document = PLIVO.format(origin=app.origin, holds=str(holds).lower())
    number = plivo_emulator.Number(app.answer("/in", document), hangup_url=app.origin + "/ended")
    settings = plivo_emulator.Settings(
        numbers={US: number}, origins={ORIGIN: app.origin}, speed=100
    )
    async with PlivoEmulator.start(settings) as emulator:
        emulator.call_in(THEM, US, them)
        yield emulator
        await emulator.wait_idle()


async def test_twilio_signs_the_upgrade_drops_the_query_and_goes_on(app: WebhookApp) -> None:
    app.answer("/stream/pass", REFUSAL)
    them = Person()
    async with twilio(app, them) as emulator:
        await them.wait_heard("after")
        [problem] = emulator.violations
        assert "without a query" in problem
        assert [alert.code for alert in emulator.alerts] == [31920]
    [upgrade] = app.at("/stream/pass")
    assert (upgrade.method, upgrade.host, upgrade.path) == (
        "GET",
        "voice.example.com",
        "/stream/pass",
    )
    assert RequestValidator(twilio_emulator.AUTH_TOKEN).validate(
        "wss://voice.example.com/stream/pass", {}, upgrade.headers["X-Twilio-Signature"]
    )
    [told] = app.at("/status")
    assert (told.form["StreamEvent"], told.form["StreamName"]) == ("stream-error", "1")
    assert told.form["StreamError"] == "31920 HTTP status 403"


async def test_plivo_signs_each_of_three_upgrades_and_goes_on(app: WebhookApp) -> None:
    app.answer("/stream/pass", REFUSAL)
    them = Person()
    async with plivo(app, them, holds=True) as emulator:
        await them.wait_heard("after")
        assert emulator.violations == []
    upgrades = app.at("/stream/pass")
    assert [upgrade.path for upgrade in upgrades] == ["/stream/pass?kept=1"] * 3
    for upgrade in upgrades:
        assert _genuine(upgrade)
    [told] = app.at("/status")
    assert (told.form["Event"], told.form["StatusReason"]) == ("DroppedStream", "HTTP status 403")
    assert told.form["ServiceURL"] == "wss://voice.example.com/stream/pass?kept=1"


async def test_plivo_waits_for_no_stream_that_does_not_keep_the_call(app: WebhookApp) -> None:
    app.answer("/stream/pass", REFUSAL)
    them = Person()
    async with plivo(app, them, holds=False) as emulator:
        await emulator.wait_idle()
    [call] = emulator.calls
    assert call.cause is not None
    assert (call.ended_by, call.cause.code) == ("document", 4010)
    assert them.texts() == ["after"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('bidirectional="true"', ""), "bidirectional='false'"),
        (("wss://", "https://"), "wss URL"),
        (('audioTrack="inbound"', 'audioTrack="both"'), "inbound track"),
        (('contentType="audio/x-mulaw;rate=8000"', ""), "contentType=None"),
        (('bidirectional="true"', 'bidirectional="true" extraHeaders="a b"'), "extraHeaders"),
        (('bidirectional="true"', 'bidirectional="true" url="wss://x"'), "no attribute 'url'"),
    ],
)
def test_what_plivo_would_not_stream_is_named(change: tuple[str, str], problem: str) -> None:
    document = PLIVO.format(origin="https://voice.example.com", holds="true")
    assert parse_plivo(document).problems == ()
    problems = parse_plivo(document.replace(*change)).problems
    assert any(problem in each for each in problems), problems


def test_a_stream_of_twilios_is_no_element_of_plivos() -> None:
    with pytest.raises(DocumentError):
        parse_plivo(TWILIO.format(origin=ORIGIN))


def _genuine(upgrade: Seen) -> bool:
    """As GET of the plain URL, which is what Plivo signs."""
    return cast("Official", utils).validate_v3_signature(
        "GET",
        f"http://{upgrade.host}{upgrade.path}",
        upgrade.headers["X-Plivo-Signature-V3-Nonce"],
        plivo_emulator.AUTH_TOKEN,
        upgrade.headers["X-Plivo-Signature-V3"],
        {},
    )
