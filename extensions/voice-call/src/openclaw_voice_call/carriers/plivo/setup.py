"""Plivo's account and where it sends the calls to a number.

A number belongs to an application. Ours has a name of its own and is made when it is first needed,
so that an application which serves other numbers too is left as it is. Source: Plivo's pages on
applications and numbers.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from openclaw_voice_call.carriers.administration import Administration
from openclaw_voice_call.carriers.plivo.api import account_root
from openclaw_voice_call.carriers.plivo.build import plivo_settings
from openclaw_voice_call.carriers.rest import Nothing, basic_authorization
from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.errors import CarrierRefused
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, Routing, Setting

APP_NAME: Final = "openclaw-voice-call"
_RESOURCE: Final = f"Application/{APP_NAME}"
_PAGE: Final = 20


class _Account(msgspec.Struct, frozen=True):
    state: str | None = None
    cash_credits: str | None = None


class _Application(msgspec.Struct, frozen=True):
    app_id: str
    app_name: str = ""
    answer_url: str | None = None
    answer_method: str | None = None
    hangup_url: str | None = None
    hangup_method: str | None = None


class _ApplicationPage(msgspec.Struct, frozen=True):
    objects: list[_Application] = []


class _Created(msgspec.Struct, frozen=True):
    app_id: str


class _Number(msgspec.Struct, frozen=True):
    """`application` is a URI that ends in the application's id and a slash. A number that does not
    say whether it carries calls is taken to."""

    application: str | None = None
    voice_enabled: bool = True


def build_setup(setup: AccountSetup) -> PlivoSetup:
    """Raises NotConfigured when the credentials are another carrier's."""
    settings = plivo_settings(setup.config, setup.credentials)
    administration = Administration(
        "Plivo",
        account_root(settings),
        authorization=basic_authorization(settings.auth_id, settings.auth_token),
        hidden=(settings.auth_token, settings.auth_id),
        credentials_remedy="Check plivo.authId and plivo.authToken.",
        session=setup.session,
    )
    return PlivoSetup(settings.auth_id, administration)


class PlivoSetup:
    """Implements `interfaces.carrier_setup.CarrierSetupDoor`."""

    def __init__(self, auth_id: str, administration: Administration) -> None:
        self._auth_id = auth_id
        self._administration = administration

    async def check_account(self) -> AccountReport:
        account, server_time = await self._administration.read("/", _Account)
        remarks = ("a sub-account: its numbers and credit are its own",)
        return AccountReport(
            account=f"{self._auth_id[:2]}...{self._auth_id[-4:]}",
            state=account.state or "active",
            usable=True,
            server_time=server_time,
            remarks=remarks if self._auth_id.startswith("SA") else (),
        )

    async def routing(self, number: str) -> Routing | None:
        digits = number.removeprefix("+")
        try:
            found, _ = await self._administration.read(f"/Number/{digits}/", _Number)
        except CarrierRefused as error:
            if error.status == 404:
                return None
            raise
        used = (found.application or "").rstrip("/").rpartition("/")[2]
        ours = await self._ours()
        # What our application says counts only once the number has it.
        application = ours if ours is not None and ours.app_id == used else _Application("")
        remarks = ()
        if used and not application.app_id:
            remarks = (f"the application {used} answers {number}",)
        values = {
            "answer_url": application.answer_url,
            "answer_method": application.answer_method,
            "hangup_url": application.hangup_url,
            "hangup_method": application.hangup_method,
        }
        return Routing(
            number=number,
            voice=found.voice_enabled,
            settings=(
                *(Setting(_RESOURCE, name, value or "") for name, value in values.items()),
                # Last, so that the application is complete when the number gets it.
                Setting(f"Number/{digits}", "app_id", APP_NAME if application.app_id else used),
            ),
            remarks=remarks,
        )

    def aimed(self, routing: Routing, webhook_url: str) -> Routing:
        wanted = {
            "answer_url": webhook_url,
            "answer_method": "POST",
            # Without it the answer URL would be told of the end.
            "hangup_url": f"{webhook_url}{'&' if '?' in webhook_url else '?'}type=status",
            "hangup_method": "POST",
            "app_id": APP_NAME,
        }
        settings = tuple(
            msgspec.structs.replace(each, value=wanted[each.name]) for each in routing.settings
        )
        return Routing(routing.number, routing.voice, settings)

    async def apply(self, routing: Routing) -> None:
        urls = {each.name: each.value for each in routing.settings if each.resource == _RESOURCE}
        # Plivo has no way to take a URL back; an application that no number has is harmless.
        urls = {name: value for name, value in urls.items() if value}
        ours = await self._ours()
        if ours is not None and urls:
            path = f"/Application/{quote(ours.app_id, safe='')}/"
            await self._administration.write("POST", path, urls, Nothing)
        for each in routing.settings:
            if each.resource != _RESOURCE:
                app_id = each.value
                if app_id == APP_NAME:
                    app_id = (ours or await self._create(urls)).app_id
                await self._administration.write(
                    "POST", f"/{each.resource}/", {"app_id": app_id}, Nothing
                )

    async def _ours(self) -> _Application | None:
        query = (("app_name", APP_NAME), ("limit", str(_PAGE)))
        page, _ = await self._administration.read("/Application/", _ApplicationPage, query)
        return next((each for each in page.objects if each.app_name == APP_NAME), None)

    async def _create(self, urls: dict[str, str]) -> _Created:
        body = {"app_name": APP_NAME, **urls}
        return await self._administration.write("POST", "/Application/", body, _Created)
