"""The journal's facts as lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from openclaw_voice_call.call.facts import Fact, TurnMeasured
from openclaw_voice_call.call.types import TurnTimes
from openclaw_voice_call.store.reader import FollowedFact
from openclaw_voice_call.surfaces.cli_view import local_time, masked_json, masked_text, one_line

SHORT_ID: Final = 8

WORDS: Final[Mapping[str, str]] = {
    "opened": "{direction} call opened, mode {mode}",
    "dialled": "the carrier took the order as {carrier_call_id}",
    "dial-unsettled": "the carrier's answer to the order is missing",
    "rang": "ringing",
    "answered": "answered",
    "fetched": "the carrier fetched its first instruction",
    "saying": "saying ({speaker}): {text}",
    "said": "said ({speaker}): {text}",
    "interrupted": "interrupted ({speaker}) after: {heard}",
    "not-said": "not heard ({speaker})",
    "heard": "they said: {text}",
    "reply-asked": "the agent was asked",
    "reply-given": "the agent answered",
    "reply-missed": "the agent's answer is not spoken",
    "operation-opened": "{kind} requested as {operation}",
    "operation-settled": "request {operation} settled",
    "digits-played": "digits sent for {operation}",
    "stream-up": "media stream {number} is open",
    "stream-down": "media stream {number} is gone",
    "path-changed": "the {path} voice takes over",
    "turn-measured": "turn {turn} was timed: {times}",
    "recorded": "recording to {file}",
    "recording-lost": "the recording has ended before the call",
    "end-decided": "ending as {reason}",
    "ended": "over: {reason}",
}
_NOTES: Final = (
    ("by_machine", True, "by a machine"),
    ("confirmed", False, "not confirmed by the carrier"),
    ("keyed", True, "on the keys"),
    ("ok", False, "failed"),
)
_REASONS: Final = ("detail", "code", "why")


def tag_of(kind: type[msgspec.Struct]) -> str:
    """The name under which the journal stores this kind of fact."""
    return str(kind.__struct_config__.tag)


def describe(fact: Fact) -> str:
    """The fact in words, on one line."""
    fields = msgspec.structs.asdict(fact)
    if isinstance(fact, TurnMeasured):
        fields["times"] = _stages(fact.times)
    notes = [text for name, value, text in _NOTES if fields.get(name) is value]
    notes += [str(fields[name]) for name in _REASONS if fields.get(name)]
    text = WORDS[tag_of(type(fact))].format_map(fields)
    return one_line(f"{text} ({'; '.join(notes)})" if notes else text)


def _stages(times: TurnTimes) -> str:
    """`final 310 ms, first token 620 ms` and so on, from the end of speech."""
    measured = msgspec.structs.asdict(times)
    stages = [
        f"{name.removesuffix('_ms').replace('_', ' ')} {value} ms"
        for name, value in measured.items()
        if name.endswith("_ms") and value is not None
    ]
    return ", ".join([*stages, *(["head start"] if times.head_start else [])])


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
