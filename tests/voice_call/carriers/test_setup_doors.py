"""Telnyx and Plivo: the account, and pointing a number here and back."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

import aiohttp
import msgspec
import pytest

from openclaw_voice_call.carriers.registry import build_setup_door
from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import resolve_credentials
from openclaw_voice_call.errors import CarrierRefused, CarrierUnreachable
from openclaw_voice_call.interfaces.carrier_setup import CarrierSetupDoor, Routing, differing
from tests.emulators import plivo, telnyx
from tests.emulators.faults import Fail

OURS = "+15550001234"
OLD = "https://old.example.com/"
HERE = "https://voice.example.com/voice/webhook"
BOTH = pytest.mark.parametrize("carrier", ["telnyx", "plivo"])

Company: TypeAlias = telnyx.TelnyxEmulator | plivo.PlivoEmulator


def section(carrier: str, base_url: str, *, key: str | None = None) -> dict[str, object]:
    accounts: dict[str, dict[str, object]] = {
        "telnyx": {
            "apiKey": key or telnyx.API_KEY,
            "connectionId": telnyx.CONNECTION_ID,
            "publicKey": telnyx.PUBLIC_KEY,
        },
        "plivo": {"authId": plivo.AUTH_ID, "authToken": key or plivo.AUTH_TOKEN},
    }
    account = {**accounts[carrier], "baseUrl": base_url}
    return {"provider": carrier, "fromNumber": OURS, carrier: account}


@asynccontextmanager
async def company_of(carrier: str) -> AsyncGenerator[Company]:
    """A carrier whose number leads elsewhere; at the end nothing was asked that it knows not."""
    if carrier == "telnyx":
        settings = telnyx.Settings(
            numbers=frozenset({OURS}),
            connections={OURS: "999"},
            application=telnyx.Application(OLD, api_version="1"),
        )
        company = telnyx.TelnyxEmulator.start(settings)
    else:
        numbers = {OURS: plivo.Number(OLD, "GET", f"{OLD}ended")}
        company = plivo.PlivoEmulator.start(plivo.Settings(numbers=numbers))
    async with company as emulator:
        yield emulator
        assert emulator.violations == []


@asynccontextmanager
async def door_of(
    carrier: str, *, key: str | None = None, base_url: str | None = None
) -> AsyncGenerator[tuple[CarrierSetupDoor, Company]]:
    async with company_of(carrier) as company, aiohttp.ClientSession() as session:
        raw = section(carrier, base_url or company.base_url, key=key)
        config = parse_config(raw, {}).config
        assert config is not None
        setup = AccountSetup(config, resolve_credentials(config, {}), session)
        door = build_setup_door(carrier, setup)
        assert door is not None
        yield door, company


def state(company: Company) -> object:
    """Where the calls to our number go, and what is told to those who answer them."""
    if isinstance(company, telnyx.TelnyxEmulator):
        return company.application, dict(company.connections)
    return dict(company.numbers)


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
    assert plivo.AUTH_ID not in str(report)


@BOTH
async def test_wrong_credentials_are_refused_with_a_remedy_and_not_shown(carrier: str) -> None:
    async with door_of(carrier, key="wrong-7391") as (door, _):
        with pytest.raises(CarrierRefused) as refused:
            await door.check_account()
    assert f"{carrier}." in str(refused.value.remedy)
    for secret in ("7391", plivo.AUTH_ID):
        assert secret not in str(refused.value)


@BOTH
async def test_a_refusal_that_repeats_the_key_is_told_without_it(carrier: str) -> None:
    key = telnyx.API_KEY if carrier == "telnyx" else plivo.AUTH_TOKEN
    async with door_of(carrier) as (door, company):
        company.faults.rest.add(Fail(403, message=f"{key} may not do this"))
        with pytest.raises(CarrierRefused, match="may not do this") as refused:
            await door.routing(OURS)
    assert key not in str(refused.value)


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
    async with door_of(carrier) as (door, company):
        as_it_was = state(company)
        before = await pointed(door)
        assert before.remarks, "what answers the number now is told"
        again = await door.routing(OURS)
        assert again is not None
        assert differing(again, door.aimed(again, HERE)) == []
        await door.apply(before)
        assert await door.routing(OURS) == before
        assert state(company) == as_it_was


async def test_telnyx_gets_our_application_with_webhooks_of_version_2() -> None:
    async with door_of("telnyx") as (door, company):
        await pointed(door)
    assert isinstance(company, telnyx.TelnyxEmulator)
    assert company.connections == {OURS: telnyx.CONNECTION_ID}
    assert company.application == telnyx.Application(HERE, api_version="2")


async def test_telnyx_without_a_voice_profile_is_told() -> None:
    async with door_of("telnyx") as (door, company):
        assert isinstance(company, telnyx.TelnyxEmulator)
        company.application = replace(company.application, voice_profile="")
        assert "outbound voice profile" in (await door.check_account()).remarks[0]
        company.application = replace(company.application, active=False)
        assert not (await door.check_account()).usable


async def test_plivo_gets_an_application_of_our_own_once() -> None:
    async with door_of("plivo") as (door, company):
        assert isinstance(company, plivo.PlivoEmulator)
        before = await pointed(door)
        ours = plivo.Number(HERE, hangup_url=f"{HERE}?type=status")
        assert company.numbers == {OURS: ours}
        await door.apply(before)
        assert company.numbers[OURS].answer_url == OLD
        await pointed(door)
        assert company.numbers == {OURS: ours}
        made = [each for each in company.requests if each.operation == "create application"]
        assert [each.body["app_name"] for each in made] == ["openclaw-voice-call"]
