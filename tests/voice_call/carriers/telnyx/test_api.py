"""The REST client against a server that answers, refuses, hangs and breaks."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from openclaw_voice_call.carriers.rest import BODY_LIMIT
from openclaw_voice_call.carriers.telnyx.api import (
    PAGES,
    CallResource,
    TelnyxApi,
    TelnyxSettings,
    TelnyxTimeouts,
    api_base,
)
from openclaw_voice_call.carriers.telnyx.commands import Command
from openclaw_voice_call.errors import (
    CarrierBusy,
    CarrierError,
    CarrierOutcomeUnknown,
    CarrierRefused,
    CarrierUnreachable,
    LineGone,
)

SECRET = "KEY5ecret5ecret5ecret"
LEG = "v3:a/b=="
CALL = {"call_control_id": LEG, "is_alive": True, "record_type": "call", "start_time": "2026"}
IMPATIENT = TelnyxTimeouts(dial_s=0.3, other_s=0.2)
BODY = {"command_id": "an-id", "to": "+15550005678"}

Answer = Callable[[web.Request], web.StreamResponse]


@dataclass
class Seen:
    method: str
    path: str
    body: str
    authorization: str


@dataclass
class Server:
    """Answers request after request from a list, the last one for ever."""

    answers: Sequence[Answer | None]
    seen: list[Seen] = field(default_factory=list[Seen])
    pauses: list[float] = field(default_factory=list[float])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        self.seen.append(
            Seen(request.method, request.raw_path, await request.text(), authorization)
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


def refuses(status: int, code: str, detail: str = "No.", **headers: str) -> Answer:
    error = {"code": code, "title": "Refused", "detail": detail}
    return says({"errors": [error]}, status, **headers)


def breaks(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


TAKEN = says({"data": CALL})
DONE = says({"data": {"result": "ok"}})
TOO_MANY = refuses(429, "10011")
HANGS = None


@asynccontextmanager
async def client(
    url: str, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncGenerator[TelnyxApi]:
    settings = TelnyxSettings(SECRET, "168/1", None, base_url=url)
    async with aiohttp.ClientSession() as session:
        yield TelnyxApi(settings, session, timeouts=IMPATIENT, sleep=pause, jitter=lambda: 0.5)


@asynccontextmanager
async def serving(*answers: Answer | None) -> AsyncGenerator[tuple[Server, TelnyxApi]]:
    server = Server(answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with client(f"http://{host}:{port}", server.pause) as api:
            yield server, api
    finally:
        await runner.cleanup()


async def ask(api: TelnyxApi, operation: str) -> object:
    match operation:
        case "dial":
            return await api.dial(BODY)
        case "retrieve":
            return await api.retrieve(LEG)
        case "active":
            return await api.active_calls()
        case "remember":
            return await api.remember(LEG, BODY)
        case _:
            return await api.command(LEG, Command(operation, BODY))


async def failure(api: TelnyxApi, operation: str = "dial") -> CarrierError:
    """The error of an operation, which is checked not to tell the key."""
    with pytest.raises(CarrierError) as caught:
        await ask(api, operation)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in told
    return caught.value


# --- requests


async def test_requests_are_json_with_the_key_and_encoded_ids() -> None:
    async with serving(TAKEN, TAKEN, DONE, DONE) as (server, api):
        assert await ask(api, "dial") == CallResource(LEG, is_alive=True, start_time="2026")
        await ask(api, "retrieve")
        await ask(api, "speak")
        await ask(api, "remember")
    body = '{"command_id":"an-id","to":"+15550005678"}'
    call = "/v2/calls/v3%3Aa%2Fb%3D%3D"
    assert [(seen.method, seen.path, seen.body) for seen in server.seen] == [
        ("POST", "/v2/calls", body),
        ("GET", call, ""),
        ("POST", f"{call}/actions/speak", body),
        ("PUT", f"{call}/actions/client_state_update", body),
    ]
    assert {seen.authorization for seen in server.seen} == {f"Bearer {SECRET}"}


async def test_active_calls_are_read_page_by_page() -> None:
    first = {"data": [CALL], "meta": {"cursors": {"after": "v1:x="}}}
    last = {"data": [CALL], "meta": {"cursors": {"after": None}}}
    async with serving(says(first), says(last)) as (server, api):
        assert len(await api.active_calls()) == 2
    path = "/v2/connections/168%2F1/active_calls?page%5Blimit%5D=250"
    assert [seen.path for seen in server.seen] == [path, f"{path}&page%5Bafter%5D=v1%3Ax%3D"]


async def test_pages_without_end_are_bounded() -> None:
    page = {"data": [CALL], "meta": {"cursors": {"after": "again"}}}
    async with serving(says(page)) as (server, api):
        assert len(await api.active_calls()) == PAGES
    assert len(server.seen) == PAGES


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("", "https://api.telnyx.com/v2"),
        ("https://api.telnyx.com", "https://api.telnyx.com/v2"),
        ("https://api.telnyx.com/v2/", "https://api.telnyx.com/v2"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/v2"),
        ("http://127.0.0.1:1/telnyx", "http://127.0.0.1:1/telnyx"),
    ],
)
def test_the_base_of_the_api(written: str, base: str) -> None:
    assert api_base(written) == base


def test_the_key_is_in_no_repr() -> None:
    assert SECRET not in repr(TelnyxSettings(SECRET, "168", None))


# --- refusals


@pytest.mark.parametrize(
    ("answer", "operation", "kind", "code"),
    [
        (refuses(422, "10015"), "dial", CarrierRefused, "10015"),
        (refuses(404, "10005"), "dial", CarrierRefused, "10005"),
        (refuses(403, "10010"), "dial", CarrierRefused, "10010"),
        (refuses(404, "10005"), "active", CarrierRefused, "10005"),
        (refuses(422, "90018"), "speak", LineGone, "90018"),
        (refuses(422, "90018"), "hangup", LineGone, "90018"),
        (refuses(422, "90015"), "speak", LineGone, "90015"),
        (refuses(404, "10005"), "retrieve", LineGone, "10005"),
        (says(None, 404, "<html>"), "hangup", LineGone, None),
        (refuses(422, "90034"), "speak", CarrierRefused, "90034"),
        (refuses(422, "90054"), "transcription_start", CarrierRefused, "90054"),
        (refuses(500, "10007"), "dial", CarrierOutcomeUnknown, "10007"),
        (refuses(503, "10000"), "speak", CarrierOutcomeUnknown, "10000"),
        (refuses(502, ""), "retrieve", CarrierUnreachable, ""),
        (says({"errors": []}, 422), "speak", CarrierRefused, None),
        (says([1], 422), "speak", CarrierRefused, None),
        (says(None, 307, "", Location="http://127.0.0.1:1/"), "dial", CarrierRefused, None),
    ],
)
@pytest.mark.scenario("F57", carrier="telnyx")
async def test_a_refusal_is_told_with_code_and_reason(
    answer: Answer, operation: str, kind: type[CarrierError], code: str | None
) -> None:
    async with serving(answer) as (_, api):
        error = await failure(api, operation)
    assert type(error) is kind
    assert error.vendor_code == code
    assert f"HTTP {error.status}" in str(error)


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (refuses(401, "10009", f"bad {SECRET}"), "telnyx.apiKey"),
        (refuses(403, "10010"), "outbound voice profile"),
        (refuses(403, "90041"), "channels"),
        (refuses(403, "10010", "User channel limit exceeded D1"), "channels"),
    ],
)
async def test_what_the_owner_can_do_is_said(answer: Answer, remedy: str) -> None:
    async with serving(answer) as (server, api):
        error = await failure(api)
    assert isinstance(error, CarrierRefused)
    assert error.remedy is not None
    assert remedy in error.remedy
    assert len(server.seen) == 1


async def test_a_long_reason_is_cut() -> None:
    async with serving(refuses(422, "1", "x" * 5000)) as (_, api):
        assert len(str(await failure(api))) < 400


# --- repeating


@pytest.mark.parametrize(
    "trouble", [refuses(500, "10007"), breaks, HANGS, TOO_MANY, says(None, 200, "{")]
)
@pytest.mark.parametrize("operation", ["dial", "retrieve"])
@pytest.mark.scenario("F57", carrier="telnyx")
async def test_a_request_without_a_usable_answer_is_repeated_unchanged(
    trouble: Answer | None, operation: str
) -> None:
    async with serving(trouble, trouble, TAKEN) as (server, api), asyncio.timeout(5):
        assert isinstance(await ask(api, operation), CallResource)
    assert len({(seen.method, seen.path, seen.body) for seen in server.seen}) == 1
    assert len(server.seen) == 3


async def test_two_repetitions_are_all() -> None:
    async with serving(refuses(503, "10007")) as (server, api):
        assert isinstance(await failure(api), CarrierOutcomeUnknown)
    assert len(server.seen) == 3
    assert server.pauses == pytest.approx([0.15, 0.6])


@pytest.mark.parametrize("later", [refuses(422, "10015"), refuses(401, "10009"), TOO_MANY])
async def test_a_dial_that_may_have_been_placed_stays_so(later: Answer) -> None:
    """A refusal of the repetition says nothing of the first attempt."""
    async with serving(breaks, later) as (_, api):
        error = await failure(api, "dial")
    assert isinstance(error, CarrierOutcomeUnknown)
    assert "No." in str(error)


async def test_a_command_that_does_not_matter_is_not_repeated() -> None:
    async with serving(refuses(503, "10007")) as (server, api):
        with pytest.raises(CarrierOutcomeUnknown):
            await api.command(LEG, Command("transcription_stop", {}), repeats=0)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("headers", "pauses"),
    [
        ({"Retry_After": "3"}, [3.0]),
        ({"x_ratelimit_reset": "2"}, [2.0]),
        ({"Retry_After": "1", "x_ratelimit_reset": "4"}, [1.0]),
        ({"Retry_After": "soon"}, [pytest.approx(0.15)]),
        ({"Retry_After": "60"}, []),
    ],
)
async def test_the_wait_that_is_asked_for_is_honoured_within_reason(
    headers: dict[str, str], pauses: list[float]
) -> None:
    async with serving(refuses(429, "10011", **headers), TAKEN) as (server, api):
        if pauses:
            await ask(api, "dial")
        else:
            error = await failure(api)
            assert isinstance(error, CarrierBusy)
            assert error.retry_after_s == 60.0
    assert server.pauses == pauses


# --- no server


async def test_nothing_was_sent_where_nobody_listens() -> None:
    silent = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    silent.close()
    await silent.wait_closed()
    paused = Server(())
    async with client(f"http://127.0.0.1:{port}", paused.pause) as api:
        assert isinstance(await failure(api), CarrierUnreachable)
    assert len(paused.pauses) == 2


async def test_an_endless_answer_is_not_read() -> None:
    async with serving(says(None, 200, "x" * (BODY_LIMIT + 1))) as (_, api):
        assert isinstance(await failure(api), CarrierOutcomeUnknown)
