"""Carriers that go on listening: several sentences, and keys that come one by one."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import ReplyMissed, TurnHeard
from openclaw_voice_call.call.turns import KEY_PAUSE_S, KEYS_LIMIT
from tests.voice_call.call.playbook import Playbook


def listening() -> Playbook:
    play = Playbook.answered().at(2.0, ev.UtterancePlayed(1))
    assert play.state == "listening"
    return play


def sentence(play: Playbook, text: str, script: int | None = None) -> ev.Heard:
    number = play.record.script.number if script is None else script
    return ev.Heard(text, script=number, continuous=True)


def turns(play: Playbook) -> list[tuple[str, bool]]:
    return [(fact.text, fact.keyed) for fact in play.facts if isinstance(fact, TurnHeard)]


@pytest.mark.scenario("F42")
def test_what_follows_while_the_agent_thinks_is_answered_together() -> None:
    play = listening()
    play.at(3.0, sentence(play, "I would like"), sentence(play, "a table for two."))
    assert play.record.reply is not None
    assert play.record.reply.text == "I would like a table for two."
    assert len(play.of(ReplyMissed)) == 1
    play.at(3.5, ev.ReplyReady(1, "obsolete"))
    assert play.lined_up == []
    play.at(4.0, ev.ReplyReady(2, "At what time?"))
    assert play.lined_up == ["At what time?"]


@pytest.mark.scenario("F47")
def test_a_sentence_of_an_earlier_listening_is_late() -> None:
    play = listening()
    late = sentence(play, "and one more thing")
    play.at(3.0, sentence(play, "First."), ev.ReplyReady(1, "Answer."))
    before = play.record
    assert play.at(3.5, late).record is before, "nobody is heard while we speak"
    play.at(5.0, ev.UtterancePlayed(2))
    before = play.record
    assert play.at(6.0, late).record is before, "it does not satisfy the newer turn"
    assert turns(play) == [("First.", False)]


def test_after_a_listening_without_end_only_what_says_so_goes_on() -> None:
    """A markup carrier's document hears once: its repetition is no second sentence (A7)."""
    play = listening()
    once = ev.Heard("Yes.", script=play.record.script.number)
    before = play.at(3.0, once).record
    assert play.at(3.1, once).record is before


def test_keys_are_one_answer_up_to_a_pause() -> None:
    play = listening()
    script = play.record.script.number
    for index, key in enumerate("42"):
        play.at(3.0 + index, ev.KeyPressed(key, script))
    assert play.at(4.0 + KEY_PAUSE_S - 0.1, ev.DeadlinePassed("keys")).record.reply is None
    play.at(4.0 + KEY_PAUSE_S, ev.DeadlinePassed("keys"))
    assert turns(play) == [("42", True)]
    assert play.due() == ["ask:1"]
    assert play.record.keys == ""


def test_the_last_key_ends_an_answer_at_once_and_is_no_part_of_it() -> None:
    play = listening()
    play.at(3.0, *(ev.KeyPressed(key, play.record.script.number) for key in "1*#"))
    assert turns(play) == [("1*", True)]
    assert "keys" not in play.record.deadlines


def test_the_last_key_alone_says_nothing() -> None:
    play = listening()
    play.at(3.0, ev.KeyPressed("#", play.record.script.number))
    assert turns(play) == []
    assert play.state == "listening"


def test_keys_without_end_are_bounded() -> None:
    play = listening()
    play.at(3.0, *(ev.KeyPressed("7") for _ in range(KEYS_LIMIT + 3)))
    assert turns(play) == [("7" * KEYS_LIMIT, True)]
    assert play.record.keys == "777"


def test_keys_go_to_the_owner_who_waits() -> None:
    play = listening()
    play.at(3.0, ev.ContinueRequested("a", "Your code?"), ev.UtterancePlayed(2))
    play.at(6.0, *(ev.KeyPressed(key, play.record.script.number) for key in "815#"))
    operation = play.record.operation("a")
    assert operation is not None
    assert operation.text == "815"
    assert play.record.reply is None


def test_keys_and_words_of_one_answer_are_one_turn_for_the_agent() -> None:
    play = listening()
    script = play.record.script.number
    play.at(3.0, ev.KeyPressed("5", script), sentence(play, "I pressed five."))
    play.at(3.0 + KEY_PAUSE_S, ev.DeadlinePassed("keys"))
    assert play.record.reply is not None
    assert play.record.reply.text == "I pressed five. 5"


def test_nothing_is_entered_after_the_end() -> None:
    play = listening()
    play.at(3.0, ev.KeyPressed("5"), ev.EndRequested(at_once=True), ev.KeyPressed("6"))
    assert play.record.deadlines.keys() == {"final"}
    assert turns(play) == []
