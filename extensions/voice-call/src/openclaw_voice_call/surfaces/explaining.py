"""What happened on a call, when, and what went wrong first: the result of `explain`. Pure, light.

"It connects and stays silent" has an answer here: the milestones in the order in which a call
reaches them, each with the time at which it was first reached, and the first one that is missing
or failed with its likely cause and remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from openclaw_voice_call.call import facts as f
from openclaw_voice_call.call.explain import explain
from openclaw_voice_call.call.facts import Fact, StoredFact
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.snapshot import snapshot
from openclaw_voice_call.surfaces.cli_view import local_time, one_line
from openclaw_voice_call.surfaces.fact_lines import describe

MILESTONES: Final[Mapping[str, tuple[type[Fact], ...]]] = {
    "placed": (f.Opened,),
    "ringing": (f.Rang,),
    "answered": (f.Answered,),
    # Nobody but the carrier, with a signature that holds, can make a call ring or be answered.
    "webhook verified": (f.Rang, f.Answered, f.Fetched),
    # Only where live audio carries the call.
    "media stream open": (f.StreamUp,),
    # What was handed over counts once the line has asked for more, or has done it.
    "instruction sent": (f.Fetched, f.Said, f.Interrupted, f.TurnHeard, f.DigitsPlayed),
    "played": (f.Said,),
    "heard": (f.TurnHeard,),
    "reply asked": (f.ReplyAsked,),
    "reply given": (f.ReplyGiven,),
    "ended": (f.Ended,),
}
"""What a call reaches, and the facts of which the first one shows that it did."""


def explanation(record: CallRecord, stored: Sequence[StoredFact]) -> dict[str, object]:
    """`{found, call, timeline, milestones, verdict}`.

    `timeline`: `[{at, afterMs, what}]`, `at` in epoch ms, `afterMs` since the placement.
    `milestones`: `[{name, afterMs}]`, null where not reached. `verdict`: `{milestone, cause,
    remedy}`, or null when nothing is missing that a call of this kind needs.
    """
    facts = [each.fact for each in stored]
    verdict = explain(record, facts)
    return {
        "found": True,
        "call": snapshot(record, stored),
        "timeline": [
            {
                "at": round(each.at * 1000),
                "afterMs": _after_ms(record, each),
                "what": describe(each.fact),
            }
            for each in stored
        ],
        "milestones": [
            {"name": name, "afterMs": _reached(record, stored, kinds)}
            for name, kinds in MILESTONES.items()
            if record.settings.live or f.StreamUp not in kinds
        ],
        "verdict": None if verdict is None else verdict._asdict(),
    }


def explanation_lines(found: Mapping[str, object]) -> Iterator[str]:
    """An explanation for people."""
    call = cast("Mapping[str, object]", found["call"])
    begun = call.get("startedAt")
    started = f", {local_time(begun, '%Y-%m-%d %H:%M:%S')}" if isinstance(begun, int) else ""
    named = (call.get(name) or "-" for name in ("direction", "from", "to", "state"))
    direction, from_number, to_number, state = (one_line(value) for value in named)
    yield f"Call {one_line(call.get('callId'))}: {direction}, {from_number} -> {to_number}{started}"
    yield f"State: {state}"
    yield ""
    for entry in _objects(found, "timeline"):
        yield f"{_seconds(entry.get('afterMs')):>10}  {one_line(entry.get('what'))}"
    yield ""
    yield "Milestones:"
    for entry in _objects(found, "milestones"):
        yield f"{_seconds(entry.get('afterMs')):>10}  {one_line(entry.get('name'))}"
    yield ""
    verdict = found.get("verdict")
    if not isinstance(verdict, dict):
        yield "Nothing is missing that a call of this kind needs."
        return
    told = cast("dict[str, object]", verdict)
    yield f"Missing or failed: {one_line(told.get('milestone'))}"
    yield f"Likely cause: {one_line(told.get('cause'))}"
    yield f"Remedy: {one_line(told.get('remedy'))}"


def _reached(
    record: CallRecord, stored: Sequence[StoredFact], kinds: tuple[type[Fact], ...]
) -> int | None:
    first = next((each for each in stored if isinstance(each.fact, kinds)), None)
    return None if first is None else _after_ms(record, first)


def _after_ms(record: CallRecord, stored: StoredFact) -> int:
    return max(0, round((stored.at - record.opened_at) * 1000))


def _seconds(after_ms: object) -> str:
    return f"{after_ms / 1000:.3f} s" if isinstance(after_ms, int) else "-"


def _objects(holder: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    value = holder.get(name)
    return cast("list[dict[str, object]]", value if isinstance(value, list) else [])
