"""What a live call says, and in which order, when several want to speak or one was cut off."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import ReplyAsked, Said, TurnHeard
from openclaw_voice_call.call.lineup import speech_ms
from openclaw_voice_call.call.record import OPERATIONS_LIMIT
from openclaw_voice_call.call.script import Digits, Say
from openclaw_voice_call.call.types import VoicePathKind
from openclaw_voice_call.errors import TooManyRequests
from tests.voice_call.call.playbook import LEG, Playbook


def listening(**settings: object) -> Playbook:
    """A live call that has been answered and listens; nothing has been said."""
    play = Playbook.outbound(None, live=True, **settings)  # pyright: ignore[reportArgumentType]
    play.at(0.2, ev.DialAccepted(LEG)).at(1.0, ev.LineAnswered(LEG))
    return play.at(1.2, ev.StreamOpened(1, "MZ1"))


def played(play: Playbook, seconds: float) -> Playbook:
    assert isinstance(play.verb, Say)
    return play.at(seconds, ev.UtterancePlayed(play.verb.utterance))


@pytest.mark.scenario("F42", "F30")
def test_the_owners_words_behind_an_obsolete_answer_begin_in_its_place() -> None:
    play = listening().at(2.0, ev.Heard("Hi")).at(2.3, ev.ReplySentence(1, "Obsolete."))
    play.at(2.4, ev.SpeakRequested("op", "From the owner."))
    play.at(2.5, ev.Heard("I mean", unspoken=1))
    assert play.lined_up == ["From the owner."]
    assert "say" in play.record.deadlines
    assert play.record.reply is not None
    assert play.record.reply.text == "Hi I mean"


def test_keys_behind_an_obsolete_answer_are_sent() -> None:
    play = listening().at(2.0, ev.Heard("Hi")).at(2.3, ev.ReplySentence(1, "Obsolete."))
    play.at(2.4, ev.DigitsRequested("op", "12"))
    told = play.record.script.number
    play.at(2.5, ev.Heard("I mean", unspoken=1))
    assert play.verb == Digits("12", "op")
    assert play.due(markup=True, served=told, asking=False)[0] == f"nudge:{told + 1}"
    assert "say" in play.record.deadlines


@pytest.mark.scenario("F32", "F42")
def test_a_farewell_that_nobody_has_heard_ends_no_call_that_goes_on() -> None:
    play = listening().at(2.0, ev.Heard("Bye"))
    play.at(2.1, ev.EndRequested(after_reply=True))
    play.at(2.3, ev.ReplySentence(1, "Good bye."), ev.ReplyFinished(1))
    play.at(2.5, ev.Heard("No, wait", unspoken=1))
    assert play.record.ending is None
    play.at(3.0, ev.ReplySentence(2, "Yes?"), ev.ReplyFinished(2))
    played(play, 4.0)
    assert play.state == "listening"


def test_the_rest_of_a_filler_is_not_said_behind_the_answer() -> None:
    play = listening(filler_ms=1000, fillers=("One moment please.",)).at(2.0, ev.Heard("Look"))
    play.at(3.1, ev.DeadlinePassed("filler"))
    play.at(3.5, ev.UtteranceInterrupted(1, "One moment"))
    play.at(3.8, ev.ReplySentence(1, "It will rain."))
    play.at(4.5, ev.InterruptionVoid())
    play.at(4.6, ev.ReplySentence(1, "Take an umbrella."))
    assert play.lined_up == ["It will rain.", "Take an umbrella."]


@pytest.mark.scenario("F30")
def test_a_noise_in_the_owners_words_does_not_turn_the_answer_around() -> None:
    play = listening().at(2.0, ev.SpeakRequested("op", "From the owner."))
    play.at(2.1, ev.Heard("Hi")).at(2.3, ev.ReplySentence(1, "One."))
    play.at(2.6, ev.UtteranceInterrupted(1, "From"))
    play.at(2.8, ev.ReplySentence(1, "Two."))
    assert play.lined_up == []
    play.at(3.6, ev.InterruptionVoid())
    assert play.lined_up == ["the owner.", "One.", "Two."]
    speakers = [verb.speaker for verb in play.record.script.verbs if isinstance(verb, Say)]
    assert speakers == ["owner", "agent", "agent"]


@pytest.mark.scenario("F46")
def test_a_cut_answer_is_not_taken_up_again_behind_a_question_of_the_owner() -> None:
    play = listening().at(2.0, ev.Heard("Hi")).at(2.3, ev.ReplySentence(1, "A long answer."))
    play.at(2.4, ev.ContinueRequested("op", "What is your name?"))
    play.at(2.6, ev.UtteranceInterrupted(1, "A long"))
    play.at(3.6, ev.InterruptionVoid())
    assert play.lined_up == ["What is your name?"]


def test_keys_count_on_the_carriers_path_after_live_audio_was_lost() -> None:
    play = listening().at(2.0, ev.LiveAudioFailed("recogniser: gone"))
    assert play.record.path is VoicePathKind.CARRIER
    played(play, 5.0)
    play.at(6.0, ev.KeyPressed("1", play.record.script.number))
    play.at(6.1, ev.KeyPressed("#", play.record.script.number))
    assert play.record.reply is not None
    assert play.record.reply.text == "1"


@pytest.mark.scenario("F42")
def test_an_answer_waits_for_the_end_of_a_long_speech() -> None:
    play = listening().at(2.0, ev.Heard("So")).at(2.3, ev.ReplySentence(1, "Yes?"))
    play.at(48.0, ev.DeadlinePassed("say"))
    assert play.lined_up == ["Yes?"]
    play.at(70.0, ev.DeadlinePassed("say"), ev.ReplyFinished(1))
    assert play.state == "listening"
    assert not play.of(Said)


def test_words_that_live_audio_never_plays_are_the_carriers_to_say() -> None:
    play = listening().at(2.0, ev.SpeakRequested("op", "From the owner."))
    play.at(70.0, ev.DeadlinePassed("say"))
    assert play.record.path is VoicePathKind.CARRIER
    assert play.lined_up == ["From the owner."]


def test_a_text_in_ideograms_takes_longer_than_as_many_letters() -> None:
    assert speech_ms("\u4f60\u597d\uff0c" * 50) > 2 * speech_ms("abc" * 50)


@pytest.mark.scenario("F54")
def test_after_a_restart_an_answer_is_given_again_only_if_nothing_of_it_was_heard() -> None:
    play = listening().at(2.0, ev.Heard("Hi")).at(2.3, ev.ReplySentence(1, "One."))
    play.at(3.0, ev.Restored()).at(4.0, ev.StreamOpened(play.stream, "MZ2"))
    assert play.lined_up == []
    assert play.due() == ["ask:1"]
    play.at(5.0, ev.ReplySentence(1, "Once more."), ev.ReplySentence(1, "And more."))
    played(play, 6.0)
    play.at(7.0, ev.Restored()).at(8.0, ev.StreamOpened(play.stream, "MZ3"))
    assert play.lined_up == ["And more."]
    assert play.record.reply is None
    assert "ask:1" not in play.due()
    played(play, 9.0)
    assert play.state == "listening"
    assert play.record.exchange is not None
    assert play.record.exchange.heard == "Once more. And more."


@pytest.mark.scenario("F46", "F47")
def test_words_from_before_a_question_do_not_answer_it() -> None:
    play = listening().at(2.0, ev.ContinueRequested("op", "What is your name?"))
    play.at(2.4, ev.Heard("I would like a pizza", unspoken=1))
    assert play.record.waiter is not None
    assert play.lined_up == ["What is your name?"]
    played(play, 4.0)
    play.at(5.0, ev.Heard("Ann"))
    operation = play.record.operation("op")
    assert operation is not None
    assert operation.text == "Ann"
    assert not play.of(ReplyAsked)
    assert [f.text for f in play.of(TurnHeard) if isinstance(f, TurnHeard)] == [
        "I would like a pizza",
        "Ann",
    ]


@pytest.mark.scenario("F46")
def test_words_into_an_answer_do_not_answer_the_question_behind_it() -> None:
    play = listening().at(2.0, ev.Heard("Hi")).at(2.3, ev.ReplySentence(1, "A long answer."))
    play.at(2.4, ev.ContinueRequested("op", "What is your name?"))
    play.at(2.6, ev.Heard("I see"))
    assert play.record.waiter is not None
    assert play.lined_up == ["A long answer.", "What is your name?"]
    assert play.record.reply is None


@pytest.mark.scenario("F30")
def test_a_request_is_refused_rather_than_an_older_one_forgotten() -> None:
    play = listening()
    for number in range(OPERATIONS_LIMIT):
        play.at(2.0, ev.SpeakRequested(f"op{number}", f"Number {number}."))
    with pytest.raises(TooManyRequests):
        play.at(2.1, ev.SpeakRequested("one more", "One more."))
    played(play, 3.0).at(3.1, ev.SpeakRequested("one more", "One more."))
    assert play.lined_up[-1] == "One more."
    assert play.record.operation("op1") is not None


def test_a_call_on_which_somebody_always_speaks_does_not_grow() -> None:
    play = listening().at(2.0, ev.SpeakRequested("first", "First."))
    for number in range(200):
        play.at(3.0 + number, ev.SpeakRequested(f"op{number}", f"Number {number}."))
        played(play, 3.5 + number)
        assert play.lined_up == [f"Number {number}."]
        assert len(play.record.script.verbs) < 40
    assert len(play.of(Said)) == 200
