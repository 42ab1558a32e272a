"""The emulated account and its numbers are what Twilio's own description says."""

from base64 import b64encode
from typing import cast

import aiohttp
import pytest

from tests.emulators.twilio import ACCOUNT_SID, AUTH_TOKEN, Number, Settings, TwilioEmulator
from tests.emulators.twilio.numbers import number_sid
from tests.emulators.twilio.spec import check_object

OURS = "+15550001234"
TRUNK = f"TK{'0' * 32}"
ROOT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"


async def ask(
    twilio: TwilioEmulator, method: str, path: str, form: dict[str, str] | None = None
) -> tuple[int, dict[str, object]]:
    secret = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Basic {secret}"}) as session,
        session.request(method, twilio.base_url + ROOT + path, data=form) as response,
    ):
        return response.status, await response.json()


async def test_answers_have_the_described_form() -> None:
    async with TwilioEmulator.start(Settings(numbers={OURS: Number()})) as twilio:
        status, account = await ask(twilio, "GET", ".json")
        assert (status, check_object("api.v2010.account", account)) == (200, [])
        _, page = await ask(twilio, "GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B1555000")
        (number,) = cast("list[dict[str, object]]", page["incoming_phone_numbers"])
        assert check_object("api.v2010.account.incoming_phone_number", number) == []
        assert twilio.violations == []


async def test_a_trunk_and_a_voice_url_exclude_each_other() -> None:
    path = f"/IncomingPhoneNumbers/{number_sid(OURS)}.json"
    numbers = {OURS: Number(voice_url="https://a.example.com/")}
    async with TwilioEmulator.start(Settings(numbers=numbers)) as twilio:
        _, on_trunk = await ask(twilio, "POST", path, {"TrunkSid": TRUNK})
        assert (on_trunk["trunk_sid"], on_trunk["voice_url"]) == (TRUNK, "")
        _, back = await ask(twilio, "POST", path, {"VoiceUrl": "https://b.example.com/"})
        assert (back["trunk_sid"], back["voice_url"]) == (None, "https://b.example.com/")
        assert twilio.numbers[OURS].voice_url == "https://b.example.com/"


@pytest.mark.parametrize(
    "form", [{"VoiceUrl": "no url"}, {"TrunkSid": "TK1"}, {"VoiceMethod": ""}, {"Bogus": "1"}]
)
async def test_what_twilio_would_refuse_is_refused(form: dict[str, str]) -> None:
    path = f"/IncomingPhoneNumbers/{number_sid(OURS)}.json"
    async with TwilioEmulator.start(Settings(numbers={OURS: Number()})) as twilio:
        status, _ = await ask(twilio, "POST", path, form)
        assert status == 400
        assert twilio.numbers[OURS] == Number()
        assert len(twilio.violations) == 1
        missing, _ = await ask(twilio, "POST", f"/IncomingPhoneNumbers/PN{'0' * 32}.json", {})
        assert missing == 404
