"""What was said in each session, kept on disk.

A session is one file of JSON lines, `<state_dir>/agents/<agent>/sessions/<session key>.jsonl`, one
message per line. A message is identified by its turn and role: writing it again appends a line that
takes the place of the earlier one, so a file is only ever appended to and a crash can at most leave
a torn last line, which reading skips.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from openclaw.agent.interface import Role
from openclaw.errors import HistoryUnavailable

log = logging.getLogger(__name__)

DEFAULT_AGENT = "main"
KEEP_TURNS = 30
TAIL_BYTES = 256 * 1024
MAX_NAME = 120
IO_TIMEOUT_S = 10.0

_T = TypeVar("_T")


class Message(msgspec.Struct, frozen=True):
    """One thing said: in which turn, by whom, and when (seconds since 1970)."""

    turn: str
    role: Role
    text: str
    at: float


def owner(session_key: str) -> str:
    """Give the agent that a session belongs to: `x` for `agent:x:...`, else the main agent."""
    found = re.match(r"agent:([^:]+):", session_key)
    return found[1] if found else DEFAULT_AGENT


def safe_name(text: str) -> str:
    """Turn any text into a file name: different texts never share one, on any file system.

    Only lower-case letters, digits, `-` and `_` stand for themselves, because some file systems
    take `A` for `a`, and `.` would allow `..`. A long text ends in its hash.
    """
    raw = text.encode("utf-8", "surrogatepass")
    name = "".join(
        chr(byte) if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789-_" else f"%{byte:02X}"
        for byte in raw
    )
    if 0 < len(name) <= MAX_NAME:
        return name
    # "~" stands in no short name, so a short and a long one cannot meet.
    return f"{name[:40]}~{hashlib.sha256(raw).hexdigest()}"


def fold(lines: Sequence[bytes], keep_turns: int) -> tuple[Message, ...]:
    """Read messages, oldest first: the last word of each turn and role, the newest turns only."""
    messages: dict[tuple[str, Role], Message] = {}
    for line in lines:
        if not line.strip():
            continue
        try:
            message = msgspec.json.decode(line, type=Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("unreadable line in a session file skipped", extra={"bytes": len(line)})
            continue
        messages[message.turn, message.role] = message
    turns = list(dict.fromkeys(turn for turn, _ in messages))
    kept = set(turns[-keep_turns:])
    return tuple(m for m in messages.values() if m.turn in kept and m.text)


class SessionStore:
    """Reads and appends session files on a thread of its own, in the order asked for."""

    def __init__(
        self, state_dir: Path, *, keep_turns: int = KEEP_TURNS, tail_bytes: int = TAIL_BYTES
    ) -> None:
        self._root = state_dir / "agents"
        self._keep_turns = keep_turns
        self._tail_bytes = tail_bytes
        self._closed = False
        # One thread: what is read after a write sees it, and no two writes meet in a file.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agent-sessions")

    def path(self, session_key: str) -> Path:
        """Give the file of a session, whether or not it exists."""
        folder = self._root / safe_name(owner(session_key)) / "sessions"
        return folder / f"{safe_name(session_key)}.jsonl"

    async def history(self, session_key: str) -> tuple[Message, ...]:
        """Give the newest turns of a session, oldest first.

        Raises:
            HistoryUnavailable: The file cannot be read.
        """
        path = self.path(session_key)
        return await self._run(path, lambda: self._read(path))

    async def record(self, session_key: str, messages: Sequence[Message]) -> None:
        """Write messages durably; those already there with the same text are not written again.

        Raises:
            HistoryUnavailable: They cannot be written.
        """
        clean = [msgspec.structs.replace(m, text=_storable(m.text)) for m in messages]
        path = self.path(session_key)
        await self._run(path, lambda: self._append(path, clean))

    async def close(self) -> None:
        """Finish what was asked for; afterwards nothing can be read or written."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self, path: Path, work: Callable[[], _T]) -> _T:
        # The file's name may hold a phone number, so errors name the folder only.
        folder = str(path.parent)
        if self._closed:
            raise HistoryUnavailable(folder, "the gateway is stopping")
        try:
            async with asyncio.timeout(IO_TIMEOUT_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise HistoryUnavailable(folder, f"no answer within {IO_TIMEOUT_S:g} s") from None
        except OSError as exc:
            raise HistoryUnavailable(folder, exc.strerror or "input/output error") from None

    def _read(self, path: Path) -> tuple[Message, ...]:
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(0, size - self._tail_bytes)
                file.seek(start)
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return ()
        # Reading that begins in the middle of the file begins, most likely, inside a line.
        return fold(lines[1:] if start else lines, self._keep_turns)

    def _append(self, path: Path, messages: Sequence[Message]) -> None:
        known = {(m.turn, m.role): m.text for m in self._read(path)}
        # Nothing said and nothing to take back needs no line.
        new = [m for m in messages if known.get((m.turn, m.role), "") != m.text]
        if not new:
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = b"".join(msgspec.json.encode(m) + b"\n" for m in new)
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", 0) as file:
            if torn(file.seek(0, os.SEEK_END), file.fileno()):
                data = b"\n" + data
            file.write(data)
            os.fsync(file.fileno())


def torn(size: int, fd: int) -> bool:
    """Tell whether a file of that size ends in the middle of a line."""
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"


def _storable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
