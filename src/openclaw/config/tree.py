"""Values as JSON5 gives them, and the paths that name a place inside them.

A path is written as users write it: `gateway.port`, `agents.list[0].id`,
`plugins.entries["voice-call"].config`. The root is `<root>`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

Part: TypeAlias = str | int
Tree: TypeAlias = Mapping[str, object]

ROOT = "<root>"

_PLAIN_KEY = re.compile(r"[^.\[\]\"'\s]+")
_PART = re.compile(
    r"""(?P<key>[^.\[\]"']+)|\[(?P<index>\d+)\]|\[(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]""",
    re.DOTALL,
)


def is_tree(value: object) -> TypeGuard[Tree]:
    """Whether this is an object of the configuration: a mapping whose keys are all strings."""
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)  # pyright: ignore[reportUnknownVariableType]


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether this is an array of the configuration."""
    return isinstance(value, list | tuple)


def subtree(tree: Tree, *parts: Part) -> Tree:
    """The object at these keys, or an empty one where there is none."""
    found = lookup(tree, parts)
    return found if is_tree(found) else {}


def lookup(tree: object, parts: Sequence[Part]) -> object | None:
    """The value at these keys, None where there is none."""
    value = tree
    for part in parts:
        if is_tree(value) and isinstance(part, str):
            value = value.get(part)
        elif is_list(value) and isinstance(part, int) and 0 <= part < len(value):
            value = value[part]
        else:
            return None
    return value


def parse_path(text: str) -> tuple[Part, ...]:
    """Split a written path. Raises ValueError naming the place that cannot be read."""
    if text in ("", ROOT):
        return ()
    parts: list[Part] = []
    position = 0
    while position < len(text):
        if text[position] == "." and parts:
            position += 1
            if not _PLAIN_KEY.match(text, position):
                raise ValueError(
                    f"a key is missing after the dot at position {position} of {text!r}"
                )
        match = _PART.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the path {text!r} at position {position + 1}")
        if match["index"] is not None:
            parts.append(int(match["index"]))
        else:
            parts.append(match["key"] if match["key"] is not None else match["quoted"])
        position = match.end()
    return tuple(parts)


def format_path(parts: Sequence[Part]) -> str:
    """The written form of a path, the reverse of `parse_path`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            quote = "'" if '"' in part else '"'
            text += f"[{quote}{part}{quote}]"
    return text or ROOT


def with_value(tree: Tree, parts: Sequence[str], value: object) -> dict[str, object]:
    """A copy of the tree with this value at these keys; objects on the way are made as needed."""
    head, *rest = parts
    below = tree.get(head)
    return {
        **tree,
        head: with_value(below if is_tree(below) else {}, rest, value) if rest else value,
    }


def deep_merge(below: object, above: object) -> object:
    """Merge as `$include` does: objects key by key, arrays one after the other, else `above`."""
    if is_tree(below) and is_tree(above):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = deep_merge(merged[key], value) if key in merged else value
        return merged
    if is_list(below) and is_list(above):
        return [*below, *above]
    return above
