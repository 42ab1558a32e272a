"""Where words are parted so that a voice can begin."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.conversation.sentences import (
    LONGEST_FIRST,
    LONGEST_SENTENCE,
    SentenceSplitter,
    sentences,
)

CASES = {
    "two": "The shop is open. | We close at nine tonight.",
    "question and exclamation": "Are you coming? | What a lovely evening! | See you at home then.",
    "numbers": "It costs 3.5 or 1,000.25 euros at 10:30 today. | That is a fair price.",
    "short ones together": "Yes. It is. | Then all of us can go home.",
    "short ones at the end": "The shop opens tomorrow. | Bye.",
    "title": "Ask for Dr. Smith or Mrs. Jones at the desk. | They are both in today.",
    "initials": "It was written by J. R. R. Tolkien himself. | I have read all of it.",
    "abbreviation": "Bring something, e.g. a book or two. | Otherwise you will be bored.",
    "unknown abbreviation": "It is on the 2nd fl. of the building. | Take the stairs please.",
    "vs": "It is today vs. tomorrow. | I would choose today.",
    "time of day": "We open at 8 a.m. on weekdays. | At 5 p.m. We close the doors.",
    "number of something": "That is No. 5 in the list. | It is the best of them.",
    "no as a word": "I am afraid no. | It does not work like that.",
    "year": "It happened in 2024. | Nobody has forgotten it.",
    "ellipsis inside": "Well... let me think about it... for a while. | Then I will know.",
    "ellipsis at the end": "I am not so sure… | Perhaps you should ask her.",
    "several marks": "You did what?! | Then let us begin again.",
    "host": "Look at example.com or www2.example.org for it. | They are up to date.",
    "mail": "Write to me.too@example.com instead. | I read all of it.",
    "quoted": 'She said "stop right there!" and ran off. | Nobody saw her again.',
    "end in quotes": "He said: “It is over now.” | Everybody went home then.",
    "brackets": "Take the second left (not the first one.) | You will see the sign.",
    "small letters": "hello to all of you. | how are you doing today?",
    "small abbreviation": "It is app. five metres long. | That is not very much.",
    "de": "Am 3. Oktober, z. B. um 10.30 Uhr, kommt Hr. Dr. Meier. | Er bringt ca. 5 Leute mit.",
    "de quotation": "»Kommst du mit uns?« | »Natürlich komme ich mit.« | Beide lachten laut.",
    "fr": "« Bonjour à vous ! » dit M. Dupont. | Voulez-vous un café ? | Il est là, Mme. Roux.",
    "es": "¿Cómo está la Sra. García? | ¡Está muy bien! | La vi el 5 de mayo.",
    "it": "Il Sig. Rossi arriva alle 9.30 in punto. | Lo aspetto qui davanti.",
    "pt": "A Dra. Silva atende hoje à tarde. | Ligue para o no. 5 depois.",
    "nl": "Dhr. de Vries komt bijv. morgen langs. | Dat is d.w.z. op dinsdag.",
    "zh": "你好，我是您今天的私人助手。 | 今天天气非常好，适合出门！ | 我们出去走走，好不好？",
    "ja": "「はい、わかりました。」 | それでは明日の午後三時に、駅の前でお会いしましょう。",
    "hi": "नमस्ते मित्रो। | आज आप सब लोग कैसे हैं? | मैं बहुत अच्छा हूँ।",
    "ar": "كيف حالك اليوم يا صديقي؟ | أنا بخير والحمد لله.",
}


@pytest.mark.scenario("F34")
@pytest.mark.parametrize("marked", CASES.values(), ids=CASES.keys())
def test_words_are_parted_between_sentences(marked: str) -> None:
    wanted = [part.strip() for part in marked.split("|")]
    glue = "" if any("\u3000" <= c <= "\u9fff" for c in marked) else " "
    assert sentences(glue.join(wanted)) == wanted


@pytest.mark.scenario("F34")
def test_a_sentence_is_given_with_the_first_letter_of_the_next() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("The shop is open.") == []
    assert splitter.feed(" W") == ["The shop is open."]
    assert splitter.feed("e close at nine") == []
    assert splitter.finish() == ["We close at nine"]


def test_a_line_break_after_a_sentence_needs_no_next_letter() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("One moment please.\n") == ["One moment please."]
    assert splitter.feed("dr.\nsmith") == []


@pytest.mark.scenario("F34")
def test_a_long_first_sentence_begins_with_its_first_clauses_and_later_ones_stay_whole() -> None:
    long = (
        "As far as I can see from here, and I have looked at all of it twice, the last train "
        "to the coast leaves at nine"
    )
    first, rest, second = sentences(f"{long}. {long}.")
    assert first == "As far as I can see from here, and I have looked at all of it twice,"
    assert rest == "the last train to the coast leaves at nine."
    assert second == f"{long}."


def test_what_never_ends_is_parted_at_words_and_clauses() -> None:
    parts = sentences("word " * 300)
    assert " ".join(parts) == ("word " * 300).strip()
    assert len(parts[0]) <= LONGEST_FIRST
    assert all(LONGEST_SENTENCE - 8 < len(part) <= LONGEST_SENTENCE for part in parts[1:-1])
    clauses = sentences("A good beginning of it. " + ("many words of it and more " * 10 + ", ") * 5)
    assert all(part.endswith(",") for part in clauses[1:-1])


def test_what_has_not_even_words_is_parted_all_the_same() -> None:
    parts = sentences("x" * 1000)
    assert "".join(parts) == "x" * 1000
    assert [len(part) for part in parts] == [LONGEST_FIRST, 400, 400]


PIECES = (
    "Dr. z. B. e.g. p.m. U.S. No. 5. 3.5 1,000 2024. Hello World . ! ? … ... \" ' ” » « ) ( , ; : -"
    " – 。 ！ ， । ؟ word example.com a I Oktober \n"
)
PIECE = st.sampled_from(PIECES.split(" "))
TEXT = st.one_of(
    st.lists(PIECE, max_size=60).map(" ".join),
    st.lists(PIECE, max_size=60).map("".join),
    st.text(max_size=200),
)


def _parted(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    splitter = SentenceSplitter()
    given: list[str] = []
    for begin, end in itertools.pairwise(places):
        given += splitter.feed(text[begin:end])
    return given + splitter.finish()


@given(TEXT, st.lists(st.integers(0, 10_000), max_size=30))
def test_the_sentences_do_not_depend_on_how_the_words_arrive(text: str, cuts: list[int]) -> None:
    whole = sentences(text)
    assert _parted(text, cuts) == whole
    assert _parted(text, list(range(len(text)))) == whole


@given(TEXT)
def test_no_word_is_lost_or_changed_and_no_sentence_is_too_long(text: str) -> None:
    parts = sentences(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(0 < len(part) <= LONGEST_SENTENCE for part in parts)


@pytest.mark.parametrize("piece", ["a. ", ".", "a ", "»", " ", '. "', "e.g. ", "，", "x"])
def test_hostile_repetition_takes_no_time(piece: str) -> None:
    begun = time.process_time()
    sentences(piece * (8_000 // len(piece)))
    assert time.process_time() - begun < 1
