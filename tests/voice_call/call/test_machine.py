"""A call's story, told to the pure machine."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import (
    Dialled,
    Ended,
    Interrupted,
    NotSaid,
    OperationSettled,
    ReplyMissed,
    Said,
    TurnHeard,
)
from openclaw_voice_call.call.instruct import Hold, Over, Play, Stale, instruct
from openclaw_voice_call.call.script import Digits, Listen, Say, StepRef, Wait
from openclaw_voice_call.call.turns import APOLOGY
from openclaw_voice_call.call.types import (
    CarrierCallId,
    DialState,
    EndReason,
    Mode,
    OperationState,
    Phase,
)
from openclaw_voice_call.errors import AlreadyWaiting, CallEnded, CallNotUp
from tests.voice_call.call.playbook import LEG, Playbook


def said(play: Playbook, seconds: float) -> Playbook:
    """The carrier asks for the step after the one that is being played."""
    script = play.record.script
    return play.at(seconds, ev.StepReached(script.number, script.position + 1))


def hears(play: Playbook, seconds: float, text: str) -> Playbook:
    return play.at(seconds, ev.Heard(text, script=play.record.script.number))


def test_a_conversation_goes_on_turn_after_turn() -> None:
    play = Playbook.outbound().at(0.2, ev.DialAccepted(LEG)).at(0.5, ev.LineRinging(LEG))
    assert play.state == "ringing"
    play.at(1.0, ev.LineAnswered(LEG))
    assert play.state == "speaking"
    said(play, 2.0)
    for turn in (1, 2, 3):
        assert play.state == "listening"
        assert play.verb == Listen(turn)
        hears(play, 2.0 + turn, f"words {turn}")
        assert play.due() == [f"ask:{turn}"]
        assert play.verb is None
        play.at(2.1 + turn, ev.ReplyReady(turn, f"answer {turn}"))
        assert play.lined_up == [f"answer {turn}"]
        said(play, 2.5 + turn)
    assert play.record.metrics.turns == 3
    assert play.record.metrics.last_turn_latency_ms == 100


@pytest.mark.scenario("F31")
def test_a_notice_is_played_before_the_delay_and_the_hang_up() -> None:
    play = Playbook.answered("A long message.", Mode.NOTIFY, notify_hangup_delay_ms=3000)
    play.at(9.0)
    assert play.state == "speaking"
    assert "hangup" not in play.due()
    said(play, 10.0)
    assert play.verb == Wait(3000)
    play.at(12.9, ev.DeadlinePassed("wait"))
    assert play.verb == Wait(3000)
    play.at(13.0, ev.DeadlinePassed("wait"))
    assert play.due() == ["hangup"]
    play.at(13.1, ev.HangUpConfirmed())
    assert play.state == "completed"


@pytest.mark.scenario("F30")
def test_two_speak_requests_are_played_in_order_and_settle_once_each() -> None:
    play = Playbook.answered("Hello.")
    play.at(1.1, ev.SpeakRequested("a", "First."), ev.SpeakRequested("b", "Second."))
    assert play.lined_up == ["Hello.", "First.", "Second."]
    for seconds in (2.0, 3.0, 4.0):
        said(play, seconds)
    settled = [fact for fact in play.of(OperationSettled) if isinstance(fact, OperationSettled)]
    assert [(fact.operation, fact.ok) for fact in settled] == [("a", True), ("b", True)]
    assert play.state == "listening"


@pytest.mark.scenario("F32")
def test_a_farewell_is_heard_before_the_end_that_follows_it() -> None:
    play = said(Playbook.answered("Hello."), 2.0)
    play.at(3.0, ev.SpeakRequested("bye", "Good bye."), ev.EndRequested())
    assert play.due(markup=True) == []
    said(play, 4.0)
    assert play.record.end_reason is EndReason.HANGUP_BOT
    assert play.due() == ["hangup"]
    assert [f.text for f in play.of(Said) if isinstance(f, Said)][-1] == "Good bye."


@pytest.mark.scenario("F32")
def test_an_interrupted_farewell_keeps_the_call_up() -> None:
    play = said(Playbook.answered("Hello."), 2.0)
    play.at(3.0, ev.SpeakRequested("bye", "Good bye then."), ev.EndRequested())
    farewell = play.verb
    assert isinstance(farewell, Say)
    play.at(3.5, ev.UtteranceInterrupted(farewell.utterance, "Good"))
    assert play.state == "listening"
    assert play.record.end_reason is None
    assert [f.heard for f in play.of(Interrupted) if isinstance(f, Interrupted)] == ["Good"]


@pytest.mark.scenario("F32")
def test_an_agent_that_ends_its_own_call_is_heard_to_the_end() -> None:
    play = said(Playbook.answered("Hello."), 2.0)
    hears(play, 3.0, "That was all, thank you.")
    play.at(3.1, ev.EndRequested(after_reply=True))
    assert play.record.end_reason is None
    play.at(3.4, ev.ReplyReady(1, "Good bye!"))
    assert play.lined_up == ["Good bye!"]
    said(play, 5.0)
    assert play.state == "hangup-bot"


@pytest.mark.scenario("F32")
def test_an_agent_that_ends_its_call_and_fails_to_say_so_is_hung_up() -> None:
    play = hears(said(Playbook.answered("Hello."), 2.0), 3.0, "Bye.")
    play.at(3.1, ev.EndRequested(after_reply=True), ev.ReplyFailed(1, "model_empty"))
    assert play.state == "hangup-bot"


@pytest.mark.scenario("F42")
def test_an_obsolete_reply_is_never_spoken() -> None:
    play = said(Playbook.answered(), 2.0)
    play.at(3.0, ev.Heard("what is the time"))
    play.at(3.2, ev.Heard("in Tokyo"))
    assert play.due() == ["ask:2"]
    assert play.record.reply is not None
    assert play.record.reply.text == "what is the time in Tokyo"
    play.at(3.5, ev.ReplyReady(1, "It is noon."))
    assert play.lined_up == []
    play.at(3.6, ev.ReplyReady(2, "It is nine."))
    assert play.lined_up == ["It is nine."]


@pytest.mark.scenario("F42")
def test_an_explicit_message_survives_the_caller_going_on() -> None:
    play = said(Playbook.answered(), 2.0)
    play.at(3.0, ev.Heard("question"), ev.ReplyReady(1, "Answer one."))
    play.at(3.1, ev.SpeakRequested("op", "By the way."), ev.Heard("another question"))
    assert play.lined_up == ["Answer one.", "By the way."]
    play.at(3.2, ev.ReplyReady(2, "Answer two."))
    assert play.lined_up == ["Answer one.", "By the way.", "Answer two."]


@pytest.mark.scenario("F46")
def test_the_words_after_a_continue_go_to_the_waiter_alone() -> None:
    play = said(Playbook.answered(), 2.0)
    play.at(3.0, ev.ContinueRequested("op", "What size?"))
    with pytest.raises(AlreadyWaiting):
        play.at(3.1, ev.ContinueRequested("op2", "And colour?"))
    said(play, 4.0)
    hears(play, 5.0, "Large, please.")
    operation = play.record.operation("op")
    assert operation is not None
    assert (operation.state, operation.text) == (OperationState.DONE, "Large, please.")
    assert play.due(markup=True) == []
    assert play.state == "listening"
    hears(play, 6.0, "Hello?")
    assert play.due(markup=True) == ["ask:3"]


@pytest.mark.scenario("F46")
def test_a_continue_drops_the_reply_that_is_not_spoken_yet() -> None:
    play = said(Playbook.answered(), 2.0)
    hears(play, 3.0, "question")
    play.at(3.1, ev.ContinueRequested("op", "Wait, what size?"))
    play.at(3.2, ev.ReplyReady(1, "Too late."))
    assert play.lined_up == ["Wait, what size?"]
    assert [f.code for f in play.of(ReplyMissed) if isinstance(f, ReplyMissed)] == ["superseded"]


@pytest.mark.scenario("F47", "A7")
def test_words_of_an_earlier_turn_are_worth_nothing_later() -> None:
    play = said(Playbook.answered(), 2.0)
    first = ev.Heard("yes", script=play.record.script.number)
    play.at(3.0, first)
    play.at(3.1, first)
    assert len(play.of(TurnHeard)) == 1
    play.at(3.2, ev.ReplyReady(1, "Good."))
    said(play, 4.0)
    play.at(4.1, ev.ContinueRequested("op", "Shall I buy it?"))
    said(play, 5.0)
    play.at(5.1, first)
    waiter = play.record.waiter
    assert waiter is not None
    assert waiter.id == "op"
    assert len(play.of(TurnHeard)) == 1


@pytest.mark.scenario("F18")
@pytest.mark.parametrize(
    "failure",
    [
        ev.ReplyFailed(1, "model_refused"),
        ev.ReplyReady(1, "  "),
        ev.DeadlinePassed("reply"),
    ],
)
def test_a_missing_reply_is_apologised_for_and_the_call_listens_on(failure: ev.CallEvent) -> None:
    play = said(Playbook.answered(reply_timeout_ms=30_000), 2.0)
    hears(play, 3.0, "question")
    play.at(33.9, failure)
    assert play.lined_up == [APOLOGY]
    said(play, 36.0)
    assert play.state == "listening"


@pytest.mark.scenario("F7")
def test_a_message_that_cannot_be_played_is_tried_again_then_left_out() -> None:
    play = Playbook.answered("Hello.")
    assert play.due() == ["say:1:1"]
    play.at(1.2, ev.UtteranceRefused(1, "no voice"))
    assert play.due() == ["say:1:2"]
    play.at(1.4, ev.UtteranceRefused(1, "no voice"))
    assert play.state == "listening"
    assert [f.why for f in play.of(NotSaid) if isinstance(f, NotSaid)] == ["no voice"]


@pytest.mark.scenario("F52")
def test_a_call_that_nobody_answers_ends_and_frees_its_slot() -> None:
    play = Playbook.outbound(ring_timeout_ms=30_000).at(0.2, ev.DialAccepted(LEG))
    play.at(35.0, ev.DeadlinePassed("ring"))
    assert play.state == "no-answer"
    assert play.due() == ["hangup"]
    assert play.record.live
    play.at(400.0, ev.DeadlinePassed("final"))
    assert not play.record.live


@pytest.mark.scenario("F53")
def test_an_answered_call_is_not_reaped() -> None:
    play = Playbook.answered(reaper_ms=120_000, max_duration_ms=3_600_000)
    assert set(play.record.deadlines) & {"ring", "reaper"} == set()
    play.at(600.0, ev.DeadlinePassed("reaper"), ev.DeadlinePassed("ring"))
    assert play.record.phase is Phase.UP


@pytest.mark.scenario("F71")
def test_the_longest_duration_ends_a_call_that_only_plays_music() -> None:
    play = said(Playbook.answered(max_duration_ms=300_000), 2.0)
    play.at(301.0, ev.DeadlinePassed("duration"))
    assert play.state == "timeout"
    assert play.due() == ["hangup"]


@pytest.mark.scenario("F57")
def test_a_refused_dial_fails_the_call_at_once() -> None:
    play = Playbook.outbound().at(0.3, ev.DialRefused("21211 invalid number"))
    assert play.state == "failed"
    assert not play.record.live
    assert play.record.end_detail == "21211 invalid number"
    assert play.due() == []


@pytest.mark.scenario("F57")
def test_a_dial_of_unknown_outcome_is_looked_up_and_never_repeated() -> None:
    play = Playbook.outbound().at(8.0, ev.DialOutcomeUnknown("timed out"))
    assert play.due() == ["lookup:1"]
    play.at(8.1, ev.LookupFinished()).at(13.2, ev.DeadlinePassed("lookup"))
    assert play.due() == ["lookup:2"]
    play.at(35.1, ev.DeadlinePassed("ring"))
    assert play.state == "failed"
    assert not play.record.live
    play.at(50.0, ev.LineRinging(LEG))
    assert play.due() == ["hangup"], "a leg that shows up late is cancelled"


@pytest.mark.scenario("F50", "F54")
def test_yesterdays_call_ends_at_once_and_is_hung_up_all_the_same() -> None:
    play = said(Playbook.answered(), 2.0)
    play.at(86_400.0, ev.Restored(), ev.DeadlinePassed("duration"))
    assert play.state == "timeout"
    assert not play.record.live
    assert play.due() == ["hangup"]


@pytest.mark.scenario("F55")
def test_a_restart_never_dials() -> None:
    play = Playbook.outbound()
    assert play.due() == ["dial"]
    play.at(5.0, ev.Restored())
    assert play.due() == ["lookup:1"]


@pytest.mark.scenario("F54")
def test_after_a_restart_the_remaining_duration_counts() -> None:
    play = said(Playbook.answered(max_duration_ms=300_000), 2.0)
    due_at = play.record.deadlines["duration"]
    play.at(200.0, ev.Restored())
    assert play.record.deadlines["duration"] == due_at


def test_voicemail_ends_a_conversation_but_takes_a_notice() -> None:
    talk = Playbook.outbound().at(1.0, ev.LineAnswered(LEG, by_machine=True))
    assert talk.state == "voicemail"
    notice = Playbook.outbound("Note.", Mode.NOTIFY).at(1.0, ev.LineAnswered(LEG, by_machine=True))
    assert notice.state == "speaking"


def test_digits_need_an_answered_call_and_are_sent_in_order() -> None:
    play = Playbook.outbound("Hello.")
    with pytest.raises(CallNotUp):
        play.at(0.5, ev.DigitsRequested("d", "1"))
    play.at(1.0, ev.LineAnswered(LEG)).at(1.1, ev.DigitsRequested("d", "12#"))
    said(play, 2.0)
    assert play.verb == Digits("12#", "d")
    play.at(2.5, ev.DigitsSent("d"))
    assert play.state == "listening"


def test_nothing_can_be_asked_of_a_call_that_is_over() -> None:
    play = Playbook.answered().at(2.0, ev.LineEnded(EndReason.COMPLETED))
    assert play.state == "hangup-user"
    for request in (ev.SpeakRequested("s", "x"), ev.ContinueRequested("c", "x")):
        with pytest.raises(CallEnded):
            play.at(3.0, request)
    assert len(play.of(Ended)) == 1


def test_an_unconfirmed_utterance_is_taken_as_played_after_twice_its_time() -> None:
    play = Playbook.answered("Hello.")
    play.at(1.0 + play.record.deadlines["say"], ev.DeadlinePassed("say"))
    assert play.state == "listening"
    assert play.due(markup=True, served=1, asking=False) == ["nudge:2"]


@pytest.mark.scenario("A7", "F95")
def test_a_line_gets_the_same_answer_again_and_a_stale_one_nothing() -> None:
    play = Playbook.answered("Hello.")
    first = instruct(play.record, StepRef(1, 0))
    assert isinstance(first, Play)
    assert first == instruct(play.record, StepRef(1, 0))
    said(play, 2.0)
    assert instruct(play.record, StepRef(1, 0)) == Stale(StepRef(1, 1))
    hears(play, 3.0, "question")
    assert instruct(play.record, StepRef(1, 2)) == Hold(StepRef(1, 2))
    play.at(3.5, ev.ReplyReady(1, "Answer."))
    again = instruct(play.record, StepRef(1, 2))
    assert isinstance(again, Play)
    assert again.here == StepRef(2, 0)
    said(play, 5.0)
    assert instruct(play.record, StepRef(1, 2)) == Stale(StepRef(2, 1))
    play.at(6.0, ev.LineEnded(EndReason.COMPLETED))
    assert instruct(play.record, StepRef(2, 1)) == Over()


@pytest.mark.scenario("F95")
def test_a_signed_event_id_counts_once() -> None:
    play = said(Playbook.answered(), 2.0)
    play.at(3.0, ev.Heard("one"), occurrence="evt-1")
    play.at(3.1, ev.Heard("one"), occurrence="evt-1")
    assert len(play.of(TurnHeard)) == 1


@pytest.mark.scenario("F66")
@pytest.mark.parametrize("told_first", [ev.DialAccepted, ev.LineSeen])
def test_a_leg_may_get_another_name(
    told_first: type[ev.DialAccepted] | type[ev.LineSeen],
) -> None:
    request, leg = CarrierCallId("REQUEST1"), LEG
    play = Playbook.outbound().at(1.0, told_first(request))
    play.at(2.0, ev.LineNamed(leg, request), ev.LineRinging(leg), ev.LineNamed(leg, request))
    assert play.record.carrier_call_id == leg
    # Neither the request's answer, if it is late, nor another leg changes it again.
    play.at(3.0, ev.DialAccepted(request), ev.LineNamed(CarrierCallId("LEG2"), request))
    assert play.record.carrier_call_id == leg
    assert play.of(Dialled) == [Dialled(request), Dialled(leg)]


def test_a_leg_is_learnt_by_its_second_name_alone() -> None:
    play = Playbook.outbound().at(1.0, ev.LineNamed(LEG, CarrierCallId("REQUEST1")))
    play.at(2.0, ev.DialAccepted(CarrierCallId("REQUEST1")))
    assert play.record.carrier_call_id == LEG
    assert play.record.dial is DialState.ACCEPTED


def test_remembered_event_ids_are_bounded() -> None:
    play = said(Playbook.answered(), 2.0)
    for number in range(500):
        play.at(3.0, ev.LineSeen(LEG), occurrence=f"evt-{number}")
    assert len(play.record.seen) == 64
    assert play.record.seen[-1] == "evt-499"
