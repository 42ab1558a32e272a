"""Figures about turns, in the original's form. Pure.

`turnLatency` is the time from the other party's words to the beginning of the agent's answer,
`listenWait` the time from the beginning of listening to those words; both in ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from openclaw_voice_call.call.facts import (
    Answered,
    Interrupted,
    NotSaid,
    Said,
    Saying,
    StoredFact,
    TurnHeard,
)
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import Speaker


@dataclass
class Samples:
    """What was measured; `scanned` counts calls, or lines of a file."""

    scanned: int = 0
    turns: list[float] = field(default_factory=list[float])
    listening: list[float] = field(default_factory=list[float])


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
    samples = Samples()
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
    return samples


def summary(samples: Samples) -> dict[str, object]:
    """The JSON that `latency` prints."""
    return {
        "recordsScanned": samples.scanned,
        "turnLatency": _figures(samples.turns),
        "listenWait": _figures(samples.listening),
    }


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
