"""What is sent when, what of it was heard, and that nothing old is ever sent again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openclaw_voice_call.audio.playout import Cut, Message, Playout, PlayoutLimits, heard_part
from openclaw_voice_call.errors import PlayoutFull

_MS = 8


def audio(ms: int, fill: int = 0x11) -> bytes:
    return bytes([fill]) * (ms * _MS)


def take_all(playout: Playout, now: float) -> list[Message]:
    taken: list[Message] = []
    while (message := playout.take(now)) is not None:
        taken.append(message)
    return taken


def play(playout: Playout, begin: float, until: float) -> list[Message]:
    """Let a timer do what it should until then."""
    taken = take_all(playout, begin)
    while (due := playout.next_at()) is not None and due <= until:
        played = playout.confirmed_by(due)
        more = take_all(playout, due)
        assert played or more, "called for nothing"
        taken += more
    return taken


def said(utterance: int, text: str, ms: int, playout: Playout) -> None:
    playout.begin(utterance, text)
    assert playout.add(utterance, audio(ms))
    assert playout.finish(utterance)


def test_utterances_are_sent_in_order_each_followed_by_a_mark() -> None:
    playout = Playout()
    playout.begin(1, "One.")
    playout.begin(2, "Two.")
    playout.add(2, audio(40, 2))
    assert playout.take(0.0) is None, "the second does not overtake the first"
    playout.add(1, audio(40, 1))
    playout.finish(1)
    playout.finish(2)
    sent = take_all(playout, 0.0)
    assert b"".join(each.mulaw for each in sent) == audio(40, 1) + audio(40, 2)
    assert [each.begins for each in sent if each.begins] == [1, 2]
    first, second = (each.mark for each in sent if each.mark)
    assert first is not None
    assert second is not None
    assert first != second
    assert playout.reached(first) == [1]
    assert not playout.idle
    assert playout.reached(second) == [2]
    assert playout.idle


def test_a_mark_stands_for_those_before_it() -> None:
    playout = Playout()
    said(1, "One.", 20, playout)
    said(2, "Two.", 20, playout)
    *_, last = take_all(playout, 0.0)
    assert last.mark is not None
    assert playout.reached(last.mark) == [1, 2]
    assert playout.reached(last.mark) == []


def test_an_utterance_that_is_finished_late_gets_its_mark_then() -> None:
    playout = Playout()
    playout.begin(1, "One.")
    playout.add(1, audio(20))
    assert [each.mark for each in take_all(playout, 0.0)] == [None]
    playout.finish(1)
    assert [(each.mulaw, bool(each.mark)) for each in take_all(playout, 0.3)] == [(b"", True)]


def test_the_last_frame_is_filled_with_silence() -> None:
    playout = Playout()
    playout.begin(1, "One.")
    playout.add(1, b"\x11" * 161)
    assert [len(each.mulaw) for each in take_all(playout, 0.0)] == [160]
    playout.finish(1)
    assert [each.mulaw for each in take_all(playout, 0.0)] == [b"\x11" + b"\xff" * 159]


def test_an_utterance_without_audio_never_counts_as_played() -> None:
    playout = Playout()
    playout.begin(1, "One.")
    said(2, "Two.", 20, playout)
    assert not playout.finish(1)
    assert [each.begins for each in take_all(playout, 0.0)] == [2]


def test_time_decides_when_a_mark_stays_out() -> None:
    playout = Playout()
    said(1, "One.", 100, playout)
    take_all(playout, 0.0)
    assert playout.next_at() == pytest.approx(1.6)
    assert playout.confirmed_by(1.59) == []
    assert playout.confirmed_by(1.6) == [1]
    assert playout.idle


def test_a_mark_that_returns_after_a_stop_proves_nothing() -> None:
    playout = Playout()
    said(1, "One two.", 100, playout)
    marks = [each.mark for each in take_all(playout, 0.0)]
    assert playout.stop(0.0) == (Cut(1, "", complete=False, begun=True),)
    said(2, "Three.", 100, playout)
    take_all(playout, 0.0)
    assert [playout.reached(mark) for mark in marks if mark] == [[]]
    assert not playout.idle


def test_stop_tells_what_was_heard_of_each() -> None:
    playout = Playout()
    said(1, "Over.", 100, playout)
    said(2, "One two three four.", 1000, playout)
    playout.begin(3, "Never.")
    playout.add(3, audio(20))
    play(playout, 0.0, 0.600)
    assert playout.stop(0.600) == (
        Cut(1, "Over.", complete=True, begun=True),
        Cut(2, "One two", complete=False, begun=True),
        Cut(3, "", complete=False, begun=False),
    )
    assert playout.idle
    assert playout.take(9.0) is None


def test_of_an_utterance_that_is_not_all_there_as_much_was_heard_as_its_length_allows() -> None:
    playout = Playout()
    text = "This is a sentence that takes a while to say, about four seconds in all."
    playout.begin(1, text)
    playout.add(1, audio(1000))
    play(playout, 0.0, 0.900)
    cut = playout.heard(1.0)
    assert cut is not None
    assert not cut.complete
    assert "This is a" in cut.heard
    assert len(cut.heard) < len(text) / 3


def test_nothing_is_being_heard_while_all_is_silent() -> None:
    playout = Playout()
    assert playout.heard(0.0) is None
    said(1, "One.", 20, playout)
    assert playout.heard(0.0) is None
    take_all(playout, 0.0)
    assert playout.heard(0.010) == Cut(1, "", complete=False, begun=True)
    assert playout.heard(0.030) is None


def test_what_has_not_begun_can_be_taken_back() -> None:
    playout = Playout()
    said(1, "One.", 500, playout)
    said(2, "Two.", 500, playout)
    take_all(playout, 0.0)
    assert not playout.drop(1)
    assert playout.drop(2)
    assert not playout.drop(2)
    assert not playout.add(2, audio(20)), "its audio is not wanted any more"
    assert {each.begins for each in play(playout, 0.0, 5.0)} == {None}
    assert playout.idle


def test_running_dry_is_counted_and_what_follows_is_played() -> None:
    playout = Playout()
    playout.begin(1, "One.")
    playout.add(1, audio(40))
    take_all(playout, 0.0)
    assert playout.underruns == 0
    playout.add(1, audio(40))
    assert [each.plays_at for each in take_all(playout, 0.5)] == [0.5, 0.52]
    assert playout.underruns == 1


@pytest.mark.scenario("F29")
def test_a_fast_voice_finds_no_room_and_too_much_is_refused() -> None:
    playout = Playout(PlayoutLimits(most_ms=1000))
    playout.begin(1, "One.")
    playout.begin(2, "Two.")
    assert playout.room_ms(1) == playout.room_ms(2) == 1000
    playout.add(2, audio(1000))
    assert playout.room_ms(2) == 0
    assert playout.room_ms(1) == 1000, "what is to be sent first never waits for what comes after"
    with pytest.raises(PlayoutFull, match="more than 1 s of speech"):
        playout.add(2, audio(20))
    playout.add(1, audio(1000))
    playout.finish(1)
    play(playout, 0.0, 0.880)
    assert playout.room_ms(2) == 0
    play(playout, 0.880, 1.300)
    assert playout.room_ms(2) > 0
    for number in range(3, 258):
        playout.begin(number, "More.")
    with pytest.raises(PlayoutFull, match="256 utterances"):
        playout.begin(258, "Too many.")


def test_an_utterance_is_lined_up_once_at_a_time() -> None:
    playout = Playout()
    playout.begin(1, "One.")
    with pytest.raises(ValueError, match="utterance 1"):
        playout.begin(1, "One.")
    playout.stop(0.0)
    playout.begin(1, "One.")


@pytest.mark.parametrize(
    ("text", "played", "heard"),
    [
        ("One two three", 0, ""),
        ("One two three", 100, "One two three"),
        ("One two three", 54, "One two"),
        ("One two three", 53, "One"),
        ("  One two", 60, "  One"),
        ("One", 99, ""),
        ("\u4f60\u597d\u5417", 67, "\u4f60\u597d"),
        ("", 50, ""),
    ],
)
def test_words_count_when_all_of_them_was_played(text: str, played: int, heard: str) -> None:
    assert heard_part(text, played, 100) == heard


@given(st.text(), st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 1000))
def test_more_audio_never_means_fewer_words(text: str, one: int, other: int, total: int) -> None:
    less, more = sorted((one, other))
    assert heard_part(text, more, total).startswith(heard_part(text, less, total))
    assert text.startswith(heard_part(text, more, total))


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the line gets what was added, in order, once."""

    def __init__(self) -> None:
        super().__init__()
        self.playout = Playout(PlayoutLimits(most_ms=2000))
        self.now = 10.0
        self.lined_up: dict[int, bytearray] = {}
        self.finished: set[int] = set()
        self.begun: set[int] = set()
        self.settled: list[int] = []
        self.marks: list[str] = []
        self.line = bytearray()
        self.wanted = bytearray()
        self.number = 0

    @rule()
    def begin(self) -> None:
        self.number += 1
        self.playout.begin(self.number, "Some words to be said.")
        self.lined_up[self.number] = bytearray()

    @precondition(lambda self: self.lined_up)
    @rule(data=st.data(), mulaw=st.binary(min_size=1, max_size=4000))
    def add(self, data: st.DataObject, mulaw: bytes) -> None:
        number = data.draw(st.sampled_from(sorted(self.lined_up)))
        if number in self.finished:
            assert not self.playout.add(number, mulaw)
        elif len(mulaw) <= self.playout.room_ms(number) * _MS:
            assert self.playout.add(number, mulaw)
            self.lined_up[number] += mulaw
        else:
            with pytest.raises(PlayoutFull):
                self.playout.add(number, mulaw)

    @precondition(lambda self: self.lined_up)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.lined_up)))
        if number in self.finished:
            return
        mulaw = self.lined_up[number]
        assert self.playout.finish(number) == bool(mulaw)
        if mulaw:
            self.finished.add(number)
            mulaw += b"\xff" * (-len(mulaw) % 160)
        else:
            del self.lined_up[number]

    @precondition(lambda self: self.lined_up)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.lined_up)))
        if self.playout.drop(number):
            assert number not in self.begun
            self.forget([number])

    @rule(seconds=st.floats(0, 0.5))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.settle(self.playout.confirmed_by(self.now))
        for message in take_all(self.playout, self.now):
            assert len(message.mulaw) % 160 == 0
            if message.begins is not None:
                self.begun.add(message.begins)
            if message.mark is not None:
                self.marks.append(message.mark)
            self.line += message.mulaw

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def mark(self, data: st.DataObject) -> None:
        self.settle(self.playout.reached(data.draw(st.sampled_from(self.marks))))

    @rule()
    def stop(self) -> None:
        cuts = self.playout.stop(self.now)
        assert [cut.utterance for cut in cuts] == sorted(self.lined_up)
        assert all(cut.begun == (cut.utterance in self.begun) for cut in cuts)
        self.wanted = bytearray(self.line)
        self.forget(list(self.lined_up))
        assert self.playout.idle
        assert self.playout.queued_ms == 0

    def settle(self, played: Sequence[int]) -> None:
        for number in played:
            assert number in self.finished
            self.wanted += self.lined_up[number]
            self.settled.append(number)
        self.forget(played)

    def forget(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            del self.lined_up[number]
            self.finished.discard(number)

    @invariant()
    def the_line_has_what_was_wanted_in_order(self) -> None:
        wanted = self.wanted + b"".join(self.lined_up[each] for each in sorted(self.lined_up))
        assert wanted.startswith(self.line)
        assert self.settled == sorted(set(self.settled))
        queued = sum(map(len, self.lined_up.values())) - (len(self.line) - len(self.wanted))
        assert self.playout.queued_ms == queued // _MS
        assert self.playout.queued_ms <= 2 * 2000 + 20 * (self.number + 1)

    @invariant()
    def it_is_never_far_ahead(self) -> None:
        assert self.playout.ends_at <= self.now + 0.142


TestAnyOrder = AnyOrder.TestCase
