"""Calls and facts as lines for people. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast

_NUMBER: Final = re.compile(r"\+?\d(?:[ ().-]{0,2}\d){6,14}")
"""Seven digits or more, also the way people write them."""
_NAMES: Final = frozenset({"callId", "providerCallId", "processedEventIds", "operationId"})
"""Ids are long numbers now and then; without them nothing can be found."""
_SHOWN_DIGITS: Final = 4
_HEAD: Final = ("CALL", "DIRECTION", "STATE", "FROM", "TO", "STARTED", "SECONDS")


def masked_text(text: str) -> str:
    """Every phone number but for its last digits."""
    return _NUMBER.sub(lambda found: f"***{found[0][-_SHOWN_DIGITS:]}", text)


def masked(record: Mapping[str, object]) -> dict[str, object]:
    """A call's JSON without phone numbers, wherever they stand in it."""
    return {name: value if name in _NAMES else _masked(value) for name, value in record.items()}


def masked_json(line: str) -> str:
    """A line of JSON without phone numbers; what is no JSON object is masked as text."""
    try:
        record: object = json.loads(line)
    except ValueError:
        return masked_text(line)
    if not isinstance(record, dict):
        return masked_text(line)
    return json.dumps(masked(cast("dict[str, object]", record)), ensure_ascii=False)


def _masked(value: object) -> object:
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, dict):
        return masked(cast("dict[str, object]", value))
    if isinstance(value, list):
        return [_masked(item) for item in cast("list[object]", value)]
    return value


def one_line(text: object) -> str:
    """A text that cannot break out of its line or steer the terminal (F109)."""
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "?" for char in str(text)
    )


def local_time(ms: float, form: str = "%H:%M:%S") -> str:
    """Epoch ms in the time zone of this machine."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime(form)


def transcript_line(entry: Mapping[str, object]) -> str:
    """One thing that was said, and by whom."""
    who = "them" if entry.get("speaker") == "user" else "us"
    return f"{who}: {one_line(entry.get('text'))}"


def table(calls: object, *, now_ms: int) -> Iterator[str]:
    """The calls as aligned lines, heading first."""
    listed = cast("list[dict[str, object]]", calls if isinstance(calls, list) else [])
    if not listed:
        yield "No calls."
        return
    yield from aligned([_HEAD, *(_row(call, now_ms) for call in listed)])


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of equally many cells as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _row(call: Mapping[str, object], now_ms: int) -> tuple[str, ...]:
    started, answered = call.get("startedAt"), call.get("answeredAt")
    ended = call.get("endedAt", now_ms)
    begun = local_time(started, "%Y-%m-%d %H:%M:%S") if isinstance(started, int | float) else "-"
    talked = "-"
    if isinstance(answered, int | float) and isinstance(ended, int | float):
        talked = str(max(0, round((ended - answered) / 1000)))
    named = (call.get(name) or "-" for name in ("callId", "direction", "state", "from", "to"))
    return (*(one_line(value) for value in named), begun, talked)
