"""What a program prints, as lines that are bounded and hold no secret. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_LINE_CHARS: Final = 2000
REDACTED: Final = "[redacted]"


class LineSplitter:
    """Bytes in any chunks to lines; what is longer than `MAX_LINE_CHARS` bytes loses its end."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are complete now, without their ends."""
        *complete, rest = chunk.split(b"\n")
        lines: list[str] = []
        for part in complete:
            self._add(part)
            lines.append(self._take())
        self._add(rest)
        return lines

    def flush(self) -> list[str]:
        """The line that the end of the output has cut, if there is one."""
        return [self._take()] if self._rest else []

    def _add(self, part: bytes) -> None:
        self._rest += part[: MAX_LINE_CHARS - len(self._rest)]

    def _take(self) -> str:
        line = self._rest.decode("utf-8", "replace").rstrip("\r")
        self._rest.clear()
        return line


class Redaction:
    """Replaces secrets in text. Its repr shows none."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = tuple(sorted(filter(None, secrets), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text
