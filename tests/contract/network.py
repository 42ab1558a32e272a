"""An emulated phone company, in the words that all of them have in common.

The people are those of the emulators (`Person`), the faults those of `tests.emulators.faults`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from openclaw_voice_call.service import CallService
from tests.emulators.faults import FaultPlan, RestFault, WebhookFault
from tests.emulators.media import MediaRoom, MediaStream, StreamFault, StreamOrder
from tests.emulators.people import Person

OURS, THEIRS, OTHERS = "+15550001234", "+15550005678", "+15550009876"
PUBLIC_ORIGIN: Final = "https://voice.example.com"
PUBLIC_URL: Final = f"{PUBLIC_ORIGIN}/voice/webhook"

Moment: TypeAlias = Literal["offered", "ringing", "answered", "heard", "ended"]
"""What a webhook tells: somebody calls, a leg rings, is up, its person said something, is over."""
Request: TypeAlias = Literal["dial", "hang up", "look up", "other"]
"""What the gateway asks of the API."""
Signing: TypeAlias = Literal["genuine", "none", "garbled", "foreign key", "changed body"]
"""How a webhook is signed: as the company does; not at all; with something that is no signature;
with another customer's key; genuinely, and then its body was changed."""


@dataclass(frozen=True)
class Leg:
    """A call as the company sees it, now."""

    id: str
    answered: bool
    over: bool
    ended_by: str
    """`person`, `gateway` (over the API), `document`, `limit`, `network`; empty while it is up."""
    busy: bool
    """Over, with the busy tone."""


@dataclass(frozen=True)
class Sent:
    """A webhook that was delivered."""

    moment: Moment | None
    leg: str
    url: str
    status: int | None
    again: Callable[[Mapping[str, str], str], Awaitable[int | None]]
    """Sends it once more, with further headers and with a text behind its URL; gives the status."""


class Network(Protocol):
    """What the plugin can be a customer of."""

    @property
    def section(self) -> Mapping[str, object]:
        """Of the configuration: what makes the plugin its customer."""
        ...

    async def call_in(self, service: CallService, shown: str) -> None:
        """Have the caller who was announced under this number call us."""
        ...

    async def heard(self, service: CallService, number: str) -> Sequence[str]:
        """What the person with this number heard to its end."""
        ...

    def release(self) -> None:
        """Deliver what is held back."""
        ...

    async def settle(self) -> None:
        """Let what is under way come to its end; then assert that no rule was broken."""
        ...


class Company(Network, Protocol):
    """One that is reached over an API, and that may fail in all the ways of networks."""

    @property
    def people(self) -> dict[str, Person]: ...
    @property
    def legs(self) -> Sequence[Leg]:
        """All calls, oldest first."""
        ...

    @property
    def media(self) -> MediaRoom:
        """Where the media streams are."""
        ...

    async def stream(self, leg: str = "", nth: int = 1) -> MediaStream:
        """The n-th stream of this leg, or of the newest, once it has started."""
        ...

    def ring_in(self, shown: str | None, person: Person) -> str:
        """Somebody calls us now; None shows no number at all. Gives the leg."""
        ...

    def leave(self, leg: str) -> None:
        """The person at the other end puts the phone down now."""
        ...

    def leg(self, leg: str) -> Leg: ...
    def spoil(self, fault: WebhookFault, *moments: Moment, times: int | None = None) -> None:
        """Commit this fault on webhooks of these moments (of all, if none is named)."""
        ...

    def spoil_api(self, fault: RestFault, *requests: Request, times: int | None = None) -> None:
        """Commit this fault on these requests (on all, if none is named)."""
        ...

    def spoil_streams(self, fault: StreamFault, *, times: int | None = None) -> None:
        """Commit this fault on the streams that are asked for from now on."""
        ...

    def behave(self) -> None:
        """Commit no more faults."""
        ...

    def hold(self) -> None:
        """Deliver no webhook until `release`."""
        ...

    def asked(self, *requests: Request) -> int:
        """How often the gateway asked for this; repetitions count."""
        ...

    def sent(self, *moments: Moment) -> Sequence[Sent]:
        """The webhooks so far, each attempt by itself, oldest first."""
        ...

    async def offer(self, shown: str, signing: Signing) -> int | None:
        """Tell of a caller who does not exist; gives the HTTP status."""
        ...

    async def until(
        self, condition: Callable[[], bool], what: str, *, within: float = 10.0
    ) -> None:
        """Wait for something that the company knows."""
        ...


CallT = TypeVar("CallT")
HookT = TypeVar("HookT")
RequestT = TypeVar("RequestT")
DeliveryT = TypeVar("DeliveryT")
CallT_co = TypeVar("CallT_co", covariant=True)
DeliveryT_co = TypeVar("DeliveryT_co", covariant=True)


class Plans(Protocol[HookT, RequestT]):
    @property
    def webhooks(self) -> FaultPlan[HookT, WebhookFault]: ...
    @property
    def rest(self) -> FaultPlan[RequestT, RestFault]: ...
    @property
    def streams(self) -> FaultPlan[StreamOrder, StreamFault]: ...


class Emulator(Protocol[CallT_co, HookT, RequestT, DeliveryT_co]):
    """What the emulators have in common."""

    @property
    def people(self) -> dict[str, Person]: ...
    @property
    def violations(self) -> list[str]: ...
    @property
    def faults(self) -> Plans[HookT, RequestT]: ...
    @property
    def media(self) -> MediaRoom: ...
    @property
    def calls(self) -> Sequence[CallT_co]: ...
    @property
    def deliveries(self) -> Iterable[DeliveryT_co]: ...
    @property
    def requests(self) -> Iterable[RequestT]: ...
    def call_in(self, from_: str | None, to: str, person: Person) -> CallT_co: ...
    def hang_up(self, call: str, /) -> None: ...
    def hold_webhooks(self) -> None: ...
    def release_webhooks(self) -> None: ...
    async def wait_idle(self, within: float = ...) -> None: ...
    async def until(
        self,
        condition: Callable[[], bool],
        what: str,
        instead: Callable[[], str] = ...,
        *,
        within: float = ...,
    ) -> None: ...


class EmulatedCompany(ABC, Generic[CallT, HookT, RequestT, DeliveryT]):
    """Implements `Company`; an adapter tells what its emulator calls things.

    Args:
        section: of the configuration.
        callers: who calls us, by the number that is shown then.
    """

    def __init__(
        self,
        emulator: Emulator[CallT, HookT, RequestT, DeliveryT],
        section: Mapping[str, object],
        callers: Mapping[str, Person],
    ) -> None:
        self._emulator = emulator
        self._callers = dict(callers)
        self.section = {"fromNumber": OURS, "publicUrl": PUBLIC_URL, **section}

    @abstractmethod
    def _leg(self, call: CallT) -> Leg: ...
    @abstractmethod
    def _moment(self, webhook: HookT) -> Moment | None: ...
    @abstractmethod
    def _kind(self, request: RequestT) -> Request: ...
    @abstractmethod
    def _sent(self, delivery: DeliveryT) -> Sent: ...
    @abstractmethod
    async def offer(self, shown: str, signing: Signing) -> int | None: ...

    @property
    def people(self) -> dict[str, Person]:
        return self._emulator.people

    @property
    def legs(self) -> Sequence[Leg]:
        return [self._leg(call) for call in self._emulator.calls]

    def leg(self, leg: str) -> Leg:
        return next(each for each in self.legs if each.id == leg)

    @property
    def media(self) -> MediaRoom:
        return self._emulator.media

    async def stream(self, leg: str = "", nth: int = 1) -> MediaStream:
        await self.until(lambda: bool(leg or self.legs), "a call")
        return await self.media.wait_open(leg or self.legs[-1].id, nth)

    async def call_in(self, service: CallService, shown: str) -> None:
        self.ring_in(shown, self._callers[shown])

    def ring_in(self, shown: str | None, person: Person) -> str:
        return self._leg(self._emulator.call_in(shown, OURS, person)).id

    def leave(self, leg: str) -> None:
        self._emulator.hang_up(leg)

    async def heard(self, service: CallService, number: str) -> Sequence[str]:
        return (self._callers.get(number) or self.people[number]).texts()

    def spoil(self, fault: WebhookFault, *moments: Moment, times: int | None = None) -> None:
        self._emulator.faults.webhooks.add(
            fault, when=lambda hook: not moments or self._moment(hook) in moments, times=times
        )

    def spoil_api(self, fault: RestFault, *requests: Request, times: int | None = None) -> None:
        self._emulator.faults.rest.add(
            fault, when=lambda each: not requests or self._kind(each) in requests, times=times
        )

    def spoil_streams(self, fault: StreamFault, *, times: int | None = None) -> None:
        self._emulator.faults.streams.add(fault, times=times)

    def behave(self) -> None:
        self._emulator.faults.streams.clear()
        self._emulator.faults.webhooks.clear()
        self._emulator.faults.rest.clear()

    def hold(self) -> None:
        self._emulator.hold_webhooks()

    def release(self) -> None:
        self._emulator.release_webhooks()

    def asked(self, *requests: Request) -> int:
        return sum(self._kind(each) in requests for each in self._emulator.requests)

    def sent(self, *moments: Moment) -> Sequence[Sent]:
        all_sent = (self._sent(each) for each in tuple(self._emulator.deliveries))
        return [each for each in all_sent if not moments or each.moment in moments]

    async def until(
        self, condition: Callable[[], bool], what: str, *, within: float = 10.0
    ) -> None:
        await self._emulator.until(condition, what, within=within)

    async def settle(self) -> None:
        broken = self._emulator.violations
        assert not broken, "\n".join(broken)
