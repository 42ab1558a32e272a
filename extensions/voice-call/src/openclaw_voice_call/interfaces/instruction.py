"""What a carrier is to do with a line at one step, in carrier-neutral words."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from openclaw_voice_call.call.script import StepRef, Verb
from openclaw_voice_call.call.types import CallId, CarrierCallId


class LineSettings(msgspec.Struct, frozen=True):
    """How the carrier's own voice and recognition are to be set for a call."""

    language: str = "en-US"
    voice: str | None = None
    end_silence_ms: int = 800


class Perform(msgspec.Struct, frozen=True):
    """Perform `verb`, which stands at `here`; then ask for `next` (or deliver what was heard)."""

    call_id: CallId
    verb: Verb
    here: StepRef
    next: StepRef
    line: LineSettings


class KeepAlive(msgspec.Struct, frozen=True):
    """Nothing to do yet: wait a second in silence, then ask for `next`."""

    call_id: CallId
    next: StepRef
    line: LineSettings


class Release(msgspec.Struct, frozen=True):
    """The call is over or not ours: hang up. With `apology`, say that first."""

    apology: str | None = None
    line: LineSettings = LineSettings()


class Refuse(msgspec.Struct, frozen=True):
    """Turn an unanswered inbound call away; `reason` is `busy` or `rejected`."""

    reason: str


Instruction: TypeAlias = Perform | KeepAlive | Release | Refuse


class DialOrder(msgspec.Struct, frozen=True):
    """What a carrier needs to place a call. Carriers round and bound the times on their side."""

    call_id: CallId
    from_number: str
    to_number: str
    ring_timeout_ms: int
    max_duration_ms: int
    placed_at: float
    """Epoch seconds; a lookup after a lost answer searches from here."""
    first: StepRef


class LegOrder(msgspec.Struct, frozen=True):
    """Names a leg for everything that is asked of the carrier on a live call."""

    call_id: CallId
    carrier_call_id: CarrierCallId
