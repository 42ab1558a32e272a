"""What the owner may ask of a live call. A request that cannot be carried out raises."""

from __future__ import annotations

import msgspec

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.closing import end
from openclaw_voice_call.call.draft import Draft
from openclaw_voice_call.call.facts import OperationOpened, ReplyMissed
from openclaw_voice_call.call.lineup import (
    drop_unspoken_replies,
    line_up,
    retail,
    say,
    speech_ms,
)
from openclaw_voice_call.call.record import CallRecord, Operation
from openclaw_voice_call.call.script import Digits
from openclaw_voice_call.call.snapshot import state_name
from openclaw_voice_call.call.types import Mode, OperationKind, Phase, Speaker
from openclaw_voice_call.errors import AlreadyWaiting, CallEnded, CallNotUp


def speak(draft: Draft, event: ev.SpeakRequested) -> None:
    """Say it after what is being said now, each request in order (F30)."""
    _require_open(draft.record)
    _open_operation(draft, event.operation, OperationKind.SPEAK)
    say(draft, event.text, Speaker.OWNER, operation=event.operation)


def continue_(draft: Draft, event: ev.ContinueRequested) -> None:
    """Say it, then give the other party's next words to whoever waits for this operation.

    An automatic reply that is not spoken yet is dropped; one that is being spoken finishes (F46).
    """
    record = draft.record
    _require_open(record)
    if record.waiter is not None:
        raise AlreadyWaiting
    if record.reply is not None:
        draft.disarm("reply", "filler")
        draft.note(ReplyMissed(record.reply.turn, "superseded"))
    settings = msgspec.structs.replace(record.settings, mode=Mode.CONVERSATION)
    draft.set(reply=None, cut=None, ending=None, turn_open=False, settings=settings)
    drop_unspoken_replies(draft, "superseded")
    _open_operation(draft, event.operation, OperationKind.CONTINUE)
    utterance = say(draft, event.text, Speaker.OWNER)
    draft.set(
        operations=tuple(
            msgspec.structs.replace(op, utterance=utterance, turn=draft.record.turn + 1)
            if op.id == event.operation
            else op
            for op in draft.record.operations
        )
    )
    wait_ms = record.settings.transcript_timeout_ms + speech_ms(event.text)
    draft.arm(f"transcript:{event.operation}", draft.now + wait_ms / 1000)


def send_digits(draft: Draft, event: ev.DigitsRequested) -> None:
    _require_open(draft.record)
    if draft.record.phase is not Phase.UP:
        raise CallNotUp(state_name(draft.record))
    _open_operation(draft, event.operation, OperationKind.DIGITS)
    line_up(draft, Digits(event.digits, event.operation))


def end_request(draft: Draft, event: ev.EndRequested) -> None:
    """End the call; unless `at_once`, what is lined up is heard first (F32)."""
    record = draft.record
    if record.closing or not record.live:
        return
    answering = event.after_reply and record.reply is not None
    may_wait = record.phase is Phase.UP and not event.at_once
    if not may_wait or not (record.script.speaking or answering):
        end(draft, event.reason, event.detail)
        return
    draft.set(ending=event.reason)
    if not answering:
        draft.set(reply=None)
        draft.disarm("reply", "filler")
    if record.script.speaking:
        retail(draft)


def _require_open(record: CallRecord) -> None:
    if record.closing or not record.live:
        ended_ms = None if record.ended_at is None else round(record.ended_at * 1000)
        raise CallEnded(state_name(record), record.end_reason, ended_ms)


def _open_operation(draft: Draft, operation_id: str, kind: OperationKind) -> None:
    draft.open_operation(Operation(operation_id, kind))
    draft.note(OperationOpened(operation_id, kind))
