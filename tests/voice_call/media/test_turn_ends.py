"""When the caller's turn is over, and with which words: once for each, whatever vendors do."""

from __future__ import annotations

import pytest

from openclaw_voice_call.media.turns import (
    NoText,
    TurnOver,
)
from tests.voice_call.media.turn_line import TurnLine


def test_the_vendor_ends_a_turn_and_its_finals_are_joined():
    line = TurnLine()
    line.talk(1000)
    line.partial("I would")
    line.final("I would like")
    line.talk(1000)
    line.final("to pay.")
    line.vendor_ends()
    assert line.turns == ["I would like to pay."]


def test_the_times_of_a_turn():
    line = TurnLine()
    line.quiet(400)
    began = line.now + 0.02
    line.talk(1000)
    ended = line.now
    line.quiet(500)
    line.final("Hello.")
    final_at = line.now
    line.quiet(300)
    line.vendor_ends()
    (over,) = line.of(TurnOver)
    assert over.speech_began == pytest.approx(began)
    assert over.speech_ended == pytest.approx(ended)
    assert over.final_at == final_at


def test_a_cough_long_before_the_words_is_not_their_beginning():
    line = TurnLine()
    line.talk(100)
    line.quiet(3000)
    began = line.now + 0.02
    line.talk(600)
    line.final("Yes.")
    line.vendor_ends()
    assert line.of(TurnOver)[0].speech_began == pytest.approx(began)


def test_a_turn_that_no_gate_heard_has_times_too():
    line = TurnLine()
    line.quiet(1000)
    line.final("Very quiet.")
    line.vendor_ends()
    (over,) = line.of(TurnOver)
    assert over.speech_began <= over.speech_ended <= over.final_at == line.now


def test_silence_ends_a_turn_where_the_vendor_does_not():
    line = TurnLine()
    line.talk(1000)
    line.final("To the station.")
    line.quiet(780)
    assert line.turns == []
    line.quiet(20)
    assert line.turns == ["To the station."]


def test_a_final_that_comes_after_the_silence_waits_only_for_its_neighbours():
    line = TurnLine()
    line.talk(1000)
    line.quiet(1200)
    line.final("To the")
    line.quiet(100)
    line.final("station.")
    line.quiet(200)
    assert line.turns == ["To the station."]


def test_silence_ends_a_turn_when_the_carrier_sends_no_frames_in_silence():
    line = TurnLine()
    line.talk(1000)
    line.final("To the station.")
    line.nothing(0.9)
    assert line.turns == ["To the station."]


def test_a_vendor_that_ends_turns_is_given_time_to_do_it():
    line = TurnLine()
    line.talk(500)
    line.final("One.")
    line.vendor_ends()
    line.talk(500)
    line.quiet(1000)
    line.final("Two.")
    line.quiet(1000)
    assert line.turns == ["One."]
    line.vendor_ends()
    assert line.turns == ["One.", "Two."]


def test_a_vendor_that_ends_turns_and_forgets_one_does_not_leave_the_caller_waiting():
    line = TurnLine()
    line.talk(500)
    line.final("One.")
    line.vendor_ends()
    line.talk(500)
    line.quiet(1000)
    line.final("Two.")
    line.quiet(2100)
    assert line.turns == ["One.", "Two."]


def test_a_partial_that_never_becomes_final_is_taken():
    line = TurnLine()
    line.talk(1000)
    line.final("I need")
    line.partial("a taxi")
    line.quiet(2780)
    assert line.turns == []
    line.quiet(40)
    assert line.turns == ["I need a taxi"]


def test_the_final_of_a_partial_that_was_taken_is_no_turn_again():
    line = TurnLine()
    line.talk(1000)
    line.partial("a taxi")
    line.quiet(3000)
    line.talk(600)
    line.final("A taxi, to the station.")
    line.vendor_ends()
    assert line.turns == ["a taxi", "to the station."]


def test_the_same_final_of_a_partial_that_was_taken_is_dropped():
    line = TurnLine()
    line.talk(1000)
    line.partial("a taxi")
    line.quiet(3000)
    line.final("A taxi.")
    line.vendor_ends()
    line.quiet(3000)
    assert line.turns == ["a taxi"]


def test_finals_are_not_counted_twice():
    line = TurnLine()
    line.talk(500)
    line.quiet(300)
    line.final("No.")
    line.final("No.")
    line.vendor_ends()
    line.final("no")
    line.vendor_ends()
    line.quiet(3000)
    assert line.turns == ["No."]


def test_the_same_word_said_again_is_another_turn():
    line = TurnLine()
    for _ in range(2):
        line.talk(300)
        line.quiet(900)
        line.final("No.")
        line.vendor_ends()
    assert line.turns == ["No.", "No."]


def test_what_the_vendor_writes_after_the_end_belongs_to_that_turn():
    line = TurnLine()
    line.talk(1000)
    line.quiet(500)
    line.final("A table for two.")
    line.vendor_ends()
    line.quiet(100)
    line.partial("for two")
    line.final("for two, please")
    line.vendor_ends()
    line.quiet(5000)
    assert line.turns == ["A table for two."]


def test_words_after_our_own_judgement_of_the_end_are_not_lost():
    line = TurnLine()
    line.talk(1000)
    line.quiet(900)
    line.final("A table")
    line.quiet(300)
    line.final("for two.")
    line.quiet(1000)
    assert line.turns == ["A table", "for two."]


def test_empty_words_are_none():
    line = TurnLine()
    line.talk(500)
    line.partial("uh")
    line.final("  ")
    line.final("")
    line.vendor_ends()
    line.quiet(5000)
    assert line.turns == []


def test_words_that_come_after_the_vendors_end_close_the_turn_at_once():
    line = TurnLine()
    line.talk(1000)
    line.quiet(600)
    line.vendor_ends()
    line.quiet(200)
    line.final("Better late.")
    assert line.turns == ["Better late."]


def test_the_caller_who_goes_on_takes_the_late_end_with_the_next_words():
    line = TurnLine()
    line.talk(1000)
    line.quiet(900)
    line.final("I would")
    line.talk(300)
    line.partial("rather not")
    line.vendor_ends()
    line.quiet(600)
    line.final("rather not")
    line.vendor_ends()
    assert line.turns == ["I would", "rather not"]


def test_a_short_word_right_before_the_end_of_the_turn_before_is_heard():
    line = TurnLine()
    line.talk(1000)
    line.quiet(880)
    line.talk(160)
    line.quiet(40)
    line.final("Monday.")
    line.vendor_ends()
    line.quiet(700)
    line.final("No, Tuesday.")
    line.vendor_ends()
    assert line.turns == ["Monday.", "No, Tuesday."]


def test_an_end_that_is_told_twice_does_not_cut_the_next_turn():
    line = TurnLine()
    line.talk(500)
    line.quiet(500)
    line.final("One.")
    line.vendor_ends()
    line.vendor_ends()
    line.quiet(3000)
    line.talk(500)
    line.final("Two")
    line.talk(500)
    line.final("and three.")
    line.vendor_ends()
    assert line.turns == ["One.", "Two and three."]


def test_an_end_without_words_does_not_cut_the_next_turn():
    line = TurnLine()
    line.talk(300)
    line.quiet(800)
    line.vendor_ends()
    line.quiet(2000)
    line.talk(500)
    line.final("Two")
    line.talk(500)
    line.final("and three.")
    line.vendor_ends()
    assert line.turns == ["Two and three."]


@pytest.mark.scenario("F47")
def test_a_callback_of_an_earlier_turn_does_not_answer_a_newer_question():
    line = TurnLine()
    line.talk(500)
    line.quiet(800)
    line.final("Monday.")
    line.vendor_ends()
    line.we_say("At what time?")
    line.quiet(500)
    line.final("Monday.")
    line.partial("On Monday")
    line.final("On Monday.")
    line.vendor_ends()
    line.quiet(500)
    line.we_stop()
    line.quiet(5000)
    assert line.turns == ["Monday."]
    assert line.cuts == []


@pytest.mark.parametrize("ends", [True, False])
def test_a_monologue_of_45_s_is_one_turn(ends: bool):
    line = TurnLine()
    for n in range(30):
        line.talk(900)
        line.partial(f"piece {n}")
        line.quiet(600)
        line.final(f"piece {n}.")
    line.quiet(300 if ends else 2000)
    if ends:
        line.vendor_ends()
    (text,) = line.turns
    assert text.split(". ") == [*(f"piece {n}" for n in range(29)), "piece 29."]


def test_a_monologue_of_which_nothing_is_written_before_its_end_is_one_turn():
    line = TurnLine()
    for _ in range(30):
        line.talk(1200)
        line.quiet(300)
    line.quiet(600)
    line.final("All of it.")
    line.vendor_ends()
    assert line.turns == ["All of it."]
    assert line.of(NoText) == []


def test_a_pause_that_is_longer_is_the_end():
    line = TurnLine()
    line.talk(900)
    line.final("First.")
    line.quiet(1000)
    line.talk(900)
    line.final("Second.")
    line.quiet(1000)
    assert line.turns == ["First.", "Second."]


def test_noise_that_never_stops_does_not_keep_a_turn_open():
    line = TurnLine()
    line.talk(1000)
    line.final("Is it on?")
    line.talk(9900)
    assert line.turns == []
    line.talk(200)
    assert line.turns == ["Is it on?"]


def test_clicks_do_not_keep_a_turn_open():
    line = TurnLine()
    line.talk(1000)
    line.final("Done.")
    for _ in range(3):
        line.quiet(260)
        line.talk(20)
    assert line.turns == ["Done."]


def test_a_vendors_endless_text_is_bounded():
    line = TurnLine()
    for n in range(200):
        line.talk(40)
        line.final(f"{n} " + "word " * 100)
    line.vendor_ends()
    (text,) = line.turns
    assert len(text) <= 8000
