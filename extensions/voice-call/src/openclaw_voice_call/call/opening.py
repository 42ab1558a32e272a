"""How a call comes into being, and which inbound calls may."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from openclaw_voice_call.call.draft import Decision, Draft
from openclaw_voice_call.call.facts import Answered, Opened, Rang
from openclaw_voice_call.call.lineup import enter, line_up, say
from openclaw_voice_call.call.phone import normalise
from openclaw_voice_call.call.record import CallRecord, CallSettings, MediaStream
from openclaw_voice_call.call.script import Digits
from openclaw_voice_call.call.types import (
    CallId,
    CarrierCallId,
    DialState,
    Direction,
    Phase,
    Speaker,
    VoicePathKind,
)

FIRST_DIGITS: Final = "first-digits"
"""The operation that the digits of the placement count as; nobody waits for it."""
DIAL_SLACK_S: Final = 5.0
"""What placing the call may take before it can ring."""


class InboundPolicy(StrEnum):
    """Who may call. `pairing` admits approved numbers only, like `allowlist`."""

    DISABLED = "disabled"
    ALLOWLIST = "allowlist"
    PAIRING = "pairing"
    OPEN = "open"


class Refusal(StrEnum):
    """Why an inbound call is turned away."""

    DISABLED = "inbound calls are disabled"
    WITHHELD = "the caller's number is withheld or not a phone number"
    UNKNOWN_CALLER = "the caller is not on the allowlist"
    CANNOT_ANSWER = "no agent could answer"
    BUSY = "all lines are busy"


def admit_inbound(
    policy: InboundPolicy, allow_from: Sequence[str], from_number: str
) -> Refusal | None:
    """Judge an inbound caller; None admits. Compares whole E.164 numbers, never parts (A1)."""
    if policy is InboundPolicy.OPEN:
        return None
    if policy is InboundPolicy.DISABLED:
        return Refusal.DISABLED
    caller = normalise(from_number)
    if caller is None:
        return Refusal.WITHHELD
    allowed = {number for entry in allow_from if (number := normalise(entry)) is not None}
    return None if caller in allowed else Refusal.UNKNOWN_CALLER


def open_outbound(
    call_id: CallId,
    *,
    carrier: str,
    from_number: str,
    to_number: str,
    settings: CallSettings,
    opening: str | None,
    now: float,
    digits: str | None = None,
) -> Decision:
    """A call that is about to be dialled: the record says so before the carrier is asked.

    `digits` are sent once it is answered, before anything is said (an extension, a menu).
    """
    record = CallRecord(
        call_id=call_id,
        carrier=carrier,
        direction=Direction.OUTBOUND,
        from_number=from_number,
        to_number=to_number,
        settings=settings,
        opened_at=now,
        opening=opening,
        dial=DialState.BEGUN,
    )
    draft = _open(record, now, digits)
    draft.arm("ring", now + DIAL_SLACK_S + settings.ring_timeout_ms / 1000)
    return _opened(draft)


def open_inbound(
    call_id: CallId,
    *,
    carrier: str,
    carrier_call_id: CarrierCallId,
    direction: Direction,
    from_number: str,
    to_number: str,
    settings: CallSettings,
    opening: str | None,
    answered: bool,
    now: float,
) -> Decision:
    """A call that a carrier offers. `answered`: the answer to its webhook picks it up (markup)."""
    record = CallRecord(
        call_id=call_id,
        carrier=carrier,
        carrier_call_id=carrier_call_id,
        direction=direction,
        from_number=from_number,
        to_number=to_number,
        settings=settings,
        opened_at=now,
        opening=opening,
        phase=Phase.RINGING,
    )
    draft = _open(record, now)
    if answered:
        go_up(draft)
    else:
        draft.note(Rang())
        draft.arm("ring", now + settings.ring_timeout_ms / 1000)
    return _opened(draft)


def go_up(draft: Draft, *, by_machine: bool = False) -> None:
    """The line is up: the clock of the call starts, and the script begins."""
    draft.disarm("ring", "reaper", "lookup")
    draft.set(phase=Phase.UP, answered_at=draft.now)
    draft.note(Answered(by_machine))
    draft.arm("duration", draft.now + draft.record.settings.max_duration_ms / 1000)
    enter(draft)


def _open(record: CallRecord, now: float, digits: str | None = None) -> Draft:
    if record.settings.live:
        record = msgspec.structs.replace(record, path=VoicePathKind.LIVE, stream=MediaStream())
    draft = Draft(record, now)
    draft.note(Opened(record.direction, record.settings.mode))
    if record.settings.reaper_ms:
        draft.arm("reaper", now + record.settings.reaper_ms / 1000)
    if digits:
        line_up(draft, Digits(digits, FIRST_DIGITS))
    if record.opening:
        say(draft, record.opening, Speaker.OPENING)
    elif not digits:
        line_up(draft)
    return draft


def _opened(draft: Draft) -> Decision:
    """A new record starts at version 1, whatever it took to make it."""
    return Decision(msgspec.structs.replace(draft.record, version=1), tuple(draft.facts))
