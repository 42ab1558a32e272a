"""A call as the original shows it: its field names, its states, times in ms.

Scripts of the original's users read these; they are computed on the way out and stored nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NotRequired, TypedDict

from openclaw_voice_call.call.facts import Interrupted, Said, Saying, StoredFact, TurnHeard
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Listen
from openclaw_voice_call.call.types import Phase


class TranscriptEntry(TypedDict):
    """`isFinal` is false while an utterance is still being played."""

    timestamp: int
    speaker: str
    text: str
    isFinal: bool


CallSnapshot = TypedDict(
    "CallSnapshot",
    {
        "callId": str,
        "providerCallId": NotRequired[str],
        "provider": str,
        "direction": str,
        "state": str,
        "from": str,
        "to": str,
        "sessionKey": NotRequired[str],
        "startedAt": int,
        "answeredAt": NotRequired[int],
        "endedAt": NotRequired[int],
        "endReason": NotRequired[str],
        "transcript": list[TranscriptEntry],
        "processedEventIds": list[str],
        "metadata": dict[str, object],
    },
)


def state_name(record: CallRecord) -> str:
    """The original's name of the state: initiated, ringing, answered, active, speaking, listening,
    or the end reason."""
    if record.end_reason is not None:
        return record.end_reason.value
    if record.phase is Phase.DIALLING:
        return "initiated"
    if record.phase is Phase.RINGING:
        return "ringing"
    if record.script.speaking:
        return "speaking"
    return "listening" if isinstance(record.script.current, Listen) else "active"


def snapshot(record: CallRecord, facts: Iterable[StoredFact]) -> CallSnapshot:
    """The call record as RPC, tool and CLI give it."""
    shown: CallSnapshot = {
        "callId": record.call_id,
        "provider": record.carrier,
        "direction": record.direction.value,
        "state": state_name(record),
        "from": record.from_number,
        "to": record.to_number,
        "sessionKey": record.settings.session_key,
        "startedAt": _ms(record.opened_at),
        "transcript": transcript(facts),
        "processedEventIds": list(record.seen),
        "metadata": _metadata(record),
    }
    if record.carrier_call_id is not None:
        shown["providerCallId"] = record.carrier_call_id
    if record.answered_at is not None:
        shown["answeredAt"] = _ms(record.answered_at)
    if record.ended_at is not None:
        shown["endedAt"] = _ms(record.ended_at)
    if record.end_reason is not None:
        shown["endReason"] = record.end_reason.value
    return shown


def transcript(facts: Iterable[StoredFact]) -> list[TranscriptEntry]:
    """Who said what, in order; of our words only what was (or is being) heard."""
    entries: list[TranscriptEntry] = []
    playing: tuple[int, TranscriptEntry] | None = None
    reply = 0
    for stored in facts:
        at, fact = _ms(stored.at), stored.fact
        if isinstance(fact, Saying):
            playing = fact.utterance, _entry(at, "bot", fact.text, final=False)
        elif isinstance(fact, Said | Interrupted):
            text = fact.text if isinstance(fact, Said) else fact.heard
            began = playing[1]["timestamp"] if playing and playing[0] == fact.utterance else at
            playing = None
            if text and fact.turn and fact.turn == reply:
                # A reply that was spoken sentence by sentence is one thing said.
                entries[-1]["text"] += f" {text}"
            elif text:
                entries.append(_entry(began, "bot", text, final=True))
                reply = fact.turn
        elif isinstance(fact, TurnHeard):
            entries.append(_entry(at, "user", fact.text, final=True))
            reply = 0
        elif playing is not None and getattr(fact, "utterance", None) == playing[0]:
            playing = None
    if playing is not None:
        entries.append(playing[1])
    # Words that were said over a greeting are known before the greeting has ended.
    return sorted(entries, key=lambda entry: entry["timestamp"])


def _metadata(record: CallRecord) -> dict[str, object]:
    metrics = record.metrics
    shown: dict[str, object] = {"mode": record.settings.mode.value}
    if record.opening and not record.message_said:
        shown["initialMessage"] = record.opening
    if record.end_detail is not None:
        shown["endDetail"] = record.end_detail
    if record.closing and record.live:
        shown["hangupPending"] = True
    if metrics.turns:
        shown["turnCount"] = metrics.turns
    if metrics.last_turn_latency_ms is not None:
        shown["lastTurnLatencyMs"] = metrics.last_turn_latency_ms
    if metrics.last_listen_wait_ms is not None:
        shown["lastTurnListenWaitMs"] = metrics.last_listen_wait_ms
    if metrics.last_turn_at is not None:
        shown["lastTurnCompletedAt"] = _ms(metrics.last_turn_at)
    if record.recordings:
        shown["recordings"] = list(record.recordings)
    if record.recording_problem is not None:
        shown["recordingProblem"] = record.recording_problem
    return shown


def _entry(timestamp: int, speaker: str, text: str, *, final: bool) -> TranscriptEntry:
    return {"timestamp": timestamp, "speaker": speaker, "text": text, "isFinal": final}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
