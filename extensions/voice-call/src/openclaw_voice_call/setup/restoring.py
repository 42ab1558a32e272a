"""The values that a number had before: kept in a file, so that they can be written back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from openclaw_voice_call.errors import InvalidRequest, JournalRefused
from openclaw_voice_call.interfaces.carrier_setup import Routing

FOLDER_NAME: Final = "routing"
COMMAND: Final = "openclaw voicecall setup --restore"


class SavedRouting(msgspec.Struct, frozen=True):
    """`saved_at` is epoch seconds."""

    carrier: str
    saved_at: float
    routing: Routing


class RestoreFiles:
    """One file for each change, mode 600, in `<journal folder>/routing`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER_NAME

    def save(self, saved: SavedRouting) -> str:
        """The name of the new file. Raises JournalRefused."""
        stamp = datetime.fromtimestamp(saved.saved_at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = self._folder / f"{saved.carrier}-{stamp}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(path, "xb", opener=_private) as file:
                file.write(msgspec.json.format(msgspec.json.encode(saved), indent=2))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise JournalRefused(str(error)) from error
        return path.name

    def load(self, name: str) -> SavedRouting:
        """A file of this folder by its name or path. Raises InvalidRequest."""
        # Only the name counts, so that no request can read another file.
        path = self._folder / Path(name).name
        try:
            return msgspec.json.decode(path.read_bytes(), type=SavedRouting)
        except (OSError, msgspec.DecodeError) as error:
            problem = InvalidRequest(f"no saved routing can be read from {path}")
            problem.remedy = f"See which there are in {self._folder}"
            raise problem from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
