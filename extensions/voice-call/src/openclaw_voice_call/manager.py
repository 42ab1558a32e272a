"""All calls: placing them, admitting them, and bringing every webhook to the call it is about.

Live calls have a runner; ended ones are in the journal only. The index from a carrier's leg to a
runner is derived from the runners' records, so it holds nothing of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.draft import Decision
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.opening import Refusal
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.types import (
    CallId,
    CarrierCallId,
    Direction,
    EndReason,
    Mode,
)
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.conversation.responder import Responder
from openclaw_voice_call.errors import (
    AtCapacity,
    CarrierError,
    Conflict,
    Overloaded,
    ShuttingDown,
)
from openclaw_voice_call.interfaces.carrier import Carrier, Envelope, InboundOffer, Reading
from openclaw_voice_call.interfaces.instruction import Instruction, LegOrder, Refuse, Release
from openclaw_voice_call.interfaces.store import CallStore
from openclaw_voice_call.media.live_voice import LiveParts
from openclaw_voice_call.openings import CallRequest, Openings
from openclaw_voice_call.performer import line_settings
from openclaw_voice_call.reception import Reception, Welcome
from openclaw_voice_call.runner import CallParts, CallRunner

APOLOGY_S: Final = 10.0
"""Long enough to be heard to its end before the leg is hung up."""
NO_STEP: Final = StepRef(0, 0)
"""The number's own webhook: fits the beginning of a call and nothing later."""
APOLOGY: Final = "Sorry, something went wrong on our side. Please call again. Goodbye."
RESTORE_AT_ONCE: Final = 4
"""How many restored calls are checked with the carrier at the same time."""
PRUNE_EVERY_S: Final = 6 * 3600.0

log = logging.getLogger("openclaw.plugins.voice-call")


class CallManager:
    """Constructed complete; `restore` takes up what was live, `start` goes on with it, `stop` ends
    or leaves it."""

    def __init__(
        self,
        *,
        store: CallStore,
        carrier: Carrier,
        responder: Responder,
        clock: Clock,
        tasks: TaskOwner,
        reception: Reception,
        openings: Openings,
        keep_facts_s: float,
        live: LiveParts | None = None,
        overloaded: Callable[[], bool] = lambda: False,
        on_change: Callable[[CallRecord, Sequence[Fact]], None],
        on_refusal: Callable[[InboundOffer, Refusal], None],
    ) -> None:
        self._store = store
        self._carrier = carrier
        self._responder = responder
        self._clock = clock
        self._tasks = tasks
        self._reception = reception
        self._openings = openings
        self._keep_facts_s = keep_facts_s
        self._on_change = on_change
        self._on_refusal = on_refusal
        self._runners: dict[CallId, CallRunner] = {}
        self._legs: dict[CarrierCallId, CallRunner] = {}
        self._restored: list[CallRunner] = []
        """Those that have not been started yet."""
        self._admitting: dict[CarrierCallId, asyncio.Future[CallRunner | Refusal]] = {}
        self._opening = 0
        self._settled = asyncio.Event()
        self._pruning: asyncio.Task[None] | None = None
        self._stopping = False
        self._overloaded = overloaded
        self._parts = CallParts(store, carrier, clock, tasks, responder, self._adopted, live)

    @property
    def live(self) -> Sequence[CallRecord]:
        """The newest stored records of all live calls, oldest first."""
        return [runner.record for runner in self._runners.values() if runner.record.live]

    @property
    def can_record(self) -> bool:
        """Whether calls have audio that could be recorded."""
        return self._openings.live_audio

    @property
    def config(self) -> VoiceCallConfig:
        """What calls that begin now begin with."""
        return self._openings.config

    def adopt(self, config: VoiceCallConfig) -> None:
        """Let calls that begin from now on begin with this; those that are live keep theirs."""
        self._openings.config = config

    @property
    def busy(self) -> bool:
        """Whether there is a call, live or about to be."""
        return bool(self.live or self._opening or self._admitting)

    async def idle(self) -> None:
        """Wait until there is no call, neither live nor about to be. It returns at that moment:
        what the caller does before it waits for anything else is done without a call."""
        while self.busy:
            self._settled.clear()
            await self._settled.wait()

    async def restore(self) -> None:
        """Know the calls again that were live when the last process stopped. Before the doors open:
        then the first webhook finds its call."""
        for record in await self._store.live():
            runner = CallRunner(record, self._parts, restored=True)
            self._runners[record.call_id] = runner
            # Stored first: what is due from the old record may be a dial that has gone out.
            await runner.apply(ev.Restored())
            self._responder.recover(record)
            self._restored.append(runner)

    def start(self) -> None:
        """Go on with the restored calls. Dials nothing (F55). After the doors are open: a carrier
        that is told to open a stream does so at once."""
        restored, self._restored = self._restored, []
        for runner in restored:
            runner.start()
        if restored:
            log.info("calls restored", extra={"count": len(restored)})
            self._tasks.spawn("restored calls", self._check(restored))
        self._pruning = self._tasks.spawn("journal pruning", self._prune())

    async def place(self, request: CallRequest) -> CallRunner:
        """Open a call in the journal, then have it dialled.

        Raises AtCapacity, Overloaded, JournalRefused or ShuttingDown; then the carrier was not
        contacted.
        """
        if self._stopping:
            raise ShuttingDown
        if self._overloaded():
            raise Overloaded
        return await self._open(self._openings.outbound(request))

    def runner(self, call: str) -> CallRunner | None:
        """The live call with this id, ours or the carrier's."""
        return self._runners.get(CallId(call)) or self._legs.get(CarrierCallId(call))

    async def record(self, call: str) -> CallRecord | None:
        """The call with this id, ours or the carrier's, live or ended (F60)."""
        runner = self.runner(call)
        if runner is not None:
            return runner.record
        record = await self._store.load(CallId(call))
        if record is not None:
            return record
        call_id = await self._store.find(self._carrier.name, CarrierCallId(call))
        return await self._store.load(call_id) if call_id is not None else None

    async def receive(self, reading: Reading) -> Instruction | None:
        """Deliver what a verified webhook says; give what the line is to do, if it asks.

        Raises JournalRefused when it could not be stored: the carrier's retry is welcome.
        """
        runner: CallRunner | None = None
        refused: Instruction | None = None
        asked = reading.step or NO_STEP
        for envelope in reading.envelopes:
            found = await self._route(envelope)
            if isinstance(found, Refusal):
                refused = _turn_away(envelope.offer, found)
                break
            if found is None:
                continue
            runner = found
            if envelope.event is not None:
                await runner.apply(envelope.event, envelope.occurrence)
                if isinstance(envelope.event, ev.Heard):
                    asked = StepRef(asked.script, asked.step + 1)
        if not reading.asks:
            return None
        if refused is not None:
            return refused
        if runner is None:
            return Release()
        if not reading.failed:
            return await runner.instruction(asked, self._carrier.features.long_poll_ms)
        # The carrier could not get or use an answer of ours: it is told again, once. After that
        # nobody is left in silence.
        if runner.may_stumble():
            return await runner.instruction(None, 0)
        runner.end_later(APOLOGY_S, "the carrier could not use an answer of ours")
        return Release(APOLOGY, line_settings(runner.record))

    async def stop(self, *, restarting: bool, within_s: float = 5.0) -> None:
        """Stop placing and answering; hang all calls up (F68), or leave them when restarting."""
        self._stopping = True
        if not restarting:
            runners = [runner for runner in self._runners.values() if runner.record.live]
            for runner in runners:
                runner.post(
                    ev.EndRequested(
                        EndReason.HANGUP_BOT, at_once=True, detail="the gateway was stopped"
                    )
                )
            async with asyncio.TaskGroup() as group:
                for runner in runners:
                    group.create_task(runner.wait_until(_is_over, within_s))
        for runner in list(self._runners.values()):
            runner.stop()
        if self._pruning is not None:
            self._pruning.cancel()

    async def _open(self, opened: Decision) -> CallRunner:
        record, facts = opened
        max_live = self.config.max_concurrent_calls
        self._opening += 1
        try:
            await self._store.open(record, facts, at=self._clock.wall(), max_live=max_live)
            runner = CallRunner(record, self._parts)
            self._runners[record.call_id] = runner
        finally:
            self._opening -= 1
            self._settled.set()
        runner.start(facts)
        if record.settings.mode is Mode.CONVERSATION:
            self._responder.warm_up(record.settings)
        return runner

    async def _route(self, envelope: Envelope) -> CallRunner | Refusal | None:
        """The call that an envelope is about; an offer may make a new one."""
        if envelope.call_id is not None:
            runner = self._runners.get(envelope.call_id)
            if runner is None:
                record = await self._store.load(envelope.call_id)
                return self._revive(record) if record is not None else None
            leg = runner.record.carrier_call_id
            known = leg is not None and envelope.carrier_call_id is not None
            return None if known and leg != envelope.carrier_call_id else runner
        if envelope.carrier_call_id is None:
            return None
        runner = self._legs.get(envelope.carrier_call_id)
        if runner is not None:
            return runner
        call_id = await self._store.find(self._carrier.name, envelope.carrier_call_id)
        if call_id is not None:
            record = await self._store.load(call_id)
            return self._revive(record) if record is not None else None
        if envelope.offer is None:
            return None
        return await self._admit(envelope.offer)

    def _revive(self, record: CallRecord) -> CallRunner:
        """A runner for a call that is over: late messages find it, and a stray leg is cancelled."""
        live = self._runners.get(record.call_id)
        return live if live is not None else CallRunner(record, self._parts)

    async def _admit(self, offer: InboundOffer) -> CallRunner | Refusal:
        """Judge an offered call once, however often its first webhook arrives meanwhile."""
        leg = offer.carrier_call_id
        pending = self._admitting.get(leg)
        if pending is not None:
            return await asyncio.shield(pending)
        pending = asyncio.get_running_loop().create_future()
        self._admitting[leg] = pending
        try:
            outcome = await self._judge(offer)
            pending.set_result(outcome)
            return outcome
        finally:
            del self._admitting[leg]
            self._settled.set()
            pending.cancel()

    async def _judge(self, offer: InboundOffer) -> CallRunner | Refusal:
        welcome: Welcome | Refusal = Refusal.BUSY
        if not self._stopping and not self._overloaded():
            welcome = await self._reception.judge(offer, self.config)
        if isinstance(welcome, Welcome):
            opened = self._openings.inbound(offer, welcome)
            why = self._responder.unable(opened.record.settings)
            if why is not None and welcome.mode is Mode.CONVERSATION:
                log.error("no agent can answer the phone", extra={"reason": why})
                welcome = Refusal.CANNOT_ANSWER
            else:
                try:
                    return await self._open(opened)
                except AtCapacity:
                    welcome = Refusal.BUSY
                except Conflict:
                    # Another delivery of this webhook was faster.
                    runner = self._legs.get(offer.carrier_call_id)
                    if runner is not None:
                        return runner
                    welcome = Refusal.BUSY
        log.info("inbound call refused", extra={"reason": welcome.value})
        self._on_refusal(offer, welcome)
        if not self._carrier.features.markup:
            self._tasks.spawn("refusal", self._refuse_by_command(offer, welcome))
        return welcome

    async def _refuse_by_command(self, offer: InboundOffer, refusal: Refusal) -> None:
        leg = LegOrder(CallId("refused"), offer.carrier_call_id)
        reason = "busy" if refusal is Refusal.BUSY else "rejected"
        try:
            await self._carrier.refuse(leg, reason)
        except CarrierError as error:
            log.warning("refusal failed", extra={"code": error.code})

    async def _check(self, runners: Sequence[CallRunner]) -> None:
        gate = asyncio.Semaphore(RESTORE_AT_ONCE)

        async def check(runner: CallRunner) -> None:
            async with gate:
                await runner.reconcile()

        async with asyncio.TaskGroup() as group:
            for runner in runners:
                group.create_task(check(runner))

    async def _prune(self) -> None:
        while True:
            pruned = await self._store.prune(self._clock.wall() - self._keep_facts_s)
            if pruned:
                log.info("journal pruned", extra={"facts": pruned})
            await self._clock.sleep(PRUNE_EVERY_S)

    def _adopted(self, runner: CallRunner, facts: Sequence[Fact]) -> None:
        record = runner.record
        leg = record.carrier_call_id
        if record.live:
            if leg is not None:
                self._legs[leg] = runner
        else:
            self._runners.pop(record.call_id, None)
            for name in [name for name, owner in self._legs.items() if owner is runner]:
                del self._legs[name]
            self._settled.set()
        self._on_change(record, facts)


def _is_over(record: CallRecord) -> bool:
    return not record.live


def _turn_away(offer: InboundOffer | None, refusal: Refusal) -> Instruction:
    """Only a call that comes in can be refused unanswered; another leg is hung up."""
    if offer is None or offer.direction is Direction.OUTBOUND:
        return Release()
    return Refuse("busy" if refusal is Refusal.BUSY else "rejected")
