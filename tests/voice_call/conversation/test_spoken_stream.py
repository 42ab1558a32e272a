"""What a caller hears of an answer while the model still writes it."""

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.conversation.spoken import LONGEST, spoken_text
from openclaw_voice_call.conversation.spoken_stream import SpokenStream
from tests.voice_call.conversation.test_spoken import (
    CASES,
    CONTRACTS,
    MARKUP,
    PROSE,
    REPEATED,
    SENTENCE,
)

LATE = {
    "contract after a sentence": (
        'I will do that. It takes a while. {"spoken": "It is done. All of it."}',
        ["I will do that.", "It is done. All of it."],
    ),
    "contract that repeats the prose": (
        'Your train leaves at nine. {"spoken": "Your train leaves at nine. Hurry up."}',
        ["Your train leaves at nine.", "Hurry up."],
    ),
    "end of a reasoning that was not begun": (
        "They want to know when. I shall say nine.\n</think>\n\nYour train leaves at nine.",
        ["They want to know when.", "I shall say nine.", "Your train leaves at nine."],
    ),
    "final answer after a plan": (
        "First I look it up. Then I tell. <final>Your train leaves at nine.</final>",
        ["First I look it up.", "Your train leaves at nine."],
    ),
}
"""Answers that turn out too late not to have been meant as they began."""

DOUBTFUL = [
    "It is half past nine\n\nMEDIA:/srv/a.png {x}",
    "Hello there friend. Hello there friend. |",
    "How are you? How are you? | It is nine. | It is nine.",
    "Are you there? 👍\n\nAre you there? 👍\n\n👍",
]
"""Answers whose last characters put in doubt for a while what was certain before."""


def streamed(answer: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(answer) + 1) for cut in cuts), len(answer)]
    stream = SpokenStream()
    given: list[str] = []
    for begin, end in itertools.pairwise(places):
        given += stream.feed(answer[begin:end])
    return given + stream.finish()


def joined(sentences: list[str]) -> str:
    """Words as they are compared: no white space, nothing that is punctuation by itself."""
    words = (word for word in " ".join(sentences).split() if any(c.isalnum() for c in word))
    return "".join(words)


def size(step: int, answer: str) -> list[int]:
    return list(range(0, len(answer), step))


@pytest.mark.scenario("F101")
@pytest.mark.parametrize("step", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "answer",
    [*PROSE, *(answer for answer, _ in CASES.values() if "<final>" not in answer)]
    + [answer for answer, _ in CONTRACTS.values()]
    + DOUBTFUL,
)
def test_the_words_are_those_of_the_whole_answer(answer: str, step: int) -> None:
    assert joined(streamed(answer, size(step, answer))) == joined([spoken_text(answer)])


@pytest.mark.scenario("F101")
@pytest.mark.parametrize(("answer", "heard"), LATE.values(), ids=LATE.keys())
def test_what_comes_too_late_is_said_without_repeating_what_was_said(
    answer: str, heard: list[str]
) -> None:
    assert streamed(answer, size(1, answer)) == heard


PARAGRAPH = st.one_of(
    st.lists(SENTENCE, min_size=1, max_size=4).map(" ".join),
    st.lists(SENTENCE, min_size=1, max_size=4).map("\n".join),
    st.lists(SENTENCE, min_size=2, max_size=4).map(lambda a: "\n".join(f"- {s}" for s in a)),
    st.lists(SENTENCE, min_size=2, max_size=4).map(
        lambda a: "\n".join(f"{n}. {s}" for n, s in enumerate(a, 1))
    ),
    SENTENCE.map(lambda s: f"## {s}"),
    SENTENCE.map(lambda s: f"**{s}** and _{s}_"),
    SENTENCE.map(lambda s: f"> [{s}](https://example.com/a_b?c=1) `{s}`"),
    SENTENCE.map(lambda s: f"```python\n{s}\n```"),
    SENTENCE.map(lambda s: f"| {s} | {s} |\n|---|---|"),
    SENTENCE.map(lambda s: f"[[tag]] <b>{s}</b> 👍 &amp; https://www.example.com/x. {s}"),
    SENTENCE.map(lambda s: json.dumps({"mood": s, "id": 1})),
    SENTENCE.map(lambda s: f"<think>{s}\n- {s}</think>"),
)
FIELDS = st.lists(SENTENCE, min_size=1, max_size=3).map(" ".join)
CONTRACT = st.lists(
    st.one_of(
        FIELDS.map(lambda s: json.dumps({"spoken": s, "mood": "calm"})),
        FIELDS.map(lambda s: json.dumps({"mood": "calm", "spoken": s}, indent=2)),
        FIELDS.map(lambda s: f"```json\n{json.dumps({'spoken': s}, ensure_ascii=False)}\n```"),
        FIELDS.map(lambda s: json.dumps({"spoken": json.dumps({"spoken": s})})),
        FIELDS.map(lambda s: json.dumps({"reply": {"spoken": [s, s]}})),
    ),
    min_size=1,
    max_size=3,
).map("\n".join)
ANSWER = st.one_of(st.lists(PARAGRAPH, min_size=1, max_size=5).map("\n\n".join), CONTRACT)
CUTS = st.lists(st.integers(0, 100_000), max_size=40)


@pytest.mark.scenario("F101")
@given(ANSWER, CUTS)
def test_any_answer_says_the_same_words_however_it_arrives(answer: str, cuts: list[int]) -> None:
    whole = joined([spoken_text(answer)])
    assert joined(streamed(answer, cuts)) == whole
    assert joined(streamed(answer, size(1, answer))) == whole


@pytest.mark.scenario("F101")
@given(st.lists(MARKUP, max_size=40).map("".join), CUTS)
def test_no_markup_is_spoken_of_whatever_arrives(answer: str, cuts: list[int]) -> None:
    for sentence in streamed(answer, cuts):
        for mark in (*"{}|`\n\x00👍", "**", "[[", "](", "https://", "<think>", "  "):
            assert mark not in sentence
        assert any(c.isalnum() for c in sentence)


@pytest.mark.scenario("F34", "F101")
@pytest.mark.parametrize(
    "begin",
    [
        "Your train leaves at nine. B",
        "Your train leaves at nine.\n",
        "**Your train** leaves at nine. B",
        "<think>Nine, I say. Or ten.</think>Your train leaves at nine. B",
        '{"spoken": "Your train leaves at nine. B',
        '```json\n{"mood": "calm", "spoken": "Your train leaves at nine.", "',
        "- Your train leaves at nine.\n- B",
        "1. Your train leaves at nine.\n2. B",
    ],
)
def test_the_first_sentence_is_out_before_the_second_is_written(begin: str) -> None:
    stream = SpokenStream()
    (sentence,) = (each for letter in begin for each in stream.feed(letter))
    assert sentence.endswith("Your train leaves at nine.")


@pytest.mark.scenario("F106")
def test_a_line_break_is_enough_to_end_any_sentence_of_an_answer() -> None:
    stream = SpokenStream()
    first = "It is half past nine in the morning and the sun is up. " * 4
    given = stream.feed(f"{first}Wait") + stream.feed(" a moment.\n")
    assert given[-1] == "Wait a moment."


@pytest.mark.parametrize(
    "begin",
    [
        '{"mood": "It is fine. Really fine. ',
        "<think>It is fine. Really fine. ",
        "```\nIt is fine. Really fine. \n",
        "# It is fine. Really fine. ",
        "[It is fine. Really fine. ",
        "[[It is fine. Really fine. ",
        "<!-- It is fine. Really fine. ",
        "| It is fine. Really fine. ",
        "_It is fine. Really fine. ",
        "3. It is fine. Really fine. ",
        "MEDIA: It is fine. Really fine. ",
    ],
)
def test_what_may_not_be_meant_for_ears_waits(begin: str) -> None:
    stream = SpokenStream()
    assert [each for letter in begin for each in stream.feed(letter)] == []


def test_an_answer_that_breaks_off_ends_with_its_last_whole_sentence() -> None:
    for answer, rest in [
        ("It is nine now. I will call you at ni", []),
        ("It is nine now. I will call you.", ["I will call you."]),
        ("It is nine now. 「はい。」", ["「はい。」"]),
        ("It is nine now.", ["It is nine now."]),
        ("", []),
    ]:
        stream = SpokenStream()
        stream.feed(answer)
        assert stream.break_off() == rest


def test_an_endless_answer_is_full_after_as_much_as_is_spoken_at_most() -> None:
    stream = SpokenStream()
    given: list[str] = []
    while not stream.full:
        given += stream.feed("This is one sentence of many. ")
    assert stream.feed("And more. And more.") == []
    assert stream.finish() == []
    whole = spoken_text("This is one sentence of many. " * 1000)
    assert LONGEST - 40 < len(whole) <= LONGEST
    assert " ".join(given) == whole


@pytest.mark.parametrize("piece", REPEATED)
def test_hostile_repetition_takes_no_time(piece: str) -> None:
    begun = time.process_time()
    stream = SpokenStream()
    for _ in range(16_000 // len(piece)):
        stream.feed(piece)
    stream.finish()
    assert time.process_time() - begun < 2
