"""Rules that hold for every order and repetition of events."""

from __future__ import annotations

import contextlib

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.due import LineView, due
from openclaw_voice_call.call.facts import (
    EndDecided,
    Ended,
    Fact,
    OperationOpened,
    Said,
    Saying,
    TurnHeard,
)
from openclaw_voice_call.call.facts import OperationSettled as Settled
from openclaw_voice_call.call.instruct import Over, instruct
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import StepRef
from openclaw_voice_call.call.snapshot import snapshot
from openclaw_voice_call.call.types import CarrierCallId, EndReason, Mode, OperationState, Phase
from openclaw_voice_call.errors import InvalidRequest
from tests.voice_call.call.playbook import LEG, Playbook

_numbers = st.integers(0, 6)
_texts = st.sampled_from(["", "yes", "no, thanks", "<b>&", "é\u0000"])
_operations = st.sampled_from(["a", "b", "c", "d"])
_reasons = st.sampled_from(list(EndReason))
_deadlines = st.sampled_from(
    [
        "ring",
        "reaper",
        "duration",
        "final",
        "say",
        "wait",
        "reply",
        "keys",
        "lookup",
        "transcript:a",
        "x",
    ]
)
events = st.one_of(
    st.just(ev.DialAccepted(LEG)),
    st.builds(ev.DialRefused, _texts),
    st.builds(ev.DialOutcomeUnknown, _texts),
    st.just(ev.LookupFinished()),
    st.just(ev.LineSeen(LEG)),
    st.just(ev.LineNamed(CarrierCallId("LEG2"), LEG)),
    st.just(ev.LineRinging(LEG)),
    st.builds(ev.LineAnswered, st.just(LEG), st.booleans()),
    st.builds(ev.LineEnded, _reasons),
    st.builds(ev.StepReached, _numbers, _numbers),
    st.builds(
        ev.Heard,
        _texts,
        st.one_of(st.none(), _numbers),
        st.booleans(),
        continuous=st.booleans(),
    ),
    st.builds(ev.KeyPressed, st.sampled_from("0*#"), st.one_of(st.none(), _numbers)),
    st.builds(ev.UtterancePlayed, _numbers),
    st.builds(ev.UtteranceInterrupted, _numbers, _texts),
    st.builds(ev.UtteranceRefused, _numbers, _texts),
    st.builds(ev.DigitsSent, _operations),
    st.builds(ev.DigitsRefused, _operations, _texts),
    st.builds(ev.ReplyReady, _numbers, _texts),
    st.builds(ev.ReplyFailed, _numbers, _texts),
    st.builds(ev.SpeakRequested, _operations, st.just("said")),
    st.builds(ev.ContinueRequested, _operations, st.just("asked")),
    st.builds(ev.DigitsRequested, _operations, st.just("1#")),
    st.builds(ev.EndRequested, _reasons, st.booleans(), st.booleans()),
    st.builds(ev.DeadlinePassed, _deadlines),
    st.just(ev.HangUpConfirmed()),
    st.just(ev.Restored()),
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 5.0, 60.0, 400.0]), events), max_size=40)
calls = st.sampled_from(["notify", "conversation", "silent", "inbound", "offered"])
EITHER_LINE = (LineView(0, asking=False), LineView(99, asking=True))


def _opened(kind: str) -> Playbook:
    match kind:
        case "notify":
            return Playbook.outbound("Note.", Mode.NOTIFY)
        case "silent":
            return Playbook.outbound(None)
        case "inbound":
            return Playbook.inbound()
        case "offered":
            return Playbook.inbound(answered=False)
        case _:
            return Playbook.outbound()


def _play(kind: str, story: list[tuple[float, ev.CallEvent]]) -> list[tuple[CallRecord, Playbook]]:
    """The record after each event."""
    play = _opened(kind)
    seconds = 0.0
    seen = [(play.record, play)]
    used: set[str] = set()
    for pause, event in story:
        seconds += pause
        if isinstance(event, ev.SpeakRequested | ev.ContinueRequested | ev.DigitsRequested):
            if event.operation in used:
                continue
            used.add(event.operation)
        with contextlib.suppress(InvalidRequest):
            play.at(seconds, event)
        seen.append((play.record, play))
    return seen


@given(calls, steps)
@settings(max_examples=600, deadline=None)
def test_the_end_is_final_and_nothing_follows_it(
    kind: str, story: list[tuple[float, ev.CallEvent]]
) -> None:
    reason: EndReason | None = None
    ended = False
    for record, _ in _play(kind, story):
        if reason is not None:
            assert record.end_reason is reason, "an end reason is set once"
        reason = record.end_reason
        assert not (ended and record.live), "a terminal state is never left"
        ended = not record.live
        if reason is not None:
            assert isinstance(instruct(record, StepRef(1, 0)), Over)
            for view in EITHER_LINE:
                for markup in (True, False):
                    ids = [c.id for c in due(record, markup=markup, line=view)]
                    assert all(i == "hangup" or i.startswith("lookup:") for i in ids)
                    assert ids.count("hangup") <= 1
        if ended:
            assert not record.deadlines, "no deadline survives the end"


@given(calls, steps)
@settings(max_examples=600, deadline=None)
def test_every_waiter_is_settled_once_and_none_after_the_end(
    kind: str, story: list[tuple[float, ev.CallEvent]]
) -> None:
    record, play = _play(kind, story)[-1]
    opened = [f.operation for f in play.facts if isinstance(f, OperationOpened)]
    settled = [f.operation for f in play.facts if isinstance(f, Settled)]
    assert len(settled) == len(set(settled))
    assert set(settled) <= set(opened)
    pending = {op.id for op in record.operations if op.state is OperationState.PENDING}
    assert pending == set(opened) - set(settled)
    if record.closing:
        assert not pending
    if record.deadlines:
        transcripts = {n.partition(":")[2] for n in record.deadlines if n.startswith("transcript:")}
        assert transcripts <= pending


@given(calls, steps)
@settings(max_examples=600, deadline=None)
def test_what_is_said_was_begun_and_each_turn_is_heard_once(
    kind: str, story: list[tuple[float, ev.CallEvent]]
) -> None:
    play = _play(kind, story)[-1][1]
    begun = [f.utterance for f in play.facts if isinstance(f, Saying)]
    said = [f.utterance for f in play.facts if isinstance(f, Said)]
    assert len(begun) == len(set(begun))
    assert begun == sorted(begun), "utterances are played in the order of their numbers"
    assert set(said) <= set(begun)
    turns = [f.turn for f in play.facts if isinstance(f, TurnHeard)]
    assert turns == sorted(set(turns))
    ends = [f for f in play.facts if isinstance(f, EndDecided)]
    assert len(ends) <= 1
    assert len([f for f in play.facts if isinstance(f, Ended)]) <= len(ends)


@given(calls, steps)
@settings(max_examples=300, deadline=None)
def test_phases_only_go_forward_and_versions_count_changes(
    kind: str, story: list[tuple[float, ev.CallEvent]]
) -> None:
    order = list(Phase)
    before: CallRecord | None = None
    for record, _ in _play(kind, story):
        if before is not None:
            assert order.index(record.phase) >= order.index(before.phase)
            assert record.version == before.version + (record is not before)
            assert record.script.number >= before.script.number
        before = record


@given(calls, steps)
@settings(max_examples=300, deadline=None)
def test_a_record_and_its_facts_survive_json(
    kind: str, story: list[tuple[float, ev.CallEvent]]
) -> None:
    record, play = _play(kind, story)[-1]
    assert msgspec.json.decode(msgspec.json.encode(record), type=CallRecord) == record
    for fact in play.facts:
        assert msgspec.json.decode(msgspec.json.encode(fact), type=Fact) == fact
    assert snapshot(record, ())["callId"] == "c1"


@given(calls, steps, events)
@settings(max_examples=300, deadline=None)
def test_repeating_a_carriers_message_changes_nothing(
    kind: str, story: list[tuple[float, ev.CallEvent]], event: ev.CallEvent
) -> None:
    if not isinstance(
        event, ev.StepReached | ev.LineSeen | ev.LineRinging | ev.LineEnded | ev.UtterancePlayed
    ):
        return
    play = _play(kind, story)[-1][1]
    seconds = sum(pause for pause, _ in story)
    play.at(seconds, event)
    once = play.record
    play.at(seconds, event)
    assert play.record is once
