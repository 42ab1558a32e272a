"""People on a line with live audio: when they speak, what they heard, and what never comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.carriers.mock.live import (
    FIRST_WORD_MS,
    LONGEST_QUEUE,
    MOST_MARKS,
    Act,
    Leave,
    PlayBuffer,
    Press,
    Speak,
    Talker,
)
from openclaw_voice_call.carriers.mock.people import Person

SILENT = mulaw.silence(20)
NUMBER = "+15550001234"


@dataclass
class Evening:
    """One person and what they do, told by when they do it in ms."""

    talker: Talker
    now_ms: int = 0
    acts: list[tuple[int, Act]] = field(default_factory=list[tuple[int, Act]])

    def hears(self, audio: bytes) -> Evening:
        for at in range(0, len(audio), 160):
            self._pass(audio[at : at + 160].ljust(160, mulaw.SILENCE), speaking=False)
        return self

    def silence(self, ms: int) -> Evening:
        return self.hears(mulaw.silence(ms))

    def speaks(self, ms: int) -> Evening:
        for _ in range(0, ms, 20):
            self._pass(SILENT, speaking=True)
        return self

    def _pass(self, frame: bytes, *, speaking: bool) -> None:
        self.now_ms += 20
        act = self.talker.hear(frame, speaking=speaking)
        if act is not None:
            self.acts.append((self.now_ms, act))


def evening(**behaviour: object) -> Evening:
    fields = {"number": NUMBER, "says": ("Hello?", "Nine.", "Bye."), **behaviour}
    return Evening(Talker(Person(**fields)))  # pyright: ignore[reportArgumentType]


SENTENCE = tone_code.encode("Shall we meet on Friday?")
SENTENCE_MS = len(SENTENCE) // 8


def test_they_answer_when_we_have_been_silent_for_a_while() -> None:
    told = evening().hears(SENTENCE).silence(2000)
    [(at, act)] = told.acts
    assert act == Speak("Hello?")
    assert SENTENCE_MS + 580 <= at <= SENTENCE_MS + 640


def test_a_pause_within_our_words_is_no_end() -> None:
    assert not evening().hears(SENTENCE).silence(500).hears(SENTENCE).silence(500).acts


def test_after_their_line_they_wait_for_our_next() -> None:
    told = evening().hears(SENTENCE).silence(600).speaks(800).silence(20_000)
    assert [act for _, act in told.acts] == [Speak("Hello?")]
    told.hears(SENTENCE).silence(1000)
    assert [act for _, act in told.acts] == [Speak("Hello?"), Speak("Nine.")]


def test_who_hears_nothing_at_all_says_something_once() -> None:
    told = evening().silence(10_000)
    assert told.acts == [(FIRST_WORD_MS, Speak("Hello?"))]


@pytest.mark.parametrize("after_ms", [0, 400])
def test_who_interrupts_does_not_wait_for_our_end(after_ms: int) -> None:
    told = evening(interrupts_after_ms=(None, after_ms)).hears(SENTENCE).silence(600).speaks(800)
    began = told.now_ms
    told.hears(SENTENCE)
    assert told.acts[1] == (began + max(after_ms, 20), Speak("Nine."))


def test_keys_are_pressed_and_silence_is_kept() -> None:
    told = evening(says=("", "", "Bye."), keys=("", "42#"))
    for _ in range(4):
        told.hears(SENTENCE).silence(1000)
    assert [act for _, act in told.acts] == [Press("42#"), Speak("Bye.")]


def test_they_leave_after_the_last_answer() -> None:
    told = evening(says=("Hello?",), hang_up_after=1).hears(SENTENCE).silence(600).speaks(500)
    assert [act for _, act in told.acts] == [Speak("Hello?")]
    told.hears(SENTENCE).silence(1000)
    assert told.acts[1][1] == Leave()


def test_they_leave_when_they_understand_the_word() -> None:
    told = evening(hang_up_when_hearing="good-bye").hears(tone_code.encode("Hello there."))
    told.silence(600).speaks(500).hears(tone_code.encode("Well then, Good-bye!")).silence(700)
    assert [act for _, act in told.acts] == [Speak("Hello?"), Leave()]


# --- the play-out buffer


def test_audio_is_heard_in_order_and_marks_when_all_before_them_was() -> None:
    buffer = PlayBuffer()
    assert buffer.mark("at once")
    assert buffer.add(b"a" * 240)
    assert buffer.mark("after a")
    assert buffer.add(b"b" * 80)
    assert buffer.mark("after b")
    assert buffer.frame() == (b"a" * 160, ["at once"])
    assert buffer.frame() == (b"a" * 80 + b"b" * 80, ["after a", "after b"])
    assert buffer.frame() == (SILENT, [])


def test_what_is_cleared_is_not_heard_and_its_marks_come_back() -> None:
    buffer = PlayBuffer()
    buffer.add(b"a" * 800)
    buffer.mark("one")
    buffer.frame()
    buffer.clear()
    buffer.add(b"b" * 160)
    assert buffer.frame() == (b"b" * 160, ["one"])


def test_a_line_takes_no_more_than_a_minute_ahead() -> None:
    buffer = PlayBuffer()
    assert buffer.add(bytes(LONGEST_QUEUE))
    assert not buffer.add(b"a")
    assert all(buffer.mark(str(number)) for number in range(MOST_MARKS))
    assert not buffer.mark("one too many")
    buffer.frame()
    assert buffer.add(b"a")


@given(st.lists(st.binary(max_size=400) | st.text(max_size=3) | st.none(), max_size=30))
def test_every_mark_comes_back_once_and_in_order(orders: list[bytes | str | None]) -> None:
    buffer = PlayBuffer()
    marks: list[str] = []
    for order in orders:
        match order:
            case bytes():
                buffer.add(order)
            case str():
                buffer.mark(order)
                marks.append(order)
            case None:
                buffer.clear()
    reached: list[str] = []
    for _ in range(100):
        reached += buffer.frame()[1]
    assert reached == marks
