"""Lines of markdown: what of them is words, and where one ends like a sentence. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_RULE_MARKS: Final = "|:-*_="
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+")
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.*)$")
_BULLET = re.compile(r"^[ \t]*[-*+\u2022\u25aa\u25e6\u2023][ \t]+(?:\[[ xX]\][ \t]+)?")
_NUMBER = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]+")
_UNSURE = re.compile(
    r"[\s|:\-*_=>#+\u2022\u25aa\u25e6\u2023\d.)`~]*\Z"  # it may become any kind of line
    r"|[ \t]{0,3}#{1,6}[ \t]|.*\|"  # only the end of a heading or a row shows its words
)


def words_of_lines(text: str) -> str:
    """The lines without the marks of headings, lists, quotes and tables; blocks end like
    sentences."""
    lines = text.split("\n")
    items, _ = _numbered(lines)
    spoken: list[str] = []
    ended = False
    for index, line in enumerate(lines):
        words, is_block = _line(line, numbered=index in items)
        if not words:
            ended = True
            continue
        if spoken and (ended or is_block):
            spoken[-1] = _stopped(spoken[-1])
        spoken.append(words)
        ended = is_block
    return "\n".join(spoken) + ("\n" if spoken and not lines[-1].strip() else "")


def certain_lines(text: str) -> int:
    """How many characters of an unfinished text are lines whose kind is known."""
    begin = text.rfind("\n") + 1
    certain = begin if _UNSURE.match(text[begin:]) else len(text)
    lines = text[:certain].split("\n")
    _, undecided = _numbered(lines)
    if undecided is not None:
        return sum(len(line) + 1 for line in lines[:undecided])
    return certain


def _numbered(lines: Sequence[str]) -> tuple[frozenset[int], int | None]:
    """Which lines are items of numbered lists, and the line for which the next one tells that.

    A line may begin with an ordinal ("3. Oktober"): only where one is followed by another number,
    perhaps after indented lines of its own, they are a list.
    """
    items: set[int] = set()
    waiting: int | None = None
    for index, line in _unindented(lines):
        number = _NUMBER.match(_QUOTE.sub("", line)) is not None
        if number and (items or waiting is not None):
            items.add(index)
            if waiting is not None:
                items.add(waiting)
        waiting = index if number and not items else None
    return frozenset(items), waiting


def _unindented(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    for index, line in enumerate(lines):
        if line.strip() and not (line[0] in " \t" and not _NUMBER.match(line)):
            yield index, line


def _line(line: str, *, numbered: bool) -> tuple[str, bool]:
    """The words of a line, and whether it is a block of its own."""
    marks = "".join(line.split())
    if len(marks) > 1 and not marks.strip(_RULE_MARKS):
        return "", True
    line = _QUOTE.sub("", line)
    if line.lstrip().startswith("|") or line.count("|") > 1:
        cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        return ", ".join(cell for cell in cells if cell), True
    heading = _HEADING.match(line)
    if heading:
        words = heading[1].rstrip()
        bare = words.rstrip("#")
        return (bare.rstrip() if bare.endswith((" ", "\t")) else words), True
    bare = _BULLET.sub("", line)
    if numbered:
        bare = _NUMBER.sub("", bare)
    return bare.lstrip(), bare != line


def _stopped(line: str) -> str:
    """With a full stop, where a block ends without punctuation."""
    line = line.rstrip()
    end = line.rstrip("*_~`\"'”’») ")  # noqa: RUF001
    return line if not end or end[-1] in ".,;:!?…。！？" else f"{line}."  # noqa: RUF001
