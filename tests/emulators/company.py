"""What the emulated phone companies have in common: people, lines, faults, and ways to wait."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Generic, Literal, Protocol, TypeVar

import aiohttp
from aiohttp import web

from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.courier import Courier, Lost
from tests.emulators.faults import FaultPlan, RestFault, WebhookFault
from tests.emulators.media import MediaRoom, StreamFault, StreamOrder
from tests.emulators.people import Person

HookT = TypeVar("HookT")
RequestT = TypeVar("RequestT")


class Ordered(Protocol):
    @property
    def to(self) -> str: ...


class Call(Protocol):
    """A call, as far as all companies agree."""

    @property
    def order(self) -> Ordered: ...
    @property
    def over(self) -> bool: ...
    @property
    def reached(self) -> Sequence[str]: ...


CallT = TypeVar("CallT", bound=Call)
CallT_co = TypeVar("CallT_co", bound=Call, covariant=True)


class Line(Protocol[CallT_co]):
    @property
    def call(self) -> CallT_co: ...
    def hang_up(self, by: Literal["person"]) -> None: ...


@dataclass(frozen=True)
class CompanySettings:
    """How a company is set up, whichever it is."""

    people: Mapping[str, Person] = field(default_factory=dict[str, Person])
    """Who answers at which number; every other number cannot be reached."""
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    """Public URL prefixes -> local ones, such as https://voice.example.com -> http://127.0.0.1:3334."""
    proxy_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers that the tunnel in between adds to webhooks."""
    speed: float = 50.0
    """Carrier seconds per real second."""
    media_speed: float = 1.0
    """Seconds of sound per real second: how fast live audio is, whatever the speed of calls."""
    seed: int = 0
    """Of the faults' chance."""
    host: str = "127.0.0.1"
    port: int = 0
    """Of the REST API; 0 takes a free one."""
    retry_gap: float = 0.05
    """Real seconds before a webhook is tried again."""


@dataclass(frozen=True)
class Faults(Generic[HookT, RequestT]):
    """The faults in force; tests add rules to these plans."""

    webhooks: FaultPlan[HookT, WebhookFault]
    rest: FaultPlan[RequestT, RestFault]
    streams: FaultPlan[StreamOrder, StreamFault]


class PhoneCompany(Generic[CallT, HookT, RequestT]):
    """The part of an emulator that does not depend on the company.

    `people`, `origins` and the plans in `faults` may be changed while it runs, for example once
    the port of the gateway is known.
    """

    def __init__(self, settings: CompanySettings, failure: type[Exception] = Lost) -> None:
        """`failure`: what delivering a webhook may raise."""
        rng = Random(settings.seed)
        self.people = dict(settings.people)
        self.origins = dict(settings.origins)
        self.faults: Faults[HookT, RequestT] = Faults(
            FaultPlan(rng), FaultPlan(rng), FaultPlan(rng)
        )
        self.violations: list[str] = []
        """What the gateway did that the company would refuse, ignore, correct or warn of."""
        self.base_url = ""
        """Of the REST API, as the gateway under test is configured with it."""
        self.clock = Clock(settings.speed)
        self._changes = Changes()
        self._tasks = Tasks(self._changes)
        self._courier = Courier(self.faults.webhooks, self._tasks, failure)
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
        self._host, self._port = settings.host, settings.port
        self.release_webhooks()

    @property
    def lines(self) -> Mapping[str, Line[CallT]]:
        raise NotImplementedError

    @asynccontextmanager
    async def _serving(self, application: web.Application, path: str = "") -> AsyncGenerator[None]:
        """Serve the REST API below `path`; at the end every call and task ends at once.

        Raises:
            ExceptionGroup: at the end, if the emulator itself failed on the way.
        """
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            host, port = runner.addresses[0][:2]
            self.base_url = f"http://{host}:{port}{path}"
            yield
        finally:
            await runner.cleanup()
            await self._tasks.close()

    # --- calls

    def call(self, call_id: str) -> CallT:
        return self.lines[call_id].call

    @property
    def calls(self) -> list[CallT]:
        """All calls, oldest first."""
        return [line.call for line in self.lines.values()]

    @property
    def live_calls(self) -> list[CallT]:
        return [call for call in self.calls if not call.over]

    def hang_up(self, call_id: str) -> None:
        """The person at the other end hangs up now."""
        self.lines[call_id].hang_up("person")

    # --- webhooks

    def hold_webhooks(self) -> None:
        """Send no webhook until `release_webhooks`; those under way go on."""
        self._courier.gate.clear()

    def release_webhooks(self) -> None:
        self._courier.gate.set()

    # --- waiting (real seconds)

    async def wait_for(self, call_id: str, *states: str, within: float = 10.0) -> CallT:
        """Wait until the call has reached one of these states; it may have gone on since.

        Raises:
            TimeoutError: it has not; names the states that it was in.
        """
        call = self.call(call_id)
        await self.until(
            lambda: not set(states).isdisjoint(call.reached),
            f"call {' or '.join(states)}",
            lambda: f"it was {', '.join(call.reached)}",
            within=within,
        )
        return call

    async def wait_call(self, *, to: str | None = None, within: float = 10.0) -> CallT:
        """Wait for a call (to this number) to exist, and return the newest."""

        def found() -> list[CallT]:
            return [call for call in self.calls if to in {None, call.order.to}]

        await self.until(lambda: bool(found()), f"a call to {to}", within=within)
        return found()[-1]

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


def open_session() -> aiohttp.ClientSession:
    """For webhooks: as many connections as there are, and no cookies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    )
