"""The scripted model: what it says and how it fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.agent.scripted import Script, words
from openclaw.errors import AgentError
from tests.host.agent.conftest import MakeRuntime, ask, read, scripted

SCRIPT = Script.model_validate(
    {
        "rules": [
            {"match": r"\border (\d+)\b", "reply": "Your order is on its way."},
            {"model": "down", "match": "", "fail": "error"},
            {"match": "hello", "reply": "Hi!"},
        ],
        "default": "Pardon?",
    }
)


@pytest.mark.parametrize(
    ("model", "text", "reply", "fail"),
    [
        ("talk", "Where is Order 12 please", "Your order is on its way.", None),
        ("talk", "HELLO", "Hi!", None),
        ("talk", "", "Pardon?", None),
        ("down", "HELLO", "", "error"),
        ("down", "order 3", "Your order is on its way.", None),
    ],
)
def test_the_first_rule_that_matches_decides(
    model: str, text: str, reply: str, fail: str | None
) -> None:
    rule = SCRIPT.rule_for(model, text)
    assert (rule.reply, rule.fail) == (reply, fail)


def test_the_callers_words_are_inserted_as_they_are() -> None:
    assert "".join(words("{turn}: {text} {0} {x}", r"{turn} {text} \1 {", 3)) == (
        r"3: {turn} {text} \1 { {0} {x}"
    )


@given(st.text(), st.integers(1, 99))
def test_words_put_together_are_the_reply(text: str, turn: int) -> None:
    pieces = words("{text}", text, turn)
    assert "".join(pieces) == (text if text.strip() else "")
    assert all(len(piece.split()) == 1 for piece in pieces)


async def test_a_reply_comes_word_by_word(make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(scripted({"match": "time", "reply": "It is nine o'clock."}))
    reply = runtime.reply(ask("What time is it?"))
    assert [piece async for piece in reply] == ["It ", "is ", "nine ", "o'clock."]
    assert await reply.text() == "It is nine o'clock."


@pytest.mark.parametrize(
    ("fail", "code", "retryable", "before"),
    [
        ("error", "model_unreachable", True, ""),
        ("refused", "model_refused", False, ""),
        ("empty", "model_empty", True, ""),
        ("timeout", "model_timeout", True, ""),
        ("hang", "model_timeout", True, ""),
        ("cut", "model_unreachable", True, "one two "),
    ],
)
async def test_a_failure_reaches_the_reader_with_its_code(
    make_runtime: MakeRuntime, fail: str, code: str, retryable: bool, before: str
) -> None:
    runtime = make_runtime(scripted({"reply": "one two three four", "fail": fail}))
    reply = runtime.reply(ask("Hello", timeout_s=0.05))
    text, error = await read(reply)
    assert error is not None
    assert (error.code, error.retryable, text) == (code, retryable, before)
    with pytest.raises(AgentError):
        await reply.text()
