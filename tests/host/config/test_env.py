import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.config.env import (
    escape,
    layered,
    parse_env_file,
    substitute,
    substitute_tree,
)

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)
PLAIN = st.text(alphabet=st.characters(exclude_characters="$", exclude_categories=["Cs"]))
TRICKY = st.text(alphabet=st.sampled_from(list("${}AB_1ab ")))


def test_variables_are_filled_in_several_per_text():
    env = {"HOST": "example.com", "PORT": "443"}
    assert (
        substitute("wss://${HOST}:${PORT}/${HOST}", env).text == "wss://example.com:443/example.com"
    )


def test_a_doubled_dollar_is_a_literal():
    assert substitute("$${HOME} ${A}", {"HOME": "/h", "A": "1"}).text == "${HOME} 1"


@pytest.mark.parametrize("text", ["${lower}", "${A", "$A", "${}", "${A-B}", "a$b", "100 $"])
def test_what_only_looks_like_a_reference_is_text(text: str):
    assert substitute(text, {"A": "1", "B": "2"}).text == text


@pytest.mark.parametrize("env", [{}, {"KEY": ""}])
def test_a_missing_or_empty_variable_leaves_the_reference_standing(env: dict[str, str]):
    result = substitute("x${KEY}y${KEY}", env)
    assert (result.text, result.missing) == ("x${KEY}y${KEY}", ("KEY",))


@given(TRICKY | PLAIN)
def test_an_escaped_text_survives_substitution(text: str):
    assert substitute(escape(text), {"A": "1", "B": "2", "AB": "3"}).text == text


@given(TRICKY)
def test_without_variables_nothing_is_lost_but_the_escaping_dollar(text: str):
    result = substitute(text, {})
    assert result.text == re.sub(r"\$(?=\$\{[A-Z_][A-Z0-9_]*\})", "", text)


@given(st.lists(st.tuples(PLAIN, NAMES)), PLAIN, st.text(min_size=1))
def test_the_text_around_references_is_kept(pieces: list[tuple[str, str]], tail: str, value: str):
    text = "".join(f"{plain}${{{name}}}" for plain, name in pieces) + tail
    env = {name: value for _, name in pieces}
    assert substitute(text, env).text == "".join(plain + value for plain, _ in pieces) + tail


@given(st.text(min_size=1))
def test_a_value_is_not_substituted_again(value: str):
    assert substitute("${A}", {"A": value, "B": "other"}).text == value


def test_a_tree_is_copied_and_each_missing_name_has_a_path():
    tree = {"a": ["${X}", {"b.c": "${GONE}-${LOST}"}], "n": 1, "t": True}
    copy, problems = substitute_tree(tree, {"X": "x"}, ("root",))
    assert copy == {"a": ["x", {"b.c": "${GONE}-${LOST}"}], "n": 1, "t": True}
    assert [(each.path, each.severity) for each in problems] == [
        ('root.a[1]["b.c"]', "warning"),
        ('root.a[1]["b.c"]', "warning"),
    ]
    assert "GONE" in problems[0].render()
    assert "LOST" in problems[1].render()


def test_env_files():
    text = (
        "# comment\n"
        "PLAIN=value # trailing\n"
        "export EXPORTED = spaced \r\n"
        "EMPTY=\n"
        "SINGLE='a # \\n b'\n"
        'DOUBLE="line\\nbreak \\"quoted\\""\n'
        'MULTI="one\ntwo"\n'
        "not an assignment\n"
    )
    assert parse_env_file(text) == {
        "PLAIN": "value",
        "EXPORTED": "spaced",
        "EMPTY": "",
        "SINGLE": "a # \\n b",
        "DOUBLE": 'line\nbreak "quoted"',
        "MULTI": "one\ntwo",
    }


@given(st.dictionaries(NAMES, st.text(alphabet=st.characters(exclude_characters="'\r"))))
def test_a_quoted_env_file_gives_back_its_values(variables: dict[str, str]):
    text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    assert parse_env_file(text) == variables


def test_the_first_source_that_sets_a_name_to_something_wins():
    assert layered({"A": "1", "B": ""}, {"A": "2", "B": "2"}, {"C": "3"}) == {
        "A": "1",
        "B": "2",
        "C": "3",
    }
