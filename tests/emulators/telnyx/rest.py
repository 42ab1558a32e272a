"""Telnyx's Call Control API: HTTP, authentication, checks against the specification, faults."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol

import msgspec
from aiohttp import web

from tests.emulators.clock import Changes
from tests.emulators.faults import Disconnect, Fail, FaultPlan, Hang, LoseAnswer, RestFault
from tests.emulators.telnyx.account import Account, AccountBook
from tests.emulators.telnyx.calls import Call, Json, Order
from tests.emulators.telnyx.commands import ApiError, Idempotence, obey, read_order
from tests.emulators.telnyx.line import Line
from tests.emulators.telnyx.spec import (
    ACTIONS,
    APPLICATION,
    CALLS,
    NUMBER,
    actions,
    check_body,
    check_object,
)


@dataclass
class RestRequest:
    """A request of the gateway to the API, and how it was answered.

    `operation` is `dial`, `retrieve`, `active_calls`, the name of a command, or of the account
    `numbers`, `number`, `application`, `change_application`.
    """

    operation: str
    path: str
    body: Json = field(default_factory=dict[str, object])
    control_id: str = ""
    status: int | None = None
    """None while unanswered, and where the answer was withheld."""
    ignored: bool = False
    """The command id was known: nothing was done."""


class Switchboard(Account, Protocol):
    """What the API needs of the emulator."""

    @property
    def lines(self) -> Mapping[str, Line]: ...
    def place(self, order: Order) -> Call: ...
    def check_dial(self, body: Json) -> None: ...


class RestApi:
    """The HTTP side. Commands are carried out by `commands.obey`."""

    def __init__(
        self,
        switchboard: Switchboard,
        api_key: str,
        connection_id: str,
        faults: FaultPlan[RestRequest, RestFault],
        violations: list[str],
        changes: Changes,
    ) -> None:
        self._switchboard = switchboard
        self._api_key = api_key
        self._connection_id = connection_id
        self._faults = faults
        self._violations = violations
        self._changes = changes
        self._known = Idempotence()
        self._book = AccountBook(switchboard, connection_id)
        self.requests: deque[RestRequest] = deque(maxlen=100_000)

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v2/calls", self._dial),
                web.get("/v2/calls/{call}", self._retrieve),
                web.route("*", "/v2/calls/{call}/actions/{action}", self._act),
                web.get("/v2/connections/{connection}/active_calls", self._active),
                web.get("/v2/phone_numbers", self._list_numbers),
                web.patch("/v2/phone_numbers/{id}", self._move_number),
                web.get("/v2/call_control_applications/{id}", self._read_application),
                web.patch("/v2/call_control_applications/{id}", self._change_application),
                web.route("*", "/{other:.*}", self._unknown),
            ]
        )
        return app

    async def _dial(self, http: web.Request) -> web.StreamResponse:
        request = RestRequest("dial", http.path, await self._body(http))
        return await self._serve(http, request, lambda: self._do_dial(request))

    async def _retrieve(self, http: web.Request) -> web.StreamResponse:
        request = RestRequest("retrieve", http.path, control_id=http.match_info["call"])
        return await self._serve(
            http, request, lambda: _shown("Call", self._line(request).call.as_json())
        )

    async def _active(self, http: web.Request) -> web.StreamResponse:
        request = RestRequest("active_calls", http.path)
        return await self._serve(http, request, lambda: self._do_list(http))

    async def _act(self, http: web.Request) -> web.StreamResponse:
        action = http.match_info["action"]
        if actions().get(action) != http.method:
            return await self._unknown(http)
        body = await self._body(http)
        request = RestRequest(action, http.path, body, http.match_info["call"])
        return await self._serve(http, request, lambda: self._do_act(request))

    async def _list_numbers(self, http: web.Request) -> web.StreamResponse:
        def listed() -> Json:
            found = [
                _shown("PhoneNumberDetailed", n)["data"] for n in self._book.numbers(http.query)
            ]
            meta = {"page_number": 1, "page_size": 20, "total_pages": 1}
            return {"data": found, "meta": {**meta, "total_results": len(found)}}

        return await self._serve(http, RestRequest("numbers", http.path), listed)

    async def _move_number(self, http: web.Request) -> web.StreamResponse:
        request = RestRequest("number", http.path, await self._body(http))

        def move() -> Json:
            self._check(request, NUMBER, "patch")
            number = self._book.move(http.match_info["id"], request.body)
            return _shown("PhoneNumberDetailed", number)

        return await self._serve(http, request, move)

    async def _read_application(self, http: web.Request) -> web.StreamResponse:
        def read() -> Json:
            application = self._book.application(http.match_info["id"])
            return _shown("CallControlApplication", application)

        return await self._serve(http, RestRequest("application", http.path), read)

    async def _change_application(self, http: web.Request) -> web.StreamResponse:
        request = RestRequest("change_application", http.path, await self._body(http))

        def change() -> Json:
            self._check(request, APPLICATION, "patch")
            application = self._book.change(http.match_info["id"], request.body)
            return _shown("CallControlApplication", application)

        return await self._serve(http, request, change)

    async def _unknown(self, http: web.Request) -> web.StreamResponse:
        self._violations.append(f"{http.method} {http.path}: not emulated")
        return ApiError(404, "10005", "Resource not found").response()

    async def _serve(
        self, http: web.Request, request: RestRequest, do: Callable[[], Json]
    ) -> web.StreamResponse:
        self.requests.append(request)
        self._changes.notify()
        withhold: LoseAnswer | None = None
        for fault in self._faults.strike(request):
            match fault:
                case Fail(status, code, message, headers):
                    request.status = status
                    return ApiError(status, str(code), message).response(dict(headers))
                case Hang(seconds):
                    return await _hang(http, seconds)
                case Disconnect():
                    return _cut(http)
                case LoseAnswer():
                    withhold = fault
        try:
            self._authenticate(http)
            answer = do()
        except ApiError as refusal:
            request.status = refusal.status
            return refusal.response()
        if withhold is not None:
            return await _hang(http, None) if withhold.hang else _cut(http)
        request.status = 200
        self._changes.notify()
        return web.json_response(answer)

    def _authenticate(self, http: web.Request) -> None:
        expected = f"Bearer {self._api_key}".encode()
        if not compare_digest(http.headers.get("Authorization", "").encode(), expected):
            raise ApiError(401, "10009", "Authentication failed")

    async def _body(self, http: web.Request) -> Json:
        if http.content_type != "application/json":
            self._violations.append(f"{http.path}: content type {http.content_type}")
        try:
            return msgspec.json.decode(await http.read(), type=dict[str, object])
        except msgspec.DecodeError:
            self._violations.append(f"{http.path}: the body is not a JSON object")
            return {}

    def _check(self, request: RestRequest, path: str, method: str) -> None:
        wrong = check_body(path, method, request.body)
        if wrong:
            self._violations += [f"{request.operation}: {text}" for text in wrong]
            raise ApiError(422, "10015", f"Bad request: {'; '.join(wrong)}")

    # --- what they do

    def _line(self, request: RestRequest) -> Line:
        line = self._switchboard.lines.get(request.control_id)
        if line is None:
            raise ApiError(422, "90015", "Invalid Call Control ID")
        return line

    def _do_dial(self, request: RestRequest) -> Json:
        self._check(request, CALLS, "post")
        self._switchboard.check_dial(request.body)
        command_id = str(request.body.get("command_id", ""))
        # What the answer to a repeated dial is, is not documented: here, the call of the first.
        earlier = self._known.seen("", command_id)
        if isinstance(earlier, str):
            request.ignored = True
            call = self._switchboard.lines[earlier].call
        else:
            call = self._switchboard.place(read_order(request.body))
            self._known.keep("", command_id, call.control_id)
        return _shown("CallWithRecordingId", call.as_json(dialled=True))

    def _do_act(self, request: RestRequest) -> Json:
        method = actions()[request.operation].lower()
        self._check(request, ACTIONS + request.operation, method)
        line, command_id = self._line(request), str(request.body.get("command_id", ""))
        if self._known.seen(request.control_id, command_id):
            request.ignored = True
        else:
            obey(line, request.operation, request.body, self._violations)
            self._known.keep(request.control_id, command_id, request.control_id)
            if isinstance(state := request.body.get("client_state"), str):
                line.call.client_state = state
        return _shown("CallControlCommandResult", {"result": "ok"})

    def _do_list(self, http: web.Request) -> Json:
        if http.match_info["connection"] != self._connection_id:
            raise ApiError(404, "10005", "Resource not found")
        live = [line.call for line in self._switchboard.lines.values() if not line.call.over]
        size = int(http.query.get("page[limit]", "20"))
        start = int(http.query.get("page[after]", "0"))
        if not 1 <= size <= 250 or set(http.query) - {"page[limit]", "page[after]"}:
            self._violations.append(f"active_calls: {http.query_string}")
        after = start + size
        return {
            "data": [call.as_active() for call in live[start:after]],
            "meta": {"cursors": {"after": str(after)} if after < len(live) else {}},
        }


def _shown(schema: str, value: Json) -> Json:
    wrong = check_object(schema, value)
    assert not wrong, f"the emulator's own {schema}: {wrong}"
    return {"data": value}


async def _hang(http: web.Request, seconds: float | None) -> web.Response:
    """Answer nothing for a while, then cut the connection; ends when the other side gives up."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return _cut(http)
    raise AssertionError("nobody sets the event")


def _cut(http: web.Request) -> web.Response:
    if http.transport is not None:
        http.transport.abort()
    return web.Response()
