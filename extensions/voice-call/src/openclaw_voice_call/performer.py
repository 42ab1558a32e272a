"""Carries a call's commands out at its carrier, and reports what came of them as events.

Three lanes a call: placing it, what is done on it in order, and hanging up, which overtakes both.
Placing has its own because the leg may be answered, and wait for our words, before the carrier has
answered the dial. Nothing here decides: a failure becomes an event, and what follows from it is the
machine's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.due import (
    Act,
    AnswerLine,
    Command,
    Dial,
    EndStream,
    HangUpLine,
    Lookup,
    Nudge,
)
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import ConnectStream, Digits, Say, StepRef, Verb
from openclaw_voice_call.call.types import Direction, EndReason, Phase
from openclaw_voice_call.errors import (
    CarrierError,
    CarrierOutcomeUnknown,
    LineGone,
)
from openclaw_voice_call.interfaces.carrier import Carrier, LegState
from openclaw_voice_call.interfaces.instruction import DialOrder, LegOrder, LineSettings, Perform
from openclaw_voice_call.lane import Lane

RETRY_DELAYS_S: Final = (0.5, 1.0, 2.0)
HANG_UP_DELAYS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)

log = logging.getLogger("openclaw.plugins.voice-call")


class Performer:
    """One call's way to its carrier.

    `record` gives the newest record, `post` takes events; both belong to the call's runner.
    """

    def __init__(
        self,
        *,
        carrier: Carrier,
        clock: Clock,
        tasks: TaskOwner,
        record: Callable[[], CallRecord],
        post: Callable[[ev.CallEvent], object],
    ) -> None:
        self._carrier = carrier
        self._clock = clock
        self._tasks = tasks
        self._record = record
        self._post = post
        self._placing = Lane("placing lane", tasks)
        self._lane = Lane("carrier lane", tasks)
        self._hanging_up: asyncio.Task[None] | None = None

    def begin(self, command: Command) -> None:
        """Queue a command; the machine gives each one once, so the queue is short."""
        if isinstance(command, HangUpLine):
            self._placing.clear()
            self._lane.clear()
            if self._hanging_up is None or self._hanging_up.done():
                self._hanging_up = self._tasks.spawn("hang up", self._hang_up())
            return
        lane = self._placing if isinstance(command, Dial | Lookup) else self._lane
        lane.put(partial(self._perform, command))

    def line_is_down(self) -> None:
        """There is nothing left to hang up. A dial goes on: what it places would be a stray leg."""
        if self._hanging_up is not None:
            self._hanging_up.cancel()

    def stop(self) -> None:
        """Cancel what is under way: the call is left as it is."""
        self._placing.stop()
        self._lane.stop()
        self.line_is_down()

    async def _perform(self, command: Command) -> None:
        match command:
            case Dial():
                await self._dial()
            case Lookup():
                await self._lookup()
            case AnswerLine():
                await self._answer()
            case Act():
                await self._act(command)
            case Nudge():
                await self._nudge(command.step)
            case EndStream():
                await self._end_stream(command.number)
            case _:
                pass

    async def _dial(self) -> None:
        try:
            leg = await self._carrier.dial(self._dial_order())
        except CarrierOutcomeUnknown as error:
            self._report("dial outcome unknown", error)
            self._post(ev.DialOutcomeUnknown(str(error)))
        except CarrierError as error:
            self._report("dial refused", error)
            self._post(ev.DialRefused(str(error)))
        else:
            self._post(ev.DialAccepted(leg))

    async def _lookup(self) -> None:
        try:
            leg = await self._carrier.find(self._dial_order())
        except CarrierError as error:
            self._report("lookup failed", error)
            leg = None
        self._post(ev.DialAccepted(leg) if leg else ev.LookupFinished())

    async def _answer(self) -> None:
        for delay_s in (*RETRY_DELAYS_S, None):
            try:
                await self._carrier.answer(self._leg())
                return
            except LineGone:
                await self.reconcile()
                return
            except CarrierError as error:
                self._report("answer failed", error)
                if delay_s is None:
                    self._post(ev.EndRequested(EndReason.ERROR, at_once=True, detail=str(error)))
                    return
            await self._clock.sleep(delay_s)

    async def _act(self, command: Act) -> None:
        record = self._record()
        if record.closing or not _is_wanted(record, command):
            return
        order = Perform(
            record.call_id,
            command.verb,
            command.here,
            StepRef(command.here.script, command.here.step + 1),
            line_settings(record),
        )
        for delay_s in (*RETRY_DELAYS_S, None):
            try:
                untold_s = await self._carrier.perform(self._leg(), order)
                if untold_s is not None:
                    await self._clock.sleep(untold_s)
                    self._done_untold(command.verb)
                return
            except LineGone:
                await self.reconcile()
                return
            except CarrierError as error:
                self._report("command failed", error)
                if isinstance(command.verb, Say):
                    self._post(ev.UtteranceRefused(command.verb.utterance, str(error)))
                    return
                if isinstance(command.verb, Digits):
                    self._post(ev.DigitsRefused(command.verb.operation, str(error)))
                    return
                if isinstance(command.verb, ConnectStream):
                    self._post(ev.StreamFailed(str(error), command.verb.number))
                    return
                if delay_s is None:
                    # A line that can neither speak nor listen is not left silent and billing.
                    self._post(ev.EndRequested(EndReason.ERROR, at_once=True, detail=str(error)))
                    return
            await self._clock.sleep(delay_s)

    def _done_untold(self, verb: Verb) -> None:
        """A verb whose end the carrier does not report has had the time that it takes."""
        if isinstance(verb, Digits):
            self._post(ev.DigitsSent(verb.operation))
        elif isinstance(verb, Say):
            self._post(ev.UtterancePlayed(verb.utterance))

    async def _end_stream(self, number: int) -> None:
        """The carrier's own voice is about to speak, whatever becomes of this."""
        try:
            await self._carrier.end_stream(self._leg(), number)
        except CarrierError as error:
            self._report("media stream not ended", error)

    async def _nudge(self, step: StepRef) -> None:
        for delay_s in (*RETRY_DELAYS_S, None):
            if self._record().script.number != step.script or self._record().closing:
                return
            try:
                await self._carrier.nudge(self._leg(), step)
                return
            except LineGone:
                await self.reconcile()
                return
            except CarrierError as error:
                self._report("nudge failed", error)
            if delay_s is None:
                await self.reconcile()
                return
            await self._clock.sleep(delay_s)

    async def _hang_up(self) -> None:
        """Keep trying while the leg may be up: a call that bills is never forgotten (F64)."""
        attempt = 0
        while (record := self._record()).carrier_call_id is not None and (
            record.live or record.stray
        ):
            try:
                await self._carrier.hang_up(self._leg(), answered=record.answered_at is not None)
            except LineGone:
                self._post(ev.HangUpConfirmed())
                return
            except CarrierError as error:
                self._report("hang-up failed", error)
            else:
                self._post(ev.HangUpConfirmed())
                return
            await self._clock.sleep(HANG_UP_DELAYS_S[min(attempt, len(HANG_UP_DELAYS_S) - 1)])
            attempt += 1
            if record.stray and attempt > len(HANG_UP_DELAYS_S):
                log.warning("leg could not be hung up", extra={"call": record.call_id})
                return

    async def reconcile(self) -> None:
        """Ask the carrier about the leg. Only a clear "ended" ends the call (F54)."""
        record = self._record()
        if record.carrier_call_id is None or not record.live:
            return
        try:
            status = await self._carrier.status(self._leg())
        except CarrierError as error:
            self._report("status failed", error)
            return
        if status.state is LegState.ENDED:
            self._post(ev.LineEnded(status.reason or _unsaid_reason(record), status.detail))
        elif status.state is LegState.LIVE and status.answered and record.phase is not Phase.UP:
            self._post(ev.LineAnswered(record.carrier_call_id))

    def _leg(self) -> LegOrder:
        record = self._record()
        if record.carrier_call_id is None:
            raise LineGone("the carrier has not named this call yet")
        return LegOrder(record.call_id, record.carrier_call_id)

    def _dial_order(self) -> DialOrder:
        record = self._record()
        return DialOrder(
            call_id=record.call_id,
            from_number=record.from_number,
            to_number=record.to_number,
            ring_timeout_ms=record.settings.ring_timeout_ms,
            max_duration_ms=record.settings.max_duration_ms,
            placed_at=record.opened_at,
            first=StepRef(record.script.number, 0),
        )

    def _report(self, what: str, error: CarrierError) -> None:
        log.warning(
            what,
            extra={
                "call": self._record().call_id,
                "code": error.code,
                "vendorCode": error.vendor_code,
                "httpStatus": error.status,
            },
        )


def _is_wanted(record: CallRecord, command: Act) -> bool:
    """Whether the line is to do this now: a verb of the current script, or the wanted stream."""
    if isinstance(command.verb, ConnectStream):
        return record.awaits_stream(command.verb.number)
    return record.script.number == command.here.script


def _unsaid_reason(record: CallRecord) -> EndReason:
    """Why a leg ended of which the carrier only says that it has."""
    if record.phase is Phase.UP:
        return EndReason.COMPLETED
    inbound = record.direction is Direction.INBOUND
    return EndReason.HANGUP_USER if inbound else EndReason.NO_ANSWER


def line_settings(record: CallRecord) -> LineSettings:
    settings = record.settings
    return LineSettings(settings.language, settings.voice, settings.end_silence_ms)
