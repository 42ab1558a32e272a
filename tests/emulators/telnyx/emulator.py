"""The emulator as tests see it: numbers, people, REST, webhooks, faults, and what was recorded."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.emulators.company import CompanySettings, PhoneCompany, open_session
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
class Settings(CompanySettings):
    """How the emulator is set up."""

    numbers: frozenset[str] = frozenset()
    """Our numbers (E.164); only they may call out, and only they can be called."""
    application: Application = field(default_factory=Application)
    connections: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those of our numbers whose calls go to another connection than the application: its id."""
    api_key: str = API_KEY
    connection_id: str = CONNECTION_ID
    private_key: Ed25519PrivateKey = PRIVATE_KEY
    endpoint_seconds: float = 0.5
    """Carrier seconds of silence after which the recogniser ends a sentence."""
    park_seconds: float = 60.0
    """Carrier seconds for which a caller waits for an answer."""
    ack_seconds: float = 2.0
    """Real seconds within which a webhook must be acknowledged."""
    retries: int = 4
    """How often a webhook is tried again, each time after twice the gap."""
    on_event: Callable[[Event], None] = lambda _: None


class TelnyxEmulator(PhoneCompany[Call, Webhook, RestRequest]):
    """A Telnyx of one account. Use `async with TelnyxEmulator.start(Settings(...))`.

    `application`, `connections`, `people`, `origins` and the plans in `faults` may be changed while
    it runs, for example once the port of the gateway is known.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        super().__init__(settings)
        self.settings = settings
        self.application = settings.application
        self.connections: MutableMapping[str, str] = {
            number: settings.connections.get(number, settings.connection_id)
            for number in settings.numbers
        }
        self._lines: dict[str, Line] = {}
        self._webhooks = WebhookSender(
            settings.private_key,
            session,
            self._changes,
            self._courier,
            self.origins,
            settings.proxy_headers,
            settings.ack_seconds,
            settings.retries,
            settings.retry_gap,
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

    @classmethod
    @asynccontextmanager
    async def start(cls, settings: Settings) -> AsyncGenerator["TelnyxEmulator"]:
        """Serve the REST API until the block is left; then every call and task ends at once.

        Raises:
            ExceptionGroup: at the end, if the emulator itself failed on the way.
        """
        async with open_session() as session:
            emulator = cls(settings, session)
            async with emulator._serving(emulator._rest.application(), "/v2"):
                yield emulator

    @property
    def lines(self) -> Mapping[str, Line]:
        return self._lines

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
        self._lines[call.control_id] = line
        line.start()
        return call

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

    async def wait_listening(self, control_id: str, nth: int = 1, within: float = 10.0) -> None:
        """Wait until the n-th transcription, or a later one, is on: what the person says is heard.

        Raises:
            TimeoutError: not within this many real seconds.
        """
        talk = self._lines[control_id].talk
        await self.until(
            lambda: talk.listening and talk.gathers >= nth,
            f"listening {nth}",
            lambda: f"there were {talk.gathers}",
            within=within,
        )

    # --- raw webhooks

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
