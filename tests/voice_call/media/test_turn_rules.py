"""Rules that hold for every order of sounds, words and times."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_voice_call.interfaces import speech
from openclaw_voice_call.media.own_words import OwnWords, after, words_of
from openclaw_voice_call.media.turn_taker import TurnTaker
from openclaw_voice_call.media.turns import (
    BargeIn,
    CallerSilent,
    FalseAlarm,
    NoText,
    TurnOver,
    TurnSettings,
)
from tests.voice_call.media.turn_line import TurnLine

_events = st.one_of(
    st.builds(speech.SpeechStarted),
    st.builds(
        speech.Partial, st.sampled_from(["", " ", "yes", "no thanks", "your balance is two"])
    ),
    st.builds(
        speech.Final, st.sampled_from(["", "yes", "Yes.", "no, thanks", "é\u0000", "x" * 9000])
    ),
    st.builds(speech.TurnEnded),
    st.builds(speech.RecogniserUp),
    st.builds(speech.RecogniserDown, st.just("dropped"), st.just(""), st.booleans()),
)
_step = st.one_of(
    st.tuples(st.just("frames"), st.booleans(), st.integers(1, 40)),
    st.tuples(st.just("recognised"), _events),
    st.tuples(
        st.just("speaking"),
        st.none() | st.integers(0, 3),
        st.booleans(),
        st.sampled_from(["", "Your balance is two euros, yes or no?"]),
    ),
    st.tuples(st.just("thinking"), st.booleans()),
    st.tuples(st.just("tick")),
)
_WORDLESS = (
    speech.SpeechStarted,
    speech.TurnEnded,
    speech.RecogniserUp,
    speech.RecogniserDown,
)
_figures = st.sampled_from([0, 20, 200, 1000])
_settings = st.builds(
    TurnSettings,
    **dict.fromkeys(TurnSettings.__struct_fields__, _figures),
)
_times = st.sampled_from([0.0, 0.0, 0.02, 0.3, 1.0, 3.0, 20.0, -1.0])


class _Judge:
    """Knows what may be asked for now."""

    def __init__(self, figures: TurnSettings) -> None:
        self._figures = figures
        self._may_cut = self._was_cut = False
        self._texts = 0

    def speaking(self, *, interruptible: bool) -> None:
        self._may_cut, self._was_cut = interruptible, False

    def silent(self) -> None:
        self._may_cut = False

    def written(self) -> None:
        self._texts += 1

    def check(self, action: object) -> None:
        match action:
            case BargeIn():
                assert self._may_cut, "only what may be interrupted is cut, and once"
                self._may_cut, self._was_cut = False, True
            case FalseAlarm():
                assert self._was_cut
                self._was_cut = False
            case TurnOver():
                self._texts -= 1
                assert self._texts >= 0, "no turn without words of its own"
                assert words_of(action.text)
                assert len(action.text) <= 8000
                assert action.speech_began <= action.speech_ended <= action.final_at
            case CallerSilent():
                assert self._figures.silence_prompt_ms
            case NoText():
                assert self._figures.mute_ms
            case _:
                pass


@settings(max_examples=300, deadline=None)
@given(_settings, st.lists(st.tuples(_times, _step), max_size=60))
def test_whatever_happens(figures: TurnSettings, steps: list[tuple[float, tuple[object, ...]]]):
    taker, judge = TurnTaker(figures), _Judge(figures)
    now = 0.0
    for wait, step in steps:
        now += wait
        actions: list[object] = []
        looked = True
        match step:
            case ("frames", bool(voice), int(count)):
                for _ in range(count):
                    now += 0.02
                    actions += taker.frame(now, voice)
            case ("recognised", speech.Partial() | speech.Final() as event):
                judge.written()
                actions += taker.recognised(event, now)
            case ("recognised", event):
                assert isinstance(event, _WORDLESS)
                actions += taker.recognised(event, now)
            case ("speaking", int(utterance), bool(interruptible), str(text)):
                taker.speaking(now, utterance, interruptible=interruptible, text=text)
                judge.speaking(interruptible=interruptible)
                looked = False
            case ("speaking", *_):
                taker.speaking(now, None)
                judge.silent()
                looked = False
            case ("thinking", bool(busy)):
                taker.thinking(now, busy)
                looked = False
            case _:
                actions += taker.tick(now)
        for action in actions:
            judge.check(action)
        due = taker.next_due
        assert due is None or due > now or not looked


_piece = st.fixed_dictionaries(
    {
        "talk": st.integers(10, 100),
        "wait": st.integers(0, 160),
        "partial": st.booleans(),
        "twice": st.booleans(),
        "ends": st.booleans(),
        "again": st.booleans(),
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_piece, min_size=1, max_size=12))
def test_no_word_is_given_twice_and_none_is_lost(pieces: list[dict[str, int]]):
    """Of a vendor whose words come in order, late by any time, doubled, with and without ends."""
    line = TurnLine()
    for n, piece in enumerate(pieces):
        line.talk(piece["talk"] * 20)
        if piece["partial"]:
            line.partial(f"word{n}")
        line.quiet(piece["wait"] * 20)
        line.final(f"word{n}.")
        if piece["twice"]:
            line.final(f"word{n}.")
        if piece["ends"]:
            line.vendor_ends()
        if piece["again"]:
            line.final(f"Word{n}")
            line.vendor_ends()
    line.quiet(5000)
    given_words = Counter(re.findall(r"word\d+", " ".join(line.turns).casefold()))
    assert given_words == Counter(f"word{n}" for n in range(len(pieces)))


_words = st.lists(st.sampled_from(["one", "two", "three", "four", "five"]), min_size=1, max_size=12)


@given(_words, _words, _words)
def test_every_part_of_what_we_say_is_contained(
    before: list[str], part: list[str], behind: list[str]
):
    own = OwnWords()
    own.say(" ".join(before))
    own.say(", ".join(part) + "!")
    own.say(" ".join(behind))
    assert own.contain(part)


@given(_words)
def test_other_words_are_not_contained(heard: list[str]):
    own = OwnWords()
    own.say("six seven eight nine ten")
    assert not own.contain(heard)


def test_words_scattered_over_a_long_sentence_are_not_contained():
    own = OwnWords()
    own.say(
        "I can see that you have paid the last bill on Monday, and the one before it as well, "
        "so there is nothing to do until the end of the month"
    )
    assert not own.contain(words_of("I have the one to do"))


@given(_words, _words)
def test_what_follows_is_what_was_not_taken(taken: list[str], rest: list[str]):
    text = " ".join([*taken, *rest]).title() + "."
    follows = after(text, taken)
    assert follows is not None
    assert words_of(follows) == rest
    assert after(" ".join(taken), taken) == ""
    assert after("other " + text, taken) is None or taken[0] == "other"
