"""A decision in the making: the record so far, and the facts that changed it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from openclaw_voice_call.call.facts import Fact, NotSaid, OperationSettled
from openclaw_voice_call.call.record import OPERATIONS_LIMIT, CallRecord, Operation
from openclaw_voice_call.call.script import Digits, Say
from openclaw_voice_call.call.types import OperationState
from openclaw_voice_call.errors import TooManyRequests


class Decision(NamedTuple):
    """`record` is the same object when nothing changed; then there are no facts either."""

    record: CallRecord
    facts: tuple[Fact, ...]


class Draft:
    """Collects the changes of one event. Lives no longer than one `decide`."""

    __slots__ = ("_before", "facts", "now", "record")

    def __init__(self, record: CallRecord, now: float) -> None:
        self._before = record
        self.record = record
        self.now = now
        self.facts: list[Fact] = []

    def set(self, **changes: object) -> None:
        """Change fields; setting what is there already is no change."""
        if any(getattr(self.record, name) != value for name, value in changes.items()):
            self.record = msgspec.structs.replace(self.record, **changes)

    def note(self, fact: Fact) -> None:
        self.facts.append(fact)

    def arm(self, name: str, at: float) -> None:
        """Set a deadline, epoch seconds."""
        self.set(deadlines={**self.record.deadlines, name: at})

    def disarm(self, *names: str) -> None:
        left = {k: v for k, v in self.record.deadlines.items() if k not in names}
        if len(left) != len(self.record.deadlines):
            self.set(deadlines=left)

    def open_operation(self, operation: Operation) -> None:
        """Raises TooManyRequests: what somebody may wait for is never forgotten for it."""
        kept = self.record.operations
        if len(kept) >= OPERATIONS_LIMIT:
            settled = next((op for op in kept if op.state is not OperationState.PENDING), None)
            if settled is None:
                raise TooManyRequests(OPERATIONS_LIMIT)
            kept = tuple(op for op in kept if op is not settled)
        self.set(operations=(*kept, operation))

    def settle(
        self, operation_id: str | None, *, code: str | None = None, text: str | None = None
    ) -> None:
        """Settle a pending operation once; settled or unknown ones stay as they are."""
        operation = self.record.operation(operation_id) if operation_id else None
        if operation is None or operation.state is not OperationState.PENDING:
            return
        state = OperationState.DONE if code is None else OperationState.FAILED
        settled = msgspec.structs.replace(operation, state=state, code=code, text=text)
        self.set(
            operations=tuple(settled if op is operation else op for op in self.record.operations)
        )
        self.disarm(f"transcript:{operation.id}")
        self.note(OperationSettled(operation.id, ok=code is None, code=code))

    def give_up(self, verb: Say | Digits, why: str, *, code: str) -> None:
        """Note that a verb will not be (fully) performed, and settle who waits for it."""
        if isinstance(verb, Say):
            self.note(NotSaid(verb.utterance, why, verb.speaker, verb.turn))
            waiter = self.record.waiter
            if waiter is not None and waiter.utterance == verb.utterance:
                self.settle(waiter.id, code=code)
        self.settle(verb.operation, code=code)

    def decision(self) -> Decision:
        if self.record is self._before:
            return Decision(self._before, ())
        record = msgspec.structs.replace(self.record, version=self._before.version + 1)
        return Decision(record, tuple(self.facts))
