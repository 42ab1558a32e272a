"""The original's calls.jsonl becomes ended calls of the journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openclaw_voice_call.call.facts import Answered, Ended, Opened, Said, TurnHeard
from openclaw_voice_call.call.types import (
    CallId,
    CarrierCallId,
    Direction,
    EndReason,
    Mode,
    Phase,
    Speaker,
)
from openclaw_voice_call.errors import JournalUnreadable
from openclaw_voice_call.store.importer import (
    NOT_RECORDED,
    ImportReport,
    import_jsonl,
    past_call,
    read_snapshots,
)
from openclaw_voice_call.store.sqlite import SqliteCallStore

BOT = {"timestamp": 3_000, "speaker": "bot", "text": "Hello.", "isFinal": True}
USER = {"timestamp": 5_500, "speaker": "user", "text": "Yes, please.", "isFinal": True}


def line(**values: object) -> bytes:
    snapshot: dict[str, object] = {
        "callId": "call-1",
        "provider": "twilio",
        "direction": "outbound",
        "state": "initiated",
        "from": "+15550001234",
        "to": "+15550005678",
        "startedAt": 1_000,
        "transcript": [],
        "processedEventIds": ["x"],
        "metadata": {"mode": "conversation"},
    }
    return json.dumps({**snapshot, **values}).encode() + b"\n"


def test_a_whole_call() -> None:
    (snapshot,), malformed = read_snapshots(
        [
            line(),
            line(providerCallId="CA1", state="active", answeredAt=2_000, transcript=[BOT]),
            line(
                providerCallId="CA1",
                state="hangup-user",
                answeredAt=2_000,
                endedAt=9_000,
                endReason="hangup-user",
                sessionKey="voice:15550005678",
                transcript=[BOT, USER],
                metadata={"mode": "conversation", "turnCount": 1, "lastTurnLatencyMs": 812.4},
            ),
        ]
    )
    assert malformed == 0
    record, facts = past_call(snapshot)
    assert record.phase is Phase.ENDED
    assert record.end_reason is EndReason.HANGUP_USER
    assert record.end_detail is None
    assert (record.opened_at, record.answered_at, record.ended_at) == (1.0, 2.0, 9.0)
    assert record.carrier_call_id == "CA1"
    assert record.settings.session_key == "voice:15550005678"
    assert (record.metrics.turns, record.metrics.last_turn_latency_ms) == (1, 812)
    assert [(each.seq, each.at, each.fact) for each in facts] == [
        (1, 1.0, Opened(Direction.OUTBOUND, Mode.CONVERSATION)),
        (2, 2.0, Answered()),
        (3, 3.0, Said(1, "Hello.", Speaker.AGENT, 0)),
        (4, 5.5, TurnHeard(1, "Yes, please.")),
        (5, 9.0, Ended(EndReason.HANGUP_USER)),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_lines_out_of_order_lose_nothing(order: tuple[int, ...]) -> None:
    lines = [
        line(),
        line(providerCallId="CA1", state="listening", answeredAt=2_000, transcript=[BOT, USER]),
        line(state="completed", endedAt=9_000, endReason="completed", transcript=[BOT]),
    ]
    (snapshot,), _ = read_snapshots(lines[n] for n in order)
    record, facts = past_call(snapshot)
    assert record.carrier_call_id == "CA1"
    assert record.end_reason is EndReason.COMPLETED
    assert (record.answered_at, record.ended_at) == (2.0, 9.0)
    assert len(facts) == 5


def test_a_call_whose_end_is_not_told_ended_with_its_last_sign_of_life() -> None:
    (snapshot,), _ = read_snapshots([line(state="speaking", answeredAt=2_000, transcript=[BOT])])
    record, facts = past_call(snapshot)
    assert record.end_reason is EndReason.ERROR
    assert record.end_detail == NOT_RECORDED
    assert record.ended_at == 3.0
    assert not record.live
    assert facts[-1].fact == Ended(EndReason.ERROR, NOT_RECORDED)


def test_malformed_lines_are_counted_and_skipped() -> None:
    snapshots, malformed = read_snapshots(
        [
            b"{ half a line\n",
            b"\n",
            b"[]\n",
            b"\xff\xfe\n",
            b'{"callId": ""}\n',
            b'{"provider": "twilio"}\n',
            line(startedAt="yesterday"),
            line(transcript=[{"speaker": "bot"}]),
            line(callId="call-2"),
            b'{"callId": "call-3"}',
        ]
    )
    assert [each.call_id for each in snapshots] == ["call-2", "call-3"]
    assert malformed == 7
    record, _ = past_call(snapshots[1])
    assert (record.carrier, record.from_number, record.opened_at) == ("unknown", "", 0.0)


async def test_importing_again_adds_only_what_is_new(
    store: SqliteCallStore, tmp_path: Path
) -> None:
    path = tmp_path / "calls.jsonl"
    calls = [line(callId=f"call-{n}", providerCallId=f"CA{n}") for n in range(450)]
    path.write_bytes(b"".join(calls) + b"garbage\n")
    assert await import_jsonl(store, path) == ImportReport(imported=450, known=0, malformed=1)
    assert await import_jsonl(store, path) == ImportReport(imported=0, known=450, malformed=1)
    path.write_bytes(b"".join([*calls, line(callId="call-new", state="busy")]))
    assert await import_jsonl(store, path) == ImportReport(imported=1, known=450, malformed=0)

    assert await store.live() == []
    assert len(await store.recent(1_000)) == 451
    assert await store.find("twilio", CarrierCallId("CA7")) == "call-7"
    new = await store.load(CallId("call-new"))
    assert new is not None
    assert new.end_reason is EndReason.BUSY
    assert len(await store.facts(CallId("call-7"))) == 2


async def test_a_file_that_is_not_there_is_named(store: SqliteCallStore, tmp_path: Path) -> None:
    with pytest.raises(JournalUnreadable, match=r"calls\.jsonl"):
        await import_jsonl(store, tmp_path / "calls.jsonl")
