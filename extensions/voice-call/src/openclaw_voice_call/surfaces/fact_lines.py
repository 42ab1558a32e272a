"""The journal's facts as lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from openclaw_voice_call.call import facts
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.store.reader import FollowedFact
from openclaw_voice_call.surfaces.cli_view import local_time, masked_json, masked_text, one_line

SHORT_ID: Final = 8

WORDS: Final[Mapping[type, str]] = {
    facts.Opened: "{direction} call opened, mode {mode}",
    facts.Dialled: "the carrier took the order as {carrier_call_id}",
    facts.DialUnsettled: "the carrier's answer to the order is missing",
    facts.Rang: "ringing",
    facts.Answered: "answered",
    facts.Saying: "saying ({speaker}): {text}",
    facts.Said: "said ({speaker}): {text}",
    facts.Interrupted: "interrupted ({speaker}) after: {heard}",
    facts.NotSaid: "not heard ({speaker})",
    facts.TurnHeard: "they said: {text}",
    facts.ReplyAsked: "the agent was asked",
    facts.ReplyGiven: "the agent answered",
    facts.ReplyMissed: "the agent's answer is not spoken",
    facts.OperationOpened: "{kind} requested as {operation}",
    facts.OperationSettled: "request {operation} settled",
    facts.DigitsPlayed: "digits sent for {operation}",
    facts.EndDecided: "ending as {reason}",
    facts.Ended: "over: {reason}",
}
_NOTES: Final = (
    ("by_machine", True, "by a machine"),
    ("confirmed", False, "not confirmed by the carrier"),
    ("keyed", True, "on the keys"),
    ("ok", False, "failed"),
)
_REASONS: Final = ("detail", "code", "why")


def describe(fact: Fact) -> str:
    """The fact in words, on one line."""
    fields = msgspec.structs.asdict(fact)
    notes = [text for name, value, text in _NOTES if fields.get(name) is value]
    notes += [str(fields[name]) for name in _REASONS if fields.get(name)]
    text = WORDS[type(fact)].format_map(fields)
    return one_line(f"{text} ({'; '.join(notes)})" if notes else text)


def fact_line(followed: FollowedFact, *, mask: bool = False) -> str:
    """Local time, the beginning of the call's id, and what happened."""
    at = local_time(followed.stored.at * 1000, "%Y-%m-%d %H:%M:%S")
    what = describe(followed.stored.fact)
    shown = masked_text(what) if mask else what
    return f"{at}  {one_line(followed.call_id[:SHORT_ID])}  {shown}"


def fact_json(followed: FollowedFact, *, mask: bool = False) -> str:
    """`{callId, seq, at (ms), fact: {type, ...}}` on one line."""
    stored = followed.stored
    told = {
        "callId": followed.call_id,
        "seq": stored.seq,
        "at": round(stored.at * 1000),
        "fact": stored.fact,
    }
    line = msgspec.json.encode(told).decode()
    return masked_json(line) if mask else line
