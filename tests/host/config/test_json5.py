import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.config.json5 import Json5SyntaxError, parse, parse_root
from openclaw.errors import ConfigError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_every_json_text_is_json5(value: object):
    assert parse(json.dumps(value, ensure_ascii=False)) == value


def test_what_json5_adds():
    text = "\ufeff// why\n{port: 0x10, 'it': \"x\", list: [1, 2,], /* more */ half: .5, n: +1}"
    assert parse(text) == {"port": 16, "it": "x", "list": [1, 2], "half": 0.5, "n": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: 1,\n b: }", "expected a value, found '}' at 2:5"),
        ("{\n  gateway: {port: 1 bind: 2}\n}", "expected a comma or '}', found 'b' at 2:21"),
        ('{"x" 1}', "expected a colon, found '1' at 1:6"),
        ("{a: {\n", "unclosed object at 1:5"),
        ("{\n a: 'open\n}", "unclosed string at 2:5"),
        ("{} trailing", "extra data 't' at 1:4"),
        ("{}\n// fine\n}", "extra data '}' at 3:1"),
        ("", "the file is empty at 1:1"),
        ("[" * 500, "maximum nesting level exceeded at 1:201"),
    ],
)
def test_a_syntax_error_says_what_was_expected_and_where(text: str, message: str):
    with pytest.raises(Json5SyntaxError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_the_root_is_named():
    with pytest.raises(ConfigError) as caught:
        parse_root("{a: 1,\n b: }")
    assert str(caught.value) == ("<root>: JSON5 parse failed: expected a value, found '}' at 2:5")


@given(st.text(alphabet=st.sampled_from(list("{}[]:,'\"\\/*+-.0129aeuxn \n"))))
def test_any_text_is_a_value_or_the_documented_error(text: str):
    with suppress(Json5SyntaxError):
        parse(text)


def test_an_error_does_not_show_what_was_read_so_far():
    with pytest.raises(Json5SyntaxError) as caught:
        parse('{token: "hunter2hunter2", bad: }')
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None
