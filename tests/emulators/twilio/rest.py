"""Twilio's REST API: calls (create, fetch, list, update), the account, its numbers."""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from tests.emulators.clock import Changes
from tests.emulators.faults import Disconnect, Fail, FaultPlan, Hang, LoseAnswer, RestFault
from tests.emulators.twilio.calls import API_VERSION, Call, Callback, Form, Order
from tests.emulators.twilio.line import Line
from tests.emulators.twilio.numbers import (
    UNSET_BY_EMPTY,
    AccountState,
    Number,
    NumberBook,
    account_json,
)
from tests.emulators.twilio.orders import (
    ApiError,
    broken_rules,
    matches,
    read_fallback,
    read_instruction,
    read_order,
)
from tests.emulators.twilio.spec import ACCOUNT, CALL, CALLS, NUMBER, NUMBERS, check_fields

_PREFIX = f"/{API_VERSION}/Accounts/{{account}}"


Operation: TypeAlias = Literal["create", "fetch", "list", "update", "account", "numbers", "number"]


@dataclass
class RestRequest:
    """A request of the gateway to the API, and how it was answered."""

    operation: Operation
    path: str
    fields: Form
    status: int | None = None
    """None while unanswered, and where the answer was withheld."""

    @property
    def form(self) -> dict[str, str]:
        return dict(self.fields)


class Switchboard(Protocol):
    """What the API needs of the emulator."""

    @property
    def lines(self) -> Mapping[str, Line]: ...
    @property
    def account(self) -> AccountState: ...
    def place(self, order: Order) -> Call: ...


class RestApi:
    """The HTTP side: authentication, checks against the specification, faults, answers."""

    def __init__(
        self,
        switchboard: Switchboard,
        account_sid: str,
        credentials: Mapping[str, str],
        faults: FaultPlan[RestRequest, RestFault],
        violations: list[str],
        numbers: MutableMapping[str, Number],
        changes: Changes,
    ) -> None:
        self._switchboard = switchboard
        self._account_sid = account_sid
        self._credentials = dict(credentials)
        self._faults = faults
        self._violations = violations
        self._numbers = numbers
        self._book = NumberBook(account_sid, numbers)
        self._changes = changes
        self.requests: deque[RestRequest] = deque(maxlen=100_000)

    def change_token(self, token: str) -> None:
        """Of the account; its API keys stay."""
        self._credentials[self._account_sid] = token

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post(f"{_PREFIX}/Calls.json", self._create),
                web.get(f"{_PREFIX}/Calls.json", self._list),
                web.get(f"{_PREFIX}/Calls/{{sid}}.json", self._fetch),
                web.post(f"{_PREFIX}/Calls/{{sid}}.json", self._update),
                web.get(f"{_PREFIX}.json", self._account),
                web.get(f"{_PREFIX}/IncomingPhoneNumbers.json", self._list_numbers),
                web.post(f"{_PREFIX}/IncomingPhoneNumbers/{{sid}}.json", self._update_number),
                web.route("*", "/{other:.*}", self._unknown),
            ]
        )
        return app

    # --- the operations

    async def _create(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "create", CALLS, self._do_create)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "fetch", CALL, lambda _: self._line(request).call)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "list", CALLS, self._do_list)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(
            request, "update", CALL, lambda fields: self._do_update(self._line(request), fields)
        )

    async def _account(self, request: web.Request) -> web.StreamResponse:
        state = self._switchboard.account
        return await self._serve(
            request, "account", ACCOUNT, lambda _: account_json(self._account_sid, state)
        )

    async def _list_numbers(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "numbers", NUMBERS, self._book.listed)

    async def _update_number(self, request: web.Request) -> web.StreamResponse:
        sid = request.match_info["sid"]
        return await self._serve(
            request, "number", NUMBER, lambda fields: self._book.update(sid, fields)
        )

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        self._violations.append(f"{request.method} {request.path}: not emulated")
        return _not_found(request).response()

    async def _serve(
        self,
        request: web.Request,
        operation: Operation,
        path: str,
        do: Callable[[Form], "Call | dict[str, object]"],
    ) -> web.StreamResponse:
        text = await request.text() if request.method == "POST" else request.query_string
        fields = tuple(parse_qsl(text, keep_blank_values=True))
        record = RestRequest(operation, request.path, fields)
        self.requests.append(record)
        self._changes.notify()
        withhold: LoseAnswer | None = None
        for fault in self._faults.strike(record):
            match fault:
                case Fail(status, code, message, headers):
                    record.status = status
                    return ApiError(status, code, message).response(dict(headers))
                case Hang(seconds):
                    return await _hang(request, seconds)
                case Disconnect():
                    return _cut(request)
                case LoseAnswer():
                    withhold = fault
        try:
            self._authenticate(request)
            self._check(request, operation, path, fields)
            result = do(fields)
        except ApiError as refusal:
            record.status = refusal.status
            return refusal.response()
        if withhold is not None:
            return await _hang(request, None) if withhold.hang else _cut(request)
        record.status = 201 if operation == "create" else 200
        body = result.as_json() if isinstance(result, Call) else result
        return web.json_response(body, status=record.status)

    def _authenticate(self, request: web.Request) -> None:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, secret = b64decode(value, validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            user, secret = "", ""
        expected = self._credentials.get(user)
        known = expected is not None and compare_digest(expected.encode(), secret.encode())
        if kind != "Basic" or not known or request.match_info["account"] != self._account_sid:
            raise ApiError(401, 20003, "Authenticate")

    def _check(self, request: web.Request, operation: str, path: str, fields: Form) -> None:
        method: Literal["get", "post"] = "post" if request.method == "POST" else "get"
        set_fields = [each for each in fields if each[1] or each[0] not in UNSET_BY_EMPTY]
        wrong = check_fields(path, method, set_fields)
        if method == "post" and request.content_type != "application/x-www-form-urlencoded":
            wrong.append(f"content type {request.content_type}")
        wrong += broken_rules(operation, fields)
        if wrong:
            self._violations += [f"{operation}: {text}" for text in wrong]
            raise ApiError(400, 20001, f"Invalid parameter: {'; '.join(wrong)}")

    # --- what they do

    def _line(self, request: web.Request) -> Line:
        line = self._switchboard.lines.get(request.match_info["sid"])
        if line is None:
            raise _not_found(request)
        return line

    def _do_create(self, fields: Form) -> Call:
        order = read_order(fields)
        if not order.from_ or order.from_ not in self._numbers:
            raise ApiError(400, 21210, f"The source phone number {order.from_} is not verified.")
        return self._switchboard.place(order)

    def _do_update(self, line: Line, fields: Form) -> Call:
        form, call = dict(fields), line.call
        if "Url" in form or "Twiml" in form:
            if call.status != "in-progress":
                raise _not_in_progress("redirect")
            line.redirect(read_instruction(form, update=True))
        match form.get("Status"):
            case "canceled" if call.status in {"queued", "ringing"}:
                line.finish("canceled", "gateway", "487")
            case "canceled":
                raise _not_in_progress("cancel")
            case "completed" if not call.over:
                # Undocumented for a call that still rings: it is taken as canceled.
                answered = call.answered_at is not None
                line.finish("completed" if answered else "canceled", "gateway", "487")
            case "completed":
                raise _not_in_progress("end")
            case _:
                pass
        if "TimeLimit" in form:
            line.limit(int(form["TimeLimit"]))
        call.fallback = read_fallback(form) or call.fallback
        if "StatusCallback" in form:
            method = form.get("StatusCallbackMethod", "POST")
            call.callback = Callback(form["StatusCallback"], method, call.callback.events)
        return call

    def _do_list(self, fields: Form) -> dict[str, object]:
        form = dict(fields)
        calls = [line.call for line in reversed(list(self._switchboard.lines.values()))]
        found = [call for call in calls if matches(call, form)]
        size, page = int(form.get("PageSize", "50")), int(form.get("Page", "0"))
        path = f"/{API_VERSION}/Accounts/{self._account_sid}/Calls.json"

        def link(number: int) -> str:
            return f"{path}?{urlencode({**form, 'PageSize': str(size), 'Page': str(number)})}"

        start = page * size
        more = len(found) > start + size
        return {
            "calls": [call.as_json() for call in found[start : start + size]],
            "end": min(len(found), start + size) - 1,
            "first_page_uri": link(0),
            "next_page_uri": link(page + 1) if more else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": link(page - 1) if page else None,
            "start": start,
            "uri": link(page),
        }


def _not_found(request: web.Request) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {request.path} was not found")


def _not_in_progress(action: str) -> ApiError:
    return ApiError(400, 21220, f"Call is not in-progress. Cannot {action}.")


async def _hang(request: web.Request, seconds: float | None) -> web.Response:
    """Answer nothing for a while, then cut the connection; ends when the other side gives up."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return _cut(request)
    raise AssertionError("nobody sets the event")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
