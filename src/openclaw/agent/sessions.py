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
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from openclaw.agent.interface import Role
from openclaw.errors import HistoryUnavailable

log = logging.getLogger(__name__)

DEFAULT_AGENT = "main"
KEEP_TURNS = 30
TAIL_BYTES = 256 * 1024
MAX_NAME = 120
IO_TIMEOUT_S = 10.0
KEEP_READY = 256
"""Sessions whose newest turns stay in memory: more people than are on the phone at a time."""

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
    messages: list[Message] = []
    for line in lines:
        if not line.strip():
            continue
        try:
            message = msgspec.json.decode(line, type=Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("unreadable line in a session file skipped", extra={"bytes": len(line)})
            continue
        messages.append(message)
    return newest(messages, keep_turns)


def newest(messages: Iterable[Message], keep_turns: int) -> tuple[Message, ...]:
    """The last word of each turn and role, the newest turns only."""
    last = {(message.turn, message.role): message for message in messages}
    turns = list(dict.fromkeys(turn for turn, _ in last))
    kept = set(turns[-keep_turns:])
    return tuple(m for m in last.values() if m.turn in kept and m.text)


class _Tail(msgspec.Struct, frozen=True):
    """The end of a session file. `torn`: it stops in the middle of a line."""

    messages: tuple[Message, ...]
    torn: bool = False


class SessionStore:
    """Reads and appends session files on a thread of its own, in the order asked for.

    Nobody else writes these files, so the newest sessions are answered from memory; what is written
    meanwhile waits and is written by one turn of the thread.
    """

    def __init__(
        self, state_dir: Path, *, keep_turns: int = KEEP_TURNS, tail_bytes: int = TAIL_BYTES
    ) -> None:
        self._root = state_dir / "agents"
        self._keep_turns = keep_turns
        self._tail_bytes = tail_bytes
        self._closed = False
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._ready: dict[Path, _Tail] = {}
        """By file, least recently used first: all that was asked to be written is in it."""
        self._waiting: list[tuple[Callable[[], object], asyncio.Future[object]]] = []
        self._running: asyncio.Future[Sequence[object]] | None = None
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
        with self._asked(path):
            return (await self._tail(path)).messages

    async def record(self, session_key: str, messages: Sequence[Message]) -> None:
        """Write messages; those already there with the same text are not written again.

        Raises:
            HistoryUnavailable: They cannot be written.
        """
        clean = [msgspec.structs.replace(m, text=_storable(m.text)) for m in messages]
        path = self.path(session_key)
        with self._asked(path):
            await self._record(path, clean)

    async def close(self) -> None:
        """Finish what was asked for; afterwards nothing can be read or written."""
        self._closed = True
        await self._quiet.wait()
        await asyncio.to_thread(self._thread.shutdown)

    @contextmanager
    def _asked(self, path: Path) -> Generator[None]:
        """While something that was asked for is being done, the store does not close."""
        if self._closed:
            raise HistoryUnavailable(str(path.parent), "the gateway is stopping")
        self._busy += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._quiet.set()

    async def _record(self, path: Path, messages: Sequence[Message]) -> None:
        tail = await self._tail(path)
        known = {(m.turn, m.role): m.text for m in tail.messages}
        # Nothing said and nothing to take back needs no line.
        new = [m for m in messages if known.get((m.turn, m.role), "") != m.text]
        if not new:
            return
        data = b"".join(msgspec.json.encode(m) + b"\n" for m in new)
        self._keep(path, _Tail(newest((*tail.messages, *new), self._keep_turns)))
        try:
            await self._run(path, partial(_append, path, b"\n" + data if tail.torn else data))
        except BaseException:
            # From here on only the disk knows what is in the file.
            self._ready.pop(path, None)
            raise

    async def _tail(self, path: Path) -> _Tail:
        tail = self._ready.get(path)
        if tail is None:
            loaded = await self._run(path, partial(_load, path, self._tail_bytes, self._keep_turns))
            # Something may have been added while this was read.
            tail = self._ready.get(path, loaded)
        self._keep(path, tail)
        return tail

    def _keep(self, path: Path, tail: _Tail) -> None:
        self._ready.pop(path, None)
        self._ready[path] = tail
        if len(self._ready) > KEEP_READY:
            del self._ready[next(iter(self._ready))]

    async def _run(self, path: Path, work: Callable[[], _T]) -> _T:
        """Have the thread do `work` after all that was asked for before."""
        # The file's name may hold a phone number, so errors name the folder only.
        folder = str(path.parent)
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        # A future only receives here, so forgetting its type is safe.
        self._waiting.append((work, cast("asyncio.Future[object]", future)))
        if self._running is None:
            self._begin_group()
        try:
            async with asyncio.timeout(IO_TIMEOUT_S):
                return await future
        except TimeoutError:
            raise HistoryUnavailable(folder, f"no answer within {IO_TIMEOUT_S:g} s") from None
        except OSError as exc:
            raise HistoryUnavailable(folder, exc.strerror or "input/output error") from None

    def _begin_group(self) -> None:
        """Hand over all that waits: changing threads costs more than what is done there."""
        group, self._waiting = self._waiting, []
        self._running = asyncio.get_running_loop().run_in_executor(
            self._thread, _do_all, [work for work, _ in group]
        )
        self._running.add_done_callback(partial(self._end_group, [future for _, future in group]))

    def _end_group(
        self, futures: Sequence[asyncio.Future[object]], done: asyncio.Future[Sequence[object]]
    ) -> None:
        for future, outcome in zip(futures, done.result(), strict=True):
            if future.done():
                continue  # nobody waits for it any more
            if isinstance(outcome, OSError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._running = None
        if self._waiting:
            self._begin_group()


def _do_all(group: Sequence[Callable[[], object]]) -> Sequence[object]:
    """Runs in the thread; gives the result of each work or its OSError."""
    outcomes: list[object] = []
    for work in group:
        try:
            outcomes.append(work())
        except OSError as exc:
            outcomes.append(exc)
    return outcomes


def _load(path: Path, tail_bytes: int, keep_turns: int) -> _Tail:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - tail_bytes)
            file.seek(start)
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return _Tail(())
    # Reading that begins in the middle of the file begins, most likely, inside a line.
    messages = fold(lines[1:] if start else lines, keep_turns)
    return _Tail(messages, torn=lines[-1] != b"")


def _append(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, flags, 0o600)
    try:
        # The system has it now, so that a crash of this process loses nothing. Waiting for the disk
        # as well would cost every turn more than all else that is done for it.
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)


def _storable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
