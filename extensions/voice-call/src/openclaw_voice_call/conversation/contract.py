"""Finds what is meant to be spoken in an answer that is, or contains, JSON. Pure.

Agents may be told to answer with objects like `{"spoken": "..."}`. Models put those in fences, send
several, add prose around them, or stop in the middle.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

CONTRACT_KEY: Final = "spoken"
LIKELY_KEYS: Final = ("text", "message", "reply", "response", "answer", "content", "speech", "say")
"""Where an object without the contract's key may have its words, the likeliest first."""

_OBJECT_START = re.compile(r'\{\s*(?:"|\})')
_PAIR: Final = r'"%s"\s*:\s*"((?:[^"\\]|\\.)*)("?)'
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}]', re.DOTALL)
_CUT_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Contract:
    """An answer taken apart."""

    prose: str
    """The answer with each object replaced by a space."""
    spoken: str | None
    """What the contract's fields say, a line each; None when there is no such field."""
    likely: str
    """The likeliest words in objects without that field, else empty."""


def take_apart(answer: str, *, whole: bool = True, depth: int = 0) -> Contract:
    """Separate the objects in an answer from its prose. Never raises.

    Of an answer that is not `whole` yet, the last field may end within a word; one that is
    complete ends with a line break.
    """
    prose: list[str] = []
    spoken: list[str] = []
    likely: list[str] = []
    position = 0
    while match := _OBJECT_START.search(answer, position):
        start = match.start()
        prose.append(answer[position:start])
        try:
            value, end = _DECODER.raw_decode(answer, start)
            said = [f"{text}\n" for text in _contract_strings(value)]
            maybe = list(_likely_strings(value))
        except (ValueError, RecursionError):
            position = _end_of_broken(answer, start)
            broken = answer[start:position]
            spoken += _broken_strings(broken, CONTRACT_KEY)
            likely += (text for key in LIKELY_KEYS for text in _broken_strings(broken, key))
            continue
        position = end
        spoken += said
        likely += maybe
    prose.append(answer[position:])
    words = [_unwrapped(text, whole=whole, depth=depth) for text in spoken]
    if not whole and any(earlier.startswith(words[-1]) for earlier in words[:-1]):
        # Perhaps the same once more, which is said once.
        words.pop()
    said_once = "".join(dict.fromkeys(words))
    return Contract(" ".join(prose), said_once if spoken else None, likely[0] if likely else "")


def _unwrapped(text: str, *, whole: bool, depth: int) -> str:
    """The words of a field whose text is JSON again."""
    if depth >= _DEEPEST or not _OBJECT_START.match(text.strip()):
        return text
    inner = take_apart(text, whole=whole, depth=depth + 1)
    if inner.spoken is not None:
        return inner.spoken
    return f"{inner.likely}\n" if whole else ""


def _contract_strings(value: object) -> Iterator[str]:
    """The texts of all contract fields of a value, in order, however deep."""
    if _is_object(value):
        for key, item in value.items():
            if key != CONTRACT_KEY:
                yield from _contract_strings(item)
            elif isinstance(item, str):
                yield item
            else:
                yield " ".join(_strings(item))
    elif _is_array(value):
        for item in value:
            yield from _contract_strings(item)


def _likely_strings(value: object) -> Iterator[str]:
    """Texts that are probably meant for people, the likeliest first."""
    if _is_object(value):
        for key in LIKELY_KEYS:
            item = value.get(key)
            if isinstance(item, str) and item.strip():
                yield item
    # A single word is rather a name or a code than something to say.
    yield from sorted(
        (text for text in _strings(value) if " " in text.strip()), key=len, reverse=True
    )


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif _is_object(value):
        for item in value.values():
            yield from _strings(item)
    elif _is_array(value):
        for item in value:
            yield from _strings(item)


def _end_of_broken(answer: str, start: int) -> int:
    """Where an object that is no JSON ends: at its closing brace, or with the answer."""
    open_braces = 0
    for token in _TOKEN.finditer(answer, start):
        open_braces += {"{": 1, "}": -1}.get(token[0], 0)
        if open_braces == 0:
            return token.end()
    return len(answer)


def _broken_strings(text: str, key: str) -> Iterator[str]:
    for match in re.finditer(_PAIR % key, text, re.DOTALL):
        raw = _CUT_ESCAPE.sub(r"\1", match[1])
        try:
            value: object = json.loads(f'"{raw}"', strict=False)
        except ValueError:
            value = raw.replace("\\", "")
        if isinstance(value, str):
            yield f"{value}\n" if match[2] else value


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list)


_DECODER: Final = json.JSONDecoder(strict=False)
