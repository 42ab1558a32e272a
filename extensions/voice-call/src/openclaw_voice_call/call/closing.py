"""How a call ends: the reason is set once and first, then the line is hung up until it is down."""

from __future__ import annotations

from typing import Final

from openclaw_voice_call.call.draft import Draft
from openclaw_voice_call.call.facts import EndDecided, Ended
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Digits, HangUp, Say, Script
from openclaw_voice_call.call.types import (
    DialState,
    Direction,
    EndReason,
    Mode,
    OperationState,
    Phase,
)

LINE_SLACK_S: Final = 60.0
"""How much longer than its limits a leg can live at a carrier that was given these limits."""
DEFAULT_REAPER_S: Final = 120.0
_GIVEN_UP: Final = frozenset({EndReason.NO_ANSWER, EndReason.HANGUP_BOT})
"""What carriers call it when a caller leaves before the answer: not answered, or cancelled. Where
it was us, the end is decided before."""


def end(draft: Draft, reason: EndReason, detail: str | None = None) -> None:
    """Decide the end. Hanging up becomes due; without a line the call is over at once."""
    record = draft.record
    if record.closing or not record.live:
        return
    draft.note(EndDecided(reason, detail))
    _release_everyone(draft)
    gone_at = _last_breath(record) + LINE_SLACK_S
    deadlines = {"final": max(draft.now + LINE_SLACK_S, gone_at)}
    if "lookup" in record.deadlines:
        deadlines["lookup"] = record.deadlines["lookup"]
    draft.set(
        end_reason=reason,
        end_detail=detail,
        ending=None,
        cut=None,
        reply=None,
        turn_open=False,
        script=Script(record.script.number + 1, (HangUp(reason),)),
        deadlines=deadlines,
    )
    if not _may_have_line(draft.record):
        down(draft, reason, detail)
    elif draft.now > gone_at:
        # Found after a long standstill: it must not hold a slot while the carrier is asked.
        down(draft, reason, detail)
        draft.set(stray=record.carrier_call_id is not None)


def down(draft: Draft, reason: EndReason, detail: str | None = None) -> None:
    """The line is known to be down (or cannot exist any more): the call is over."""
    record = draft.record
    if not record.live:
        return
    if not record.closing:
        draft.note(EndDecided(reason, detail))
        _release_everyone(draft)
        draft.set(end_reason=reason, end_detail=detail)
    final = draft.record.end_reason or reason
    draft.set(
        phase=Phase.ENDED,
        ended_at=draft.now,
        ending=None,
        cut=None,
        stream=None,
        reply=None,
        turn_open=False,
        script=Script(draft.record.script.number + 1),
        deadlines={},
    )
    draft.note(Ended(final, draft.record.end_detail))


def judge_remote_end(record: CallRecord, said: EndReason) -> EndReason:
    """What a leg's end means. "Completed" only tells that it was up: who hung up is known here."""
    if record.direction is Direction.INBOUND and said in _GIVEN_UP:
        return EndReason.HANGUP_USER
    if said is not EndReason.COMPLETED or record.phase is not Phase.UP:
        return said
    told = record.settings.mode is Mode.NOTIFY and record.message_said
    return EndReason.COMPLETED if told else EndReason.HANGUP_USER


def _may_have_line(record: CallRecord) -> bool:
    if record.direction is Direction.INBOUND or record.carrier_call_id is not None:
        return True
    return record.dial in (DialState.BEGUN, DialState.UNKNOWN)


def _last_breath(record: CallRecord) -> float:
    """When the leg is over by itself: carriers were told these limits when it began."""
    settings = record.settings
    reaper_s = settings.reaper_ms / 1000 or DEFAULT_REAPER_S
    unanswered = record.opened_at + max(settings.ring_timeout_ms / 1000, reaper_s)
    if record.answered_at is None:
        return unanswered
    return record.answered_at + max(settings.max_duration_ms / 1000, 60.0)


def _release_everyone(draft: Draft) -> None:
    """Whoever waits is answered: utterances are given up, operations settled."""
    script = draft.record.script
    if script.speaking and isinstance(script.current, Say | Digits):
        draft.give_up(script.current, "call ended", code="call_ended")
    for verb in script.pending:
        draft.give_up(verb, "call ended", code="call_ended")
    for operation in draft.record.operations:
        if operation.state is OperationState.PENDING:
            draft.settle(operation.id, code="call_ended")
