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

from openclaw_voice_call.carriers.plivo.api import (
    PAGES,
    CallDetail,
    LiveCall,
    PlivoApi,
    PlivoSettings,
    PlivoTimeouts,
)
from openclaw_voice_call.carriers.rest import BODY_LIMIT
from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRefused,
    CarrierUnreachable,
    LineGone,
)

ACCOUNT = "MA0123456789ABCDEFGH"
SECRET = "5ecret5ecret5ecret5ecret5ecret55"
UUID = "9834029e-58b6-11e1-b8b7-a5bd0e4e126f"
BODY = {"to": "15550005678", "ring_timeout": 30}
IMPATIENT = PlivoTimeouts(create_s=0.3, other_s=0.2)

Answer = Callable[[web.Request], web.StreamResponse]


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, str]
    body: str
    authorization: str


@dataclass
class Server:
    """Answers request after request from a list, the last one for ever."""

    answers: Sequence[Answer | None]
    seen: list[Seen] = field(default_factory=list[Seen])
    pauses: list[float] = field(default_factory=list[float])
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        body = await request.text()
        self.seen.append(
            Seen(request.method, request.raw_path, dict(request.query), body, authorization)
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


def refuses(status: int, error: object = "No.", **headers: str) -> Answer:
    return says({"api_id": "97ceeb52", "error": error}, status, **headers)


CREATED = says({"message": "call fired", "request_uuid": UUID, "api_id": "x"}, 201)
LIVE = says({"call_status": "ringing", "call_uuid": UUID, "from": "1", "to": "2"})
GONE = says(status=204, text="")
TOO_MANY = refuses(429)
HANGS = None


@asynccontextmanager
async def serving(*answers: Answer | None) -> AsyncGenerator[tuple[Server, PlivoApi]]:
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
) -> AsyncGenerator[PlivoApi]:
    settings = PlivoSettings(ACCOUNT, SECRET, base_url=url)
    async with aiohttp.ClientSession() as session:
        yield PlivoApi(settings, session, timeouts=IMPATIENT, sleep=pause, jitter=lambda: 0.5)


async def failure(api: PlivoApi, operation: str = "create") -> CarrierError:
    """The error of an operation, which is checked not to tell any secret."""
    operations: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: api.create(BODY),
        "list": lambda: api.listed("live"),
        "current": lambda: api.current(UUID, "live"),
        "detail": lambda: api.detail(UUID),
        "transfer": lambda: api.transfer(UUID, "https://voice.example.org/"),
        "hang up": lambda: api.hang_up(UUID),
        "cancel": lambda: api.cancel(UUID),
    }
    with pytest.raises(CarrierError) as caught:
        await operations[operation]()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for secret in (SECRET, ACCOUNT, b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()):
        assert secret not in told
    return caught.value


# --- requests


async def test_a_call_is_created_by_json_with_basic_authentication() -> None:
    async with serving(CREATED) as (server, api):
        assert await api.create(BODY) == UUID
    [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", f"/v1/Account/{ACCOUNT}/Call/")
    assert seen.body == '{"to":"15550005678","ring_timeout":30}'
    assert seen.authorization == "Basic " + b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()


async def test_every_path_ends_in_a_slash_and_holds_one_id() -> None:
    lists = says({"api_id": "x", "calls": [UUID]})
    record = says({"call_state": "ANSWER", "hangup_cause_code": 4000, "end_time": "2026"})
    async with serving(lists, LIVE, record, says({}, 202), GONE, GONE) as (server, api):
        assert await api.listed("queued") == [UUID]
        live = await api.current(UUID, "live")
        assert live == LiveCall("ringing", from_="1", to="2", call_uuid=UUID)
        assert await api.detail(UUID) == CallDetail(
            "ANSWER", end_time="2026", hangup_cause_code=4000
        )
        await api.transfer(UUID, "https://voice.example.org/?a=1&b=2#rc=2")
        await api.hang_up("a/../b?")
        await api.cancel(UUID)
    root = f"/v1/Account/{ACCOUNT}"
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("GET", f"{root}/Call/?status=queued&limit=20&offset=0"),
        ("GET", f"{root}/Call/{UUID}/?status=live"),
        ("GET", f"{root}/Call/{UUID}/"),
        ("POST", f"{root}/Call/{UUID}/"),
        ("DELETE", f"{root}/Call/a%2F..%2Fb%3F/"),
        ("DELETE", f"{root}/Request/{UUID}/"),
    ]
    assert server.seen[3].body == (
        '{"legs":"aleg","aleg_url":"https://voice.example.org/?a=1&b=2#rc=2","aleg_method":"POST"}'
    )


@pytest.mark.parametrize(
    ("pages", "asked", "found"),
    [
        ([["a"] * 3], 1, 1),
        ([[f"a{n}" for n in range(20)], ["b"]], 2, 21),
        # A list that never ends, and one that pays no heed to the offset.
        ([[f"{page}-{n}" for n in range(20)] for page in range(9)], PAGES, 20 * PAGES),
        ([[f"a{n}" for n in range(50)]] * 9, 2, 50),
    ],
)
async def test_lists_are_read_page_by_page(pages: list[list[str]], asked: int, found: int) -> None:
    answers = [says({"calls": calls}) for calls in pages]
    async with serving(*answers) as (server, api):
        assert len(await api.listed("live")) == found
    assert [seen.query["offset"] for seen in server.seen] == [str(20 * n) for n in range(asked)]


def test_settings_show_neither_account_nor_token() -> None:
    shown = repr(PlivoSettings(ACCOUNT, SECRET))
    assert ACCOUNT not in shown
    assert SECRET not in shown


# --- refusals


@pytest.mark.parametrize(
    ("answer", "operation", "kind", "text"),
    [
        (refuses(400, "bad to"), "create", CarrierRefused, "bad to"),
        (refuses(400, {"to": ["bad"]}), "create", CarrierRefused, '{"to":["bad"]}'),
        (refuses(403, "concurrent calls"), "create", CarrierRefused, "concurrent calls"),
        (refuses(404), "create", CarrierRefused, "No."),
        (refuses(404), "list", CarrierRefused, "No."),
        (refuses(404), "current", LineGone, "No."),
        (refuses(404), "detail", LineGone, "No."),
        (refuses(404), "transfer", LineGone, "No."),
        (refuses(404), "hang up", LineGone, "No."),
        (refuses(404), "cancel", LineGone, "No."),
        (refuses(405), "transfer", CarrierRefused, "No."),
        (refuses(500), "create", CarrierOutcomeUnknown, "No."),
        (refuses(503), "transfer", CarrierOutcomeUnknown, "No."),
        (refuses(502), "hang up", CarrierOutcomeUnknown, "No."),
        (refuses(502), "current", CarrierUnreachable, "No."),
        (says(None, 400, "<html>"), "create", CarrierRefused, "Bad Request"),
        (says(None, 307, "", Location="http://127.0.0.1:1/"), "create", CarrierRefused, "Redirect"),
        (says({"message": "no such thing"}, 400), "create", CarrierRefused, "no such thing"),
    ],
)
@pytest.mark.scenario("F57", carrier="plivo")
async def test_a_refusal_is_told_with_its_reason(
    answer: Answer, operation: str, kind: type[CarrierError], text: str
) -> None:
    async with serving(answer) as (_, api):
        error = await failure(api, operation)
    assert type(error) is kind
    assert text in str(error)
    assert f"HTTP {error.status}" in str(error)


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "plivo.authToken"), (403, "geo permissions"), (400, None)]
)
async def test_a_refusal_comes_with_a_remedy(status: int, remedy: str | None) -> None:
    async with serving(refuses(status, f"Account {ACCOUNT} {SECRET}")) as (server, api):
        error = await failure(api)
    assert isinstance(error, CarrierRefused)
    assert (error.remedy is None) is (remedy is None)
    assert remedy is None or remedy in str(error.remedy)
    assert len(server.seen) == 1


async def test_a_long_reason_is_cut() -> None:
    async with serving(refuses(400, "x" * 5000)) as (_, api):
        assert len(str(await failure(api))) < 400


# --- repeating


async def test_a_create_is_repeated_only_when_plivo_did_nothing() -> None:
    async with serving(TOO_MANY, TOO_MANY, CREATED) as (server, api):
        assert await api.create(BODY) == UUID
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
    async with serving(refuses(429, Retry_After=retry_after), CREATED) as (server, api):
        if pauses:
            await api.create(BODY)
        else:
            assert (await failure(api)).retry_after_s == 60.0
    assert server.pauses == pauses


@pytest.mark.parametrize(
    "trouble", [refuses(500), breaks, HANGS, says(None, 201, "{"), says({"message": "queued"}, 201)]
)
@pytest.mark.scenario("F57", carrier="plivo")
async def test_a_create_whose_outcome_is_unknown_is_never_repeated(
    trouble: Answer | None,
) -> None:
    async with serving(trouble, CREATED) as (server, api), asyncio.timeout(5):
        error = await failure(api)
    assert isinstance(error, CarrierOutcomeUnknown)
    assert len(server.seen) == 1
    assert server.pauses == []


@pytest.mark.parametrize("trouble", [refuses(500), breaks, HANGS, TOO_MANY])
@pytest.mark.scenario("F64", carrier="plivo")
async def test_reading_and_ending_are_repeated(trouble: Answer | None) -> None:
    async with serving(trouble, trouble, LIVE) as (server, api), asyncio.timeout(5):
        await api.current(UUID, "live")
        assert len(server.seen) == 3
    async with serving(trouble, trouble, GONE) as (server, api), asyncio.timeout(5):
        await api.hang_up(UUID)
        assert len(server.seen) == 3


async def test_a_transfer_is_not_begun_twice() -> None:
    async with serving(refuses(500), says({}, 202)) as (server, api):
        assert isinstance(await failure(api, "transfer"), CarrierOutcomeUnknown)
    assert len(server.seen) == 1


# --- no server


async def test_nothing_was_sent_where_nobody_listens() -> None:
    silent = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    silent.close()
    await silent.wait_closed()
    async with client(f"http://127.0.0.1:{port}") as api:
        assert isinstance(await failure(api), CarrierUnreachable)


async def test_an_endless_answer_is_not_read() -> None:
    async with serving(says(None, 200, "x" * (BODY_LIMIT + 1))) as (_, api):
        assert isinstance(await failure(api), CarrierOutcomeUnknown)
