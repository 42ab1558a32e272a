"""The gateway's side in the tests of the Twilio emulator: answers webhooks, calls the REST API."""

from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

from tests.emulators.twilio import ACCOUNT_SID, AUTH_TOKEN, Number, Person, Settings, TwilioEmulator

Answer: TypeAlias = "str | web.Response | Callable[[Seen], Awaitable[str]]"


@dataclass
class Seen:
    """A request as it arrived; `path` includes the query."""

    method: str
    path: str
    host: str
    params: tuple[tuple[str, str], ...]
    headers: dict[str, str]

    @property
    def form(self) -> dict[str, str]:
        return dict(self.params)


@dataclass
class WebhookApp:
    """Answers by path: each answer of a list once, the last one for ever; else 204."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list[Seen])
    _answers: dict[str, deque[Answer]] = field(default_factory=dict[str, deque[Answer]])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, *answers: Answer) -> str:
        """What to answer at this path (text is XML); returns the URL."""
        self._answers[path] = deque(answers)
        return self.origin + path

    def at(self, path: str) -> list[Seen]:
        return [request for request in self.seen if request.path.partition("?")[0] == path]

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator["WebhookApp"]:
        """Serve on `port`, or on a free one that is then kept for later servings."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._reply)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()

    async def _reply(self, request: web.Request) -> web.Response:
        body = await request.text()
        seen = Seen(
            request.method,
            request.path_qs,
            request.host,
            tuple(parse_qsl(body, keep_blank_values=True)),
            dict(request.headers),
        )
        self.seen.append(seen)
        answers = self._answers.get(request.path)
        if not answers:
            return web.Response(status=204)
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, str):
            return web.Response(text=answer, content_type="text/xml")
        if isinstance(answer, web.Response):
            # A response object serves once; the double may give the same answer again.
            return web.Response(
                status=answer.status, text=answer.text, content_type=answer.content_type
            )
        return web.Response(text=await answer(seen), content_type="text/xml")


US, THEM = "+15550001234", "+15550005678"
HELLO = "<Response><Say>hello</Say></Response>"
WAIT = '<Response><Pause length="600"/></Response>'
EVENTS = ["initiated", "ringing", "answered", "completed"]


@asynccontextmanager
async def emulator(
    app: WebhookApp,
    them: Person | None = None,
    *,
    speed: float = 100,
    queue_seconds: float = 0.2,
) -> AsyncGenerator[TwilioEmulator]:
    """An emulator with our number, which the app serves, and one person at THEM."""
    settings = Settings(
        numbers={US: Number(app.origin + "/in", status_callback=app.origin + "/ended")},
        people={THEM: them or Person()},
        speed=speed,
        queue_seconds=queue_seconds,
    )
    async with TwilioEmulator.start(settings) as twilio:
        yield twilio


async def rest(
    twilio: TwilioEmulator, method: str, path: str, form: list[tuple[str, str]] | None = None
) -> tuple[int, dict[str, object]]:
    """One request to the account's REST API: status and JSON."""
    url = f"{twilio.base_url}/2010-04-01/Accounts/{ACCOUNT_SID}{path}"
    basic = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Basic {basic}"}) as session,
        session.request(method, url, data=None if form is None else aiohttp.FormData(form)) as got,
    ):
        return got.status, await got.json()


async def create(
    twilio: TwilioEmulator, **fields: str | list[str]
) -> tuple[int, dict[str, object]]:
    """Place a call from us to them; a list repeats its field, an empty one leaves it out."""
    form: dict[str, str | list[str]] = {"To": THEM, "From": US, **fields}
    pairs = [
        (name, value)
        for name, values in form.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return await rest(twilio, "POST", "/Calls.json", pairs)


async def dial(twilio: TwilioEmulator, **fields: str | list[str]) -> str:
    """Place a call that is accepted; its SID."""
    status, call = await create(twilio, **fields)
    assert status == 201, call
    return str(call["sid"])


async def update(twilio: TwilioEmulator, sid: str, **fields: str) -> tuple[int, dict[str, object]]:
    return await rest(twilio, "POST", f"/Calls/{sid}.json", list(fields.items()))
