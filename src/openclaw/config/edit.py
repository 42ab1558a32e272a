"""Changing one value in a JSON5 text and nothing else: comments and references stay. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from openclaw.config.json5 import parse
from openclaw.config.tree import Part, format_path

_SPACE = re.compile(r"(?:\s|\ufeff|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_BARE = re.compile(r"[^\s,:{}\[\]\"'/]+")
_REST_OF_LINE = re.compile(r"[ \t]*(?://[^\n]*|/\*[^\n]*?\*/[ \t]*(?=\n))?")
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class CannotEdit(ValueError):
    """The value cannot be changed in place. The message names the path."""


@dataclass(slots=True)
class _Node:
    start: int
    end: int = 0
    members: "dict[str, _Member]" = field(default_factory=dict[str, "_Member"])
    items: "list[_Node]" = field(default_factory=list["_Node"])


@dataclass(slots=True)
class _Member:
    start: int
    value: _Node
    comma: int | None = None
    """Where the comma behind it is."""


def set_value(text: str, parts: Sequence[Part], value: object) -> str:
    """The text with `value` at this path; objects on the way are made as needed.

    `text` is a JSON5 object. Raises CannotEdit when something else stands on the way.
    """
    node = _Scanner(text).root()
    for depth, part in enumerate(parts):
        found = _child(node, part)
        if found is None:
            if not isinstance(part, str) or text[node.start] != "{":
                where = format_path(parts[:depth]) if depth else "<root>"
                raise CannotEdit(f"{where} has no {format_path([part])} that could be set")
            for below in reversed(parts[depth + 1 :]):
                if not isinstance(below, str):
                    raise CannotEdit(f"{format_path(parts)} is in an array that does not exist")
                value = {below: value}
            return _insert(text, node, part, value)
        node = found
    return text[: node.start] + _written(text, node.start, value) + text[node.end :]


def unset_value(text: str, parts: Sequence[Part]) -> str | None:
    """The text without the key at this path, None when it is not there."""
    node = _Scanner(text).root()
    for part in parts[:-1]:
        found = _child(node, part)
        if found is None:
            return None
        node = found
    last = parts[-1] if parts else None
    if not isinstance(last, str):
        raise CannotEdit(f"{format_path(parts)} is not a key of an object")
    member = node.members.get(last)
    if member is None:
        return None
    start, end = member.start, member.value.end
    before = [each for each in node.members.values() if each.start < start]
    if member.comma is not None:
        end = member.comma + 1
    elif before and before[-1].comma is not None:
        comma = before[-1].comma
        text = text[:comma] + " " + text[comma + 1 :]
    return _cut(text, start, end)


def _child(node: _Node, part: Part) -> _Node | None:
    if isinstance(part, int):
        return node.items[part] if part < len(node.items) else None
    member = node.members.get(part)
    return member.value if member else None


def _insert(text: str, node: _Node, key: str, value: object) -> str:
    name = _key(text, node, key)
    if not node.members:
        close = node.end - 1
        return f"{text[:close]} {name}: {_written(text, node.start, value)} {text[close:]}"
    last = list(node.members.values())[-1]
    entry = f"{name}: {_written(text, last.start, value)}"
    if "\n" not in text[node.start : last.start]:
        return f"{text[: last.value.end]}, {entry}{text[last.value.end :]}"
    # A comment behind the last value belongs to its line, so the new line goes below it.
    behind = last.value.end if last.comma is None else last.comma + 1
    rest = _REST_OF_LINE.match(text, behind)
    tail = rest.end() if rest else behind
    kept = text[last.value.end : tail] if last.comma is not None else "," + text[behind:tail]
    closing = "," if last.comma is not None else ""
    line = f"\n{_indent(text, last.start)}{entry}{closing}"
    return text[: last.value.end] + kept + line + text[tail:]


def _key(text: str, node: _Node, key: str) -> str:
    quoted = any(text[each.start] in "\"'" for each in node.members.values()) or _is_json(text)
    return key if _IDENTIFIER.fullmatch(key) and not quoted else json.dumps(key)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _written(text: str, at: int, value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n" + _indent(text, at))


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _cut(text: str, start: int, end: int) -> str:
    line_start = text.rfind("\n", 0, start) + 1
    rest = _REST_OF_LINE.match(text, end)
    line_end = rest.end() if rest else end
    alone = not text[line_start:start].strip() and text[line_end : line_end + 1] == "\n"
    if alone and line_start:
        return text[:line_start] + text[line_end + 1 :]
    return text[:start] + text[end:].removeprefix(" ")


class _Scanner:
    """Finds where the values of a valid JSON5 text begin and end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def root(self) -> _Node:
        return self._value()

    def _skip(self) -> str:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _value(self) -> _Node:
        opening = self._skip()
        node = _Node(self._at)
        if opening in ("{", "["):
            self._at += 1
            while self._skip() not in ("}", "]", ""):
                self._entry(node, opening)
            self._at += 1
        else:
            self._token()
        node.end = self._at
        return node

    def _entry(self, node: _Node, opening: str) -> None:
        start = self._at
        if opening == "[":
            node.items.append(self._value())
            if self._skip() == ",":
                self._at += 1
            return
        key = parse(f"{{{self._token()}: 0}}")
        self._skip()
        self._at += 1  # the colon
        member = _Member(start, self._value())
        if self._skip() == ",":
            member.comma = self._at
            self._at += 1
        if isinstance(key, dict):
            name = str(next(iter(key)))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            # The last of equal keys is the one that counts.
            node.members.pop(name, None)
            node.members[name] = member

    def _token(self) -> str:
        start = self._at
        match = _STRING.match(self._text, start) or _BARE.match(self._text, start)
        if match is None:
            raise CannotEdit(f"cannot find the value at character {start + 1}")
        self._at = match.end()
        return match[0]
