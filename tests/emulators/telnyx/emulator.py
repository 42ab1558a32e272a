"""The emulator as tests see it: numbers, people, REST, webhooks, faults, and what was recorded."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from uuid import uuid4

import aiohttp
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.courier import Courier
from tests.emulators.faults import FaultPlan, RestFault, WebhookFault
from tests.emulators.media import MediaRoom, StreamFault, StreamOrder
from tests.emulators.people import Person
from tests.emulators.telnyx.account import Application
from tests.emulators.telnyx.calls import Call, Json, Order
from tests.emulators.telnyx.commands import ApiError
from tests.emulators.telnyx.exchange import Event, Exchange
from tests.emulators.telnyx.line import Line
from tests.emulators.telnyx.rest import RestApi, RestRequest
from tests.emulators.telnyx.webhooks import Delivery, Webhook, WebhookSender
from tests.secrecy import secret

API_KEY = secret("telnyx")
CONNECTION_ID = "1684641123236054244"
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PUBLIC_KEY = "ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ="
"""Defaults for tests; none exists at Telnyx. The keys are a pair."""


@dataclass(frozen=True)
class Settings:
    """How the emulator is set up."""

    numbers: frozenset[str] = frozenset()
    """Our numbers (E.164); only they may call out, and only they can be called."""
    application: Application = field(default_factory=Application)
    connections: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those of our numbers whose calls go to another connection than the application: its id."""
    people: Mapping[str, Person] = field(default_factory=dict[str, Person])
    """Who answers at which number; every other number cannot be reached."""
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    """Public URL prefixes -> local ones, such as https://voice.example.com -> http://127.0.0.1:3334."""
    proxy_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers that the tunnel in between adds to webhooks."""
    api_key: str = API_KEY
    connection_id: str = CONNECTION_ID
    private_key: Ed25519PrivateKey = PRIVATE_KEY
    speed: float = 50.0
    """Carrier seconds per real second."""
    media_speed: float = 1.0
    """Seconds of sound per real second: how fast live audio is, whatever the speed of calls."""
    endpoint_seconds: float = 0.5
    """Carrier seconds of silence after which the recogniser ends a sentence."""
    park_seconds: float = 60.0
    """Carrier seconds for which a caller waits for an answer."""
    seed: int = 0
    """Of the faults' chance."""
    host: str = "127.0.0.1"
    port: int = 0
    """Of the REST API; 0 takes a free one."""
    ack_seconds: float = 2.0
    """Real seconds within which a webhook must be acknowledged."""
    retries: int = 4
    retry_gap: float = 0.05
    """Real seconds before a webhook is tried again; each further time twice as long."""
    on_event: Callable[[Event], None] = lambda _: None


@dataclass(frozen=True)
class Faults:
    """The faults in force; tests add rules to these plans."""

    webhooks: FaultPlan[Webhook, WebhookFault]
    rest: FaultPlan[RestRequest, RestFault]
    streams: FaultPlan[StreamOrder, StreamFault]


class TelnyxEmulator:
    """A Telnyx of one account. Use `async with TelnyxEmulator.start(Settings(...))`.

    `application`, `connections`, `people`, `origins` and the plans in `faults` may be changed while
    it runs, for example once the port of the gateway is known.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        rng = Random(settings.seed)
        self.settings = settings
        self.application = settings.application
        self.connections: MutableMapping[str, str] = {
            number: settings.connections.get(number, settings.connection_id)
            for number in settings.numbers
        }
        self.people = dict(settings.people)
        self.origins = dict(settings.origins)
        self.faults = Faults(FaultPlan(rng), FaultPlan(rng), FaultPlan(rng))
        self.violations: list[str] = []
        """What the gateway did that Telnyx would refuse or ignore."""
        self.lines: dict[str, Line] = {}
        self.base_url = ""
        """With the API's version, as `telnyx.baseUrl` of the gateway under test."""
        self._changes = Changes()
        self._tasks = Tasks(self._changes)
        self.clock = Clock(settings.speed)
        self._webhooks = WebhookSender(
            settings.private_key,
            session,
            self._changes,
            Courier(self.faults.webhooks, self._tasks),
            self.origins,
            settings.proxy_headers,
            settings.ack_seconds,
            settings.retries,
            settings.retry_gap,
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
            self.media,
            settings.on_event,
            settings.endpoint_seconds,
            settings.park_seconds,
        )
        self._rest = RestApi(
            self,
            settings.api_key,
            settings.connection_id,
            self.faults.rest,
            self.violations,
            self._changes,
        )
        self.release_webhooks()

    @classmethod
    @asynccontextmanager
    async def start(cls, settings: Settings) -> AsyncGenerator["TelnyxEmulator"]:
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
                emulator.base_url = f"http://{host}:{port}/v2"
                yield emulator
            finally:
                await runner.cleanup()
                await emulator._tasks.close()

    # --- calls

    def call_in(self, from_: str | None, to: str, person: Person) -> Call:
        """Someone dials one of our numbers; `from_` None withholds theirs."""
        connection = self.connections[to]
        assert connection == self.settings.connection_id, f"calls to {to} go to {connection}"
        assert self.application.api_version == "2", "webhooks of version 1 are not emulated"
        return self._connect(self._ours(Order("incoming", from_, to, "", "")), person)

    def place(self, order: Order) -> Call:
        """Dial out, as the API does on request, and as anybody else with its key may."""
        person = self.people.get(order.to, Person(outcome="failed"))
        return self._connect(self._ours(order), person)

    def check_dial(self, body: Json) -> None:
        """Raise ApiError for an order that this account may not place."""
        if body["connection_id"] != self.settings.connection_id:
            raise ApiError(422, "10015", "Invalid value for connection_id (Call Control App ID)")
        if body["from"] not in self.settings.numbers:
            raise ApiError(403, "10010", f"The origination number {body['from']} is not yours")

    def _ours(self, order: Order) -> Order:
        """With what the application's configuration fills in."""
        application = self.application
        return replace(
            order,
            connection_id=order.connection_id or self.settings.connection_id,
            webhook_url=order.webhook_url or application.webhook_url,
            failover_url=order.failover_url or application.failover_url,
        )

    def _connect(self, order: Order, person: Person) -> Call:
        call = Call(order, self.clock.wall())
        line = Line(call, person.join(call.control_id), self._exchange)
        self.lines[call.control_id] = line
        line.start()
        return call

    def call(self, control_id: str) -> Call:
        return self.lines[control_id].call

    @property
    def calls(self) -> list[Call]:
        """All calls, oldest first."""
        return [line.call for line in self.lines.values()]

    @property
    def live_calls(self) -> list[Call]:
        return [call for call in self.calls if not call.over]

    def hang_up(self, control_id: str) -> None:
        """The person at the other end hangs up now."""
        self.lines[control_id].hang_up("person")

    # --- what was recorded

    @property
    def deliveries(self) -> deque[Delivery]:
        """Every HTTP request to the gateway, oldest first, each retry on its own."""
        return self._webhooks.log

    @property
    def alerts(self) -> list[str]:
        """The events that the gateway never acknowledged."""
        return self._webhooks.alerts

    @property
    def requests(self) -> deque[RestRequest]:
        """Every REST request, oldest first."""
        return self._rest.requests

    @property
    def events(self) -> deque[Event]:
        return self._exchange.events

    # --- waiting (real seconds)

    async def wait_for(self, control_id: str, *states: str, within: float = 10.0) -> Call:
        """Wait until the call has reached one of these states; it may have gone on since.

        Raises:
            TimeoutError: it has not; names the states that it was in.
        """
        call = self.call(control_id)
        await self.until(
            lambda: not set(states).isdisjoint(call.reached),
            f"call {' or '.join(states)}",
            lambda: f"it was {', '.join(call.reached)}",
            within=within,
        )
        return call

    async def wait_call(self, *, to: str | None = None, within: float = 10.0) -> Call:
        """Wait for a call (to this number) to exist, and return the newest."""

        def found() -> list[Call]:
            return [call for call in self.calls if to in {None, call.order.to}]

        await self.until(lambda: bool(found()), f"a call to {to}", within=within)
        return found()[-1]

    async def wait_listening(self, control_id: str, nth: int = 1, within: float = 10.0) -> None:
        """Wait until the n-th transcription, or a later one, is on: what the person says is heard.

        Raises:
            TimeoutError: not within this many real seconds.
        """
        talk = self.lines[control_id].talk
        await self.until(
            lambda: talk.listening and talk.gathers >= nth,
            f"listening {nth}",
            lambda: f"there were {talk.gathers}",
            within=within,
        )

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

    def sign(self, content: bytes, at: int | None = None) -> dict[str, str]:
        """The headers of a genuine webhook with this body, signed now or at this epoch second."""
        return self._webhooks.signed_headers(content, at)

    async def post(
        self,
        url: str,
        event_type: str,
        payload: Mapping[str, object],
        *,
        event_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Delivery:
        """POST a genuine event to this public URL, whatever the state of any call.

        Args:
            headers: instead of the genuine ones of the signature.
        """
        data: Json = {
            "record_type": "event",
            "event_type": event_type,
            "id": event_id or str(uuid4()),
            "occurred_at": "2026-02-16T00:00:00.000000Z",
            "payload": dict(payload),
        }
        content = msgspec.json.encode({"data": data, "meta": {"attempt": 1, "delivered_to": url}})
        return await self.post_raw(url, content, self.sign(content) if headers is None else headers)

    async def post_raw(self, url: str, content: bytes, headers: Mapping[str, str]) -> Delivery:
        """POST these bytes with these headers to this public URL."""
        delivery = Delivery("raw", "", "", url, content, dict(headers))
        await self._webhooks.send(delivery)
        return delivery

    async def replay(self, delivery: Delivery) -> Delivery:
        """Send a recorded request once more, verbatim."""
        return await self.post_raw(delivery.url, delivery.content, delivery.headers)
