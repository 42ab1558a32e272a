"""The key that proves stream URLs to be ours. It is kept beside the journal, so that a restart, or
another process of this gateway, knows what the last one has handed out."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from openclaw_voice_call.errors import JournalUnreadable

FILE_NAME: Final = "stream.key"
KEY_BYTES: Final = 32


def stream_key(folder: Path) -> bytes:
    """The key of `folder`, made when it is not there. Raises JournalUnreadable."""
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # Whoever comes second reads what the first has written.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
        else:
            key = secrets.token_bytes(KEY_BYTES)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise JournalUnreadable(f"{path}: {error.strerror}") from error
    if len(key) < KEY_BYTES:
        raise JournalUnreadable(f"{path} is cut short; delete it, and a new one is made")
    return key
