"""What a caller hears of a model's answer."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.conversation.spoken import LONGEST, spoken_text

PROSE = [
    "It is 3.5 degrees, so take a coat!",
    "C# and F# are languages. A & B, AT&T, 50% off; costs $4.99?",
    "Don't worry, it's John's snake_case name.",
    'He said: "come at 10:30" (or later) - that\'s 2 * 3 hours.',
    "Bonjour ! Ça va ? Très bien, merci.",
    "Grüße aus Köln: 3,5 Grad und 1.000 Gäste.",
    "3. Oktober ist ein Feiertag.",
    "¿Cómo estás? ¡Muy bien!",
    "你好。今天天气很好！",
    "नमस्ते, क्या हाल है?",
    "می‌خواهم فردا بیایم.",
    "Привет! Как дела?",
    "If a < b and b > c, then what?",
    "-5 degrees in +1 hour",
]

CASES = {
    "paragraphs": ("Hello.\n\nIt is sunny\n\nBye", "Hello. It is sunny. Bye"),
    "soft line breaks": ("It is\nsunny  and \t warm.", "It is sunny and warm."),
    "fenced code": ("Run this:\n```python\nx = {1: 2}\n```\nThen call.", "Run this: Then call."),
    "fenced answer": ("```\nYour train leaves at nine.\n```", "Your train leaves at nine."),
    "fence never closed": ("Done.\n~~~sh\nrm -rf /", "Done."),
    "only code": ("```sh\nls -la\n```", ""),
    "inline code": ("Press `enter` now.", "Press enter now."),
    "headings": ("# Weather #\nSunny.\n## Learn C#\nSoon.", "Weather. Sunny. Learn C#. Soon."),
    "emphasis": ("**Very** _good_ *news*, __really__ ~~bad~~.", "Very good news, really bad."),
    "bullets": ("Buy:\n- milk\n* [x] eggs\n• bread", "Buy: milk. eggs. bread"),
    "numbers": ("1. Open it\n2) Press start", "Open it. Press start"),
    "quotes": ("> Be bold.\n>> Always.", "Be bold. Always."),
    "rules": ("One.\n\n---\n\n* * *\nTwo.", "One. Two."),
    "table": ("| City | Rain |\n|:---|---:|\n| Rome | no |", "City, Rain. Rome, no"),
    "link": ('See [the page](https://example.com/a_(b)?c=d "t").', "See the page."),
    "link cut off": ("See [the page](https://example.com/a", "See the page"),
    "reference link": ("See [it][1].\n\n[1]: https://example.com/x", "See it."),
    "image": ("Look ![a cat](http://x.example/c.png) here.", "Look here."),
    "bare URL": ("Visit https://www.Example.com/a/b?q=1#f. Thanks", "Visit example.com. Thanks"),
    "URL with password": ("Go to ftp://me:secret@files.example.com/x", "Go to files.example.com"),
    "mail": ("Write to <mailto:me@example.com?subject=x>.", "Write to me@example.com."),
    "footnotes": ("It rains[1] a lot[^note].", "It rains a lot."),
    "tags": ("<p>Fish &amp; chips<br/>are <b>good</b>.</p><!-- no -->", "Fish & chips are good."),
    "speech markup": ('<speak>Wait<break time="1s"/> here.</speak>', "Wait here."),
    "directives": ("[[reply_to_current]] Hi.\nMEDIA:/srv/a.png\nBye.", "Hi. Bye."),
    "emoji": ("Great 👍🏽! 👨‍👩‍👧 1️⃣ ok ❤️ ✅", "Great! 1 ok"),
    "emoji at the end of a line": ("Great! 👍\n\nSee you 👋\n\n🎉\nBye", "Great! See you. Bye"),
    "control characters": ("a\x00b\x1b\u202ec\ufeff d\ud800", "abc d"),
    "reasoning": ("<think>They want {x}.\n</think>Yes.", "Yes."),
    "reasoning never closed": ("Sure. <reasoning>now I must", "Sure."),
    "reasoning begun before": ("I should say yes.</think>\n\nYes.", "Yes."),
    "final answer marked": ("Plan: a.\n<final>Yes, at nine.</final>", "Yes, at nine."),
    "escapes": (r"Five \* six \# one", "Five * six # one"),
    "braces": ("Hello {name}!", "Hello name !"),
    "nothing to say": ("---\n***\n...", ""),
}

CONTRACTS = {
    "plain": ('{"spoken": "Hello."}', "Hello."),
    "in a fence": ('```json\n{"spoken": "Hello."}\n```', "Hello."),
    "with prose around": ('Here it is: {"spoken":"Hello."} Good?', "Hello."),
    "several": ('{"spoken":"One."}\n{"spoken":"Two."}\n{"spoken":"Two."}', "One. Two."),
    "in an array": ('[{"spoken":"One."}, {"spoken":"Two."}]', "One. Two."),
    "nested": ('{"reply": {"spoken": "Deep."}, "text": "no"}', "Deep."),
    "quotes inside": (r'{"spoken": "He said \"hi\" twice."}', 'He said "hi" twice.'),
    "encoded twice": (json.dumps({"spoken": json.dumps({"spoken": "Hi."})}), "Hi."),
    "line break inside": ('{"spoken": "One\ntwo."}', "One two."),
    "truncated": ('{"mood": "ok", "spoken": "I will call you at ni', "I will call you at ni"),
    "truncated in an escape": ('{"spoken": "Caf\\u00', "Caf"),
    "trailing comma": ('{"spoken": "Yes.",}', "Yes."),
    "silence": ('{"spoken": ""}', ""),
    "list": ('{"spoken": ["One.", "Two."]}', "One. Two."),
    "markdown inside": ('{"spoken": "**Yes**, see https://example.com/x"}', "Yes, see example.com"),
    "another key": ('{"intent": "greet", "text": "Good morning."}', "Good morning."),
    "an unknown key": ('{"id": "a1", "utterance": "Good morning."}', "Good morning."),
    "truncated, another key": ('{"id": 1, "message": "Good mor', "Good mor"),
    "tool call": ('{"name": "get_weather", "arguments": {"city": "Rome"}}', ""),
    "prose with data": ('All set. {"id": 7}', "All set."),
    "reasoning before": ('<think>{"spoken":"no"}</think>{"spoken":"Yes."}', "Yes."),
}


@pytest.mark.parametrize("text", PROSE)
def test_prose_in_any_language_is_said_as_it_is(text: str) -> None:
    assert spoken_text(text) == text


@pytest.mark.scenario("F101")
@pytest.mark.parametrize(("answer", "heard"), CASES.values(), ids=CASES.keys())
def test_only_words_are_heard(answer: str, heard: str) -> None:
    assert spoken_text(answer) == heard


@pytest.mark.scenario("F101")
@pytest.mark.parametrize(("answer", "heard"), CONTRACTS.values(), ids=CONTRACTS.keys())
def test_the_contracts_field_is_heard_and_nothing_else_of_the_object(
    answer: str, heard: str
) -> None:
    assert spoken_text(answer) == heard


def test_a_long_answer_ends_with_a_sentence() -> None:
    heard = spoken_text("This is one sentence of many. " * 1000)
    assert LONGEST - 40 < len(heard) <= LONGEST
    assert heard.endswith("many.")


def test_a_long_answer_without_sentences_ends_with_a_word() -> None:
    heard = spoken_text("word " * 5000)
    assert len(heard) <= LONGEST
    assert heard.endswith("word")


WORD: st.SearchStrategy[str] = st.text(
    "abcxyzABCäöüßéñçøåжизнь日本語עברית0123456789'’", min_size=1, max_size=8
).filter(lambda word: any(c.isalnum() for c in word))
SENTENCE = st.tuples(
    st.lists(st.one_of(WORD, WORD.map("{},".format)), min_size=1, max_size=12).map(" ".join),
    st.sampled_from([".", "!", "?", "…"]),
).map("".join)

SYMBOLS = """{ } ``` ` ** [ ]( ) [[ ]] | # - 1. <think> </think> <b> {"spoken":" " \\ https:// 👍 <
    _ * example.com/x MEDIA: words and ~~~ &amp; {"a": ![ <final> www. > + .) [a]( <a <!-- \\u"""
MARKUP = st.sampled_from([*SYMBOLS.split(), "\n", " ", "\x00", "\ud800"])
REPEATED = [*SYMBOLS.split(), "# ", "#  ", "```\n", "| -", " ", "- ", "\n\n", " (", "a\n", "a_"]


@given(st.lists(SENTENCE, min_size=1, max_size=6).map(" ".join))
def test_sentences_pass_unchanged_so_a_second_pass_changes_nothing(text: str) -> None:
    assert spoken_text(text) == text


@given(st.one_of(st.text(), st.lists(MARKUP, max_size=40).map("".join)))
def test_whatever_comes_no_markup_is_spoken(answer: str) -> None:
    heard = spoken_text(answer)
    for mark in (*"{}|`\n\x00👍", "**", "[[", "](", "http://", "https://", "<think>", "  "):
        assert mark not in heard
    assert heard == heard.strip()
    assert heard == "" or any(c.isalnum() for c in heard)
    heard.encode()


@given(st.dictionaries(st.sampled_from(["mood", "spoken", "id"]), SENTENCE), st.integers(0, 60))
def test_an_object_cut_anywhere_never_speaks_its_keys(fields: dict[str, str], cut: int) -> None:
    whole = json.dumps(fields, ensure_ascii=False)
    heard = spoken_text(whole[: max(1, len(whole) - cut)])
    assert '"' not in heard
    assert "mood" not in heard
    assert fields.get("spoken", "").startswith(heard) or "spoken" not in fields or cut > 2


@pytest.mark.parametrize("piece", REPEATED)
def test_hostile_repetition_takes_no_time(piece: str) -> None:
    begun = time.process_time()
    spoken_text(piece * (64_000 // len(piece)) + "x")
    spoken_text("-" + piece * (64_000 // len(piece)) + "x\n# " + piece * 9_000)
    assert time.process_time() - begun < 2
