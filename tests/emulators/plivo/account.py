"""The account, its numbers and applications, as Plivo's console and API show and change them."""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from tests.emulators.plivo.errors import ApiError

Json: TypeAlias = dict[str, object]

FIRST_APP_ID: Final = 15784735442685051
_FIELDS: Final = {
    "answer_url": "answer_url",
    "answer_method": "answer_method",
    "hangup_url": "hangup_url",
    "hangup_method": "hangup_method",
    "fallback_answer_url": "fallback_url",
}


@dataclass(frozen=True)
class Number:
    """A number of the account, and the URLs of its application."""

    answer_url: str = ""
    answer_method: str = "POST"
    hangup_url: str = ""
    """Unset: the answer URL is told of hang-ups too."""
    fallback_url: str = ""
    hangup_method: str = "POST"


@dataclass
class Application:
    """Whoever's number has it is answered so."""

    app_id: str
    name: str
    urls: Number

    def as_json(self) -> Json:
        urls = {key: getattr(self.urls, name) for key, name in _FIELDS.items()}
        return {"app_id": self.app_id, "app_name": self.name, "enabled": True, **urls}


class AccountBook:
    """Reads and writes over REST; what is written shows in `numbers`. Methods raise ApiError.

    Each of `numbers` begins with an application of its own.
    """

    def __init__(self, auth_id: str, numbers: MutableMapping[str, Number]) -> None:
        self._auth_id = auth_id
        self._numbers = numbers
        self._applications: dict[str, Application] = {}
        self._used: dict[str, str] = {}
        for e164 in numbers:
            self._used[e164] = self._new(f"of-{e164.removeprefix('+')}", numbers[e164]).app_id

    def account(self) -> Json:
        kind = "standard" if self._auth_id.startswith("MA") else "subaccount"
        return {
            "account_type": kind,
            "auth_id": self._auth_id,
            "auto_recharge": False,
            "billing_mode": "prepaid",
            "cash_credits": "20.00000",
            "name": "test account",
            "resource_uri": f"/v1/Account/{self._auth_id}/",
            "state": None,
            "timezone": "UTC",
        }

    def number(self, digits: str) -> Json:
        app_id = self._used[self._ours(digits)]
        uri = f"/v1/Account/{self._auth_id}/Application/{app_id}/"
        return {
            "number": digits,
            "application": uri if app_id else None,
            "alias": None,
            "number_type": "local",
            "sms_enabled": True,
            "voice_enabled": True,
            "resource_uri": f"/v1/Account/{self._auth_id}/Number/{digits}/",
        }

    def assign(self, digits: str, change: Json) -> None:
        """Give a number another application."""
        e164 = self._ours(digits)
        application = self._application(str(change["app_id"]))
        self._used[e164] = application.app_id
        self._numbers[e164] = application.urls

    def applications(self, name: str, first: int, count: int) -> Json:
        """Those whose names begin so."""
        found = [each for each in self._applications.values() if each.name.startswith(name)]
        page = [each.as_json() for each in found[first : first + count]]
        meta = {"limit": count, "offset": first, "total_count": len(found)}
        return {"meta": meta, "objects": page}

    def create(self, settings: Json) -> str:
        """Gives the id of the new application."""
        name = str(settings["app_name"])
        if any(each.name == name for each in self._applications.values()):
            raise ApiError(400, f"an application named {name} exists")
        rest = {key: value for key, value in settings.items() if key != "app_name"}
        return self._new(name, self._changed(Number(), rest)).app_id

    def change(self, app_id: str, settings: Json) -> None:
        """What is not named stays as it is."""
        application = self._application(app_id)
        application.urls = self._changed(application.urls, settings)
        for e164, used in self._used.items():
            if used == app_id:
                self._numbers[e164] = application.urls

    def _changed(self, urls: Number, settings: Json) -> Number:
        unknown = settings.keys() - _FIELDS.keys()
        if unknown:
            raise ApiError(400, f"not emulated: {', '.join(sorted(unknown))}")
        named = {_FIELDS[key]: str(value) for key, value in settings.items()}
        return replace(urls, **named)

    def _new(self, name: str, urls: Number) -> Application:
        application = Application(str(FIRST_APP_ID + len(self._applications)), name, urls)
        self._applications[application.app_id] = application
        return application

    def _application(self, app_id: str) -> Application:
        application = self._applications.get(app_id)
        if application is None:
            raise ApiError(404, "not found")
        return application

    def _ours(self, digits: str) -> str:
        e164 = f"+{digits}"
        if e164 not in self._used:
            raise ApiError(404, "not found")
        return e164
