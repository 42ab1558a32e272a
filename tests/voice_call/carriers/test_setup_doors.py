"""Telnyx and Plivo: the account, and pointing a number here and back. Twilio has its emulator."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest

from openclaw_voice_call.carriers.registry import build_setup_door
from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import resolve_credentials
from openclaw_voice_call.errors import CarrierRefused, CarrierUnreachable
from openclaw_voice_call.interfaces.carrier_setup import CarrierSetupDoor, Routing, differing
from tests.voice_call.carriers.administrations import (
    API_KEY,
    AUTH_ID,
    AUTH_TOKEN,
    CONNECTION,
    OURS,
    Plivo,
    Telnyx,
    serve,
)

HERE = "https://voice.example.com/voice/webhook"
BOTH = pytest.mark.parametrize("carrier", ["telnyx", "plivo"])


def section(carrier: str, base_url: str, *, key: str | None = None) -> dict[str, object]:
    accounts: dict[str, dict[str, object]] = {
        "telnyx": {
            "apiKey": key or API_KEY,
            "connectionId": CONNECTION,
            "publicKey": "A" * 43 + "=",
        },
        "plivo": {"authId": AUTH_ID, "authToken": key or AUTH_TOKEN},
    }
    account = {**accounts[carrier], "baseUrl": base_url}
    return {"provider": carrier, "fromNumber": OURS, carrier: account}


@asynccontextmanager
async def door_of(
    carrier: str, *, key: str | None = None, base_url: str | None = None
) -> AsyncGenerator[tuple[CarrierSetupDoor, Telnyx | Plivo]]:
    administration = Telnyx() if carrier == "telnyx" else Plivo()
    async with serve(administration) as origin, aiohttp.ClientSession() as session:
        config = parse_config(section(carrier, base_url or origin, key=key), {}).config
        assert config is not None
        setup = AccountSetup(config, resolve_credentials(config, {}), session)
        door = build_setup_door(carrier, setup)
        assert door is not None
        yield door, administration


async def pointed(door: CarrierSetupDoor) -> Routing:
    """Point the number here, writing what differs; gives what was before."""
    before = await door.routing(OURS)
    assert before is not None
    aimed = door.aimed(before, HERE)
    changes = tuple(new for _, new in differing(before, aimed))
    await door.apply(msgspec.structs.replace(aimed, settings=changes))
    after = await door.routing(OURS)
    assert after is not None
    assert differing(after, aimed) == []
    return before


@BOTH
@pytest.mark.scenario("F81", carrier="telnyx")
@pytest.mark.scenario("F81", carrier="plivo")
async def test_the_account_is_asked_and_named_without_its_id(carrier: str) -> None:
    async with door_of(carrier) as (door, _):
        report = await door.check_account()
    assert report.usable
    assert report.server_time == pytest.approx(time.time(), abs=5)
    assert AUTH_ID not in str(report)


@BOTH
async def test_wrong_credentials_are_refused_with_a_remedy_and_not_shown(carrier: str) -> None:
    async with door_of(carrier, key="wrong-7391") as (door, _):
        with pytest.raises(CarrierRefused) as refused:
            await door.check_account()
    assert f"{carrier}." in str(refused.value.remedy)
    for secret in ("7391", AUTH_ID):
        assert secret not in str(refused.value)


@BOTH
async def test_nobody_answers(carrier: str) -> None:
    async with door_of(carrier, base_url="http://127.0.0.1:9") as (door, _):
        with pytest.raises(CarrierUnreachable):
            await door.routing(OURS)


@BOTH
async def test_only_the_very_number_is_ours(carrier: str) -> None:
    async with door_of(carrier) as (door, _):
        found = await door.routing(OURS)
        assert found is not None
        assert (found.number, found.voice) == (OURS, True)
        assert await door.routing("+1555000123") is None


@BOTH
async def test_a_number_is_pointed_here_and_back(carrier: str) -> None:
    async with door_of(carrier) as (door, administration):
        as_it_was = administration.state()
        before = await pointed(door)
        assert before.remarks, "what answers the number now is told"
        again = await door.routing(OURS)
        assert again is not None
        assert differing(again, door.aimed(again, HERE)) == []
        await door.apply(before)
        assert await door.routing(OURS) == before
        assert administration.state() == as_it_was


async def test_telnyx_gets_our_application_with_webhooks_of_version_2() -> None:
    async with door_of("telnyx") as (door, administration):
        await pointed(door)
    assert isinstance(administration, Telnyx)
    assert administration.number["connection_id"] == CONNECTION
    application = administration.application
    assert application["webhook_event_url"] == HERE
    assert application["webhook_api_version"] == "2"
    assert application["application_name"] == "phones"


async def test_telnyx_without_a_voice_profile_is_told() -> None:
    async with door_of("telnyx") as (door, administration):
        assert isinstance(administration, Telnyx)
        administration.application["outbound"] = {}
        assert "outbound voice profile" in (await door.check_account()).remarks[0]
        administration.application["active"] = False
        assert not (await door.check_account()).usable


async def test_plivo_gets_an_application_of_our_own_once() -> None:
    async with door_of("plivo") as (door, administration):
        assert isinstance(administration, Plivo)
        before = await pointed(door)
        assert administration.made == {
            "app_id": "77",
            "app_name": "openclaw-voice-call",
            "answer_url": HERE,
            "answer_method": "POST",
            "hangup_url": f"{HERE}?type=status",
            "hangup_method": "POST",
        }
        await door.apply(before)
        assert administration.application == "15784735442685051"
        await pointed(door)
        assert administration.application == "77"
