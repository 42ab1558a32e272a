"""Random changes to valid examples. All chance comes from the generator that is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, cast

LONGEST: Final = 64 * 1024
"""No input is longer: the doors before the parsers see to that."""

TOKENS: Final = tuple(
    text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for text in (
        *("", " ", "\0", "\r\n", "%", "%00", "%ff", "%u0000", "+", "&", "&=&", "=", "?", "#", ";"),
        *(",", "[", "]", "{", "}", "[" * 2000, '{"a":' * 500, "(", '"', "'", "\\", "\\u0000"),
        *("\\ud800", "\ud800", "\u202e", "\ufeff", "\U0001f600", "\u0661\u0662", "\u00b2"),
        *("0", "-0", "-1", "1e400", "NaN", "Infinity", "-Infinity", "9" * 400, "0x10", "1_000"),
        *("18446744073709551616", "null", "true", "false", "[]", "{}", '""', "None"),
        *("[::1", "::ffff:1.2.3.4", "[fe80::1%25eth0]", ":99999", "@", "http://", "//", "../"),
        *("${HOME}", "$${X}", "$include", "__proto__", "+15550001234", "anonymous"),
        *(b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1f\x8b"),
    )
)
_NESTED: Final = cast(
    "list[object]",
    json.loads('[[], {}, [[]], [null, null, null], {"": null}, {"a": {"a": {"a": {}}}}]'),
)
VALUES: Final[Sequence[object]] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 10**400, -(10**18), 0.5, -0.0, 1e308, ""),
    *("x", "\0", "0", "\u0661", "\ud800", "a" * 5000, "+15550001234", "https://["),
    *_NESTED,
)
"""What may stand where something else was expected."""


def mutated(example: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """A neighbour of `example`; now and then far away."""
    data = example
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        data = rng.choice(_CHANGES)(data, others, rng)[:LONGEST]
    return data


def _flip(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _overwrite(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    token = rng.choice(TOKENS)
    at = rng.randint(0, len(data))
    return data[:at] + token + data[at + len(token) :]


def _noise(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 16)) + data[at:]


def _cut(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    begin, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:begin] + data[end:]


def _truncate(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _double(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    begin, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:end] + data[begin:end] * rng.choice((1, 2, 50)) + data[end:]


def _cross(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    other = rng.choice(others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _value(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    """Change something inside the JSON that the data is, or ends with after a blank line."""
    head, blank, body = data.rpartition(b"\r\n\r\n")
    try:
        tree: object = json.loads(body)
    except (ValueError, RecursionError):
        return _overwrite(data, _, rng)
    changed = _changed(tree, rng)
    try:
        text = json.dumps(changed, ensure_ascii=rng.random() < 0.5)
    except (ValueError, RecursionError):
        return data
    return head + blank + text.encode("utf-8", "surrogatepass")


def _changed(tree: object, rng: Random) -> object:
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        return _changed_object(cast("dict[str, object]", tree), rng)
    if isinstance(tree, list) and tree and rng.random() < 0.85:
        items = list(cast("list[object]", tree))
        at = rng.randrange(len(items))
        items[at : at + 1] = rng.choice(([], [items[at]] * 3, [_changed(items[at], rng)]))
        return items
    return rng.choice(VALUES)


def _changed_object(tree: dict[str, object], rng: Random) -> dict[str, object]:
    changed = dict(tree)
    key = rng.choice(list(changed))
    match rng.randrange(6):
        case 0:
            del changed[key]
        case 1:
            changed[rng.choice(("", "x", "\0", key.upper(), key + "s"))] = changed.pop(key)
        case 2:
            changed[key] = rng.choice(list(changed.values()))
        case _:
            changed[key] = _changed(changed[key], rng)
    return changed


_Change = Callable[[bytes, Sequence[bytes], Random], bytes]
_CHANGES: Final[Sequence[_Change]] = (
    *(_flip, _insert, _insert, _overwrite, _noise, _cut, _truncate, _double, _cross),
    *(_value, _value, _value, _value),
)
