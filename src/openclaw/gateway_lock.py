"""One gateway per configuration: a locked file in the state folder that says who it is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from openclaw.errors import GatewayRunning


class LockFacts(msgspec.Struct, frozen=True, rename="camel"):
    """What the lock file says of the gateway that holds it."""

    pid: int
    created_at: str
    config_path: str
    url: str | None = None


class GatewayLock:
    """Held while a gateway runs, also across a crash of an earlier one.

    The kernel's lock counts, not the file: it ends with its process, so that no stale file blocks a
    start. The file itself stays, emptied; removing it would race with a gateway that starts.
    """

    def __init__(self, state_dir: Path, config_path: Path) -> None:
        """Prepare the lock of this configuration; nothing is touched yet."""
        self._config_path = config_path
        self.path = lock_path(state_dir, config_path)
        self._file: IO[str] | None = None

    def __enter__(self) -> GatewayLock:
        """Take the lock.

        Raises:
            GatewayRunning: Another gateway has it.
            OSError: The state folder cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(handle, "r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            facts = _facts(file.read())
            file.close()
            raise GatewayRunning(facts.pid if facts else None, facts and facts.url) from None
        self._file = file
        self.announce(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the lock."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def announce(self, url: str | None) -> None:
        """Write down who holds the lock and, once it listens, where."""
        assert self._file is not None, "the lock is held"
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        facts = LockFacts(os.getpid(), created, str(self._config_path), url)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(msgspec.json.encode(facts).decode())
        self._file.flush()


def lock_path(state_dir: Path, config_path: Path) -> Path:
    """The lock file of a configuration."""
    name = hashlib.sha256(str(config_path.absolute()).encode()).hexdigest()[:8]
    return state_dir / f"gateway.{name}.lock"


def holder(state_dir: Path, config_path: Path) -> LockFacts | None:
    """The gateway that runs with this configuration, None if there is none.

    Taking the lock to find out would make a gateway that starts at this moment give up.
    """
    try:
        facts = _facts(lock_path(state_dir, config_path).read_text(encoding="utf-8"))
        if facts is not None:
            os.kill(facts.pid, 0)
    except OSError:
        return None
    return facts


def _facts(text: str) -> LockFacts | None:
    """What a lock file says; None for one that is being written."""
    try:
        return msgspec.json.decode(text, type=LockFacts)
    except msgspec.DecodeError:
        return None
