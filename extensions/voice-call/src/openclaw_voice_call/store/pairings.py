"""The pairing book's file: small and readable, replaced as a whole, never half written."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

import msgspec

from openclaw_voice_call.call.pairing import PairingBook
from openclaw_voice_call.errors import JournalRefused, JournalUnreadable

FILE_NAME: Final = "pairings.json"


class PairingFile:
    """`<folder>/pairings.json`, mode 600. One gateway writes it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._writing = asyncio.Lock()

    def read(self) -> PairingBook:
        """Raises JournalUnreadable when the file is there and cannot be understood."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=PairingBook)
        except FileNotFoundError:
            return PairingBook()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise JournalUnreadable(f"{self._path}: {error}") from error

    async def write(self, book: PairingBook) -> None:
        """Raises JournalRefused; then the file is as it was."""
        async with self._writing:
            await asyncio.to_thread(self._replace, msgspec.json.encode(book))

    def _replace(self, content: bytes) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(fresh, "wb", opener=_private) as file:
                file.write(msgspec.json.format(content, indent=2))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise JournalRefused(str(error)) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_TRUNC, 0o600)
