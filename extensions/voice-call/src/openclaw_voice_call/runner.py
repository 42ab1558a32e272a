"""One call: its inbox, its newest record, and what waits for it.

`post` decides at once and hands the decision to the journal; when it is stored, the runner adopts
the record and performs what is due. Decisions of one call are stored in their order, so effects
are released in order too. Only hanging up does not wait for the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from openclaw.sdk import Clock, TaskOwner, TimerHandle
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.decide import decide
from openclaw_voice_call.call.draft import Decision
from openclaw_voice_call.call.due import Ask, HangUpLine, LineView, due
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.instruct import Hold, Over, Play, Stale, instruct
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Listen, StepRef
from openclaw_voice_call.call.types import EndReason, Phase
from openclaw_voice_call.conversation.responder import ReplyError, Responder
from openclaw_voice_call.errors import JournalRefused, StoreError
from openclaw_voice_call.interfaces.carrier import Carrier
from openclaw_voice_call.interfaces.instruction import Instruction, KeepAlive, Perform, Release
from openclaw_voice_call.interfaces.store import CallStore
from openclaw_voice_call.performer import Performer, line_settings

RETURN_S: Final = 6.0
"""A line that was told to wait a second is expected back within this time."""
SILENCE_S: Final = 10.0
"""A line that listens asks again every few seconds. One that has not asked for this long is looked
up at its carrier: it may be gone without a word, as an inbound call is whose number has no status
callback."""
QUIET_S: Final = 30.0
"""A line that is told by command asks for nothing, and while nobody speaks it is quiet. After this
long it is looked up: the one message of its end may be lost."""
DISTRESS_RETRY_S: Final = 2.0
INSIST_S: Final = 0.3

log = logging.getLogger("openclaw.plugins.voice-call")


@dataclass(frozen=True, slots=True)
class CallParts:
    """What every call needs, shared by all of them."""

    store: CallStore
    carrier: Carrier
    clock: Clock
    tasks: TaskOwner
    responder: Responder
    adopted: Callable[[CallRunner, Sequence[Fact]], None]
    """Told of each stored change."""


class CallRunner:
    """Complete when constructed with a stored record; `start` performs what that calls for."""

    def __init__(self, record: CallRecord, parts: CallParts, *, served: int = 0) -> None:
        self.record = record
        """The newest stored record."""
        self._head = record
        self._parts = parts
        self._features = parts.carrier.features
        self._generation = 0
        self._newest: asyncio.Future[CallRecord] | None = None
        self._begun: set[str] = set()
        self._served = served
        self._holds = 0
        self._returning_until = 0.0
        self._watchers: set[asyncio.Future[None]] = set()
        self._timer: TimerHandle | None = None
        self._silence: TimerHandle | None = None
        self._reply: asyncio.Task[None] | None = None
        self._distressed = False
        self._stumbled = False
        self._stopped = False
        self._performer = Performer(
            carrier=parts.carrier,
            clock=parts.clock,
            tasks=parts.tasks,
            record=lambda: self._head,
            post=self.post,
        )

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Begin what the stored record calls for; `facts` are those of its opening."""
        if self._served:
            # A restored line: its carrier is about to repeat what the end of the last process cut.
            self._expect_return()
        self._adopt(self.record, facts)

    def post(
        self, event: ev.CallEvent, occurrence: str | None = None
    ) -> asyncio.Future[CallRecord]:
        """Decide `event` now; the future gives the record when it is stored.

        Raises what `decide` raises; the future raises JournalRefused or Conflict, and then the
        event has had no effect. Await it through `apply`, or shielded.
        """
        decision = decide(self._head, event, self._parts.clock.wall(), occurrence)
        if decision.record is self._head:
            return self._all_stored()
        self._head = decision.record
        self._hang_up_if_due()
        stored: asyncio.Future[CallRecord] = asyncio.get_running_loop().create_future()
        stored.add_done_callback(_retrieve)
        self._newest = stored
        commit = self._parts.store.commit(
            decision.record, decision.facts, at=self._parts.clock.wall(), occurrence=occurrence
        )
        commit.add_done_callback(partial(self._stored, decision, stored, self._generation))
        return stored

    async def apply(self, event: ev.CallEvent, occurrence: str | None = None) -> CallRecord:
        """`post`, then wait until it is stored. A cancelled waiter does not undo the event."""
        return await asyncio.shield(self.post(event, occurrence))

    async def instruction(self, asked: StepRef | None, hold_ms: int) -> Instruction:
        """What the line is told at step `asked`; held up to `hold_ms` while the agent thinks."""
        clock = self._parts.clock
        until = clock.monotonic() + hold_ms / 1000
        self._expect_line()
        while True:
            record = self.record
            told = instruct(record, asked)
            line = line_settings(record)
            match told:
                case Play(verb, here, after):
                    self._served = max(self._served, here.script)
                    self._returning_until = 0.0
                    return Perform(record.call_id, verb, here, after, line)
                case Stale(after):
                    return self._keep_alive(after)
                case Over():
                    return Release(line=line)
                case Hold(after):
                    left_s = until - clock.monotonic()
                    if left_s <= 0 or self._stopped:
                        return self._keep_alive(after)
                    self._holds += 1
                    try:
                        await self._change(left_s)
                    finally:
                        self._holds -= 1

    async def wait_until(
        self, holds: Callable[[CallRecord], bool], timeout_s: float
    ) -> CallRecord | None:
        """Wait until a stored record fulfils `holds`; None when that takes longer."""
        clock = self._parts.clock
        until = clock.monotonic() + timeout_s
        while not holds(self.record):
            left_s = until - clock.monotonic()
            if left_s <= 0 or self._stopped:
                return None
            await self._change(left_s)
        return self.record

    def may_stumble(self) -> bool:
        """True the first time that the carrier could not use an answer and the journal works."""
        stumbled, self._stumbled = self._stumbled, True
        return not stumbled and not self._distressed

    def end_later(self, delay_s: float, detail: str) -> None:
        """End the call as failed when `delay_s` seconds have passed, unless it is over by then."""

        def end() -> None:
            self.post(ev.EndRequested(EndReason.ERROR, at_once=True, detail=detail))

        self._parts.clock.call_later(delay_s, end)

    async def reconcile(self) -> None:
        """Ask the carrier what became of the leg."""
        await self._performer.reconcile()

    def stop(self) -> None:
        """Stop timers and waiting; the call itself is left as it is."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._expect_line()
        if self._reply is not None:
            self._reply.cancel()
        self._performer.stop()
        self._wake()

    def _all_stored(self) -> asyncio.Future[CallRecord]:
        if self._newest is not None and not self._newest.done():
            return self._newest
        settled: asyncio.Future[CallRecord] = asyncio.get_running_loop().create_future()
        settled.set_result(self.record)
        return settled

    def _stored(
        self,
        decision: Decision,
        stored: asyncio.Future[CallRecord],
        generation: int,
        commit: asyncio.Future[None],
    ) -> None:
        error = asyncio.CancelledError() if commit.cancelled() else commit.exception()
        if error is None:
            self._distressed = False
            self._adopt(decision.record, decision.facts)
            stored.set_result(decision.record)
            return
        if generation == self._generation:
            # Everything decided on top of this one fails with it: go on from what is stored.
            self._generation += 1
            self._head = self.record
            self._begun.discard("hangup")
        stored.set_exception(error)
        if self._timer is None and not self._stopped:
            self._timer = self._parts.clock.call_later(DISTRESS_RETRY_S, self._deadline)
        if isinstance(error, JournalRefused):
            self._be_distressed()
        elif not isinstance(error, StoreError):
            log.error("journal failed", exc_info=error, extra={"call": self.record.call_id})

    def _adopt(self, record: CallRecord, facts: Sequence[Fact]) -> None:
        self.record = record
        line = LineView(self._served, self._is_asking())
        for command in due(record, markup=self._features.markup, line=line):
            if command.id in self._begun:
                continue
            self._begun.add(command.id)
            if isinstance(command, Ask):
                self._ask(command)
            else:
                self._performer.begin(command)
        if record.reply is None and self._reply is not None:
            self._reply.cancel()
            self._reply = None
        if not (record.live or record.stray):
            self._performer.line_is_down()
        self._arm()
        self._expect_line()
        self._parts.responder.remember(record, facts)
        self._parts.adopted(self, facts)
        self._wake()

    def _hang_up_if_due(self) -> None:
        if not self._head.closing or "hangup" in self._begun:
            return
        line = LineView(self._served, asking=True)
        for command in due(self._head, markup=self._features.markup, line=line):
            if isinstance(command, HangUpLine):
                self._begun.add(command.id)
                self._performer.begin(command)

    def _ask(self, command: Ask) -> None:
        if self._reply is not None:
            self._reply.cancel()
        record = self.record
        self._reply = self._parts.tasks.spawn("agent reply", self._answer(record, command))

    async def _answer(self, record: CallRecord, command: Ask) -> None:
        pending = command.reply
        try:
            text = await self._parts.responder.reply(record, pending)
        except ReplyError as error:
            log.warning("no reply", extra={"call": record.call_id, "code": error.why})
            await self._insist(ev.ReplyFailed(pending.turn, error.why))
        else:
            await self._insist(ev.ReplyReady(pending.turn, text))

    async def _insist(self, event: ev.CallEvent) -> None:
        """Post what nobody else repeats until it is stored, or the distress has ended the call."""
        while True:
            try:
                await self.apply(event)
                return
            except JournalRefused:
                await self._parts.clock.sleep(INSIST_S)

    def _keep_alive(self, after: StepRef) -> Instruction:
        self._expect_return()
        return KeepAlive(self.record.call_id, after, line_settings(self.record))

    def _expect_return(self) -> None:
        self._returning_until = self._parts.clock.monotonic() + RETURN_S
        self._parts.clock.call_later(RETURN_S, self._look_again)

    def _look_again(self) -> None:
        """A line that did not return is told by other means what is newer than it knows."""
        if self.record.live and not self._stopped:
            self._adopt(self.record, ())

    def _is_asking(self) -> bool:
        """Whether the line asks, or will by itself; one that was given nothing yet is about to: a
        carrier tells us of the answer while it fetches the first document."""
        if not self._served or self._holds > 0:
            return True
        return self._parts.clock.monotonic() < self._returning_until

    def _expect_line(self) -> None:
        """Begin to wait anew for a sign of a line that listens."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        record = self.record
        up = record.phase is Phase.UP and not record.closing and not self._stopped
        if up and isinstance(record.script.current, Listen):
            patience_s = SILENCE_S if self._features.markup else QUIET_S
            self._silence = self._parts.clock.call_later(patience_s, self._look_up_line)

    def _look_up_line(self) -> None:
        self._silence = None
        self._parts.tasks.spawn("silent line", self._check_line())

    async def _check_line(self) -> None:
        await self.reconcile()
        self._expect_line()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.record.next_due
        if at is not None and not self._stopped:
            delay_s = max(0.0, at - self._parts.clock.wall())
            self._timer = self._parts.clock.call_later(delay_s, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        now = self._parts.clock.wall()
        passed = [name for name, at in self._head.deadlines.items() if at <= now]
        for name in passed:
            self.post(ev.DeadlinePassed(name))
        if not passed:
            self._arm()

    def _be_distressed(self) -> None:
        """Without a journal a call cannot go on: hang up, and store that as soon as it can be."""
        if not self._distressed and self.record.live and not self._stopped:
            self._distressed = True
            self._parts.tasks.spawn("journal distress", self._end_without_journal())

    async def _end_without_journal(self) -> None:
        while self._distressed and self.record.live and not self._stopped:
            await self._parts.clock.sleep(DISTRESS_RETRY_S)
            if not self._distressed:
                return
            detail = "the call journal could not be written"
            self.post(ev.EndRequested(EndReason.ERROR, at_once=True, detail=detail))

    async def _change(self, timeout_s: float) -> None:
        """Wait for the next stored change, at most `timeout_s`."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        timer = self._parts.clock.call_later(timeout_s, partial(_resolve, watcher))
        try:
            await watcher
        finally:
            timer.cancel()
            self._watchers.discard(watcher)

    def _wake(self) -> None:
        watchers, self._watchers = self._watchers, set()
        for watcher in watchers:
            _resolve(watcher)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _retrieve(future: asyncio.Future[CallRecord]) -> None:
    """A failure that nobody waits for was reported where it happened."""
    if not future.cancelled():
        future.exception()
