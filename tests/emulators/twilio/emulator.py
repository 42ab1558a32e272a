"""The emulator as tests see it: numbers, people, REST, webhooks, faults, and what was recorded."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import aiohttp

from tests.emulators.company import CompanySettings, PhoneCompany, open_session
from tests.emulators.people import Person
from tests.emulators.twilio.calls import Call, Callback, Fetch, Form, Order
from tests.emulators.twilio.exchange import Alert, Event, Exchange
from tests.emulators.twilio.line import Line
from tests.emulators.twilio.numbers import AccountState, Number
from tests.emulators.twilio.rest import RestApi, RestRequest
from tests.emulators.twilio.webhooks import (
    CarrierError,
    Delivery,
    Overrides,
    Webhook,
    WebhookSender,
)
from tests.secrecy import secret

ACCOUNT_SID = "AC0123456789abcdef0123456789abcdef"
AUTH_TOKEN = secret("twilio")
"""Defaults for tests; neither exists at Twilio."""


@dataclass(frozen=True)
class Settings(CompanySettings):
    """How the emulator is set up."""

    numbers: Mapping[str, Number] = field(default_factory=dict[str, Number])
    """Our numbers (E.164); only they may call out, and only they can be called."""
    account_sid: str = ACCOUNT_SID
    auth_token: str = AUTH_TOKEN
    api_keys: Mapping[str, str] = field(default_factory=dict[str, str])
    """API key SID -> secret, valid for REST beside the account's own token."""
    queue_seconds: float = 0.2
    """Carrier seconds for which an outbound call is queued before it is dialled."""
    webhook_time_limit: float = 15.0
    """Real seconds for one webhook with its retries; a URL's overrides can only shorten it."""
    sign_with_port: bool = False
    """Sign https URLs with their explicit port instead of without it; both occur."""
    extra_params: Form = ()
    """Fields added to every voice request, as Twilio adds new ones without notice."""
    on_event: Callable[[Event], None] = lambda _: None


class TwilioEmulator(PhoneCompany[Call, Webhook, RestRequest]):
    """A Twilio of one account. Use `async with TwilioEmulator.start(Settings(...))`.

    `numbers`, `people`, `account`, `origins` and the plans in `faults` may be changed while it
    runs, for example once the port of the gateway is known.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        super().__init__(settings, CarrierError)
        self.settings = settings
        self.numbers = dict(settings.numbers)
        self.account = AccountState()
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
            sign_with_port=settings.sign_with_port,
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
            settings.account_sid,
            {settings.account_sid: settings.auth_token, **settings.api_keys},
            self.faults.rest,
            self.violations,
            self.numbers,
            self._changes,
        )

    @classmethod
    @asynccontextmanager
    async def start(cls, settings: Settings) -> AsyncGenerator["TwilioEmulator"]:
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
        """Someone dials one of our numbers; `from_` None leaves the field out of the webhooks."""
        number = self.numbers[to]
        order = Order(
            to,
            from_,
            "inbound",
            Fetch(number.voice_url, number.voice_method),
            fallback=Fetch(number.fallback_url) if number.fallback_url else None,
            callback=Callback(number.status_callback),
        )
        return self._connect(order, person)

    def place(self, order: Order) -> Call:
        """Dial out, as the REST API does on request."""
        return self._connect(order, self.people.get(order.to, Person(outcome="failed")))

    def _connect(self, order: Order, person: Person) -> Call:
        sid = f"CA{uuid4().hex}"
        order = replace(order, extra=self.settings.extra_params)
        call = Call(sid, self.settings.account_sid, order, self.clock.wall())
        line = self._lines[sid] = Line(call, person.join(sid), self._exchange)
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
        """Twilio's debugger: what the gateway failed to answer."""
        return self._exchange.alerts

    @property
    def events(self) -> deque[Event]:
        return self._exchange.events

    # --- raw webhooks

    def sign(self, url: str, params: Form | Mapping[str, str] = ()) -> str:
        """The genuine signature of a form POST to this public URL."""
        return self._webhooks.sign(url, _pairs(params))

    def change_token(self, token: str) -> None:
        """The account gets another token: webhooks are signed with it, and REST takes no other."""
        self._webhooks.auth_token = token
        self._rest.change_token(token)

    async def post(
        self,
        url: str,
        params: Form | Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        signature: str | None = None,
    ) -> Delivery:
        """POST a form to this public URL, whatever the state of any call.

        Args:
            headers: further headers; they replace those of the same name.
            signature: instead of the genuine one; empty sends no signature header.
        """
        pairs = _pairs(params)
        signed = {"X-Twilio-Signature": self.sign(url, pairs) if signature is None else signature}
        sent = {name: value for name, value in signed.items() if value} | dict(headers or {})
        delivery = Delivery("raw", dict(pairs).get("CallSid", ""), url, "POST", pairs, sent)
        await self._webhooks.send(delivery, Overrides())
        return delivery

    async def replay(
        self, delivery: Delivery, *, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """Send a recorded request once more, verbatim but for these headers."""
        again = Delivery(
            "raw",
            delivery.call_sid,
            delivery.url,
            delivery.method,
            delivery.params,
            delivery.headers | dict(headers or {}),
        )
        await self._webhooks.send(again, Overrides())
        return again


def _pairs(params: Form | Mapping[str, str]) -> Form:
    return params if isinstance(params, tuple) else tuple(params.items())


__all__ = ["ACCOUNT_SID", "AUTH_TOKEN", "Settings", "TwilioEmulator"]
