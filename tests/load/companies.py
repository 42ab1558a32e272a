"""The emulated phone companies, alike to those who only need calls and bad weather."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from tests.customers import customer_of
from tests.emulators import plivo, telnyx, twilio
from tests.emulators.faults import (
    Delay,
    Drop,
    Fail,
    FaultPlan,
    Hang,
    Postpone,
    Repeat,
    RestFault,
    Rule,
    WebhookFault,
)
from tests.emulators.twilio import Person

OUR_NUMBER: Final = "+15550001234"
EMULATED: Final = ("twilio", "telnyx", "plivo")
"""Those that the program can use and that can be emulated."""
LOST_S: Final = 3.0
"""Real seconds after which an emulated carrier gives an unanswered webhook up."""

_Webhook = TypeVar("_Webhook")
_Request = TypeVar("_Request")
_Fault = TypeVar("_Fault")


class Order(Protocol):
    @property
    def to(self) -> str: ...


class Call(Protocol):
    @property
    def order(self) -> Order: ...
    @property
    def over(self) -> bool: ...


class Delivery(Protocol):
    """A request to the gateway; times are seconds of the event loop's clock."""

    @property
    def status(self) -> int | None: ...
    @property
    def sent_at(self) -> float: ...
    @property
    def answered_at(self) -> float: ...


class Exchange(Protocol):
    """What the emulators have in common."""

    @property
    def people(self) -> dict[str, Person]: ...
    @property
    def violations(self) -> list[str]: ...
    @property
    def calls(self) -> Sequence[Call]: ...
    @property
    def live_calls(self) -> Sequence[Call]: ...
    @property
    def deliveries(self) -> Collection[Delivery]: ...
    def call_in(self, from_: str | None, to: str, person: Person) -> Call: ...
    async def wait_idle(self, within: float = 10.0) -> None: ...
    async def until(
        self,
        condition: Callable[[], bool],
        what: str,
        instead: Callable[[], str] = ...,
        *,
        within: float = 10.0,
    ) -> None: ...


@dataclass(frozen=True)
class Company:
    """A phone company, and the plugin's section of its customer."""

    name: str
    exchange: Exchange
    section: Mapping[str, object]
    faults: Mapping[str, Callable[[], int]]
    """Kind of fault -> how often it has struck."""


@asynccontextmanager
async def open_company(
    name: str,
    public_url: str,
    local_url: str,
    *,
    speed: float = 50.0,
    seed: int = 0,
    fault_rate: float = 0.0,
) -> AsyncGenerator[Company]:
    """One of `EMULATED`, whose webhooks for `public_url` reach `local_url`."""
    origins = {public_url: local_url}
    urls = {"publicUrl": public_url}
    match name:
        case "twilio":
            number = twilio.Number(public_url, status_callback=f"{public_url}?type=status")
            settings = twilio.Settings(
                numbers={OUR_NUMBER: number},
                origins=origins,
                speed=speed,
                seed=seed,
                webhook_time_limit=LOST_S,
            )
            async with twilio.TwilioEmulator.start(settings) as exchange:
                faults = weather(exchange.faults.webhooks, exchange.faults.rest, fault_rate)
                yield Company(name, exchange, {**customer_of(exchange), **urls}, faults)
        case "telnyx":
            async with telnyx.TelnyxEmulator.start(
                telnyx.Settings(
                    numbers=frozenset({OUR_NUMBER}),
                    application=telnyx.Application(public_url),
                    origins=origins,
                    speed=speed,
                    seed=seed,
                )
            ) as exchange:
                faults = weather(exchange.faults.webhooks, exchange.faults.rest, fault_rate)
                yield Company(name, exchange, {**customer_of(exchange), **urls}, faults)
        case "plivo":
            async with plivo.PlivoEmulator.start(
                plivo.Settings(
                    numbers={OUR_NUMBER: plivo.Number(public_url)},
                    origins=origins,
                    speed=speed,
                    seed=seed,
                    webhook_time_limit=LOST_S,
                )
            ) as exchange:
                faults = weather(exchange.faults.webhooks, exchange.faults.rest, fault_rate)
                yield Company(name, exchange, {**customer_of(exchange), **urls}, faults)
        case _:
            raise ValueError(f"no emulator for {name!r} (there are: {', '.join(EMULATED)})")


def weather(
    webhooks: FaultPlan[_Webhook, WebhookFault], rest: FaultPlan[_Request, RestFault], rate: float
) -> Mapping[str, Callable[[], int]]:
    """Let every kind of fault strike at this rate from now on; gives how often each has."""
    if not rate:
        return {}
    bad: Mapping[str, WebhookFault] = {
        "repeat": Repeat(times=2),
        "reorder": Postpone(at_most=1.0),
        "drop": Drop(),
        "delay": Delay(0.5),
    }
    told = {name: webhooks.add(fault, probability=rate) for name, fault in bad.items()}
    asked = {
        "5xx": rest.add(Fail(503, message="Emulated outage"), probability=rate),
        "hang": rest.add(Hang(), probability=rate),
    }
    hits = {name: _hits(rule) for name, rule in told.items()}
    return {**hits, **{name: _hits(rule) for name, rule in asked.items()}}


def _hits(rule: Rule[_Webhook, _Fault]) -> Callable[[], int]:
    return lambda: rule.hits
