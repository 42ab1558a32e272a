"""What interrupts us: words and real speech do, coughs and our own echo do not."""

from __future__ import annotations

import pytest

from openclaw_voice_call.media.turns import BargeIn, FalseAlarm, Likely, TurnOver, TurnSettings
from tests.voice_call.media.turn_line import TurnLine

REPLY = (
    "Your balance is two hundred and twelve euros. Would you like to hear the last payments, "
    "yes or no?"
)


@pytest.mark.scenario("F41")
def test_speech_interrupts_us_once():
    line = TurnLine()
    line.we_say(REPLY)
    line.quiet(1000)
    began = line.now
    line.talk(180)
    assert line.cuts == []
    line.talk(2000)
    assert line.cuts == [pytest.approx(began + 0.2)]


def test_words_have_gaps():
    line = TurnLine()
    line.we_say(REPLY)
    for _ in range(2):
        line.talk(100)
        line.quiet(80)
    line.talk(20)
    assert len(line.cuts) == 1


@pytest.mark.scenario("F39")
@pytest.mark.parametrize("ms", [60, 100, 140])
def test_coughs_do_not_interrupt_us(ms: int):
    line = TurnLine()
    line.we_say(REPLY)
    for _ in range(10):
        line.talk(ms)
        line.quiet(600)
    assert line.cuts == []


def test_a_cough_that_the_vendor_takes_for_speech_does_not_interrupt_us():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(140)
    line.hears()
    line.quiet(1000)
    assert line.cuts == []


def test_frames_that_come_late_and_together_count_like_any_others():
    line = TurnLine()
    line.we_say(REPLY)
    line.now += 1.0
    for _ in range(10):
        line.noted += [(line.now, each) for each in line.taker.frame(line.now, True)]
    assert len(line.cuts) == 1


def test_sounds_around_a_gap_in_the_stream_are_not_added_up():
    line = TurnLine()
    line.we_say(REPLY)
    for _ in range(5):
        line.talk(120)
        line.nothing(2.0)
    assert line.cuts == []


@pytest.mark.parametrize("protected", [True, False])
def test_what_was_said_before_does_not_interrupt_what_begins(protected: bool):
    line = TurnLine()
    if protected:
        line.we_say("Good morning.", interruptible=False)
    line.talk(1000)
    line.quiet(60)
    line.we_say(REPLY, utterance=2)
    line.talk(180)
    assert line.cuts == []
    line.talk(20)
    assert len(line.cuts) == 1


def test_speech_from_one_sentence_of_ours_to_the_next_is_added_up():
    line = TurnLine()
    line.we_say("First sentence.")
    line.talk(100)
    line.we_say("Second sentence.", utterance=2)
    line.talk(100)
    assert len(line.cuts) == 1


def test_the_next_utterance_can_be_interrupted_again():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(200)
    line.we_stop()
    line.final("Stop.")
    line.vendor_ends()
    line.quiet(500)
    line.we_say("As you like.", utterance=2)
    line.talk(200)
    assert len(line.cuts) == 2


def test_a_short_word_interrupts_us_when_it_is_recognised():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(120)
    line.quiet(300)
    assert line.cuts == []
    line.partial("Stop")
    assert line.cuts == [line.now]


def test_words_of_a_vendor_without_partials_interrupt_us_before_they_are_a_turn():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(120)
    line.quiet(800)
    line.final("Stop.")
    line.vendor_ends()
    assert [type(action) for _, action in line.noted] == [BargeIn, TurnOver]


def test_an_answer_that_repeats_our_words_is_an_answer():
    line = TurnLine()
    line.we_say(REPLY)
    line.quiet(3000)
    line.talk(140)
    line.quiet(600)
    line.final("Yes.")
    line.vendor_ends()
    assert line.turns == ["Yes."]


@pytest.mark.scenario("F39")
@pytest.mark.parametrize(
    "heard",
    [
        "Your balance is two hundred and twelve euros.",
        "balance is two hundred and twelve your rose",
        "would you like to hear the last payments yes or no",
        "Yes",
        "Something that we never said",
    ],
)
def test_what_is_recognised_without_a_sound_is_our_echo(heard: str):
    line = TurnLine()
    line.we_say(REPLY)
    line.quiet(1000)
    line.hears()
    line.partial(heard)
    line.final(heard)
    line.vendor_ends()
    line.quiet(5000)
    assert line.noted == []


@pytest.mark.scenario("F39")
def test_a_loud_echo_is_known_by_its_words():
    line = TurnLine()
    line.we_say(REPLY)
    for _ in range(6):
        line.talk(100)
        line.quiet(420)
    line.partial("would you like to hear")
    line.final("Would you like to hear the last payments?")
    line.vendor_ends()
    line.quiet(1000)
    assert line.cuts == []
    assert line.turns == []


@pytest.mark.scenario("F39")
def test_our_words_come_back_when_we_have_fallen_silent():
    line = TurnLine()
    line.we_say("Please hold the line for", utterance=1)
    line.quiet(1000)
    line.we_say("a moment, I am looking it up.", utterance=2)
    line.quiet(1000)
    line.we_stop()
    line.quiet(900)
    line.final("the line for a moment I am looking it up")
    line.vendor_ends()
    line.quiet(5000)
    assert line.noted == []


def test_other_words_right_after_ours_are_the_callers_though_no_gate_heard_them():
    line = TurnLine()
    line.we_say(REPLY)
    line.quiet(1000)
    line.we_stop()
    line.quiet(1200)
    line.final("Never mind.")
    line.vendor_ends()
    assert line.turns == ["Never mind."]


def test_our_sentence_repeated_later_is_the_callers():
    line = TurnLine()
    line.we_say("Shall I book the table for two?")
    line.we_stop()
    line.quiet(2500)
    line.talk(1500)
    line.final("Book the table for two.")
    line.vendor_ends()
    assert line.turns == ["Book the table for two."]


def test_echo_in_a_script_without_blanks_is_known_too():
    line = TurnLine()
    line.we_say("您的余额是两百一十二欧元。")
    line.talk(160)
    line.quiet(400)
    line.final("余额是两百一十二欧元")
    line.vendor_ends()
    line.quiet(2000)
    assert line.turns == []


@pytest.mark.scenario("F40")
@pytest.mark.parametrize("greeting", ["Hello, this is Anna's office.", ""])
def test_hello_over_the_protected_greeting_is_a_turn_and_cuts_nothing(greeting: str):
    line = TurnLine()
    line.we_say(greeting, interruptible=False)
    line.quiet(400)
    line.talk(400)
    line.partial("Hello")
    line.quiet(500)
    line.final("Hello?")
    line.vendor_ends()
    line.quiet(1000)
    line.we_stop()
    line.quiet(3000)
    assert line.turns == ["Hello?"]
    assert line.cuts == []


def test_speech_over_the_protected_greeting_cuts_what_follows_only_if_it_goes_on():
    line = TurnLine()
    line.we_say("Hello.", interruptible=False)
    line.talk(1000)
    line.quiet(520)
    line.we_say("How can I help?", utterance=2)
    line.quiet(1000)
    assert line.cuts == []
    line.talk(200)
    assert len(line.cuts) == 1


def test_an_interruption_without_words_was_none():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(260)
    line.we_stop()
    line.quiet(980)
    assert line.of(FalseAlarm) == []
    line.quiet(20)
    assert line.of(FalseAlarm) == [FalseAlarm()]
    line.quiet(10_000)
    assert line.of(FalseAlarm) == [FalseAlarm()]


def test_a_noise_that_goes_on_is_no_false_alarm_yet():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(3000)
    line.quiet(900)
    assert line.of(FalseAlarm) == []


def test_where_the_vendor_heard_speech_its_words_are_waited_for():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(100)
    line.hears()
    line.talk(200)
    line.we_stop()
    line.quiet(1700)
    line.final("Stop it.")
    line.vendor_ends()
    line.quiet(3000)
    assert line.of(FalseAlarm) == []
    assert line.turns == ["Stop it."]


def test_words_that_the_vendor_takes_back_were_none():
    line = TurnLine()
    line.we_say(REPLY)
    line.talk(160)
    line.partial("Uh")
    assert len(line.cuts) == 1
    line.we_stop()
    line.quiet(500)
    line.final("")
    line.quiet(980)
    assert line.of(FalseAlarm) == []
    line.quiet(20)
    assert line.of(FalseAlarm) == [FalseAlarm()]


def test_what_is_said_again_can_be_interrupted_again():
    line = TurnLine()
    for _ in range(2):
        line.we_say(REPLY)
        line.talk(300)
        line.we_stop()
        line.quiet(1000)
    assert len(line.cuts) == 2
    assert len(line.of(FalseAlarm)) == 2


@pytest.mark.scenario("F42")
def test_the_caller_who_resumes_holds_our_reply_back_and_makes_a_newer_turn():
    line = TurnLine()
    line.talk(1000)
    line.quiet(900)
    line.final("Book a table.")
    line.vendor_ends()
    line.taker.thinking(line.now, True)
    line.quiet(300)
    assert not line.taker.caller_speaking
    line.talk(600)
    assert line.taker.caller_speaking
    line.partial("For three")
    line.quiet(500)
    assert line.taker.caller_speaking
    line.final("For three people.")
    line.vendor_ends()
    line.quiet(300)
    assert not line.taker.caller_speaking
    assert line.turns == ["Book a table.", "For three people."]


def test_a_longer_threshold_needs_more_speech():
    line = TurnLine(TurnSettings(barge_in_ms=600))
    line.we_say(REPLY)
    line.talk(580)
    assert line.cuts == []
    line.talk(20)
    assert len(line.cuts) == 1


def test_likely_words_over_our_voice_are_the_callers_only():
    line = TurnLine()
    line.we_say(REPLY, interruptible=False)
    line.partial("Your balance is two hundred")
    line.quiet(500)
    assert line.of(Likely) == []
