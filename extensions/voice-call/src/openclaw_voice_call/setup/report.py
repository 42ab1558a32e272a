"""What `setup` says: one line for each point. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Works, or may work; the owner should know."""
    FAIL = "fail"


class Check(NamedTuple):
    """One point. `message` and `remedy` hold no secret and no full account id."""

    id: str
    level: Level
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Check:
    return Check(check, Level.OK, message)


def warn(check: str, message: str, remedy: str | None = None) -> Check:
    return Check(check, Level.WARN, message, remedy)


def fail(check: str, message: str, remedy: str | None = None) -> Check:
    return Check(check, Level.FAIL, message, remedy)


def passed(checks: Iterable[Check]) -> bool:
    return all(check.level is not Level.FAIL for check in checks)


def as_json(checks: Sequence[Check]) -> dict[str, object]:
    """`{ok, checks: [{id, ok, level, message, remedy?}]}`; `ok` is false where something fails."""
    return {"ok": passed(checks), "checks": [_entry(check) for check in checks]}


def _entry(check: Check) -> Mapping[str, object]:
    entry: dict[str, object] = {
        "id": check.id,
        "ok": check.level is not Level.FAIL,
        "level": check.level.value,
        "message": check.message,
    }
    if check.remedy is not None:
        entry["remedy"] = check.remedy
    return entry
