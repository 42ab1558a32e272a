from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.config.tree import Part, deep_merge, format_path, lookup, parse_path

KEYS = st.text(min_size=1).filter(lambda key: not ('"' in key and "'" in key)) | st.sampled_from(
    ["gateway", "voice-call", "a.b", "it's", 'say "x"']
)


@given(st.lists(KEYS | st.integers(0, 99)))
def test_a_written_path_reads_back_as_the_same_keys(parts: list[Part]):
    if parts == ["<root>"]:
        return
    assert parse_path(format_path(parts)) == tuple(parts)


@given(st.text())
def test_any_text_is_a_path_or_a_documented_error(text: str):
    with suppress(ValueError):
        parts = parse_path(text)
        assert parse_path(format_path(parts)) == parts


def test_paths_as_users_write_them():
    assert parse_path('plugins.entries["voice-call"].config') == (
        "plugins",
        "entries",
        "voice-call",
        "config",
    )
    assert parse_path("agents.list[0].id") == ("agents", "list", 0, "id")


@pytest.mark.parametrize("text", ["a..b", ".a", "a.", "a[", "a[x]"])
def test_a_malformed_path_is_refused(text: str):
    with pytest.raises(ValueError, match=r"path|key"):
        parse_path(text)


def test_lookup_gives_none_where_nothing_stands():
    tree = {"a": [{"b": 1}]}
    assert lookup(tree, ("a", 0, "b")) == 1
    assert lookup(tree, ("a", 1, "b")) is None
    assert lookup(tree, ("a", "b")) is None


def test_merging_joins_objects_and_arrays_and_replaces_the_rest():
    assert deep_merge({"a": {"x": 1}, "b": [1], "c": 1}, {"a": {"y": 2}, "b": [2], "c": 2}) == {
        "a": {"x": 1, "y": 2},
        "b": [1, 2],
        "c": 2,
    }
