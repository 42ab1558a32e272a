"""Secrets that betray whoever writes them down.

Tests take their tokens and keys from `secret`. Each begins with one mark that stands nowhere else,
so that after a test all that it left behind can be searched: what was captured of its output, and
every file below its scratch folders, logs and journals included (F81). `tests/conftest.py` does so.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MARK: Final = "zKanary7Mark"
OWNERS_FILES: Final = ("openclaw.json*", "*.json5", "auth-profiles.json")
"""Where the owner writes secrets; the program may keep a copy of such a file beside it."""
GENERATED: Final = "gateway-token"
"""A file with a secret that the program made. It may stand in no other file of that folder; what
the program prints, which tests keep elsewhere, tells it once to the owner."""
BLOCK: Final = 1 << 20
MOST_BYTES: Final = 256 << 20
"""More than any test may write; a folder with more is told as a finding."""


def secret(kind: str) -> str:
    """A token or key of its own, such as nobody has; `kind` tells in a finding what it was for."""
    return f"{MARK}-{kind}-{secrets.token_hex(8)}"


def _forms(text: str) -> Iterator[bytes]:
    """How the text may look inside other data: plain, in hexadecimal, in base64 at any offset."""
    plain = text.encode()
    yield plain
    yield plain.hex().encode()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + plain)
        yield coded[4 if before else 0 : 4 * ((before + len(plain)) // 3)]


def _pattern(texts: Iterable[str]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(re.escape(form) for text in texts for form in _forms(text)))


_MARKED: Final = _pattern([MARK])


def in_text(text: str) -> str | None:
    """What a secret stands next to in this text; None when there is none."""
    data = text.encode("utf-8", "replace")
    found = _MARKED.search(data)
    return None if found is None else _shown(data, found)


def in_folder(folder: Path) -> list[str]:
    """The files below `folder` that hold a secret and are not the owner's, each with the place."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    made = {path.parent: path.read_text("utf-8").strip() for path in files if _is_generated(path)}
    findings: list[str] = []
    left = MOST_BYTES
    for path in files:
        if _is_generated(path) or any(path.match(name) for name in OWNERS_FILES):
            continue
        left -= path.stat().st_size
        if left < 0:
            return [*findings, f"{folder}: more than {MOST_BYTES} bytes, not searched"]
        tokens = [made[parent] for parent in path.parents if made.get(parent)]
        place = _in_file(path, _pattern([MARK, *tokens]) if tokens else _MARKED)
        if place is not None:
            findings.append(f"{path.relative_to(folder)}: {place}")
    return findings


def _is_generated(path: Path) -> bool:
    return path.name == GENERATED


def _in_file(path: Path, pattern: re.Pattern[bytes]) -> str | None:
    """Read in blocks that overlap, so that nothing hides on a border."""
    before = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            data = before + block
            found = pattern.search(data)
            if found is not None:
                return _shown(data, found)
            before = data[-512:]
    return None


def _shown(data: bytes, found: re.Match[bytes]) -> str:
    around = data[max(0, found.start() - 60) : found.end() + 40]
    return around.decode("utf-8", "backslashreplace")
