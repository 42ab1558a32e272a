"""Reading the end of a growing log file, cursor by cursor. Blocking: run it in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Whole lines up to the byte offset `cursor`, in a file of `size` bytes.

    `truncated`: lines between the asked cursor (or the start) and these are left out.
    `reset`: the file is shorter than the asked cursor, so it was read anew from its end.
    """

    cursor: int
    size: int
    lines: list[str]
    truncated: bool
    reset: bool


def read_log(path: Path, cursor: int | None, limit: int, max_bytes: int) -> LogSlice:
    """The last `limit` lines after `cursor`, at most `max_bytes` of them. A missing file is empty.

    A line that is still being written is left for the next read. Raises OSError.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return LogSlice(0, 0, [], truncated=False, reset=bool(cursor))
    with file:
        size = file.seek(0, 2)
        reset = cursor is not None and cursor > size
        wanted = 0 if cursor is None or reset else cursor
        start = max(wanted, size - max_bytes)
        # One byte earlier tells whether `start` is the beginning of a line.
        file.seek(max(0, start - 1))
        data = file.read(size - file.tell())
    if start > 0:
        before, data = data[:1], data[1:]
        if before != b"\n":
            _, _, data = data.partition(b"\n")
    whole, newline, rest = data.rpartition(b"\n")
    lines = whole.decode(errors="replace").split("\n") if newline else []
    kept = lines[-limit:] if limit else []
    return LogSlice(
        cursor=size - len(rest if newline else data),
        size=size,
        lines=[line.removesuffix("\r") for line in kept],
        truncated=start > wanted or len(kept) < len(lines),
        reset=reset,
    )
