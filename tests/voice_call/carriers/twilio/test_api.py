"""The REST client against a server that answers, refuses, hangs and breaks."""

from __future__ import annotations

import asyncio
import traceback
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from openclaw_voice_call.carriers.rest import BODY_LIMIT
from openclaw_voice_call.carriers.twilio.api import CallResource, TwilioApi
from openclaw_voice_call.carriers.twilio.rest import (
    TwilioSettings,
    TwilioTimeouts,
    api_base,
    rest_client,
)
from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRefused,
    CarrierUnreachable,
    LineGone,
)

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
SECRET = "5ecret5ecret5ecret5ecret5ecret55"
SID = "CA0123456789abcdef0123456789abcdef"
RINGING = {"sid": SID, "status": "ringing", "to": "+15550005678", "price": None}
FORM = (("To", "+15550005678"), ("StatusCallbackEvent", "a"), ("StatusCallbackEvent", "b"))
IMPATIENT = TwilioTimeouts(create_s=0.3, other_s=0.2)

Answer = Callable[[web.Request], web.StreamResponse]


@dataclass
class Seen:
    method: str
    path: str
    query: list[tuple[str, str]]
    form: Sequence[tuple[str, object]]
    authorization: str


@dataclass
class Server:
    """Answers request after request from a list, the last one for ever."""

    answers: Sequence[Answer | None]
    seen: list[Seen] = field(default_factory=list[Seen])
    pauses: list[float] = field(default_factory=list[float])
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = list((await request.post()).items())
        authorization = request.headers.get("Authorization", "")
        self.seen.append(
            Seen(request.method, request.path, list(request.query.items()), form, authorization)
        )
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets the event")
        return answer(request)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def says(body: object = None, status: int = 200, text: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if text is not None:
        return lambda _: web.Response(text=text, status=status, headers=named)
    return lambda _: web.json_response(body, status=status, headers=named)


def breaks(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def refuses(status: int, code: int, message: str = "No.", **headers: str) -> Answer:
    body = {"code": code, "message": message, "more_info": "", "status": status}
    return says(body, status, **headers)


CREATED = says(RINGING, 201)
TOO_MANY = refuses(429, 20429, "Too many requests")
HANGS = None


@asynccontextmanager
async def serving(*answers: Answer | None) -> AsyncGenerator[tuple[Server, TwilioApi]]:
    server = Server(answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        async with client(server.url, server.pause) as api:
            yield server, api
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(
    url: str, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncGenerator[TwilioApi]:
    settings = TwilioSettings(ACCOUNT, SECRET, base_url=url)
    async with aiohttp.ClientSession() as session:
        rest = rest_client(settings, session, timeouts=IMPATIENT, sleep=pause, jitter=lambda: 0.5)
        yield TwilioApi(rest)


async def failure(api: TwilioApi, operation: str = "create") -> CarrierError:
    """The error of an operation, which is checked not to tell any secret."""
    operations = {
        "create": lambda: api.create(FORM),
        "fetch": lambda: api.fetch(SID),
        "search": lambda: api.search(()),
        "redirect": lambda: api.redirect(SID, "https://voice.example.org/"),
        "end": lambda: api.end(SID, "completed"),
    }
    with pytest.raises(CarrierError) as caught:
        await operations[operation]()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for secret in (SECRET, b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()):
        assert secret not in told
    return caught.value


# --- requests


async def test_a_call_is_created_by_a_form_with_basic_authentication() -> None:
    async with serving(CREATED) as (server, api):
        assert await api.create(FORM) == CallResource(SID, "ringing")
    [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert seen.form == list(FORM)
    assert seen.authorization == "Basic " + b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()


async def test_a_call_is_searched_fetched_redirected_and_ended() -> None:
    async with serving(says({"calls": [RINGING], "page": 0}), CREATED) as (server, api):
        assert await api.search((("StartTime>", "2026-02-16T00:00:00Z"), ("To", "+15550005678")))
        await api.fetch(SID)
        await api.redirect(SID, "https://voice.example.org/?a=1&b=2#rc=2")
        await api.end("CA/../x?", "canceled")
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("GET", f"{path}.json"),
        ("GET", f"{path}/{SID}.json"),
        ("POST", f"{path}/{SID}.json"),
        ("POST", f"{path}/CA/../x?.json"),
    ]
    assert server.seen[0].query == [
        ("StartTime>", "2026-02-16T00:00:00Z"),
        ("To", "+15550005678"),
    ]
    assert server.seen[2].form == [
        ("Url", "https://voice.example.org/?a=1&b=2#rc=2"),
        ("Method", "POST"),
    ]
    assert server.seen[3].form == [("Status", "canceled")]


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        (TwilioSettings(ACCOUNT, SECRET), "https://api.twilio.com"),
        (TwilioSettings(ACCOUNT, SECRET, region="ie1"), "https://api.ie1.twilio.com"),
        (TwilioSettings(ACCOUNT, SECRET, edge="ashburn"), "https://api.ashburn.us1.twilio.com"),
        (
            TwilioSettings(ACCOUNT, SECRET, region="au1", edge="sydney"),
            "https://api.sydney.au1.twilio.com",
        ),
        (
            TwilioSettings(ACCOUNT, SECRET, region="ie1", base_url="http://127.0.0.1:1/"),
            "http://127.0.0.1:1",
        ),
    ],
)
def test_region_and_edge_name_the_host(settings: TwilioSettings, base: str) -> None:
    assert api_base(settings) == base
    assert SECRET not in repr(settings)


# --- refusals


@pytest.mark.parametrize(
    ("answer", "operation", "kind", "code", "text"),
    [
        (refuses(400, 21211, "bad To"), "create", CarrierRefused, "21211", "bad To"),
        (refuses(404, 20404), "create", CarrierRefused, "20404", "No."),
        (refuses(404, 20404), "search", CarrierRefused, "20404", "No."),
        (refuses(404, 20404), "fetch", LineGone, "20404", "No."),
        (refuses(404, 20404), "redirect", LineGone, "20404", "No."),
        (refuses(404, 20404), "end", LineGone, "20404", "No."),
        (refuses(400, 21220), "redirect", CarrierRefused, "21220", "No."),
        (refuses(403, 20003), "fetch", CarrierRefused, "20003", "No."),
        (refuses(500, 20500), "create", CarrierOutcomeUnknown, "20500", "No."),
        (refuses(503, 0), "redirect", CarrierOutcomeUnknown, "0", "No."),
        (refuses(502, 0), "end", CarrierOutcomeUnknown, "0", "No."),
        (refuses(502, 0), "fetch", CarrierUnreachable, "0", "No."),
        (says(None, 400, "<html>"), "create", CarrierRefused, None, "Bad Request"),
        (
            says({"type": "t", "title": "Nope", "status": 400, "code": "X1"}, 400),
            "create",
            CarrierRefused,
            "X1",
            "Nope",
        ),
        (
            says({"title": "Nope", "detail": "because", "code": 20001, "errors": []}, 400),
            "create",
            CarrierRefused,
            "20001",
            "because",
        ),
        (
            says(None, 307, "", Location="http://127.0.0.1:1/"),
            "create",
            CarrierRefused,
            None,
            "Temporary Redirect",
        ),
    ],
)
@pytest.mark.scenario("F57", carrier="twilio")
async def test_a_refusal_is_told_with_code_and_reason(
    answer: Answer, operation: str, kind: type[CarrierError], code: str | None, text: str
) -> None:
    async with serving(answer) as (_, api):
        error = await failure(api, operation)
    assert type(error) is kind
    assert error.vendor_code == code
    assert error.status is not None
    assert text in str(error)
    assert f"HTTP {error.status}" in str(error)


async def test_wrong_credentials_come_with_a_remedy() -> None:
    async with serving(refuses(401, 20003, f"Authenticate {SECRET}")) as (server, api):
        error = await failure(api)
    assert isinstance(error, CarrierRefused)
    assert error.remedy is not None
    assert "twilio.authToken" in error.remedy
    assert len(server.seen) == 1


async def test_a_refusal_repeats_neither_the_token_nor_the_account() -> None:
    text = f"The resource /2010-04-01/Accounts/{ACCOUNT}/Calls was not found ({SECRET})"
    async with serving(refuses(404, 20404, text)) as (_, api):
        error = await failure(api, "create")
    assert "/Calls was not found" in str(error)
    assert ACCOUNT not in str(error)
    assert SECRET not in str(error)


async def test_a_long_reason_is_cut() -> None:
    async with serving(refuses(400, 1, "x" * 5000)) as (_, api):
        assert len(str(await failure(api))) < 400


# --- repeating


async def test_a_create_is_repeated_only_when_twilio_did_nothing() -> None:
    async with serving(TOO_MANY, TOO_MANY, CREATED) as (server, api):
        assert (await api.create(FORM)).sid == SID
    assert len(server.seen) == 3
    assert server.pauses == [0.75, 1.5]


async def test_a_create_gives_up_after_two_repetitions() -> None:
    async with serving(TOO_MANY) as (server, api):
        error = await failure(api)
    assert isinstance(error, CarrierBusy)
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("retry_after", "pauses"), [("3", [3.0]), ("0", [0.75]), ("soon", [0.75]), ("60", [])]
)
async def test_retry_after_is_honoured_within_reason(retry_after: str, pauses: list[float]) -> None:
    busy = refuses(429, 20429, Retry_After=retry_after)
    async with serving(busy, CREATED) as (server, api):
        if pauses:
            await api.create(FORM)
        else:
            assert (await failure(api)).retry_after_s == 60.0
    assert server.pauses == pauses


@pytest.mark.parametrize("trouble", [refuses(500, 0), breaks, HANGS, says(None, 201, "{")])
@pytest.mark.scenario("F57", carrier="twilio")
async def test_a_create_whose_outcome_is_unknown_is_never_repeated(
    trouble: Answer | None,
) -> None:
    async with serving(trouble, CREATED) as (server, api), asyncio.timeout(5):
        error = await failure(api)
    assert isinstance(error, CarrierOutcomeUnknown)
    assert len(server.seen) == 1
    assert server.pauses == []


@pytest.mark.parametrize("trouble", [refuses(500, 0), breaks, HANGS, TOO_MANY])
@pytest.mark.parametrize("operation", ["fetch", "end"])
@pytest.mark.scenario("F64", carrier="twilio")
async def test_reading_and_ending_are_repeated(trouble: Answer | None, operation: str) -> None:
    async with serving(trouble, trouble, CREATED) as (server, api), asyncio.timeout(5):
        call = await (api.fetch(SID) if operation == "fetch" else api.end(SID, "completed"))
    assert call.sid == SID
    assert len(server.seen) == 3


async def test_a_redirect_is_not_begun_twice() -> None:
    async with serving(refuses(500, 0), CREATED) as (server, api):
        assert isinstance(await failure(api, "redirect"), CarrierOutcomeUnknown)
    assert len(server.seen) == 1


# --- no server


async def test_nothing_was_sent_where_nobody_listens() -> None:
    silent = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    silent.close()
    await silent.wait_closed()
    async with client(f"http://127.0.0.1:{port}") as api:
        assert isinstance(await failure(api), CarrierUnreachable)


async def test_nothing_was_sent_before_the_connection_stands() -> None:
    """A host that accepts and then does not shake hands has not got the request."""
    connected: list[asyncio.StreamWriter] = []

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        async with client(f"https://127.0.0.1:{port}") as api, asyncio.timeout(5):
            assert isinstance(await failure(api), CarrierUnreachable)
        for writer in connected:
            writer.close()


async def test_an_endless_answer_is_not_read() -> None:
    async with serving(says(None, 200, "x" * (BODY_LIMIT + 1))) as (_, api):
        assert isinstance(await failure(api), CarrierOutcomeUnknown)
