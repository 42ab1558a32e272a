"""The emulator as tests see it: numbers, people, REST, webhooks, faults, and what was recorded."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import aiohttp

from tests.emulators.company import CompanySettings, PhoneCompany, open_session
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
class Settings(CompanySettings):
    """How the emulator is set up."""

    numbers: Mapping[str, Number] = field(default_factory=dict[str, Number])
    """Our numbers (E.164); only they may call out, and only they can be called."""
    auth_id: str = AUTH_ID
    auth_token: str = AUTH_TOKEN
    main_token: str = ""
    """The main account's token, when `auth_token` is a subaccount's."""
    signatures: Signatures = "both"
    """Which versions webhooks are signed with."""
    requests_have_other_names: bool = False
    """Whether a call and the request for it have different UUIDs; the reference allows for it."""
    queue_seconds: float = 0.2
    """Carrier seconds for which an outbound call is queued before it is dialled."""
    webhook_time_limit: float = 15.0
    """Real seconds for one webhook with its retries; a URL's overrides can only shorten it."""
    extra_params: Form = ()
    """Fields added to every request, as Plivo adds new ones without notice."""
    on_event: Callable[[Event], None] = lambda _: None


class PlivoEmulator(PhoneCompany[Call, Webhook, RestRequest]):
    """A Plivo of one account. Use `async with PlivoEmulator.start(Settings(...))`.

    `numbers`, `people`, `origins` and the plans in `faults` may be changed while it runs, for
    example once the port of the gateway is known.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        super().__init__(settings, Unreachable)
        self.settings = settings
        self.numbers: MutableMapping[str, Number] = dict(settings.numbers)
        self._lines: dict[str, Line] = {}
        self._webhooks = WebhookSender(
            auth_token=settings.auth_token,
            session=session,
            changes=self._changes,
            courier=self._courier,
            violations=self.violations,
            origins=self.origins,
            proxy_headers=settings.proxy_headers,
            time_limit=settings.webhook_time_limit,
            retry_gap=settings.retry_gap,
            signatures=settings.signatures,
            main_token=settings.main_token,
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

    @classmethod
    @asynccontextmanager
    async def start(cls, settings: Settings) -> AsyncGenerator["PlivoEmulator"]:
        """Serve the REST API until the block is left; then every call and task ends at once.

        Raises:
            ExceptionGroup: at the end, if the emulator itself failed on the way.
        """
        async with open_session() as session:
            emulator = cls(settings, session)
            async with emulator._serving(emulator._rest.application()):
                yield emulator

    @property
    def lines(self) -> Mapping[str, Line]:
        return self._lines

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
        line = self._lines[uuid] = Line(call, person.join(uuid), self._exchange)
        line.start()
        return call

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

    # --- raw webhooks

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
