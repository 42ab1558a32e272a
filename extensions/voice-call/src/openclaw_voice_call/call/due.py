"""What is to be done for a call now, computed from its record alone.

Commands have stable ids: one that was begun in this process is not begun again, and after a
restart the same record gives the same commands. Only the dial is different: it is due only while
the record says that it has just been opened, never after a restart (`Restored` sees to that).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from openclaw_voice_call.call.record import CallRecord, PendingReply
from openclaw_voice_call.call.script import ConnectStream, Digits, Listen, Say, StepRef, Verb
from openclaw_voice_call.call.types import DialState, Direction, Phase


class Dial(msgspec.Struct, frozen=True):
    id: str = "dial"


class Lookup(msgspec.Struct, frozen=True):
    """Search the carrier for a dial of unknown outcome."""

    id: str


class AnswerLine(msgspec.Struct, frozen=True):
    id: str = "answer"


class Act(msgspec.Struct, frozen=True):
    """Perform a verb by command."""

    id: str
    verb: Verb
    here: StepRef


class Nudge(msgspec.Struct, frozen=True):
    """Make the line fetch a newer script than the one it is following."""

    id: str
    step: StepRef


class Ask(msgspec.Struct, frozen=True):
    """Ask the agent for a reply."""

    id: str
    reply: PendingReply


class EndStream(msgspec.Struct, frozen=True):
    """The carrier's own voice takes over: have a command carrier end the media stream first."""

    id: str
    number: int


class HangUpLine(msgspec.Struct, frozen=True):
    """End the leg, and keep trying until the carrier confirms. Overtakes everything."""

    id: str = "hangup"


Command: TypeAlias = Dial | Lookup | AnswerLine | Act | Nudge | Ask | EndStream | HangUpLine


class LineView(msgspec.Struct, frozen=True):
    """What this process knows of a markup carrier's line: the newest script number that was
    handed to it, and whether it is asking (or will by itself) for what is next."""

    served: int
    asking: bool


def due(record: CallRecord, *, markup: bool, line: LineView) -> tuple[Command, ...]:
    """All commands that the record calls for, most urgent first."""
    if not record.live:
        return (HangUpLine(),) if record.stray else ()
    commands: list[Command] = []
    leg_known = record.carrier_call_id is not None
    if record.closing and leg_known:
        commands.append(HangUpLine())
    if record.dial is DialState.UNKNOWN and not leg_known:
        commands.append(Lookup(f"lookup:{record.lookups}"))
    if record.closing:
        return tuple(commands)
    if record.dial is DialState.BEGUN and not leg_known:
        commands.append(Dial())
    if record.phase is Phase.RINGING and record.direction is Direction.INBOUND and not markup:
        commands.append(AnswerLine())
    if record.phase is Phase.UP:
        commands.extend(_line(record, markup=markup, line=line))
    if record.reply is not None:
        commands.append(Ask(f"ask:{record.reply.turn}", record.reply))
    return tuple(commands)


def _line(record: CallRecord, *, markup: bool, line: LineView) -> tuple[Command, ...]:
    script = record.script
    verb = script.current
    stream = record.stream
    here = StepRef(script.number, script.position)
    if stream is not None and not markup and not record.speaks_live:
        ended: tuple[Command, ...] = (EndStream(f"end-stream:{stream.number}", stream.number),)
        return (*ended, *_spoken(verb, here))
    if record.speaks_live and not isinstance(verb, Digits):
        if stream is None or stream.open or markup:
            return ()
        return (Act(f"stream:{stream.number}", ConnectStream(stream.number), here),)
    if verb is not None and markup:
        behind = line.served < script.number and not line.asking
        return (Nudge(f"nudge:{script.number}", here),) if behind else ()
    return _spoken(verb, here)


def _spoken(verb: Verb | None, here: StepRef) -> tuple[Command, ...]:
    """What a command carrier is told for a verb."""
    if isinstance(verb, Say):
        return (Act(f"say:{verb.utterance}:{verb.attempt}", verb, here),)
    if isinstance(verb, Digits):
        return (Act(f"digits:{verb.operation}", verb, here),)
    if isinstance(verb, Listen):
        return (Act(f"listen:{here.script}", verb, here),)
    return ()
