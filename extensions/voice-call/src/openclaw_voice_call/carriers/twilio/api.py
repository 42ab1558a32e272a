"""Twilio's REST API for calls."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from openclaw_voice_call.carriers.rest import Fields, Request, RestClient

_CALLS = "/Calls.json"

NOT_IN_PROGRESS = "21220"
"""Twilio's code for an update that the call's state does not allow: too late, or too early."""


class CallResource(msgspec.Struct, frozen=True):
    """The part of Twilio's call object that we use. `status`: queued, ringing, in-progress,
    completed, busy, failed, no-answer, canceled. `date_created` is RFC 2822."""

    sid: str
    status: str
    direction: str | None = None
    date_created: str | None = None


class _CallPage(msgspec.Struct, frozen=True):
    calls: list[CallResource] = []


class TwilioApi:
    """Calls of one account.

    Every method raises CarrierRefused, CarrierBusy, CarrierUnreachable or CarrierOutcomeUnknown,
    and LineGone for a call that Twilio does not have.
    """

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def create(self, form: Fields) -> CallResource:
        """Place a call. CarrierOutcomeUnknown: it may have been placed; never repeat, look."""
        request = Request("POST", _CALLS, form=form, creates=True)
        return await self._rest.ask(request, CallResource)

    async def fetch(self, sid: str) -> CallResource:
        """Read a call. It can lag behind the webhooks."""
        return await self._rest.ask(_of_call("GET", sid, freely=True), CallResource)

    async def search(self, query: Fields) -> list[CallResource]:
        """The first page of the account's calls that `query` selects, newest first."""
        request = Request("GET", _CALLS, query=query, freely=True)
        return (await self._rest.ask(request, _CallPage)).calls

    async def redirect(self, sid: str, url: str) -> CallResource:
        """Make a live call fetch `url` now. Repeated, it would begin that document again."""
        form = (("Url", url), ("Method", "POST"))
        return await self._rest.ask(_of_call("POST", sid, form), CallResource)

    async def end(self, sid: str, status: str) -> CallResource:
        """End a call: `completed` if it was answered, `canceled` before."""
        request = _of_call("POST", sid, (("Status", status),), freely=True)
        return await self._rest.ask(request, CallResource)


def _of_call(method: str, sid: str, form: Fields = (), *, freely: bool = False) -> Request:
    path = f"/Calls/{quote(sid, safe='')}.json"
    return Request(method, path, "/Calls/...", form=form, names_call=True, freely=freely)
