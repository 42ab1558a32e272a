"""What is asked for while a turn lasts and while nobody speaks."""

from __future__ import annotations

import pytest

from openclaw_voice_call.media.turns import (
    BargeIn,
    CallerSilent,
    FinishTurn,
    Likely,
    NoText,
    TurnOver,
    TurnSettings,
)
from tests.voice_call.media.turn_line import TurnLine


def test_likely_words_are_told_once_and_only_in_a_pause():
    line = TurnLine()
    line.talk(600)
    line.partial("What time")
    line.talk(400)
    line.partial("What time is it")
    line.talk(300)
    assert line.of(Likely) == []
    line.quiet(100)
    assert line.of(Likely) == [Likely("What time is it")]
    line.partial("What time is it")
    line.quiet(400)
    line.final("What time is it?")
    line.quiet(200)
    assert line.of(Likely) == [Likely("What time is it")]
    line.quiet(200)
    assert line.of(Likely)[1:] == [Likely("What time is it?")]


def test_likely_words_that_change_are_told_again():
    line = TurnLine()
    line.talk(600)
    line.partial("I want two")
    line.quiet(300)
    line.partial("I want to go")
    line.quiet(300)
    assert line.of(Likely) == [Likely("I want two"), Likely("I want to go")]


def test_a_silent_caller_is_prompted_again_and_again():
    line = TurnLine(TurnSettings(silence_prompt_ms=5000))
    line.we_say("Anything else?")
    line.quiet(20_000)
    assert line.of(CallerSilent) == []
    line.we_stop()
    line.quiet(10_020)
    assert line.of(CallerSilent) == [CallerSilent(1), CallerSilent(2)]
    line.talk(300)
    line.final("No.")
    line.vendor_ends()
    line.quiet(5020)
    assert line.of(CallerSilent)[2:] == [CallerSilent(1)]


def test_nobody_is_prompted_while_an_answer_is_made():
    line = TurnLine(TurnSettings(silence_prompt_ms=1000))
    line.quiet(100)
    line.taker.thinking(line.now, True)
    line.quiet(5000)
    assert line.of(CallerSilent) == []
    line.taker.thinking(line.now, False)
    line.nothing(1.0)
    assert line.of(CallerSilent) == [CallerSilent(1)]


@pytest.mark.scenario("F49")
def test_a_recogniser_that_writes_nothing_is_noticed_once():
    line = TurnLine()
    line.quiet(2000)
    since = line.now + 0.02
    for _ in range(5):
        line.talk(1600)
        line.quiet(2400)
    (mute,) = line.of(NoText)
    assert mute.since == pytest.approx(since)
    assert next(at for at, a in line.noted if isinstance(a, NoText)) - since < 1.6 + 8.1
    line.partial("at last")
    line.final("at last")
    line.vendor_ends()
    for _ in range(5):
        line.talk(1600)
        line.quiet(2400)
    assert len(line.of(NoText)) == 2


@pytest.mark.parametrize("written", ["partial", "empty final"])
def test_a_recogniser_that_writes_anything_is_not_mute(written: str):
    line = TurnLine()
    for _ in range(6):
        line.talk(1600)
        if written == "partial":
            line.partial("hm")
        else:
            line.final("")
        line.quiet(2400)
    assert line.of(NoText) == []


def test_coughs_are_no_reason_to_think_the_recogniser_mute():
    line = TurnLine()
    for _ in range(3):
        line.talk(400)
        line.quiet(5000)
    assert line.of(NoText) == []


def test_a_lost_recogniser_is_not_called_mute_besides():
    line = TurnLine()
    line.talk(2000)
    line.lost()
    line.quiet(10_000)
    assert line.of(NoText) == []


def test_the_vendor_is_asked_to_finish_what_it_owes():
    line = TurnLine()
    line.talk(800)
    line.quiet(1080)
    assert line.of(FinishTurn) == []
    line.quiet(3000)
    assert line.of(FinishTurn) == [FinishTurn()]


def test_a_vendor_that_finishes_in_time_is_not_asked():
    line = TurnLine()
    for _ in range(3):
        line.talk(800)
        line.quiet(1000)
        line.final("Words.")
        line.vendor_ends()
        line.quiet(3000)
    assert line.of(FinishTurn) == []


def test_the_vendor_is_asked_again_for_a_caller_whom_no_gate_hears():
    line = TurnLine()
    line.quiet(1000)
    for text in ("one", "two"):
        line.partial(text)
        line.quiet(1500)
        line.final(text)
        line.vendor_ends()
        line.quiet(3000)
    assert len(line.of(FinishTurn)) == 2


def test_we_do_not_begin_to_speak_in_the_middle_of_something():
    line = TurnLine()
    line.quiet(100)
    assert not line.taker.caller_speaking
    line.talk(40)
    line.quiet(20)
    assert not line.taker.caller_speaking, "a click"
    line.talk(100)
    assert line.taker.caller_speaking
    line.quiet(280)
    assert line.taker.caller_speaking
    line.quiet(40)
    assert not line.taker.caller_speaking
    line.partial("and then")
    line.quiet(1400)
    assert line.taker.caller_speaking
    line.quiet(120)
    assert not line.taker.caller_speaking


def test_zero_is_a_value():
    line = TurnLine(
        TurnSettings(
            barge_in_ms=0,
            end_silence_ms=0,
            settle_ms=0,
            stable_ms=0,
            pause_ms=0,
            hold_ms=0,
            hold_partial_ms=0,
            false_alarm_ms=0,
            mute_ms=0,
        )
    )
    line.we_say("Well,")
    line.talk(20)
    assert len(line.cuts) == 1
    line.talk(3000)
    assert not line.taker.caller_speaking
    line.partial("Now")
    line.final("Now.")
    assert line.turns == ["Now."]
    line.talk(3000)
    line.quiet(60_000)
    assert [type(action) for _, action in line.noted if not isinstance(action, FinishTurn)] == [
        BargeIn,
        Likely,
        TurnOver,
    ]
