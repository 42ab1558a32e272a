"""Takes over the original's `calls.jsonl`: one full snapshot of a call per line.

The original appends without waiting, so the lines of a call may be out of order. They are merged:
no value is replaced by an absent one, an end is not undone, and the longest transcript counts.
All imported calls are ended calls, whatever their last line says: nobody holds their lines now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from openclaw_voice_call.call.facts import (
    Answered,
    Ended,
    Fact,
    Opened,
    Said,
    StoredFact,
    TurnHeard,
)
from openclaw_voice_call.call.record import CallRecord, CallSettings, Metrics
from openclaw_voice_call.call.types import (
    CallId,
    CarrierCallId,
    DialState,
    Direction,
    EndReason,
    Mode,
    Phase,
    Speaker,
)
from openclaw_voice_call.errors import JournalUnreadable
from openclaw_voice_call.store.sqlite import SqliteCallStore

BATCH = 200
LARGEST = 1e15
"""No count and no time in ms is larger."""
NOT_RECORDED = "imported; its end was not recorded"

_ENDS = {reason.value: reason for reason in EndReason}


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of the original's transcript; `timestamp` in epoch ms."""

    speaker: str
    text: str
    timestamp: float = 0.0


class Snapshot(msgspec.Struct, frozen=True, rename="camel"):
    """A line of the original's file; times in epoch ms."""

    call_id: str
    provider_call_id: str | None = None
    provider: str | None = None
    direction: str | None = None
    state: str | None = None
    from_number: str | None = msgspec.field(default=None, name="from")
    to_number: str | None = msgspec.field(default=None, name="to")
    session_key: str | None = None
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    end_reason: str | None = None
    transcript: tuple[Line, ...] = ()
    metadata: dict[str, object] = {}


class ImportReport(msgspec.Struct, frozen=True):
    """`imported` and `known` count calls, `malformed` counts lines."""

    imported: int
    known: int
    malformed: int


async def import_jsonl(store: SqliteCallStore, path: Path) -> ImportReport:
    """Add the calls of the original's file that the journal does not know; may be repeated.

    Raises JournalUnreadable when the file cannot be read, JournalRefused.
    """
    calls, malformed = await asyncio.to_thread(_read_file, path)
    imported = 0
    pending = iter(calls)
    while batch := list(islice(pending, BATCH)):
        added = [store.add_ended(*past_call(snapshot)) for snapshot in batch]
        imported += sum([await each for each in added])
    return ImportReport(imported, len(calls) - imported, malformed)


def read_snapshots(lines: Iterable[bytes]) -> tuple[Sequence[Snapshot], int]:
    """One merged snapshot per call, in the order of first mention, and how many lines are no
    snapshots. Pure."""
    decoder = msgspec.json.Decoder(Snapshot)
    calls: dict[str, Snapshot] = {}
    malformed = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            new = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            malformed += 1
            continue
        if not new.call_id:
            malformed += 1
            continue
        old = calls.get(new.call_id)
        calls[new.call_id] = new if old is None else _merge(old, new)
    return list(calls.values()), malformed


def past_call(snapshot: Snapshot) -> tuple[CallRecord, Sequence[StoredFact]]:
    """The call as the journal keeps it. Pure."""
    started = _seconds(snapshot.started_at) or 0.0
    answered = _seconds(snapshot.answered_at)
    spoken = [line.timestamp / 1000 for line in snapshot.transcript]
    ended = _seconds(snapshot.ended_at) or max([started, answered or 0.0, *spoken])
    direction = Direction.INBOUND if snapshot.direction == "inbound" else Direction.OUTBOUND
    mode = Mode.NOTIFY if snapshot.metadata.get("mode") == "notify" else Mode.CONVERSATION
    reason = _end_reason(snapshot)
    detail = None if reason else NOT_RECORDED
    reason = reason or EndReason.ERROR
    facts: list[tuple[float, Fact]] = [(started, Opened(direction, mode))]
    if answered is not None:
        facts.append((answered, Answered()))
    facts += _spoken(snapshot)
    facts.append((ended, Ended(reason, detail)))
    record = CallRecord(
        call_id=CallId(snapshot.call_id),
        carrier=snapshot.provider or "unknown",
        direction=direction,
        from_number=snapshot.from_number or "",
        to_number=snapshot.to_number or "",
        settings=CallSettings(mode, snapshot.session_key or f"voice:{snapshot.call_id}"),
        opened_at=started,
        phase=Phase.ENDED,
        carrier_call_id=(
            CarrierCallId(snapshot.provider_call_id) if snapshot.provider_call_id else None
        ),
        dial=_dial_state(direction, snapshot),
        answered_at=answered,
        ended_at=ended,
        end_reason=reason,
        end_detail=detail,
        turn=sum(line.speaker == "user" for line in snapshot.transcript),
        utterances=sum(line.speaker == "bot" for line in snapshot.transcript),
        metrics=_metrics(snapshot.metadata),
    )
    # Sorted by time only: what was told at the same time stays in its order.
    facts.sort(key=lambda pair: pair[0])
    return record, [StoredFact(n, at, fact) for n, (at, fact) in enumerate(facts, 1)]


def _read_file(path: Path) -> tuple[Sequence[Snapshot], int]:
    try:
        with path.open("rb") as file:
            return read_snapshots(file)
    except OSError as exc:
        raise JournalUnreadable(f"{path}: {exc.strerror}") from exc


def _merge(old: Snapshot, new: Snapshot) -> Snapshot:
    present = {
        name: value
        for name in Snapshot.__struct_fields__
        if (value := getattr(new, name)) is not None
    }
    merged = msgspec.structs.replace(old, **present)
    keep: dict[str, object] = {"metadata": {**old.metadata, **new.metadata}}
    if len(old.transcript) > len(new.transcript):
        keep["transcript"] = old.transcript
    if _end_reason(old) is not None and _end_reason(new) is None:
        keep.update(state=old.state, end_reason=old.end_reason)
    return msgspec.structs.replace(merged, **keep)


def _end_reason(snapshot: Snapshot) -> EndReason | None:
    """The original's terminal states are the end reasons."""
    return _ENDS.get(snapshot.end_reason or "") or _ENDS.get(snapshot.state or "")


def _dial_state(direction: Direction, snapshot: Snapshot) -> DialState:
    if direction is Direction.INBOUND:
        return DialState.NONE
    return DialState.ACCEPTED if snapshot.provider_call_id else DialState.UNKNOWN


def _spoken(snapshot: Snapshot) -> Iterable[tuple[float, Fact]]:
    utterance = turn = 0
    for line in snapshot.transcript:
        at = line.timestamp / 1000
        if line.speaker == "bot":
            utterance += 1
            yield at, Said(utterance, line.text, Speaker.AGENT, turn)
        elif line.speaker == "user":
            turn += 1
            yield at, TurnHeard(turn, line.text)


def _metrics(metadata: dict[str, object]) -> Metrics:
    return Metrics(
        turns=_whole(metadata, "turnCount") or 0,
        last_turn_latency_ms=_whole(metadata, "lastTurnLatencyMs"),
        last_listen_wait_ms=_whole(metadata, "lastTurnListenWaitMs"),
        last_turn_at=_seconds(_whole(metadata, "lastTurnCompletedAt")),
    )


def _whole(metadata: dict[str, object], key: str) -> int | None:
    value = metadata.get(key)
    if not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return round(value)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
