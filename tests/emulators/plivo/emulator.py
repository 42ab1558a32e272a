"""The emulator as tests see it: numbers, people, REST, webhooks, faults, and what was recorded."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from uuid import uuid4

import aiohttp
from aiohttp import web

from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.courier import Courier
from tests.emulators.faults import FaultPlan, RestFault, WebhookFault
from tests.emulators.media import MediaRoom, StreamFault, StreamOrder
from tests.emulators.people import Person
from tests.emulators.plivo.account import Number
from tests.emulators.plivo.calls import Call, Fetch, Form, Order
from tests.emulators.plivo.exchange import Alert, Event, Exchange
from tests.emulators.plivo.line import Line
from tests.emulators.plivo.rest import RestApi, RestRequest
from tests.emulators.plivo.webhooks import (
    Delivery,
    Overrides,
    Signatures,
    Unreachable,
    Webhook,
    WebhookSender,
)
from tests.secrecy import secret

AUTH_ID = "MA0123456789ABCDEFGH"
AUTH_TOKEN = secret("plivo")
"""Defaults for tests; neither exists at Plivo."""


@dataclass(frozen=True)
class Settings:
    """How the emulator is set up."""

    numbers: Mapping[str, Number] = field(default_factory=dict[str, Number])
    """Our numbers (E.164); only they may call out, and only they can be called."""
    people: Mapping[str, Person] = field(default_factory=dict[str, Person])
    """Who answers at which number; every other number cannot be reached."""
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    """Public URL prefixes -> local ones, such as https://voice.example.com -> http://127.0.0.1:3334."""
    proxy_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers that the tunnel in between adds to webhooks."""
    auth_id: str = AUTH_ID
    auth_token: str = AUTH_TOKEN
    main_token: str = ""
    """The main account's token, when `auth_token` is a subaccount's."""
    signatures: Signatures = "both"
    """Which versions webhooks are signed with."""
    requests_have_other_names: bool = False
    """Whether a call and the request for it have different UUIDs; the reference allows for it."""
    speed: float = 50.0
    """Carrier seconds per real second."""
    media_speed: float = 1.0
    """Seconds of sound per real second: how fast live audio is, whatever the speed of calls."""
    queue_seconds: float = 0.2
    """Carrier seconds for which an outbound call is queued before it is dialled."""
    seed: int = 0
    """Of the faults' chance."""
    host: str = "127.0.0.1"
    port: int = 0
    """Of the REST API; 0 takes a free one."""
    webhook_time_limit: float = 15.0
    """Real seconds for one webhook with its retries; a URL's overrides can only shorten it."""
    retry_gap: float = 0.05
    """Real seconds before a webhook is tried again."""
    extra_params: Form = ()
    """Fields added to every request, as Plivo adds new ones without notice."""
    on_event: Callable[[Event], None] = lambda _: None


@dataclass(frozen=True)
class Faults:
    """The faults in force; tests add rules to these plans."""

    webhooks: FaultPlan[Webhook, WebhookFault]
    rest: FaultPlan[RestRequest, RestFault]
    streams: FaultPlan[StreamOrder, StreamFault]


class PlivoEmulator:
    """A Plivo of one account. Use `async with PlivoEmulator.start(Settings(...))`.

    `numbers`, `people`, `origins` and the plans in `faults` may be changed while it runs, for
    example once the port of the gateway is known.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        rng = Random(settings.seed)
        self.settings = settings
        self.numbers: MutableMapping[str, Number] = dict(settings.numbers)
        self.people = dict(settings.people)
        self.origins = dict(settings.origins)
        self.faults = Faults(FaultPlan(rng), FaultPlan(rng), FaultPlan(rng))
        self.violations: list[str] = []
        """What the gateway did that Plivo would refuse, ignore or correct."""
        self.lines: dict[str, Line] = {}
        self.base_url = ""
        self._changes = Changes()
        self._tasks = Tasks(self._changes)
        self.clock = Clock(settings.speed)
        self._webhooks = WebhookSender(
            auth_token=settings.auth_token,
            session=session,
            changes=self._changes,
            courier=Courier(self.faults.webhooks, self._tasks, Unreachable),
            violations=self.violations,
            origins=self.origins,
            proxy_headers=settings.proxy_headers,
            time_limit=settings.webhook_time_limit,
            retry_gap=settings.retry_gap,
            signatures=settings.signatures,
            main_token=settings.main_token,
        )
        self.media = MediaRoom(
            Clock(settings.media_speed),
            self.clock,
            self._tasks,
            self._changes,
            self.origins,
            settings.proxy_headers,
            self.violations,
            self.faults.streams,
        )
        self._exchange = Exchange(
            self.clock,
            self._tasks,
            self._changes,
            self._webhooks,
            self.violations,
            settings.on_event,
            self.media,
            settings.queue_seconds,
        )
        self._rest = RestApi(
            self,
            settings.auth_id,
            settings.auth_token,
            self.faults.rest,
            self.violations,
            self.numbers,
            self._changes,
        )
        self.release_webhooks()

    @classmethod
    @asynccontextmanager
    async def start(cls, settings: Settings) -> AsyncGenerator["PlivoEmulator"]:
        """Serve the REST API until the block is left; then every call and task ends at once.

        Raises:
            ExceptionGroup: at the end, if the emulator itself failed on the way.
        """
        jar = aiohttp.DummyCookieJar()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
            emulator = cls(settings, session)
            runner = web.AppRunner(
                emulator._rest.application(), handler_cancellation=True, shutdown_timeout=0.2
            )
            await runner.setup()
            try:
                await web.TCPSite(runner, settings.host, settings.port).start()
                host, port = runner.addresses[0][:2]
                emulator.base_url = f"http://{host}:{port}"
                yield emulator
            finally:
                await runner.cleanup()
                await emulator._tasks.close()

    # --- calls

    def call_in(self, from_: str | None, to: str, person: Person) -> Call:
        """Someone dials one of our numbers (E.164); `from_` None leaves the field out."""
        number = self.numbers[to]
        shown = None if from_ is None else from_.removeprefix("+")
        order = Order(
            to.removeprefix("+"),
            shown,
            "inbound",
            Fetch(number.answer_url, number.answer_method),
            hangup=Fetch(number.hangup_url, number.hangup_method) if number.hangup_url else None,
            fallback=Fetch(number.fallback_url) if number.fallback_url else None,
        )
        return self._connect(order, person)

    def place(self, order: Order) -> Call:
        """Dial out, as the REST API does on request."""
        return self._connect(order, self.people.get(f"+{order.to}", Person(outcome="failed")))

    def _connect(self, order: Order, person: Person) -> Call:
        uuid = request = str(uuid4())
        if self.settings.requests_have_other_names:
            request = str(uuid4())
        order = replace(order, extra=self.settings.extra_params)
        request = "" if order.direction == "inbound" else request
        call = Call(uuid, request, self.settings.auth_id, order, self.clock.wall())
        line = self.lines[uuid] = Line(call, person.join(uuid), self._exchange)
        line.start()
        return call

    def call(self, uuid: str) -> Call:
        return self.lines[uuid].call

    @property
    def calls(self) -> list[Call]:
        """All calls, oldest first."""
        return [line.call for line in self.lines.values()]

    @property
    def live_calls(self) -> list[Call]:
        return [call for call in self.calls if not call.over]

    def hang_up(self, uuid: str) -> None:
        """The person at the other end hangs up now."""
        self.lines[uuid].hang_up("person")

    # --- what was recorded

    @property
    def deliveries(self) -> deque[Delivery]:
        """Every HTTP request to the gateway, oldest first, each retry on its own."""
        return self._webhooks.log

    @property
    def requests(self) -> deque[RestRequest]:
        """Every REST request, oldest first."""
        return self._rest.requests

    @property
    def alerts(self) -> list[Alert]:
        """What the gateway failed to answer."""
        return self._exchange.alerts

    @property
    def events(self) -> deque[Event]:
        return self._exchange.events

    # --- waiting (real seconds)

    async def wait_for(self, uuid: str, *states: str, within: float = 10.0) -> Call:
        """Wait until the call has reached one of these states; it may have gone on since.

        Raises:
            TimeoutError: it has not; names the states that it was in.
        """
        call = self.call(uuid)
        await self.until(
            lambda: not set(states).isdisjoint(call.reached),
            f"call {' or '.join(states)}",
            lambda: f"it was {', '.join(call.reached)}",
            within=within,
        )
        return call

    async def wait_idle(self, within: float = 10.0) -> None:
        """Wait until no call is live and no webhook under way."""
        await self.until(
            # When all calls are over, what still runs are webhooks under way.
            lambda: not self.live_calls and not self._tasks,
            "idle",
            lambda: f"live {self.live_calls}, {len(self._tasks)} tasks run",
            within=within,
        )

    async def until(
        self,
        condition: Callable[[], bool],
        what: str,
        instead: Callable[[], str] = lambda: "it is not so",
        *,
        within: float = 10.0,
    ) -> None:
        """Wait for any condition on what the emulator records."""
        await self._changes.until(condition, lambda: f"{what}: {instead()}", within)

    # --- raw webhooks

    def hold_webhooks(self) -> None:
        """Send no webhook until `release_webhooks`; those under way go on."""
        self._webhooks.courier.gate.clear()

    def release_webhooks(self) -> None:
        self._webhooks.courier.gate.set()

    def sign(self, url: str, params: Form = (), *, method: str = "POST") -> dict[str, str]:
        """The genuine signature headers of a request to this public URL."""
        return self._webhooks.sign(url, method, params)

    async def post(
        self,
        url: str,
        params: Form | Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Delivery:
        """POST a form to this public URL, whatever the state of any call.

        Args:
            headers: instead of the genuine signature.
        """
        pairs = params if isinstance(params, tuple) else tuple(params.items())
        sent = dict(self.sign(url, pairs) if headers is None else headers)
        delivery = Delivery("raw", dict(pairs).get("CallUUID", ""), url, "POST", pairs, sent)
        await self._webhooks.send(delivery, Overrides())
        return delivery

    async def replay(
        self,
        delivery: Delivery,
        *,
        url: str | None = None,
        params: Form | None = None,
    ) -> Delivery:
        """Send a recorded request once more with its own headers, verbatim or changed."""
        again = Delivery(
            "raw",
            delivery.call_uuid,
            url or delivery.url,
            delivery.method,
            delivery.params if params is None else params,
            dict(delivery.headers),
        )
        await self._webhooks.send(again, Overrides())
        return again
