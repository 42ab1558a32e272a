"""The folder of recordings: its files, and how long they are kept. Light: no numpy, no audio.

A file belongs to one process: a call that outlives a restart goes on in a second one, `-2`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from openclaw_voice_call.call.types import CallId

FOLDER_NAME: Final = "recordings"
"""Beside the journal."""
HEADER_BYTES: Final = 44
BYTES_PER_S: Final = 32_000
"""16 bits, two channels, 8000 Hz."""

_NAME: Final = re.compile(r"(?P<call>[^/]+?)(?:-(?P<part>[2-9]|[1-9][0-9]))?\.wav")
"""Our call ids are UUIDs: none ends in a number this short."""
_MOST_PARTS: Final = 99
"""A call is not taken up by more processes."""


class StoredRecording(msgspec.Struct, frozen=True):
    """A file of the folder. `written_at` is epoch seconds of the last write."""

    call_id: CallId
    part: int
    """Counts from 1; more than one when the gateway was restarted during the call."""
    path: Path
    written_at: float
    size: int

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return max(0, self.size - HEADER_BYTES) / BYTES_PER_S


class RecordingFolder:
    """Files `<call id>.wav`, mode 600, in a folder of mode 700. Every method may raise OSError."""

    def __init__(self, journal_folder: Path) -> None:
        self.path = journal_folder / FOLDER_NAME

    def create(self, call_id: CallId) -> tuple[int, str]:
        """A new file for this call, open for writing: its descriptor and its name."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = quote(call_id, safe="")
        for part in range(1, _MOST_PARTS + 1):
            name = f"{stem}.wav" if part == 1 else f"{stem}-{part}.wav"
            try:
                opened = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            return opened, name
        raise FileExistsError(f"{stem} has {_MOST_PARTS} recordings")

    def all(self) -> Sequence[StoredRecording]:
        """Oldest first."""
        return sorted(self._files(), key=lambda each: (each.written_at, each.path.name))

    def of(self, call_id: str) -> Sequence[StoredRecording]:
        """Those of one call, in their order."""
        found = (each for each in self._files() if each.call_id == call_id)
        return sorted(found, key=lambda each: each.part)

    def delete_older(self, than: float) -> int:
        """Delete what was last written before `than` (epoch seconds); gives how many."""
        old = [each for each in self._files() if each.written_at < than]
        for each in old:
            each.path.unlink(missing_ok=True)
        return len(old)

    def _files(self) -> Iterator[StoredRecording]:
        if not self.path.is_dir():
            return
        for entry in os.scandir(self.path):
            named = _NAME.fullmatch(entry.name)
            if named is None or not entry.is_file(follow_symlinks=False):
                continue
            found = entry.stat(follow_symlinks=False)
            yield StoredRecording(
                CallId(unquote(named["call"])),
                int(named["part"] or 1),
                Path(entry.path),
                found.st_mtime,
                found.st_size,
            )
