"""What a markup carrier's line is told when it asks. Pure; the waiting is done by the runner."""

from __future__ import annotations

import msgspec

from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import ConnectStream, Digits, StepRef, Verb


class Hold(msgspec.Struct, frozen=True):
    """Nothing to do yet: keep the request until a newer script exists. `next` is where the line
    asks again if that takes too long."""

    next: StepRef


class Play(msgspec.Struct, frozen=True):
    """Perform `verb` at `here`, then ask for `next`."""

    verb: Verb
    here: StepRef
    next: StepRef


class Stale(msgspec.Struct, frozen=True):
    """The request names a step that is over: a neutral pause, then the current step. A replay
    gains nothing by it, and a line that lost an answer finds its way back."""

    next: StepRef


class Over(msgspec.Struct, frozen=True):
    """The call is over: hang up."""


def instruct(record: CallRecord, asked: StepRef | None) -> Play | Hold | Stale | Over:
    """The answer to a line that asks for the step `asked` (None: whatever is current).

    A line that names script n gets the script after it from its beginning if that is the current
    one and nothing of it was done; so a genuine retry gets the answer that it got before.
    """
    if record.closing or not record.live:
        return Over()
    script = record.script
    here = StepRef(script.number, script.position)
    verb = script.current
    stream = record.stream
    if record.speaks_live and stream is not None and not isinstance(verb, Digits):
        # A line whose stream has just been lost asks before we know of the loss.
        return Stale(here) if stream.open else Play(ConnectStream(stream.number), here, here)
    if verb is None:
        return Hold(here)
    if asked is not None:
        fits = (
            asked.step == script.position
            if asked.script == script.number
            else (asked.script < script.number and script.position == 0)
        )
        if not fits:
            return Stale(here)
    return Play(verb, here, StepRef(script.number, script.position + 1))
