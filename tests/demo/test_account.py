"""What the demonstration tells of a call, from its journal and its recording."""

from __future__ import annotations

import pytest

from examples.demo import account
from examples.demo.picture import CallPicture
from examples.demo.transcript import Transcript
from tests.demo.calls import FACTS, LENGTH_S, recording


def drawn() -> CallPicture:
    legs = account.legs(recording())
    return account.picture(FACTS, legs, title="t", subtitle="s", note="n", caller="Ann")


def test_the_caller_is_left_and_the_agent_right() -> None:
    legs = account.legs(recording())
    assert len(legs.caller) == len(legs.agent) == LENGTH_S * 50
    at_2_5_s, at_4_s = 125, 200
    assert legs.caller[at_2_5_s] > -20
    assert legs.agent[at_2_5_s] < -60
    assert legs.agent[at_4_s] > -20
    assert legs.caller[at_4_s] < -60


def test_words_stand_where_they_were_spoken() -> None:
    words = [(each.by_agent, each.text, each.unheard) for each in drawn().words]
    assert words == [
        (True, "Dinner at nine?", ""),
        (False, "Where?", ""),
        (True, "At the <Harbour> & Sons. It has", " fish and wine."),
        (False, "Is there parking?", ""),
        (True, "Yes.", ""),
    ]
    where = next(each for each in drawn().words if each.text == "Where?")
    assert (where.begin_s, where.end_s) == (pytest.approx(2.0), pytest.approx(3.0))


def test_waiting_is_counted_from_the_end_of_the_callers_sound() -> None:
    first, second = drawn().answers
    assert (first.asked, first.asked_end_s) == ("Where?", pytest.approx(3.0))
    assert (first.waited_ms, second.waited_ms) == (600, 700)
    assert [stage.ms for stage in second.stages] == [400, None, 600, 690, 700]


def test_an_interruption_lasts_until_our_last_sound() -> None:
    (cut,) = drawn().interruptions
    assert (cut.begin_s, cut.silent_s) == (pytest.approx(5.5), pytest.approx(5.7))


def test_the_table_has_a_line_for_each_answer() -> None:
    head, first, second = account.table(FACTS)
    names = "words final first token first sentence first audio first frame"
    assert head.split() == ["turn", *names.split(" ")]
    assert first.split() == ["1", "400", "500", "550", "590", "600"]
    assert second.split() == ["2", "400", "-", "600", "690", "700"]
    assert len({len(head), len(first), len(second)}) == 1
    assert list(account.table([])) == []


def test_the_transcript_counts_from_the_opening_of_the_stream() -> None:
    transcript = Transcript("Ann")
    lines = [line for stored in FACTS for line, _ in transcript.tell(stored)]
    assert lines == [
        "  0.2 s  agent  Dinner at nine?",
        "  3.5 s  Ann    Where?",
        "                answered 600 ms after the last sound",
        "  3.6 s  agent  At the <Harbour> & Sons.",
        "  4.6 s  agent  It has --",
        "                interrupted",
        "  7.1 s  Ann    Is there parking?",
        "                answered 700 ms after the last sound",
        "  7.2 s  agent  Yes.",
        "  9.0 s         over: hangup-user",
    ]
