"""A line of the log file as people and as scripts read it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from openclaw.config.tree import Tree, is_tree, subtree


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event of the log."""

    time: str
    level: str
    subsystem: str
    message: str
    fields: Tree

    def readable(self) -> str:
        """`<time> <level> [<subsystem>] <message> key=value ...`."""
        fields = "".join(f" {key}={_shown(value)}" for key, value in self.fields.items())
        return f"{self.time} {self.level:<5} [{self.subsystem}] {self.message}{fields}"

    def as_json(self) -> dict[str, object]:
        """The form of `logs --json`."""
        return {
            "type": "log",
            "time": self.time,
            "level": self.level.lower(),
            "subsystem": self.subsystem,
            "message": self.message,
            "fields": dict(self.fields),
        }


def parse_line(text: str) -> LogLine | None:
    """Read a line of our log or the original's; None for one that is neither."""
    line = _object(text)
    if line is None or "_meta" not in line:
        return None
    meta = subtree(line, "_meta")
    name = _object(str(meta.get("name"))) or {}
    parts = [line[key] for key in sorted(line, key=_position) if _position(key) >= 0]
    # The original puts the subsystem before the text, as JSON of its own.
    texts = [each for each in parts if isinstance(each, str) and not _is_subsystem(each)]
    fields = [each for each in parts if is_tree(each)]
    return LogLine(
        time=str(line.get("time") or meta.get("date") or ""),
        level=str(meta.get("logLevelName") or "INFO"),
        subsystem=str(name.get("subsystem") or "openclaw"),
        message=" ".join(texts),
        fields=fields[0] if fields else {},
    )


def _object(text: str) -> Tree | None:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if is_tree(parsed) else None


def _is_subsystem(text: str) -> bool:
    parsed = _object(text) if text.startswith("{") else None
    return parsed is not None and "subsystem" in parsed


def _position(key: str) -> int:
    return int(key) if key.isascii() and key.isdecimal() and len(key) < 4 else -1


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
