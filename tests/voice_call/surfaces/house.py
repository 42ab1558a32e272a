"""The doors over a real service, journal and RPC router; only the phone network is made up."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from openclaw.clock import SystemClock
from openclaw.rpc.frames import Request
from openclaw.rpc.router import RpcRouter
from openclaw.sdk import Caller
from openclaw.tasks import Supervisor
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Digits, Listen, Say
from openclaw_voice_call.call.snapshot import state_name
from openclaw_voice_call.call.types import CallId, CarrierCallId, EndReason, Mode
from openclaw_voice_call.config.model import OutboundConfig, VoiceCallConfig
from openclaw_voice_call.conversation.responder import Responder
from openclaw_voice_call.errors import CarrierError, VoiceCallError
from openclaw_voice_call.interfaces.carrier import (
    CarrierFeatures,
    Envelope,
    LegState,
    LegStatus,
    Reading,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import DialOrder, Instruction, LegOrder, Perform
from openclaw_voice_call.interfaces.links import read_link
from openclaw_voice_call.interfaces.speech import NativeVoice
from openclaw_voice_call.manager import CallManager
from openclaw_voice_call.openings import Openings
from openclaw_voice_call.reception import Reception
from openclaw_voice_call.service import CallService
from openclaw_voice_call.store.pairings import PairingFile
from openclaw_voice_call.store.sqlite import SqliteCallStore
from openclaw_voice_call.surfaces.doors import ServiceDoor
from openclaw_voice_call.surfaces.rpc import register_rpc
from openclaw_voice_call.surfaces.tool import register_tool
from tests.voice_call.rig import FakeAgents, FakeApi

US = "+15550001234"
THEM = "+15551112222"
PATIENCE_S = 5.0
FEATURES = CarrierFeatures(markup=False, dials_phones=False)


@dataclass
class FakeCarrier:
    """Takes every order and puts it into `orders`, where the test or a person finds it."""

    refusal: CarrierError | None = None
    """What `dial` raises."""
    name: str = "mock"
    features: CarrierFeatures = FEATURES
    orders: asyncio.Queue[DialOrder | Perform | LegOrder] = field(
        default_factory=lambda: asyncio.Queue(100)
    )
    dialled: int = 0
    media: None = None

    def voice_name(self, voice: NativeVoice) -> str | None:
        return None

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        """There is none."""

    def notices(self) -> Sequence[str]:
        return ()

    def signature_headers(self) -> Sequence[str]:
        return ()

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        return self.trust(request)

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        return VerifiedWebhook(read_link(request.target))

    def read(self, webhook: VerifiedWebhook) -> Reading:
        return Reading((), asks=False)

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        return WebhookReply(204)

    async def dial(self, order: DialOrder) -> CarrierCallId:
        self.dialled += 1
        if self.refusal is not None:
            raise self.refusal
        self.orders.put_nowait(order)
        return leg_of(order.call_id)

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        return None

    async def answer(self, leg: LegOrder) -> None:
        """Inbound calls are not this suite's subject."""

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        """Inbound calls are not this suite's subject."""

    async def perform(self, leg: LegOrder, order: Perform) -> None:
        self.orders.put_nowait(order)

    async def nudge(self, leg: LegOrder, step: object) -> None:
        """This carrier fetches nothing."""

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        self.orders.put_nowait(leg)

    async def status(self, leg: LegOrder) -> LegStatus:
        return LegStatus(LegState.LIVE)

    async def close(self) -> None:
        """Nothing is open."""


def leg_of(call: str) -> CarrierCallId:
    return CarrierCallId(f"mock-{call}")


@dataclass
class DoorsApi(FakeApi):
    """A host whose RPC methods end in a real router."""

    router: RpcRouter = field(default_factory=RpcRouter)
    stops: list[Callable[[], Awaitable[None]]] = field(
        default_factory=list[Callable[[], Awaitable[None]]]
    )

    def add_rpc(
        self,
        name: str,
        handler: Callable[..., Awaitable[object]],
        scope: str | None = "operator.admin",
    ) -> None:
        self.router.add(name, handler, scope, plugin=True)

    def add_service(
        self,
        name: str,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self.stops.append(stop)


@dataclass
class ShutDoor:
    """A plugin that cannot work."""

    reason: VoiceCallError

    def service(self) -> CallService:
        raise self.reason


@dataclass
class OpenDoor:
    opened: CallService

    def service(self) -> CallService:
        return self.opened


@dataclass
class House:
    service: CallService
    manager: CallManager
    carrier: FakeCarrier
    store: SqliteCallStore
    api: DoorsApi
    agents: FakeAgents

    async def happens(self, call: str, *events: ev.CallEvent) -> None:
        """The phone network tells this of a call."""
        for event in events:
            envelope = Envelope(leg_of(call), CallId(call), event)
            await self.manager.receive(Reading((envelope,), asks=False))

    async def answered(self, call: str) -> None:
        await self.happens(call, ev.LineAnswered(leg_of(call)))

    async def until(self, call: str, holds: Callable[[CallRecord], bool]) -> CallRecord:
        runner = self.manager.runner(call)
        assert runner is not None, "the call is over"
        record = await runner.wait_until(holds, PATIENCE_S)
        assert record is not None, runner.record
        return record

    async def listening(self, call: str) -> None:
        """All is said, and the other party has the word."""
        while True:
            record = await self.until(call, _waits_for_the_line)
            match record.script.current:
                case Say(utterance=utterance):
                    await self.happens(call, ev.UtterancePlayed(utterance))
                case Digits(operation=operation):
                    await self.happens(call, ev.DigitsSent(operation))
                case _:
                    return

    async def hears(self, call: str, text: str) -> None:
        await self.listening(call)
        await self.happens(call, ev.Heard(text))

    async def rpc(self, method: str, params: object = None, *scopes: str) -> dict[str, object]:
        """The gateway's answer to `voicecall.<method>`, as its frame has it."""
        caller = Caller(
            "conn", "cli", "operator", frozenset(scopes or ("operator.admin",)), 4, _ignore
        )
        request = Request(id="1", method=f"voicecall.{method}", params=params)
        return frame(await self.api.router.dispatch(request, caller))


def frame(response: object) -> dict[str, object]:
    """A response as JSON."""
    return msgspec.json.decode(msgspec.json.encode(response), type=dict[str, object])


def _ignore(event: str, payload: object) -> None:
    """Nobody is connected."""


def _waits_for_the_line(record: CallRecord) -> bool:
    return record.closing or isinstance(record.script.current, Say | Listen | Digits)


@asynccontextmanager
async def house(
    folder: Path,
    *,
    carrier: FakeCarrier | None = None,
    says: Sequence[str] | None = None,
    reason: VoiceCallError | None = None,
    to_number: str | None = THEM,
    default_mode: Mode = Mode.CONVERSATION,
    max_live: int = 5,
    busy: bool = False,
    transcript_timeout_ms: int = 180_000,
    inbound: InboundPolicy = InboundPolicy.DISABLED,
    publish: Callable[[str, Mapping[str, object]], None] = _ignore,
) -> AsyncGenerator[House]:
    """`says`: what everybody who is called says, turn by turn, before hanging up; None leaves the
    phones to the test. `reason`: why the plugin cannot work. `busy`: audio leaves late."""
    clock, tasks = SystemClock(), Supervisor("house", logging.getLogger("house"))
    carrier = carrier or FakeCarrier()
    store = await SqliteCallStore.connect(folder / "voice-calls")
    agents = FakeAgents()
    api = DoorsApi(folder, clock, agents, tasks)
    config = VoiceCallConfig(
        to_number=to_number,
        outbound=OutboundConfig(default_mode=default_mode, notify_hangup_delay_sec=0),
        inbound_policy=inbound,
        inbound_greeting="Hello.",
        transcript_timeout_ms=transcript_timeout_ms,
    )
    # Not validated, so that there can be no room at all.
    config = config.model_copy(update={"max_concurrent_calls": max_live})

    def changed(record: CallRecord, facts: Sequence[Fact]) -> None:
        if facts:
            told = {"callId": record.call_id, "state": state_name(record), "live": record.live}
            publish("voicecall.call", told)

    reception = Reception(
        PairingFile(folder / "voice-calls"),
        clock,
        new_code=lambda: "123456",
    )
    manager = CallManager(
        store=store,
        carrier=carrier,
        responder=Responder(agents, tasks),
        clock=clock,
        tasks=tasks,
        reception=reception,
        openings=Openings(
            carrier,
            clock,
            config,
            new_call_id=lambda: CallId(str(uuid.uuid4())),
            live_audio=False,
            native_voice=None,
        ),
        overloaded=lambda: busy,
        keep_facts_s=86_400.0,
        on_change=changed,
        on_refusal=lambda offer, refusal: None,
    )
    await manager.restore()
    manager.start()
    service = CallService(
        manager=manager,
        store=store,
        clock=clock,
        from_number=US,
        any_number=True,
        new_operation_id=lambda: uuid.uuid4().hex[:12],
        reception=reception,
    )
    door: ServiceDoor = OpenDoor(service) if reason is None else ShutDoor(reason)
    register_rpc(api, door)
    register_tool(api, door)
    found = House(service, manager, carrier, store, api, agents)
    if says is not None:
        tasks.spawn("everybody", _everybody(found, says))
    try:
        yield found
    finally:
        for stop in api.stops:
            await stop()
        await manager.stop(restarting=True)
        await tasks.close()
        await store.close()


async def _everybody(house: House, says: Sequence[str]) -> None:
    """All the people who can be called, one after the other."""
    said: dict[CallId, int] = {}
    while True:
        order = await house.carrier.orders.get()
        call = order.call_id
        if isinstance(order, DialOrder):
            await house.until(call, lambda record: record.carrier_call_id is not None)
            await house.happens(call, ev.LineRinging(leg_of(call)), ev.LineAnswered(leg_of(call)))
        elif isinstance(order, Perform):
            verb = order.verb
            if isinstance(verb, Say):
                await house.happens(call, ev.UtterancePlayed(verb.utterance))
            elif isinstance(verb, Digits):
                await house.happens(call, ev.DigitsSent(verb.operation))
            elif isinstance(verb, Listen) and said.get(call, 0) < len(says):
                said[call] = said.get(call, 0) + 1
                await house.happens(call, ev.Heard(says[said[call] - 1]))
            elif isinstance(verb, Listen):
                await house.happens(call, ev.LineEnded(EndReason.HANGUP_USER))
