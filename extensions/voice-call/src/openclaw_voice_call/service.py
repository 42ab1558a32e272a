"""The owner's use cases, each validated once. All doors (RPC, tool, CLI) go through here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NewType

from openclaw.sdk import Clock
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import StoredFact
from openclaw_voice_call.call.phone import normalise
from openclaw_voice_call.call.record import CallRecord, Operation
from openclaw_voice_call.call.snapshot import CallSnapshot, snapshot, state_name
from openclaw_voice_call.call.types import CallId, DialState, Mode, OperationState
from openclaw_voice_call.errors import (
    AlreadyWaiting,
    CallEnded,
    CallNotFound,
    CarrierRefused,
    InvalidRequest,
    NobodyHeard,
    OperationNotFound,
    UtteranceFailed,
    VoiceCallError,
)
from openclaw_voice_call.interfaces.store import CallStore
from openclaw_voice_call.manager import CallManager
from openclaw_voice_call.openings import CallRequest
from openclaw_voice_call.reception import Reception
from openclaw_voice_call.runner import CallRunner

OperationId = NewType("OperationId", str)

DIAL_ANSWER_S: Final = 9.0
"""How long `initiate` waits to hear whether the carrier took the order."""
FAREWELL_S: Final = 30.0
"""How long `end` waits for what is being said to be heard."""
MAX_MESSAGE_CHARS: Final = 20_000
MAX_DIGITS: Final = 64
RECENT_CALLS: Final = 20
_DIGITS: Final = re.compile(r"[0-9*#,wWpPa-dA-D]+")


@dataclass(frozen=True, slots=True)
class Placed:
    """`settled` is false when the carrier has not said whether it took the order."""

    call_id: CallId
    settled: bool


class CallService:
    """What the owner can do. Raises the errors of `errors.py`, nothing else."""

    def __init__(
        self,
        *,
        manager: CallManager,
        store: CallStore,
        clock: Clock,
        from_number: str,
        any_number: bool,
        new_operation_id: Callable[[], str],
        reception: Reception,
    ) -> None:
        """`from_number` is ours; `any_number` lets a carrier without a phone network take any
        text for a number."""
        self._manager = manager
        self.pairing = reception
        """Who waits to be let in: `waiting`, `approved`, `approve`, `deny`."""
        self._store = store
        self._clock = clock
        self._from_number = from_number
        self._any_number = any_number
        self._new_operation_id = new_operation_id

    @property
    def transcript_timeout_ms(self) -> int:
        """What a call that begins now has."""
        return self._manager.config.transcript_timeout_ms

    async def initiate(
        self,
        *,
        to: str | None,
        message: str | None,
        mode: Mode | None,
        digits: str | None = None,
        session_key: str | None = None,
        record_audio: bool | None = None,
    ) -> Placed:
        """Place a call; returns when the carrier took the order, not when somebody answers.

        `digits` are sent after the answer (conversation only). `session_key` names the history
        to use; it must be one of the agent that makes the calls. `record_audio` decides instead of
        the configuration; it cannot be true where calls have no live audio.
        Raises InvalidRequest, AtCapacity, Overloaded, JournalRefused, CarrierRefused, ShuttingDown.
        """
        config = self._manager.config
        number = self._number(to or config.to_number)
        chosen = mode or config.outbound.default_mode
        if digits is not None:
            _check_digits(digits)
            if chosen is not Mode.CONVERSATION:
                raise InvalidRequest("dtmfSequence needs mode conversation")
        owner = f"agent:{config.agent_id}:"
        if session_key is not None and not session_key.startswith(owner):
            raise InvalidRequest(f"sessionKey must begin with {owner!r}, got {session_key[:60]!r}")
        if record_audio and not self._manager.can_record:
            raise InvalidRequest(
                "record needs live audio: set streaming.enabled, or see why it is off with: "
                "openclaw voicecall setup"
            )
        opening = _bounded("message", message) if message else None
        if chosen is Mode.NOTIFY and opening is None:
            raise InvalidRequest("message required")
        runner = await self._manager.place(
            CallRequest(
                from_number=self._from_number,
                to_number=number,
                mode=chosen,
                opening=opening,
                digits=digits,
                session_key=session_key,
                record_audio=record_audio,
            )
        )
        record = await runner.wait_until(_dial_settled, DIAL_ANSWER_S)
        if record is not None and record.dial is DialState.REFUSED:
            raise CarrierRefused(record.end_detail or "the carrier refused the call")
        settled = record is not None and record.dial is not DialState.UNKNOWN
        return Placed(runner.record.call_id, settled)

    async def speak(self, call: str, message: str, *, wait: bool = False) -> Operation:
        """Say something on a live call; with `wait`, return when it was played.

        Raises CallNotFound, CallEnded, TooManyRequests, JournalRefused; with `wait` also
        UtteranceFailed.
        """
        text = _bounded("message", message)
        runner = await self._live(call)
        operation_id = self._new_operation_id()
        record = await runner.apply(ev.SpeakRequested(operation_id, text))
        if not wait:
            return _operation(record, operation_id)
        operation = await self._settled(runner, operation_id, record.settings.max_duration_ms)
        _raise_if_failed(operation, record)
        return operation

    async def begin_continue(self, call: str, message: str) -> OperationId:
        """Say something and have the other party's next words kept for this operation.

        Raises CallNotFound, CallEnded, AlreadyWaiting, TooManyRequests, JournalRefused.
        """
        text = _bounded("message", message)
        runner = await self._live(call)
        operation_id = self._new_operation_id()
        await runner.apply(ev.ContinueRequested(operation_id, text))
        return OperationId(f"{runner.record.call_id}/{operation_id}")

    async def continue_call(self, call: str, message: str) -> str:
        """`begin_continue`, then wait for the words.

        Raises NobodyHeard, UtteranceFailed and CallEnded besides.
        """
        operation_id = await self.begin_continue(call, message)
        return await self.continue_result(operation_id, wait=True) or ""

    async def continue_result(self, operation: str, *, wait: bool = False) -> str | None:
        """The words that a `continue` got; None while it is pending (never with `wait`).

        Works after a restart and after the call's end (F82). Raises OperationNotFound,
        NobodyHeard, UtteranceFailed, CallEnded.
        """
        call_id, _, operation_id = operation.partition("/")
        record = await self._manager.record(call_id)
        found = record.operation(operation_id) if record else None
        if record is None or found is None:
            raise OperationNotFound
        runner = self._manager.runner(call_id)
        if wait and runner is not None and found.state is OperationState.PENDING:
            limit_ms = record.settings.max_duration_ms + record.settings.transcript_timeout_ms
            found = await self._settled(runner, operation_id, limit_ms)
            record = runner.record
        if found.state is OperationState.PENDING:
            return None
        _raise_if_failed(found, record)
        return found.text or ""

    async def send_digits(self, call: str, digits: str) -> None:
        """Send DTMF on an answered call. Raises CallNotFound, CallEnded, CallNotUp."""
        _check_digits(digits)
        runner = await self._live(call)
        await runner.apply(ev.DigitsRequested(self._new_operation_id(), digits))

    async def end(
        self, call: str, *, at_once: bool = False, after_reply: bool = False
    ) -> CallRecord:
        """End a call. What is being said is heard first, unless `at_once` (F32).

        `after_reply` is for the call's own agent: its words of this turn are heard too, so this
        returns before them. Raises CallNotFound, CallEnded, JournalRefused.
        """
        runner = await self._live(call)
        record = await runner.apply(ev.EndRequested(at_once=at_once, after_reply=after_reply))
        if record.reply is None:
            await runner.wait_until(lambda record: record.closing, FAREWELL_S)
        return runner.record

    async def status(self, call: str) -> CallSnapshot | None:
        """A call by our id or the carrier's, live or ended; None when unknown (F60)."""
        record = await self._manager.record(call)
        return None if record is None else await self._snapshot(record)

    async def history(self, call: str) -> tuple[CallRecord, Sequence[StoredFact]] | None:
        """A call by our id or the carrier's, with all its facts in order; None when unknown."""
        record = await self._manager.record(call)
        return None if record is None else (record, await self._store.facts(record.call_id))

    async def calls(self, limit: int = RECENT_CALLS) -> Sequence[CallSnapshot]:
        """The live calls and the newest ended ones, newest first."""
        live = {record.call_id: record for record in self._manager.live}
        ended = [r for r in await self._store.recent(limit) if r.call_id not in live]
        records = sorted((*live.values(), *ended), key=lambda r: r.opened_at, reverse=True)
        return [await self._snapshot(record) for record in records[: max(limit, len(live))]]

    async def wait_for_end(self, call: str, timeout_s: float) -> CallSnapshot | None:
        """The call once it is over, or as it is after `timeout_s`; None when unknown."""
        runner = self._manager.runner(call)
        if runner is not None:
            await runner.wait_until(lambda record: not record.live, timeout_s)
        return await self.status(call)

    def _number(self, to: str | None) -> str:
        wanted = (to or "").strip()
        if not wanted:
            raise InvalidRequest("to required")
        if self._any_number:
            return wanted
        number = normalise(wanted)
        if number is None:
            problem = InvalidRequest(
                f"to must be a phone number in E.164 form, got {wanted[:40]!r}"
            )
            problem.remedy = "Write it with a plus and the country code, for example +15550001234."
            raise problem
        return number

    async def _live(self, call: str) -> CallRunner:
        runner = self._manager.runner(call)
        if runner is not None and not runner.record.closing:
            return runner
        record = runner.record if runner is not None else await self._manager.record(call)
        if record is None:
            raise CallNotFound
        raise _ended(record)

    async def _settled(self, runner: CallRunner, operation_id: str, limit_ms: int) -> Operation:
        def is_settled(record: CallRecord) -> bool:
            return _operation(record, operation_id).state is not OperationState.PENDING

        await runner.wait_until(is_settled, limit_ms / 1000)
        return _operation(runner.record, operation_id)

    async def _snapshot(self, record: CallRecord) -> CallSnapshot:
        return snapshot(record, await self._store.facts(record.call_id))


def _operation(record: CallRecord, operation_id: str) -> Operation:
    operation = record.operation(operation_id)
    if operation is None:
        raise OperationNotFound
    return operation


def _raise_if_failed(operation: Operation, record: CallRecord) -> None:
    if operation.state is not OperationState.FAILED:
        return
    match operation.code:
        case "transcript_timeout":
            raise NobodyHeard(record.settings.transcript_timeout_ms)
        case "call_ended":
            raise _ended(record)
        case "already_waiting":
            raise AlreadyWaiting
        case code:
            raise UtteranceFailed(code or "unknown")


def _ended(record: CallRecord) -> VoiceCallError:
    ended_ms = None if record.ended_at is None else round(record.ended_at * 1000)
    return CallEnded(state_name(record), record.end_reason, ended_ms)


def _check_digits(digits: str) -> None:
    if len(digits) > MAX_DIGITS or not _DIGITS.fullmatch(digits):
        raise InvalidRequest("digits may only contain digits, *, #, comma, w, p")


def _dial_settled(record: CallRecord) -> bool:
    return record.dial is not DialState.BEGUN or not record.live


def _bounded(name: str, text: str) -> str:
    stripped = text.strip()
    if len(stripped) > MAX_MESSAGE_CHARS:
        raise InvalidRequest(
            f"{name} is {len(stripped)} characters long, the most is {MAX_MESSAGE_CHARS}"
        )
    return stripped
