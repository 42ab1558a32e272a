"""Twilio's account and where it sends the calls to a number.

A number's calls go to its SIP trunk if it has one, else to its TwiML application if it has one,
else to its own `VoiceUrl`. An application may serve other numbers too, so it is taken off the
number and left as it is. Source: Twilio's OpenAPI description of `IncomingPhoneNumbers`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from openclaw_voice_call.carriers.rest import Request, RestClient
from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.carriers.twilio.build import twilio_settings
from openclaw_voice_call.carriers.twilio.rest import TwilioSettings, TwilioTimeouts, rest_client
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, Routing, Setting

_NUMBERS: Final = "/IncomingPhoneNumbers.json"
_TRUNK: Final = "TrunkSid"
_IGNORED_WITH_TRUNK: Final = frozenset({"VoiceUrl", "VoiceMethod", "VoiceApplicationSid"})
"""Setting the trunk deletes these, and setting these deletes the trunk."""


class _Account(msgspec.Struct, frozen=True):
    """`type`: Full or Trial; `status`: active, suspended, closed."""

    status: str = "unknown"
    type: str | None = None


class _Capabilities(msgspec.Struct, frozen=True):
    voice: bool = False


class _Number(msgspec.Struct, frozen=True):
    sid: str
    phone_number: str | None = None
    voice_url: str | None = None
    voice_method: str | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    voice_application_sid: str | None = None
    trunk_sid: str | None = None
    voice_receive_mode: str | None = None
    capabilities: _Capabilities | None = None


class _NumberPage(msgspec.Struct, frozen=True):
    incoming_phone_numbers: list[_Number] = []


def build_setup(setup: AccountSetup) -> TwilioSetup:
    """Raises NotConfigured when the credentials are another carrier's."""
    settings = twilio_settings(setup.config, setup.credentials)
    return TwilioSetup(settings, rest_client(settings, setup.session, timeouts=TwilioTimeouts()))


class TwilioSetup:
    """Implements `interfaces.carrier_setup.CarrierSetupDoor`."""

    def __init__(self, settings: TwilioSettings, rest: RestClient) -> None:
        self._account_sid = settings.account_sid
        self._rest = rest

    async def check_account(self) -> AccountReport:
        request = Request("GET", ".json", freely=True)
        account, server_time = await self._rest.ask_dated(request, _Account)
        remarks = ()
        if account.type == "Trial":
            remarks = (
                "a trial account: it calls verified numbers only, and plays Twilio's notice first",
            )
        sid = self._account_sid
        return AccountReport(
            account=f"{sid[:2]}...{sid[-4:]}",
            state=account.status,
            usable=account.status == "active",
            server_time=server_time,
            remarks=remarks,
        )

    async def routing(self, number: str) -> Routing | None:
        query = (("PhoneNumber", number),)
        request = Request("GET", _NUMBERS, query=query, freely=True)
        page = await self._rest.ask(request, _NumberPage)
        # Twilio also finds numbers that only contain what was asked for.
        found = next(
            (each for each in page.incoming_phone_numbers if each.phone_number == number), None
        )
        return None if found is None else _routing(number, found)

    def aimed(self, routing: Routing, webhook_url: str) -> Routing:
        status = f"{webhook_url}{'&' if '?' in webhook_url else '?'}type=status"
        wanted = {
            "VoiceReceiveMode": "voice",
            _TRUNK: "",
            "VoiceApplicationSid": "",
            "VoiceUrl": webhook_url,
            "VoiceMethod": "POST",
            "StatusCallback": status,
            "StatusCallbackMethod": "POST",
        }
        settings = tuple(
            msgspec.structs.replace(each, value=wanted[each.name]) for each in routing.settings
        )
        return Routing(routing.number, routing.voice, settings)

    async def apply(self, routing: Routing) -> None:
        by_resource: dict[str, list[tuple[str, str]]] = {}
        on_trunk = any(each.name == _TRUNK and each.value for each in routing.settings)
        for each in routing.settings:
            if not (on_trunk and each.name in _IGNORED_WITH_TRUNK):
                by_resource.setdefault(each.resource, []).append((each.name, each.value))
        for resource, form in by_resource.items():
            request = Request("POST", f"/{resource}.json", form=form, freely=True)
            await self._rest.ask(request, _Number)


def _routing(number: str, found: _Number) -> Routing:
    resource = f"IncomingPhoneNumbers/{quote(found.sid, safe='')}"
    values = {
        # What Twilio means when it says nothing, and takes when it is told.
        "VoiceReceiveMode": found.voice_receive_mode or "voice",
        _TRUNK: found.trunk_sid,
        "VoiceApplicationSid": found.voice_application_sid,
        "VoiceUrl": found.voice_url,
        "VoiceMethod": found.voice_method or "POST",
        "StatusCallback": found.status_callback,
        "StatusCallbackMethod": found.status_callback_method or "POST",
    }
    remarks: list[str] = []
    if found.trunk_sid:
        remarks.append(f"calls to {number} go to the SIP trunk {found.trunk_sid}")
    if found.voice_application_sid:
        remarks.append(f"the TwiML application {found.voice_application_sid} answers {number}")
    if found.voice_receive_mode == "fax":
        remarks.append(f"{number} receives faxes, so it takes no calls")
    return Routing(
        number=number,
        voice=found.capabilities is not None and found.capabilities.voice,
        settings=tuple(Setting(resource, name, value or "") for name, value in values.items()),
        remarks=tuple(remarks),
    )
