"""Telnyx's account and where it sends the calls to a number.

A number belongs to a connection; ours is the Call Control application of `telnyx.connectionId`,
whose webhook URL gets the events of its calls. Source: Telnyx's OpenAPI description.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from openclaw_voice_call.carriers.administration import Administration
from openclaw_voice_call.carriers.rest import Nothing
from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.carriers.telnyx.api import DEFAULT_BASE_URL, api_base
from openclaw_voice_call.credentials import TelnyxCredentials
from openclaw_voice_call.errors import CarrierRefused, NotConfigured
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, Routing, Setting

API_VERSION: Final = "2"
"""Of webhooks: version 1 has another form, which nothing here reads."""


class _Outbound(msgspec.Struct, frozen=True):
    outbound_voice_profile_id: str | None = None


class _Application(msgspec.Struct, frozen=True):
    id: str
    application_name: str = ""
    active: bool = True
    webhook_event_url: str | None = None
    webhook_api_version: str | None = None
    outbound: _Outbound | None = None


class _ApplicationAnswer(msgspec.Struct, frozen=True):
    data: _Application


class _Number(msgspec.Struct, frozen=True):
    id: str
    phone_number: str = ""
    status: str = ""
    connection_id: str | None = None
    connection_name: str | None = None


class _NumberPage(msgspec.Struct, frozen=True):
    data: list[_Number] = []


def build_setup(setup: AccountSetup) -> TelnyxSetup:
    """Raises NotConfigured when the credentials are another carrier's."""
    account = setup.credentials.carrier
    if not isinstance(account, TelnyxCredentials):
        raise NotConfigured(["plugins.entries.voice-call.config.telnyx is required"])
    key = account.api_key.get_secret_value()
    administration = Administration(
        "Telnyx",
        api_base(setup.config.telnyx.base_url or DEFAULT_BASE_URL),
        authorization=f"Bearer {key}",
        hidden=(key,),
        credentials_remedy="Check telnyx.apiKey: it must be a key of the API v2.",
        session=setup.session,
    )
    return TelnyxSetup(account.connection_id, administration)


class TelnyxSetup:
    """Implements `interfaces.carrier_setup.CarrierSetupDoor`."""

    def __init__(self, connection_id: str, administration: Administration) -> None:
        self._connection_id = connection_id
        self._administration = administration
        self._application_path = f"call_control_applications/{quote(connection_id, safe='')}"

    async def check_account(self) -> AccountReport:
        application, server_time = await self._application()
        outbound = application.outbound
        remarks = ()
        if outbound is None or not outbound.outbound_voice_profile_id:
            remarks = ("it has no outbound voice profile, so Telnyx refuses to place calls",)
        return AccountReport(
            account=f'with the Call Control application "{application.application_name}"',
            state="active" if application.active else "switched off",
            usable=application.active,
            server_time=server_time,
            remarks=remarks,
        )

    async def routing(self, number: str) -> Routing | None:
        query = (("filter[phone_number]", number),)
        page, _ = await self._administration.read("/phone_numbers", _NumberPage, query)
        found = next((each for each in page.data if each.phone_number == number), None)
        if found is None:
            return None
        application, _ = await self._application()
        remarks = ()
        if found.connection_id and found.connection_id != self._connection_id:
            named = found.connection_name or found.connection_id
            remarks = (f'calls to {number} go to the connection "{named}"',)
        return Routing(
            number=number,
            voice=found.status == "active",
            settings=(
                Setting(
                    self._application_path,
                    "webhook_event_url",
                    application.webhook_event_url or "",
                ),
                Setting(
                    self._application_path,
                    "webhook_api_version",
                    application.webhook_api_version or "1",
                ),
                # Last, so that the application is complete when the number gets it.
                Setting(
                    f"phone_numbers/{quote(found.id, safe='')}",
                    "connection_id",
                    found.connection_id or "",
                ),
            ),
            remarks=remarks,
        )

    def aimed(self, routing: Routing, webhook_url: str) -> Routing:
        wanted = {
            "connection_id": self._connection_id,
            "webhook_event_url": webhook_url,
            "webhook_api_version": API_VERSION,
        }
        settings = tuple(
            msgspec.structs.replace(each, value=wanted[each.name]) for each in routing.settings
        )
        return Routing(routing.number, routing.voice, settings)

    async def apply(self, routing: Routing) -> None:
        by_resource: dict[str, dict[str, object]] = {}
        for each in routing.settings:
            by_resource.setdefault(each.resource, {})[each.name] = each.value
        for resource, body in by_resource.items():
            if resource == self._application_path:
                # Telnyx wants both of these with every change of an application.
                application, _ = await self._application()
                body["application_name"] = application.application_name
                url = body.setdefault("webhook_event_url", application.webhook_event_url or "")
                if not url:
                    raise CarrierRefused("Telnyx: an application cannot be without a webhook URL")
            await self._administration.write("PATCH", f"/{resource}", body, Nothing)

    async def _application(self) -> tuple[_Application, float | None]:
        answer, server_time = await self._administration.read(
            f"/{self._application_path}", _ApplicationAnswer
        )
        return answer.data, server_time
