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
from openclaw_voice_call.call.due import Ask, HangUpLine, due
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.instruct import Hold, Over, Play, Stale, instruct
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Listen, StepRef
from openclaw_voice_call.call.types import EndReason, Mode
from openclaw_voice_call.changes import Changes
from openclaw_voice_call.conversation.answering import Answering
from openclaw_voice_call.conversation.responder import Responder
from openclaw_voice_call.errors import Conflict, JournalRefused, StoreError, StreamRefused
from openclaw_voice_call.interfaces.carrier import Carrier
from openclaw_voice_call.interfaces.instruction import Instruction, KeepAlive, Perform, Release
from openclaw_voice_call.interfaces.media import MessageSink, StreamStart, Wire
from openclaw_voice_call.interfaces.store import CallStore
from openclaw_voice_call.line_watch import LineWatch
from openclaw_voice_call.media.live_voice import LiveParts, LiveVoice
from openclaw_voice_call.performer import Performer, line_settings

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
    live: LiveParts | None = None
    """None: calls are served by the carrier's own voice."""


class CallRunner:
    """Complete when constructed with a stored record; `start` performs what that calls for.

    `restored`: the record is of the last process. Such a call takes what is told to it, and does
    nothing but hang up before it is started: what it asks for may come back to our doors.
    """

    def __init__(self, record: CallRecord, parts: CallParts, *, restored: bool = False) -> None:
        self.record = record
        """The newest stored record."""
        self._head = record
        self._parts = parts
        self._features = parts.carrier.features
        self._generation = 0
        self._newest: asyncio.Future[CallRecord] | None = None
        self._begun: set[str] = set()
        self._changes = Changes(parts.clock)
        self._timer: TimerHandle | None = None
        self._answering = Answering(
            parts.responder, clock=parts.clock, tasks=parts.tasks, insist=self._insist
        )
        self._voice = self._new_voice(record)
        self._distressed = False
        self._stumbled = False
        self._stopped = False
        self._waiting = restored
        self._line = LineWatch(
            served=record.script.number if restored else 0,
            markup=self._features.markup,
            clock=parts.clock,
            tasks=parts.tasks,
            look_again=self._look_again,
            look_up=self.reconcile,
        )
        self._performer = Performer(
            carrier=parts.carrier,
            clock=parts.clock,
            tasks=parts.tasks,
            record=lambda: self._head,
            post=self.post,
        )
        if self._line.served:
            # The carrier is about to repeat what the end of the last process cut.
            self._line.expect_return()

    def start(self, facts: Sequence[Fact] = ()) -> None:
        """Begin what the stored record calls for; `facts` are those of its opening."""
        self._waiting = False
        self._adopt(self.record, facts)
        if self.record.speaks_live and self.record.live and self._voice is None:
            self.tell(ev.LiveAudioFailed("live audio is switched off"))

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
        # What falls silent by it may tell more: that is stored after this.
        if self._voice is not None:
            self._voice.forget(decision.record)
        return stored

    async def apply(self, event: ev.CallEvent, occurrence: str | None = None) -> CallRecord:
        """`post`, then wait until it is stored. A cancelled waiter does not undo the event."""
        return await asyncio.shield(self.post(event, occurrence))

    def tell(self, event: ev.CallEvent) -> CallRecord:
        """`post` what nobody else repeats; gives the record as decided."""
        generation = self._generation
        stored = self.post(event)
        stored.add_done_callback(partial(self._told, event, generation))
        return self._head

    def likely(self, text: str) -> None:
        """The other party has probably finished to say `text`."""
        record = self.record
        listening = isinstance(record.script.current, Listen) and record.waiter is None
        if listening and record.settings.head_start and record.settings.mode is Mode.CONVERSATION:
            self._answering.expect(record, text)

    def expects_stream(self, number: int) -> bool:
        """Whether the call's media stream `number` may be opened now."""
        return self._voice is not None and self._head.awaits_stream(number)

    async def open_stream(self, number: int, start: StreamStart, wire: Wire) -> MessageSink:
        """Let the call speak and hear on this stream. Raises StreamRefused, JournalRefused."""
        leg = self._head.carrier_call_id
        if not self.expects_stream(number) or leg not in (None, start.carrier_call_id):
            raise StreamRefused("this stream is not expected")
        try:
            await self.apply(ev.StreamOpened(number, start.stream_id))
        except asyncio.CancelledError:
            # The door has let go of the socket meanwhile, and nobody else would tell.
            self.tell(ev.StreamClosed(number, "the stream was lost while it was let in"))
            raise
        if self._voice is None:
            raise StreamRefused("the call is over")
        return self._voice.attach(number, start, wire)

    async def instruction(self, asked: StepRef | None, hold_ms: int) -> Instruction:
        """What the line is told at step `asked`; held up to `hold_ms` while the agent thinks."""
        clock = self._parts.clock
        until = clock.monotonic() + hold_ms / 1000
        self._line.expect_sign(self.record)
        while True:
            record = self.record
            told = instruct(record, asked)
            line = line_settings(record)
            match told:
                case Play(verb, here, after):
                    self._line.told(here.script)
                    return Perform(record.call_id, verb, here, after, line)
                case Stale(after):
                    if self._voice is not None:
                        self._voice.doubt_stream()
                    return self._keep_alive(after)
                case Over():
                    return Release(line=line)
                case Hold(after):
                    left_s = until - clock.monotonic()
                    if left_s <= 0 or self._stopped:
                        return self._keep_alive(after)
                    with self._line.held():
                        await self._changes.next(left_s)

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
            await self._changes.next(left_s)
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
        self._line.stop()
        self._answering.stop()
        self._close_voice()
        self._performer.stop()
        self._changes.tell()

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
        if not self._waiting:
            self._begin_due(record)
        if record.reply is None:
            self._answering.cancel()
        if record.closing or record.waiter is not None or not record.speaks_live:
            self._answering.guess_no_more()
        if not (record.live or record.stray):
            self._performer.line_is_down()
        if self._voice is not None:
            self._voice.follow(record, self._head)
            if record.closing or not record.speaks_live:
                self._close_voice()
        self._arm()
        self._line.expect_sign(record)
        self._parts.responder.remember(record, facts)
        self._parts.adopted(self, facts)
        self._changes.tell()

    def _begin_due(self, record: CallRecord) -> None:
        for command in due(record, markup=self._features.markup, line=self._line.view()):
            if command.id in self._begun:
                continue
            self._begun.add(command.id)
            if isinstance(command, Ask):
                watch = self._voice.watch if self._voice is not None else None
                self._answering.ask(record, command.reply, watch)
            else:
                self._performer.begin(command)

    def _hang_up_if_due(self) -> None:
        if not self._head.closing or "hangup" in self._begun:
            return
        for command in due(self._head, markup=self._features.markup, line=self._line.view()):
            if isinstance(command, HangUpLine):
                self._begun.add(command.id)
                self._performer.begin(command)

    def _close_voice(self) -> None:
        voice, self._voice = self._voice, None
        if voice is not None:
            self._parts.tasks.spawn("live voice", voice.close())

    def _new_voice(self, record: CallRecord) -> LiveVoice | None:
        live = self._parts.live
        if live is None or not record.speaks_live or not record.live or record.closing:
            return None
        return LiveVoice(record, live, self)

    def _told(
        self, event: ev.CallEvent, generation: int, stored: asyncio.Future[CallRecord]
    ) -> None:
        if stored.cancelled() or self._stopped:
            return
        if self._may_try_again(stored.exception(), generation):
            self._parts.tasks.spawn("refused event", self._insist(event))

    def _may_try_again(self, error: BaseException | None, generation: int) -> bool:
        """Whether an event that was decided in this generation was lost with the journal, or with
        an event before it that was."""
        fell_with_another = isinstance(error, Conflict) and generation != self._generation
        return isinstance(error, JournalRefused) or fell_with_another

    async def _insist(self, event: ev.CallEvent) -> None:
        """Post what nobody else repeats until it is stored, or the distress has ended the call."""
        while not self._stopped:
            generation = self._generation
            try:
                await self.apply(event)
                return
            except StoreError as error:
                if not self._may_try_again(error, generation):
                    raise
                await self._parts.clock.sleep(INSIST_S)

    def _keep_alive(self, after: StepRef) -> Instruction:
        self._line.expect_return()
        return KeepAlive(self.record.call_id, after, line_settings(self.record))

    def _look_again(self) -> None:
        """A line that did not return is told by other means what is newer than it knows."""
        if self.record.live and not self._stopped:
            self._adopt(self.record, ())

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


def _retrieve(future: asyncio.Future[CallRecord]) -> None:
    """A failure that nobody waits for was reported where it happened."""
    if not future.cancelled():
        future.exception()
