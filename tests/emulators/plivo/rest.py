"""Plivo's REST API: calls (make, list, read, transfer, hang up, cancel), numbers, applications."""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import uuid4

import msgspec
from aiohttp import web

from tests.emulators.clock import Changes
from tests.emulators.faults import Disconnect, Fail, FaultPlan, Hang, LoseAnswer, RestFault
from tests.emulators.plivo.account import AccountBook, Number
from tests.emulators.plivo.calls import Call, Fetch, Order
from tests.emulators.plivo.errors import ApiError
from tests.emulators.plivo.line import Line
from tests.emulators.plivo.spec import (
    ACCOUNT,
    APPLICATION,
    APPLICATIONS,
    CALL,
    CALLS,
    NUMBER,
    REQUEST,
    check_body,
    check_query,
)

Operation: TypeAlias = Literal[
    "create",
    "list",
    "read",
    "transfer",
    "hang up",
    "cancel",
    "account",
    "number",
    "assign",
    "applications",
    "create application",
    "change application",
]
Json: TypeAlias = dict[str, object]

_PREFIX = "/v1/Account/{account}"
_NOT_EMULATED = {"machine_detection", "sip_headers", "parent_call_uuid", "callback_url"}


class _Answer(NamedTuple):
    status: int
    body: Json | None = None


@dataclass
class RestRequest:
    """A request of the gateway to the API, and how it was answered."""

    operation: Operation
    path: str
    query: Mapping[str, str]
    body: Json
    status: int | None = None
    """None while unanswered, and where the answer was withheld."""


class Switchboard(Protocol):
    """What the API needs of the emulator."""

    @property
    def lines(self) -> Mapping[str, Line]: ...
    def place(self, order: Order) -> Call: ...


class RestApi:
    """The HTTP side: authentication, checks against the specification, faults, answers."""

    def __init__(
        self,
        switchboard: Switchboard,
        auth_id: str,
        auth_token: str,
        faults: FaultPlan[RestRequest, RestFault],
        violations: list[str],
        own_numbers: MutableMapping[str, Number],
        changes: Changes,
    ) -> None:
        self._switchboard = switchboard
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._faults = faults
        self._violations = violations
        self._own_numbers = own_numbers
        self._changes = changes
        self._book = AccountBook(auth_id, own_numbers)
        self.requests: deque[RestRequest] = deque(maxlen=100_000)

    def application(self) -> web.Application:
        app = web.Application()
        call, number = (f"{_PREFIX}/{kind}/{{uuid}}/" for kind in ("Call", "Number"))
        applications = f"{_PREFIX}/Application/"
        app.add_routes(
            [
                web.post(f"{_PREFIX}/Call/", self._route("create", CALLS, self._create)),
                web.get(f"{_PREFIX}/Call/", self._route("list", CALLS, self._list)),
                web.get(call, self._route("read", CALL, self._read)),
                web.post(call, self._route("transfer", CALL, self._transfer)),
                web.delete(call, self._route("hang up", CALL, self._hang_up)),
                web.delete(
                    f"{_PREFIX}/Request/{{uuid}}/", self._route("cancel", REQUEST, self._cancel)
                ),
                web.get(f"{_PREFIX}/", self._route("account", ACCOUNT, self._account)),
                web.get(number, self._route("number", NUMBER, self._number)),
                web.post(number, self._route("assign", NUMBER, self._assign)),
                web.get(
                    applications, self._route("applications", APPLICATIONS, self._applications)
                ),
                web.post(
                    applications,
                    self._route("create application", APPLICATIONS, self._new_application),
                ),
                web.post(
                    f"{applications}{{uuid}}/",
                    self._route("change application", APPLICATION, self._change_application),
                ),
                web.route("*", "/{other:.*}", self._unknown),
            ]
        )
        return app

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        self._violations.append(f"{request.method} {request.path}: not emulated")
        return ApiError(404, "not found").response()

    def _route(
        self,
        operation: Operation,
        path: str,
        do: Callable[[str, RestRequest], _Answer],
    ) -> Callable[[web.Request], "asyncio.Future[web.StreamResponse]"]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, operation, path, do)

        return serve  # pyright: ignore[reportReturnType]

    async def _serve(
        self,
        request: web.Request,
        operation: Operation,
        path: str,
        do: Callable[[str, RestRequest], _Answer],
    ) -> web.StreamResponse:
        record = RestRequest(operation, request.path, dict(request.query), await _json(request))
        self.requests.append(record)
        self._changes.notify()
        withhold: LoseAnswer | None = None
        for fault in self._faults.strike(record):
            match fault:
                case Fail(status, _, message, headers):
                    record.status = status
                    return ApiError(status, message).response(dict(headers))
                case Hang(seconds):
                    return await _hang(request, seconds)
                case Disconnect():
                    return _cut(request)
                case LoseAnswer():
                    withhold = fault
        try:
            self._authenticate(request)
            self._check(request, operation, path, record)
            answer = do(request.match_info.get("uuid", ""), record)
        except ApiError as refusal:
            record.status = refusal.status
            return refusal.response()
        if withhold is not None:
            return await _hang(request, None) if withhold.hang else _cut(request)
        record.status = answer.status
        if answer.body is None:
            return web.Response(status=answer.status)
        return web.json_response({"api_id": str(uuid4()), **answer.body}, status=answer.status)

    def _authenticate(self, request: web.Request) -> None:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            presented = b64decode(value, validate=True)
        except Base64Error:
            presented = b""
        expected = f"{self._auth_id}:{self._auth_token}".encode()
        known = kind == "Basic" and compare_digest(expected, presented)
        if not known or request.match_info["account"] != self._auth_id:
            raise ApiError(401, "Could not verify your access level for that URL.")

    def _check(
        self, request: web.Request, operation: Operation, path: str, record: RestRequest
    ) -> None:
        wrong = check_query(request.method, path, record.query)
        # The official package repeats the path's UUID in the body.
        body = {name: value for name, value in record.body.items() if name != "call_uuid"}
        wrong += check_body(request.method, path, body or None)
        if request.method == "POST" and request.content_type != "application/json":
            wrong.append(f"content type {request.content_type}")
        wrong += [f"{name}: not emulated" for name in _NOT_EMULATED & record.body.keys()]
        if operation == "transfer" and not {"legs", "aleg_url"} <= record.body.keys():
            wrong.append("legs and aleg_url are needed to transfer")
        if wrong:
            self._violations += [f"{operation}: {text}" for text in wrong]
            raise ApiError(400, {"invalid": wrong})

    # --- what they do

    def _create(self, _: str, record: RestRequest) -> _Answer:
        body = record.body
        to, from_ = (str(body[name]).removeprefix("+") for name in ("to", "from"))
        if not (to.isdecimal() and 7 <= len(to) <= 15):
            raise ApiError(400, f"{body['to']} is not a valid phone number")
        if f"+{from_}" not in self._own_numbers:
            raise ApiError(400, f"{body['from']} is not a number of the account")
        answer = _fetch(body, "answer")
        assert answer is not None
        order = Order(
            to,
            from_,
            "outbound",
            answer,
            ring=_fetch(body, "ring"),
            hangup=_fetch(body, "hangup"),
            fallback=_fetch(body, "fallback"),
            ring_timeout=int(str(body.get("ring_timeout", 120))),
            time_limit=int(str(body.get("time_limit", 14400))),
            send_digits=str(body.get("send_digits", "")),
        )
        call = self._switchboard.place(order)
        return _Answer(201, {"message": "call fired", "request_uuid": call.request_uuid})

    def _list(self, _: str, record: RestRequest) -> _Answer:
        status = record.query.get("status")
        if status is None:
            self._violations.append("list: the list of finished calls is not emulated")
            raise ApiError(400, "not emulated")
        lines = self._switchboard.lines.values()
        names = [_name(line.call) for line in lines if _is(line.call, status)]
        first, count = int(record.query.get("offset", "0")), int(record.query.get("limit", "20"))
        return _Answer(200, {"calls": names[first : first + count]})

    def _read(self, name: str, record: RestRequest) -> _Answer:
        status = record.query.get("status")
        for line in self._switchboard.lines.values():
            call = line.call
            if status is not None and _is(call, status) and _name(call) == name:
                return _Answer(200, call.live_json())
            if status is None and call.over and call.uuid == name:
                return _Answer(200, call.record_json())
        raise _not_found()

    def _transfer(self, uuid: str, record: RestRequest) -> _Answer:
        line = self._switchboard.lines.get(uuid)
        if line is None or line.call.status != "in-progress":
            raise _not_found()
        fetch = _fetch(record.body, "aleg")
        assert fetch is not None
        line.transfer(fetch)
        return _Answer(202, {"message": "call transferred", "call_uuids": [uuid]})

    def _hang_up(self, uuid: str, _: RestRequest) -> _Answer:
        line = self._switchboard.lines.get(uuid)
        if line is None or line.call.over or line.call.status == "queued":
            raise _not_found()
        line.hang_up("gateway")
        return _Answer(204)

    def _cancel(self, request_uuid: str, _: RestRequest) -> _Answer:
        for line in self._switchboard.lines.values():
            if line.call.request_uuid == request_uuid and line.call.status in {"queued", "ringing"}:
                line.hang_up("gateway")
                return _Answer(204)
        raise _not_found()

    # --- the account

    def _account(self, _: str, __: RestRequest) -> _Answer:
        return _Answer(200, self._book.account())

    def _number(self, digits: str, _: RestRequest) -> _Answer:
        return _Answer(200, self._book.number(digits))

    def _assign(self, digits: str, record: RestRequest) -> _Answer:
        self._book.assign(digits, record.body)
        return _Answer(202, {"message": "changed"})

    def _applications(self, _: str, record: RestRequest) -> _Answer:
        query = record.query
        first, count = int(query.get("offset", "0")), int(query.get("limit", "20"))
        return _Answer(200, self._book.applications(query.get("app_name", ""), first, count))

    def _new_application(self, _: str, record: RestRequest) -> _Answer:
        return _Answer(201, {"message": "created", "app_id": self._book.create(record.body)})

    def _change_application(self, app_id: str, record: RestRequest) -> _Answer:
        self._book.change(app_id, record.body)
        return _Answer(202, {"message": "changed"})


def _is(call: Call, status: str) -> bool:
    return not call.over and (call.status == "queued") == (status == "queued")


def _name(call: Call) -> str:
    """What lists call it: a queued call has no name but its request's."""
    return call.request_uuid if call.status == "queued" else call.uuid


def _fetch(body: Mapping[str, object], name: str) -> Fetch | None:
    url = body.get(f"{name}_url")
    return None if url is None else Fetch(str(url), str(body.get(f"{name}_method", "POST")))


def _not_found() -> ApiError:
    return ApiError(404, "not found")


async def _json(request: web.Request) -> Json:
    body = await request.read()
    try:
        return msgspec.json.decode(body, type=dict[str, object]) if body else {}
    except msgspec.DecodeError:
        return {"": body.decode("utf-8", "replace")}


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
