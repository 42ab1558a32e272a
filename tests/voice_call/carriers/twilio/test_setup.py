"""Twilio's administration: the account, and where a number's calls go, against the emulator."""

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
from tests.emulators.faults import Fail
from tests.emulators.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    AccountState,
    Number,
    Settings,
    TwilioEmulator,
)

OURS = "+15550001234"
HERE = "https://voice.example.com/voice/webhook"
ELSEWHERE = Number(
    voice_url="https://old.example.com/answer",
    voice_method="GET",
    status_callback="https://old.example.com/over",
)
TRUNK = f"TK{'1' * 32}"
APPLICATION = f"AP{'2' * 32}"


@asynccontextmanager
async def administration(
    *,
    token: str = AUTH_TOKEN,
    base_url: str | None = None,
    **numbers: Number,
) -> AsyncGenerator[tuple[CarrierSetupDoor, TwilioEmulator]]:
    """`numbers` by their digits after `n`."""
    owned = {f"+{name.removeprefix('n')}": number for name, number in numbers.items()}
    async with (
        TwilioEmulator.start(Settings(numbers=owned)) as twilio,
        aiohttp.ClientSession() as session,
    ):
        account = {"accountSid": ACCOUNT_SID, "authToken": token}
        twilio_section = {**account, "baseUrl": base_url or twilio.base_url}
        section = {"provider": "twilio", "fromNumber": OURS, "twilio": twilio_section}
        config = parse_config(section, {}).config
        assert config is not None
        setup = AccountSetup(config, resolve_credentials(config, {}), session)
        door = build_setup_door("twilio", setup)
        assert door is not None
        yield door, twilio
        assert twilio.violations == []


async def pointed(door: CarrierSetupDoor, number: str = OURS) -> Routing:
    """Point the number here as the owner does: only what differs is written."""
    before = await door.routing(number)
    assert before is not None
    aimed = door.aimed(before, HERE)
    changes = tuple(new for _, new in differing(before, aimed))
    await door.apply(msgspec.structs.replace(aimed, settings=changes))
    after = await door.routing(number)
    assert after is not None
    assert differing(after, aimed) == []
    return before


@pytest.mark.scenario("F81", carrier="twilio")
async def test_the_account_is_named_without_its_id() -> None:
    async with administration() as (door, twilio):
        before = time.time()
        report = await door.check_account()
        assert (report.usable, report.state, report.remarks) == (True, "active", ())
        assert ACCOUNT_SID not in str(report)
        assert report.account == f"AC...{ACCOUNT_SID[-4:]}"
        assert report.server_time is not None
        assert before - 2 <= report.server_time <= time.time() + 1
        twilio.account = AccountState(status="suspended", type="Trial")
        later = await door.check_account()
        assert (later.usable, later.state) == (False, "suspended")
        assert "trial" in later.remarks[0]


@pytest.mark.scenario("F81", carrier="twilio")
async def test_wrong_credentials_are_refused_with_a_remedy() -> None:
    async with administration(token="wrong-7391") as (door, _):
        with pytest.raises(CarrierRefused) as refused:
            await door.check_account()
    assert "authToken" in str(refused.value.remedy)
    for secret in ("7391", ACCOUNT_SID):
        assert secret not in str(refused.value)


async def test_an_account_id_in_twilios_own_words_is_not_repeated() -> None:
    async with administration(n15550001234=Number()) as (door, twilio):
        text = f"The resource /2010-04-01/Accounts/{ACCOUNT_SID}/X was not found"
        twilio.faults.rest.add(Fail(404, 20404, text))
        with pytest.raises(CarrierRefused) as refused:
            await door.routing(OURS)
    assert "/Accounts/.../X was not found" in str(refused.value)
    assert ACCOUNT_SID not in str(refused.value)


async def test_nobody_answers() -> None:
    async with administration(base_url="http://127.0.0.1:9") as (door, _):
        with pytest.raises(CarrierUnreachable):
            await door.check_account()


async def test_only_the_very_number_is_ours() -> None:
    async with administration(n155500012345=Number(), n15550001234=Number(voice=False)) as (
        door,
        _,
    ):
        ours = await door.routing(OURS)
        assert ours is not None
        assert (ours.number, ours.voice) == (OURS, False)
        assert await door.routing("+1555000123") is None


async def test_a_number_is_pointed_here_and_back() -> None:
    async with administration(n15550001234=ELSEWHERE) as (door, twilio):
        before = await pointed(door)
        assert twilio.numbers[OURS] == Number(
            voice_url=HERE, voice_method="POST", status_callback=f"{HERE}?type=status"
        )
        again = await door.routing(OURS)
        assert again is not None
        assert differing(again, door.aimed(again, HERE)) == []
        await door.apply(before)
        assert twilio.numbers[OURS] == ELSEWHERE


@pytest.mark.parametrize(
    ("elsewhere", "remark"),
    [
        (Number(trunk_sid=TRUNK), TRUNK),
        (Number(application_sid=APPLICATION, voice_url="https://x.example.com/"), APPLICATION),
        (Number(receive_mode="fax"), "faxes"),
    ],
    ids=["trunk", "application", "fax"],
)
async def test_what_wins_over_the_voice_url_is_told_taken_off_and_put_back(
    elsewhere: Number, remark: str
) -> None:
    async with administration(n15550001234=elsewhere) as (door, twilio):
        before = await pointed(door)
        assert remark in before.remarks[0]
        now = twilio.numbers[OURS]
        assert (now.voice_url, now.trunk_sid, now.application_sid) == (HERE, "", "")
        assert now.receive_mode == "voice"
        await door.apply(before)
        assert twilio.numbers[OURS] == elsewhere
