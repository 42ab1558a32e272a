"""The Telnyx emulator itself: commands, events and people, driven as a gateway would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from aiohttp import web
from telnyx.lib.webhook_verification import verify_webhook_signature
from websockets.asyncio.server import ServerConnection, serve

from tests.emulators.faults import Delay, Drop, Fail, Postpone, Repeat
from tests.emulators.telnyx import (
    API_KEY,
    CONNECTION_ID,
    PUBLIC_KEY,
    Application,
    Call,
    HangsUp,
    Person,
    Reply,
    Settings,
    TelnyxEmulator,
)

OURS, THEIRS = "+15550001234", "+15550005678"
STATE = "c3RhdGU="
SPEECH = {"payload": "Hello there.", "voice": "AWS.Polly.Joanna-Neural"}


class Data(msgspec.Struct):
    event_type: str
    id: str
    payload: dict[str, object]


class Event(msgspec.Struct):
    data: Data
    meta: dict[str, object]


@dataclass
class Gateway:
    """Takes events in, and answers with these statuses in turn (the last one for ever)."""

    statuses: list[int] = field(default_factory=lambda: [200])
    events: list[Event] = field(default_factory=list[Event])
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        content = await request.read()
        verify_webhook_signature(content, dict(request.headers), PUBLIC_KEY)
        self.events.append(msgspec.json.decode(content, type=Event))
        self.news.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status)

    @property
    def types(self) -> list[str]:
        return [event.data.event_type.removeprefix("call.") for event in self.events]

    async def told(self, event_type: str) -> Data:
        """Wait for the first event of this type."""
        async with asyncio.timeout(5):
            while True:
                for event in self.events:
                    if event.data.event_type.removeprefix("call.") == event_type:
                        return event.data
                self.news.clear()
                await self.news.wait()


@dataclass
class World:
    telnyx: TelnyxEmulator
    gateway: Gateway
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        url = self.telnyx.base_url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def dial(self, **fields: object) -> tuple[int, dict[str, object]]:
        body = {"connection_id": CONNECTION_ID, "from": OURS, "to": THEIRS, **fields}
        return await self.ask("POST", "/calls", body)

    async def command(self, call: Call, action: str, **body: object) -> str:
        """The code of the refusal, or `ok`."""
        path = f"/calls/{quote(call.control_id, safe='')}/actions/{action}"
        method = "PUT" if action == "client_state_update" else "POST"
        status, answer = await self.ask(method, path, body)
        if status == 200:
            return "ok"
        return str(msgspec.convert(answer["errors"], list[dict[str, str]])[0]["code"])

    async def answered(self, person: Person | None = None) -> Call:
        call = self.telnyx.call_in(THEIRS, OURS, person or Person())
        assert await self.command(call, "answer") == "ok"
        return call


@asynccontextmanager
async def world(**people: Person) -> AsyncGenerator[World]:
    gateway = Gateway()
    app = web.Application()
    app.router.add_post("/{path:.*}", gateway.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    settings = Settings(
        numbers=frozenset({OURS}),
        application=Application(f"http://{host}:{port}/hook"),
        people={THEIRS: people.get("callee", Person())},
        retry_gap=0.01,
    )
    try:
        async with TelnyxEmulator.start(settings) as telnyx, aiohttp.ClientSession() as session:
            yield World(telnyx, gateway, session)
    finally:
        await runner.cleanup()


async def test_a_call_out_tells_its_story() -> None:
    async with world(callee=Person(hangs_up=HangsUp(after_hearing="Hello"))) as here:
        status, answer = await here.dial(client_state=STATE)
        assert status == 200
        shown = msgspec.convert(answer["data"], dict[str, object])
        assert shown["is_alive"] is False
        answered = await here.gateway.told("answered")
        assert answered.payload["call_control_id"] == shown["call_control_id"]
        assert answered.payload["client_state"] == STATE
        [call] = here.telnyx.calls
        assert await here.command(call, "speak", **SPEECH) == "ok"
        await here.telnyx.wait_idle()
        assert sorted(here.gateway.types) == sorted(
            ["initiated", "answered", "speak.started", "speak.ended", "hangup"]
        )
        ended = await here.gateway.told("hangup")
        assert ended.payload["hangup_cause"] == "normal_clearing"
        assert ended.payload["hangup_source"] == "callee"
        assert here.telnyx.violations == []


@pytest.mark.parametrize(
    ("person", "cause"),
    [
        (Person(outcome="busy"), "user_busy"),
        (Person(outcome="declines"), "call_rejected"),
        (Person(outcome="failed"), "not_found"),
        (Person(answers_after=None), "timeout"),
    ],
)
async def test_how_a_call_out_can_fail(person: Person, cause: str) -> None:
    async with world(callee=person) as here:
        await here.dial(timeout_secs=5)
        assert (await here.gateway.told("hangup")).payload["hangup_cause"] == cause


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"connection_id": "1"}, 422, "10015"),
        ({"to": "5550005678"}, 422, "10016"),
        ({"from": THEIRS}, 403, "10010"),
        ({"timeout_secs": 1}, 422, "90028"),
        ({"time_limit_secs": 45}, 422, "90029"),
        ({"client_state": "{}"}, 422, "90017"),
        ({"ring": 1}, 422, "10015"),
        ({"timeout_secs": "30"}, 422, "10015"),
    ],
)
async def test_orders_that_are_refused(
    fields: Mapping[str, object], status: int, code: str
) -> None:
    async with world() as here:
        got, answer = await here.dial(**fields)
        errors = msgspec.convert(answer["errors"], list[dict[str, str]])
        assert (got, errors[0]["code"]) == (status, code)
        assert here.telnyx.calls == []


async def test_commands_wait_for_the_answer_and_end_with_the_call() -> None:
    async with world() as here:
        call = here.telnyx.call_in(THEIRS, OURS, Person())
        assert await here.command(call, "speak", **SPEECH) == "90034"
        assert await here.command(call, "answer") == "ok"
        assert await here.command(call, "hangup") == "ok"
        assert await here.command(call, "speak", **SPEECH) == "90018"
        gone = Call(call.order, call.created)
        assert await here.command(gone, "hangup") == "90015"


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("speak", {"payload": "x" * 3001, "voice": "female"}, "90010"),
        ("speak", {"payload": "x", "voice": "Joanna"}, "90012"),
        ("speak", {"payload": "x"}, "10015"),
        ("send_dtmf", {"digits": "12x"}, "90014"),
        ("send_dtmf", {"digits": "12", "duration_millis": 50}, "90021"),
        ("transcription_start", {"language": "en-US"}, "10015"),
        (
            "transcription_start",
            {
                "transcription_engine_config": {
                    "transcription_engine": "Google",
                    "language": "en-US",
                }
            },
            "10015",
        ),
        ("answer", {}, "10015"),
        ("streaming_start", {"stream_url": "https://voice.example.com/s"}, "10015"),
    ],
)
async def test_what_a_gateway_does_wrong_is_a_violation(
    action: str, body: Mapping[str, object], code: str
) -> None:
    async with world() as here:
        call = await here.answered()
        assert await here.command(call, action, **body) == code
        assert len(here.telnyx.violations) == 1


async def test_what_is_not_documented_is_refused_and_no_violation() -> None:
    async with world() as here:
        call = await here.answered()
        assert await here.command(call, "transcription_stop") == "10015"
        assert await here.command(call, "streaming_stop") == "90048"
        assert here.telnyx.violations == []


async def test_a_stream_that_cannot_be_opened_is_told_of() -> None:
    async with world() as here:
        call = await here.answered()
        url = "wss://voice.example.com/stream/pass"
        assert await here.command(call, "streaming_start", stream_url=url) == "ok"
        failed = await here.gateway.told("streaming.failed")
        assert failed.payload["failure_reason"] == "connection_failed"
        assert failed.payload["stream_params"] == {"stream_url": url, "track": "inbound_track"}
        assert await here.command(call, "streaming_stop") == "90048"


async def test_a_stream_is_told_of_from_its_start_to_its_end() -> None:
    async with world() as here, serve(until_closed, "127.0.0.1", 0) as sockets:
        port = next(iter(sockets.sockets)).getsockname()[1]
        here.telnyx.origins["https://voice.example.com"] = f"http://127.0.0.1:{port}"
        call = await here.answered()
        order = {"stream_url": "wss://voice.example.com/stream/pass"}
        assert await here.command(call, "streaming_start", **order) == "ok"
        started = await here.gateway.told("streaming.started")
        assert started.payload["stream_url"] == order["stream_url"]
        assert await here.command(call, "streaming_start", **order) == "90045"
        stream = await here.telnyx.media.wait_open(call.control_id)
        stream.press("7")
        assert (await here.gateway.told("dtmf.received")).payload["digit"] == "7"
        assert await here.command(call, "streaming_stop") == "ok"
        stopped = await here.gateway.told("streaming.stopped")
        assert stopped.payload["stream_url"] == order["stream_url"]
        assert stream.ended_by == "company"


async def until_closed(socket: ServerConnection) -> None:
    await socket.wait_closed()


async def test_a_command_id_has_one_effect_on_its_leg() -> None:
    async with world() as here:
        person = Person()
        call, other = await here.answered(person), await here.answered()
        for leg in (call, call, other):
            assert await here.command(leg, "speak", **SPEECH, command_id="a") == "ok"
        await person.wait_heard("Hello there.")
        assert [each.ignored for each in here.telnyx.requests][-3:] == [False, True, False]
        first, second = [await here.dial(command_id="b") for _ in range(2)]
        assert first == second


async def test_the_client_state_is_the_newest_of_the_leg() -> None:
    async with world() as here:
        call = await here.answered()
        assert (await here.gateway.told("initiated")).payload["client_state"] is None
        await here.command(call, "speak", **SPEECH, client_state=STATE)
        await here.command(call, "client_state_update", client_state="bmV3")
        assert (await here.gateway.told("speak.ended")).payload["client_state"] == "bmV3"


async def test_people_are_transcribed_while_somebody_listens() -> None:
    async with world() as here:
        person = Person(["Lost.", Reply(digits="12"), "Heard."])
        call = await here.answered(person)
        person.speak("Nobody listens yet.")
        config = {"transcription_engine": "Google", "interim_results": True}
        start = {"transcription_engine": "Google", "transcription_engine_config": config}
        assert await here.command(call, "transcription_start", **start) == "ok"
        assert await here.command(call, "transcription_start", **start) == "90054"
        first = await here.gateway.told("transcription")
        assert first.payload["transcription_data"] == {
            "transcript": "Lost.",
            "is_final": False,
            "confidence": 0.5,
            "transcription_track": "inbound",
        }
        assert await here.command(call, "transcription_stop") == "ok"
        assert await here.command(call, "transcription_start", **start) == "ok"
        assert (await here.gateway.told("dtmf.received")).payload["digit"] == "1"
        assert here.telnyx.violations == []


async def test_a_caller_without_patience_or_welcome() -> None:
    async with world() as here:
        here.telnyx.call_in(None, OURS, Person(hangs_up=HangsUp(after_seconds=1.0)))
        gone = await here.gateway.told("hangup")
        assert (gone.payload["hangup_cause"], gone.payload["from"]) == (
            "originator_cancel",
            "anonymous",
        )
        call = here.telnyx.call_in(THEIRS, OURS, Person())
        assert await here.command(call, "reject", cause="USER_BUSY") == "ok"
        assert call.cause == "user_busy"


async def test_calls_are_shown_and_listed() -> None:
    async with world() as here:
        call = await here.answered()
        path = f"/calls/{quote(call.control_id, safe='')}"
        _, shown = await here.ask("GET", path)
        assert msgspec.convert(shown["data"], dict[str, object])["is_alive"] is True
        active = f"/connections/{CONNECTION_ID}/active_calls"
        _, listed = await here.ask("GET", active)
        assert len(msgspec.convert(listed["data"], list[object])) == 1
        here.telnyx.hang_up(call.control_id)
        _, listed = await here.ask("GET", active)
        assert listed["data"] == []
        _, shown = await here.ask("GET", path)
        data = msgspec.convert(shown["data"], dict[str, object])
        assert data["is_alive"] is False
        assert "end_time" in data


async def test_an_event_is_sent_again_until_it_is_acknowledged() -> None:
    async with world() as here:
        here.gateway.statuses = [503, 429, 204]
        here.telnyx.call_in(THEIRS, OURS, Person())
        await here.telnyx.until(lambda: len(here.gateway.events) == 3, "three attempts")
        assert len({event.data.id for event in here.gateway.events}) == 1
        assert [event.meta["attempt"] for event in here.gateway.events] == [1, 2, 3]


async def test_an_event_that_is_refused_goes_to_the_failover_url() -> None:
    async with world() as here:
        url = here.telnyx.application.webhook_url
        here.telnyx.application = Application(url, url.replace("/hook", "/other"))
        here.gateway.statuses = [400, 200]
        here.telnyx.call_in(THEIRS, OURS, Person())
        await here.telnyx.until(lambda: len(here.gateway.events) == 2, "both URLs")
        assert here.gateway.events[1].meta["delivered_to"] == url.replace("/hook", "/other")


async def test_faults_are_committed_on_request() -> None:
    async with world() as here:
        webhooks, rest = here.telnyx.faults.webhooks, here.telnyx.faults.rest
        webhooks.add(Postpone(), when=lambda w: w.event_type == "call.initiated")
        webhooks.add(Repeat(), when=lambda w: w.event_type == "call.answered")
        webhooks.add(Drop(), when=lambda w: w.event_type == "call.speak.started")
        webhooks.add(Delay(0.01), when=lambda w: w.event_type == "call.speak.ended")
        rest.add(Fail(503, 10007), times=1)
        call = here.telnyx.call_in(THEIRS, OURS, Person())
        assert await here.command(call, "answer") == "10007"
        assert await here.command(call, "answer") == "ok"
        await here.command(call, "speak", **SPEECH)
        await here.gateway.told("speak.ended")
        here.telnyx.hang_up(call.control_id)
        await here.telnyx.wait_idle()
        types = here.gateway.types
        assert types.index("answered") < types.index("initiated")
        assert types.count("answered") == 2
        assert "speak.started" not in types
