import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.config.edit import CannotEdit, set_value, unset_value
from openclaw.config.json5 import parse
from openclaw.config.tree import is_tree, lookup, parse_path, with_value

KEYS = st.sampled_from(["a", "b", "voice-call", "x.y", "it's", "é"])
VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(KEYS, min_size=1, max_size=3)

FILE = """{
  // the owner's words
  gateway: {
    port: 4000, // not the usual one
    auth: { token: "${TOKEN}" } // from the vault
  },
  /* plugins */ plugins: { entries: {}, },
  "quoted": { "a": 1 },
}
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        ("gateway.port", 5000, "port: 4000,", "port: 5000,"),
        ("gateway.auth.mode", "token", '"${TOKEN}" }', '"${TOKEN}", mode: "token" }'),
        ("gateway.bind", "lan", "// from the vault\n", '// from the vault\n    bind: "lan"\n'),
        ("plugins.entries.mock", True, "entries: {}", "entries: { mock: true }"),
        ("plugins.entries.voice-call", 1, "entries: {}", 'entries: { "voice-call": 1 }'),
        ("quoted.b", 2, '{ "a": 1 }', '{ "a": 1, "b": 2 }'),
    ],
)
def test_only_the_addressed_value_changes(path: str, value: object, old: str, new: str):
    expected = FILE.replace(old, new)
    if path == "gateway.bind":
        expected = expected.replace('"${TOKEN}" } //', '"${TOKEN}" }, //')
    assert set_value(FILE, parse_path(path), value) == expected


def test_a_new_section_stands_on_lines_of_its_own():
    text = set_value("{\n  a: 1,\n}\n", ("b", "c"), {"d": 1})
    assert text == '{\n  a: 1,\n  "b": {\n    "c": {\n'.replace('"b"', "b") + (
        '      "d": 1\n    }\n  },\n}\n'
    )


@pytest.mark.parametrize(
    ("path", "gone", "left"),
    [
        ("gateway.port", "    port: 4000, // not the usual one\n", ""),
        ("quoted", '  "quoted": { "a": 1 },\n', ""),
        ("quoted.a", '{ "a": 1 }', "{ }"),
    ],
)
def test_removing_takes_the_key_its_comma_and_its_line(path: str, gone: str, left: str):
    assert unset_value(FILE, parse_path(path)) == FILE.replace(gone, left)


def test_removing_the_last_of_several_leaves_plain_json():
    text = unset_value('{"a": 1, "b": 2}', ("b",))
    assert text is not None
    assert json.loads(text) == {"a": 1}


def test_what_is_not_there_cannot_be_removed():
    assert unset_value(FILE, ("gateway", "tls", "enabled")) is None


@pytest.mark.parametrize("path", ["gateway.port.x", "list[3]", "gateway[0]", "new[0]"])
def test_what_cannot_hold_the_value_is_named(path: str):
    with pytest.raises(CannotEdit, match=r"gateway|list|new"):
        set_value(FILE.replace("/* plugins */", "list: [1],"), parse_path(path), 1)


@given(TREES, PATHS, VALUES, st.sampled_from([None, 2]))
def test_the_text_means_what_was_set(
    tree: dict[str, object], path: list[str], value: object, indent: int | None
):
    on_the_way = [lookup(tree, path[:length]) for length in range(1, len(path))]
    text = json.dumps(tree, indent=indent)
    if any(each is not None and not is_tree(each) for each in on_the_way):
        with pytest.raises(CannotEdit):
            set_value(text, path, value)
        return
    changed = set_value(text, path, value)
    assert parse(changed) == with_value(tree, path, value)
    assert json.loads(changed) == with_value(tree, path, value)


@given(TREES.filter(bool), st.data(), st.sampled_from([None, 2]))
def test_the_text_lacks_what_was_removed(
    tree: dict[str, object], data: st.DataObject, indent: int | None
):
    key = data.draw(st.sampled_from(sorted(tree)))
    changed = unset_value(json.dumps(tree, indent=indent), (key,))
    assert changed is not None
    assert json.loads(changed) == {name: each for name, each in tree.items() if name != key}
