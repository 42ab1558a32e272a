"""Programs as children that end when they are told to, and do not outlive this process."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from openclaw_voice_call.exposure.output import LineSplitter, Redaction

log = logging.getLogger(__name__)

TAIL_LINES: Final = 12
MAX_OUTPUT_BYTES: Final = 1_000_000
CHUNK_BYTES: Final = 16 * 1024
DRAIN_S: Final = 0.5
"""How long an ended program's last words are waited for: somebody else may hold its pipe."""

PASSED_ON: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "TZ"),
        *("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    }
)
"""All that a child gets of our environment: the keys of carriers and vendors are not for it."""

_GUARD: Final = """
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(read -r _ <&3; kill -TERM "$child"; sleep 3; kill -KILL "$child") >/dev/null 2>&1 &
watch=$!
wait "$child"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"""
"""Runs the program, and asks it to end when our end of stdin closes: that is how it is stopped, and
what happens however this process ends. A tunnel that outlived a killed gateway would keep its
domain from the next one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long ending a child may take, in seconds."""

    term_s: float = 2.0
    """From SIGTERM to SIGKILL."""
    kill_s: float = 1.0
    """After that it is left to the system."""

    @property
    def longest_s(self) -> float:
        """No stop takes longer."""
        return self.term_s + self.kill_s + DRAIN_S


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a program that was run to its end."""

    code: int | None
    """None: it was ended before its time, because that was up or `enough` was seen."""
    out: str
    """Its standard output, at most `MAX_OUTPUT_BYTES`."""
    tail: Sequence[str]
    """Its last lines, of both outputs, without secrets."""


class Child:
    """One run of a program, in a session of its own. `start`, `follow` once, `stop`."""

    def __init__(self, process: Process, redact: Redaction, patience: Patience) -> None:
        self._process = process
        self._redact = redact
        self._patience = patience
        self._following = False
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        """The last lines of both outputs, without secrets."""

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        redact: Redaction | None = None,
        patience: Patience | None = None,
    ) -> Child:
        """Raises OSError when no process can be made. A missing program ends with status 127."""
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _GUARD, "sh", *argv),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(env),
            start_new_session=True,
        )
        return cls(process, redact or Redaction(), patience or Patience())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def follow(
        self,
        on_line: Callable[[str], None] = lambda line: None,
        on_output: Callable[[bytes], None] = lambda chunk: None,
    ) -> int:
        """The exit status (of a signal: 128 and more), once it has ended.

        `on_line` gets the lines of both outputs without secrets, `on_output` the standard output
        as it comes.
        """
        process = self._process
        assert process.stdout is not None
        assert process.stderr is not None

        def told(line: str) -> None:
            safe = self._redact(line)
            if safe.strip():
                self.tail.append(safe)
            on_line(safe)

        self._following = True
        try:
            return await self._hear(process.stdout, process.stderr, told, on_output)
        finally:
            self._following = False

    async def _hear(
        self,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        told: Callable[[str], None],
        on_output: Callable[[bytes], None],
    ) -> int:
        async with asyncio.TaskGroup() as group:
            readers = (
                group.create_task(_pump(stdout, on_output, told)),
                group.create_task(_pump(stderr, _ignore, told)),
            )
            code = await self._process.wait()
            _, late = await asyncio.wait(readers, timeout=DRAIN_S)
            for reader in late:
                reader.cancel()
        return code

    async def stop(self) -> None:
        """End it and all that it started, within `Patience`."""
        process = self._process
        assert process.stdin is not None
        process.stdin.close()
        if not await self._ends_within(self._patience.term_s):
            log.warning("child ignores SIGTERM", extra={"pid": process.pid})
        # The group, also of a child that has ended: what it started goes with it.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            # macOS says so of a group whose last member has ended and was not waited for yet.
            pass
        if not await self._ends_within(self._patience.kill_s):
            log.error("child does not end", extra={"pid": process.pid})
        if not self._following:
            await self._drain()

    async def _drain(self) -> None:
        """Take in what nobody listens to any more, so that the pipes close."""
        try:
            async with asyncio.timeout(DRAIN_S):
                for stream in (self._process.stdout, self._process.stderr):
                    while stream is not None and await stream.read(CHUNK_BYTES):
                        pass
        except TimeoutError:
            log.warning("somebody holds a pipe of an ended child", extra={"pid": self.pid})

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True


async def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    within_s: float,
    enough: Callable[[str], bool] = lambda line: False,
    redact: Redaction | None = None,
    patience: Patience | None = None,
) -> Finished:
    """Run a program to its end, `within_s` seconds at most, or until a line is `enough`.

    Raises OSError when no process can be made.
    """
    out = bytearray()
    seen = asyncio.Event()

    def keep(chunk: bytes) -> None:
        out.extend(chunk[: MAX_OUTPUT_BYTES - len(out)])

    def look(line: str) -> None:
        if enough(line):
            seen.set()

    child = await Child.start(argv, env, redact=redact, patience=patience)
    code: int | None = None
    try:
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            ending = group.create_task(child.follow(look, keep))
            watching = group.create_task(seen.wait())
            await asyncio.wait((ending, watching), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                code = ending.result()
            ending.cancel()
            watching.cancel()
    except TimeoutError:
        pass
    finally:
        await child.stop()
    return Finished(code, out.decode("utf-8", "replace"), tuple(child.tail))


def find_program(name: str, env: Mapping[str, str], *elsewhere: str) -> str | None:
    """Where a program is: on PATH, or in one of the places that its installers use."""
    return shutil.which(name, path=env.get("PATH")) or next(filter(shutil.which, elsewhere), None)


def child_env(environ: Mapping[str, str], **further: str) -> dict[str, str]:
    """The environment of a child: what it needs, and `further`."""
    return {**{key: value for key, value in environ.items() if key in PASSED_ON}, **further}


def delays(first_s: float, most_s: float) -> Callable[[int], float]:
    """How long to wait before each new attempt (1, 2, ...): doubled every time, up to a limit."""
    return lambda attempt: min(first_s * 2 ** min(attempt - 1, 30), most_s)


def _ignore(chunk: bytes) -> None:
    """Standard error is looked at by lines only."""


async def _pump(
    stream: asyncio.StreamReader,
    chunk_came: Callable[[bytes], None],
    line_came: Callable[[str], None],
) -> None:
    splitter = LineSplitter()
    while chunk := await stream.read(CHUNK_BYTES):
        chunk_came(chunk)
        for line in splitter.feed(chunk):
            line_came(line)
    for line in splitter.flush():
        line_came(line)
