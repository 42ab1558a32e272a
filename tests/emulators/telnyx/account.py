"""The numbers and the Call Control application, as Telnyx's portal and API show and change them."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Final, Literal, Protocol, TypeAlias, cast

from tests.emulators.telnyx.calls import Json
from tests.emulators.telnyx.commands import ApiError

Query: TypeAlias = Mapping[str, str]
OTHER_NAME: Final = "old PBX"
"""What every connection is called that is not the application."""
_AT: Final = "2026-02-16T00:00:00.000Z"


@dataclass(frozen=True)
class Application:
    """The Call Control application, as configured in Telnyx's portal."""

    webhook_url: str = ""
    failover_url: str = ""
    name: str = "phones"
    api_version: Literal["1", "2"] = "2"
    active: bool = True
    voice_profile: str = "1293384261075731499"
    """Empty: none, so nobody can be called."""


class Account(Protocol):
    """What is looked at and changed."""

    application: Application
    connections: MutableMapping[str, str]
    """Our numbers (E.164), and the id of the connection to which their calls go."""


class AccountBook:
    """Reads and writes over REST. `connection_id` is the application's."""

    def __init__(self, account: Account, connection_id: str) -> None:
        self._account = account
        self._connection_id = connection_id

    def numbers(self, query: Query) -> list[Json]:
        """Telnyx finds every number that contains what is asked for. One page holds all."""
        wanted = query.get("filter[phone_number]", "").removeprefix("+")
        return [self._number(e164) for e164 in self._account.connections if wanted in e164]

    def move(self, number_id: str, change: Json) -> Json:
        """Send the calls to a number elsewhere. Raises ApiError when it is not ours."""
        for e164 in self._account.connections:
            if number_of(e164) == number_id:
                self._account.connections[e164] = str(change["connection_id"])
                return self._number(e164)
        raise _not_found()

    def application(self, application_id: str) -> Json:
        """Raises ApiError when there is none with this id."""
        if application_id != self._connection_id:
            raise _not_found()
        now = self._account.application
        outbound = {"outbound_voice_profile_id": now.voice_profile} if now.voice_profile else {}
        return {
            "id": application_id,
            "record_type": "call_control_application",
            "application_name": now.name,
            "active": now.active,
            "webhook_event_url": now.webhook_url,
            "webhook_event_failover_url": now.failover_url or None,
            "webhook_api_version": now.api_version,
            "outbound": outbound,
            "created_at": _AT,
            "updated_at": _AT,
        }

    def change(self, application_id: str, change: Json) -> Json:
        """What is not named stays as it is."""
        self.application(application_id)
        names = {
            "application_name": "name",
            "webhook_event_url": "webhook_url",
            "webhook_event_failover_url": "failover_url",
            "webhook_api_version": "api_version",
            "active": "active",
        }
        values = cast("dict[str, str]", {names[name]: value for name, value in change.items()})
        self._account.application = replace(self._account.application, **values)  # pyright: ignore[reportArgumentType]
        return self.application(application_id)

    def _number(self, e164: str) -> Json:
        connection = self._account.connections[e164]
        ours = connection == self._connection_id
        return {
            "id": number_of(e164),
            "record_type": "phone_number",
            "phone_number": e164,
            "status": "active",
            "connection_id": connection or None,
            "connection_name": self._account.application.name if ours else OTHER_NAME,
            "country_iso_alpha2": "US",
            "phone_number_type": "local",
            "source_type": "number_order",
            "tags": [],
            "external_pin": None,
            "deletion_lock_enabled": False,
            "purchased_at": _AT,
            "created_at": _AT,
            "updated_at": _AT,
        }


def number_of(e164: str) -> str:
    """The id of a number, the same in every run."""
    digest = md5(e164.encode(), usedforsecurity=False).digest()
    return str(10**18 + int.from_bytes(digest[:7]))


def _not_found() -> ApiError:
    return ApiError(404, "10005", "Resource not found")
