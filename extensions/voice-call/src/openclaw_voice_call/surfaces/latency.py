"""Figures about turns, in the original's form. Pure.

`turnLatency` is the time from the other party's words to the beginning of the agent's answer,
`listenWait` the time from the beginning of listening to those words; both in ms. `stages` are ours:
of live audio, each stage of an answer in ms from the end of the other party's speech.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import msgspec

from openclaw_voice_call.call.facts import (
    Answered,
    Interrupted,
    NotSaid,
    Said,
    Saying,
    StoredFact,
    TurnHeard,
    TurnMeasured,
)
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import Speaker, TurnTimes

STAGES: Final[Mapping[str, str]] = {
    "final": "final_ms",
    "firstToken": "first_token_ms",
    "firstSentence": "first_sentence_ms",
    "firstAudio": "first_audio_ms",
    "firstFrame": "first_frame_ms",
}
"""The stages of an answer in their order, and where `TurnTimes` has them."""
_COLUMNS: Final = ("min", "avg", "p50", "p95", "max")


@dataclass
class Samples:
    """What was measured; `scanned` counts calls, or lines of a file."""

    scanned: int = 0
    turns: list[float] = field(default_factory=list[float])
    listening: list[float] = field(default_factory=list[float])
    stages: dict[str, list[float]] | None = None
    """By `STAGES`' names; None where the source cannot tell them."""
    head_starts: int = 0
    """Answers that were begun before the words were final."""


class _Metadata(msgspec.Struct, rename="camel"):
    last_turn_latency_ms: float | None = None
    last_turn_listen_wait_ms: float | None = None


class _Snapshot(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def of_snapshots(lines: Iterable[str]) -> Samples:
    """Lines of the original's calls.jsonl; each tells of its last turn. Malformed ones are
    skipped."""
    samples = Samples()
    decoder = msgspec.json.Decoder(_Snapshot)
    for line in lines:
        try:
            metadata = decoder.decode(line).metadata
        except (msgspec.DecodeError, UnicodeEncodeError):
            continue
        samples.scanned += 1
        if metadata.last_turn_latency_ms is not None:
            samples.turns.append(metadata.last_turn_latency_ms)
        if metadata.last_turn_listen_wait_ms is not None:
            samples.listening.append(metadata.last_turn_listen_wait_ms)
    return samples


def of_calls(calls: Iterable[tuple[CallRecord, Sequence[StoredFact]]]) -> Samples:
    """Every turn of every call; of a call whose facts are gone, the last one."""
    samples = Samples(stages={name: [] for name in STAGES})
    for record, facts in calls:
        samples.scanned += 1
        turns, listening = _measured(facts)
        metrics = record.metrics
        if not turns and metrics.last_turn_latency_ms is not None:
            turns = [metrics.last_turn_latency_ms]
        if not listening and metrics.last_listen_wait_ms is not None:
            listening = [metrics.last_listen_wait_ms]
        samples.turns += turns
        samples.listening += listening
        for stored in facts:
            if isinstance(stored.fact, TurnMeasured):
                _add_stages(samples, stored.fact.times)
    return samples


def summary(samples: Samples) -> dict[str, object]:
    """The JSON that `latency` prints."""
    figures: dict[str, object] = {
        "recordsScanned": samples.scanned,
        "turnLatency": _figures(samples.turns),
        "listenWait": _figures(samples.listening),
    }
    if samples.stages is not None:
        figures["stages"] = {name: _figures(values) for name, values in samples.stages.items()}
        figures["headStarts"] = samples.head_starts
    return figures


def table(figures: Mapping[str, object]) -> Iterator[str]:
    """A summary for people: one line a stage."""
    stages = cast("Mapping[str, Mapping[str, int]]", figures.get("stages", {}))
    rows = {
        "turn latency": figures["turnLatency"],
        "listen wait": figures["listenWait"],
        **{f"  end of speech -> {_spelled(name)}": row for name, row in stages.items()},
    }
    yield f"{figures['recordsScanned']} calls, times in ms"
    yield f"{'':34}" + "".join(f"{name:>8}" for name in ("count", *_COLUMNS))
    for name, row in rows.items():
        told = cast("Mapping[str, int]", row)
        cells = (told[f"{column}Ms"] if told["count"] else "-" for column in _COLUMNS)
        yield f"{name:34}{told['count']:>8}" + "".join(f"{cell:>8}" for cell in cells)
    if "headStarts" in figures:
        yield f"{figures['headStarts']} answers had a head start"


def _spelled(name: str) -> str:
    """`firstToken` as `first token`."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name)


def _add_stages(samples: Samples, times: TurnTimes) -> None:
    samples.head_starts += times.head_start
    for name, attribute in STAGES.items():
        value: int | None = getattr(times, attribute)
        if value is not None and samples.stages is not None:
            samples.stages[name].append(value)


def _measured(facts: Sequence[StoredFact]) -> tuple[list[float], list[float]]:
    turns: list[float] = []
    listening: list[float] = []
    quiet_since: float | None = None
    heard_at: float | None = None
    for stored in facts:
        match stored.fact:
            case Answered() | Said() | Interrupted() | NotSaid():
                quiet_since = stored.at
            case TurnHeard():
                if quiet_since is not None:
                    listening.append((stored.at - quiet_since) * 1000)
                quiet_since, heard_at = None, stored.at
            case Saying(speaker=speaker):
                quiet_since = None
                if speaker is Speaker.AGENT and heard_at is not None:
                    turns.append((stored.at - heard_at) * 1000)
                    heard_at = None
            case _:
                pass
    return turns, listening


def _figures(values: Sequence[float]) -> dict[str, int]:
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "minMs": round(ordered[0]) if ordered else 0,
        "maxMs": round(ordered[-1]) if ordered else 0,
        "avgMs": round(sum(ordered) / len(ordered)) if ordered else 0,
        "p50Ms": _percentile(ordered, 50),
        "p95Ms": _percentile(ordered, 95),
    }


def _percentile(ordered: Sequence[float], percent: int) -> int:
    """Nearest rank; 0 of nothing."""
    if not ordered:
        return 0
    rank = math.ceil(percent / 100 * len(ordered))
    return round(ordered[max(0, rank - 1)])
