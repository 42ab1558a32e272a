"""The pure machine under any order of what can happen to a live call."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import (
    Interrupted,
    NotSaid,
    OperationOpened,
    OperationSettled,
    ReplyAsked,
    Said,
    TurnHeard,
)
from openclaw_voice_call.call.script import Digits, HangUp, Listen, Say, Wait
from openclaw_voice_call.call.types import EndReason, Mode, OperationState, Phase, Speaker
from openclaw_voice_call.errors import AlreadyWaiting, CallEnded, CallNotUp, TooManyRequests
from tests.voice_call.call.playbook import LEG, Playbook

_REFUSALS = (AlreadyWaiting, CallEnded, CallNotUp, TooManyRequests)


class LiveWalk(RuleBasedStateMachine):
    """One call from its dial to its end. What is late, doubled or of another turn is among it."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Playbook.outbound("Hello.", live=True)
        self.seconds = 0.0
        self.requests = 0

    @initialize(
        opening=st.sampled_from([None, "Hello. Who is there?"]),
        mode=st.sampled_from(Mode),
        filler=st.sampled_from([0, 2500]),
    )
    def opens(self, opening: str | None, mode: Mode, filler: int) -> None:
        self.play = Playbook.outbound(
            opening or ("A message." if mode is Mode.NOTIFY else None),
            mode,
            live=True,
            filler_ms=filler,
            fillers=("One moment.",),
        )
        self.play.at(0.0, ev.DialAccepted(LEG))

    def happens(self, *events: ev.CallEvent) -> None:
        self.seconds += 0.05
        self.play.at(self.seconds, *events)

    def asks(self, event: ev.CallEvent) -> None:
        try:
            self.happens(event)
        except _REFUSALS:
            pass

    @property
    def operation(self) -> str:
        self.requests += 1
        return f"op{self.requests}"

    # The line and its streams.

    @rule()
    def answered(self) -> None:
        self.happens(ev.LineAnswered(LEG))

    @rule(off_by=st.sampled_from([0, 0, 0, 0, -1, 1]))
    def stream_opens(self, off_by: int) -> None:
        stream = self.play.record.stream
        number = 1 if stream is None else stream.number + off_by
        self.happens(ev.StreamOpened(number, f"s{number}"))

    @rule(off_by=st.sampled_from([0, 0, -1]))
    def stream_closes(self, off_by: int) -> None:
        stream = self.play.record.stream
        number = 1 if stream is None else stream.number + off_by
        self.happens(ev.StreamClosed(number, "lost"))

    @rule(number=st.sampled_from([None, 1, 2]))
    def stream_fails(self, number: int | None) -> None:
        self.happens(ev.StreamFailed("refused", number))

    @rule()
    def live_audio_fails(self) -> None:
        self.happens(ev.LiveAudioFailed("recogniser: gone"))

    @rule()
    def restored(self) -> None:
        self.happens(ev.Restored())

    # The other party.

    @rule(how=st.sampled_from(["words", "unspoken", "keyed"]))
    def heard(self, how: str) -> None:
        verb = self.play.verb
        unspoken = verb.utterance if how == "unspoken" and isinstance(verb, Say) else None
        self.happens(ev.Heard("Well", keyed=how == "keyed", continuous=True, unspoken=unspoken))

    @rule(key=st.sampled_from("12#"))
    def key(self, key: str) -> None:
        self.happens(ev.KeyPressed(key))

    @rule(count=st.integers(1, 3))
    def silent(self, count: int) -> None:
        self.happens(ev.CallerSilent(count))

    # What became of an utterance.

    @rule(off_by=st.sampled_from([0, 0, 0, 0, -1, 1]))
    def played(self, off_by: int) -> None:
        self.happens(ev.UtterancePlayed(self.current + off_by))

    @rule(part=st.integers(0, 6), off_by=st.sampled_from([0, 0, 0, -1, 1]))
    def interrupted(self, part: int, off_by: int) -> None:
        verb = self.play.verb
        text = verb.text[:part] if isinstance(verb, Say) else ""
        self.happens(ev.UtteranceInterrupted(self.current + off_by, text))

    @rule()
    def refused(self) -> None:
        self.happens(ev.UtteranceRefused(self.current, "no voice"))

    @rule()
    def void(self) -> None:
        self.happens(ev.InterruptionVoid())

    @rule()
    def digits_sent(self) -> None:
        verb = self.play.verb
        self.happens(ev.DigitsSent(verb.operation if isinstance(verb, Digits) else "op1"))

    @property
    def current(self) -> int:
        verb = self.play.verb
        return verb.utterance if isinstance(verb, Say) else self.play.record.utterances

    # The agent.

    @rule(text=st.sampled_from(["Yes.", "It is so.", " "]), off_by=st.sampled_from([0, 0, 0, -1]))
    def sentence(self, text: str, off_by: int) -> None:
        self.happens(ev.ReplySentence(self.asked + off_by, text))

    @rule(off_by=st.sampled_from([0, 0, 0, -1]))
    def reply_finishes(self, off_by: int) -> None:
        self.happens(ev.ReplyFinished(self.asked + off_by))

    @rule(off_by=st.sampled_from([0, 0, 0, -1]))
    def reply_fails(self, off_by: int) -> None:
        self.happens(ev.ReplyFailed(self.asked + off_by, "model_error"))

    @rule()
    def reply_ready(self) -> None:
        self.happens(ev.ReplyReady(self.asked, "All of it."))

    @property
    def asked(self) -> int:
        reply = self.play.record.reply
        return self.play.record.turn if reply is None else reply.turn

    # The owner.

    @rule()
    def speak(self) -> None:
        self.asks(ev.SpeakRequested(self.operation, "From the owner."))

    @rule()
    def continue_(self) -> None:
        self.asks(ev.ContinueRequested(self.operation, "What is your name?"))

    @rule()
    def digits(self) -> None:
        self.asks(ev.DigitsRequested(self.operation, "12"))

    @rule(at_once=st.booleans(), after_reply=st.booleans())
    def end(self, at_once: bool, after_reply: bool) -> None:
        self.happens(ev.EndRequested(EndReason.HANGUP_BOT, at_once, after_reply))

    # Time, and the end.

    @precondition(lambda self: self.play.record.deadlines)
    @rule()
    def time_passes(self) -> None:
        name, at = min(self.play.record.deadlines.items(), key=lambda item: item[1])
        self.seconds = max(self.seconds, at - 1_800_000_000.0 + 0.01)
        self.happens(ev.DeadlinePassed(name))

    @rule(name=st.sampled_from(["say", "reply", "stream", "wait", "filler", "keys"]))
    def early_deadline(self, name: str) -> None:
        self.happens(ev.DeadlinePassed(name))

    @precondition(lambda self: self.seconds > 2)
    @rule()
    def line_ends(self) -> None:
        self.happens(ev.LineEnded(EndReason.COMPLETED))

    @precondition(lambda self: self.play.record.closing)
    @rule()
    def hung_up(self) -> None:
        self.happens(ev.HangUpConfirmed())

    # What always holds.

    @invariant()
    def a_call_that_ends_says_nothing(self) -> None:
        record = self.play.record
        if record.closing:
            assert self.play.lined_up == []
            assert record.reply is None
            assert record.cut is None
            assert record.ending is None
        if not record.live:
            assert record.deadlines == {}
            assert record.script.current is None

    @invariant()
    def something_always_follows(self) -> None:
        """Nobody is left in a silence that no event is bound to end."""
        record = self.play.record
        if record.closing or record.phase is not Phase.UP:
            assert record.phase is Phase.ENDED or record.deadlines
            return
        verb = record.script.current
        assert "duration" in record.deadlines
        assert not isinstance(verb, HangUp)
        if isinstance(verb, Say | Digits):
            assert "say" in record.deadlines
        elif isinstance(verb, Wait):
            assert "wait" in record.deadlines
        elif verb is None:
            assert record.reply is not None
        else:
            assert isinstance(verb, Listen)
            assert record.turn_open
            assert record.reply is None
        if record.reply is not None:
            assert "reply" in record.deadlines
        stream = record.stream
        waiting = record.speaks_live and (stream is None or not stream.open)
        if waiting and not isinstance(verb, Digits):
            assert "stream" in record.deadlines

    @invariant()
    def each_utterance_is_one(self) -> None:
        record = self.play.record
        lined_up = [verb.utterance for verb in record.script.verbs if isinstance(verb, Say)]
        assert lined_up == sorted(set(lined_up))
        assert all(number <= record.utterances for number in lined_up)
        over = Counter(
            fact.utterance
            for fact in self.play.facts
            if isinstance(fact, Said | Interrupted | NotSaid)
        )
        assert all(count == 1 for count in over.values())
        waiting = lined_up if record.live and not record.closing else []
        left = set(waiting[_begun(record.script.verbs, record.script.position) :])
        assert left | set(over) == set(range(1, record.utterances + 1))
        assert not left & set(over)

    @invariant()
    def words_go_to_one(self) -> None:
        record = self.play.record
        turns = [fact for fact in self.play.facts if isinstance(fact, TurnHeard)]
        numbers = [fact.turn for fact in turns]
        assert numbers == sorted(set(numbers))
        asked = [fact.turn for fact in self.play.facts if isinstance(fact, ReplyAsked)]
        assert asked == sorted(set(asked))
        assert not set(asked) & {fact.turn for fact in turns if fact.operation is not None}
        assert record.waiter is None or record.reply is None

    @invariant()
    def nothing_obsolete_is_lined_up(self) -> None:
        """Behind what is being played, the agent only says what answers the newest words."""
        record = self.play.record
        heard = [fact.turn for fact in self.play.facts if isinstance(fact, TurnHeard)]
        for verb in record.script.pending:
            if isinstance(verb, Say) and verb.speaker is Speaker.AGENT:
                assert verb.turn == max(heard)
                assert record.waiter is None

    @invariant()
    def each_request_is_settled_once(self) -> None:
        opened = [f.operation for f in self.play.facts if isinstance(f, OperationOpened)]
        settled = [f.operation for f in self.play.facts if isinstance(f, OperationSettled)]
        assert len(set(settled)) == len(settled)
        record = self.play.record
        pending = {
            operation.id
            for operation in record.operations
            if operation.state is OperationState.PENDING
        }
        if record.closing:
            assert not pending
        assert set(settled) | pending == set(opened)


def _begun(verbs: tuple[object, ...], position: int) -> int:
    """How many utterances stand before the current verb."""
    return sum(isinstance(verb, Say) for verb in verbs[:position])


@pytest.mark.scenario("F30", "F42", "F46", "F47")
def test_no_order_of_events_confuses_a_live_call() -> None:
    run_state_machine_as_test(
        LiveWalk,
        settings=hypothesis_settings(
            max_examples=150, stateful_step_count=40, deadline=None, derandomize=True
        ),
    )
