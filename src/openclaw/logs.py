"""Logging: JSON lines in a file per day, readable lines on stderr, nothing that blocks."""

from __future__ import annotations

import copy
import logging
import re
import sys
import threading
import time
from collections.abc import Mapping
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import Empty, Full, Queue
from typing import IO

from openclaw.log_lines import ConsoleFormatter, JsonLineFormatter, Redactor

MAX_QUEUED = 10_000
KEEP_DAYS = 14

_LEVELS: Mapping[str, int] = {
    "silent": logging.CRITICAL + 10,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}
_DAY_FILE = re.compile(r"openclaw-\d{4}-\d\d-\d\d\.log")


def level_of(name: str) -> int:
    """The level that a configured name stands for. Raises ValueError naming the allowed ones."""
    try:
        return _LEVELS[name.lower()]
    except KeyError:
        allowed = ", ".join(_LEVELS)
        raise ValueError(f"unknown log level {name!r} (allowed: {allowed})") from None


class DayFileHandler(logging.Handler):
    """Appends to `openclaw-YYYY-MM-DD.log` in a folder, or to one fixed file; mode 600."""

    def __init__(self, target: Path, *, fixed: bool = False) -> None:
        super().__init__()
        self._target = target
        self._fixed = fixed
        self._open: tuple[Path, IO[str]] | None = None
        self._failed = False

    def path_at(self, moment: float) -> Path:
        """The file for an event of this time (epoch seconds)."""
        if self._fixed:
            return self._target
        return self._target / time.strftime("openclaw-%Y-%m-%d.log", time.localtime(moment))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            file = self._file(self.path_at(record.created))
            file.write(self.format(record) + "\n")
            file.flush()
            self._failed = False
        except OSError as error:
            # A full disk must not fill the console as well: said once until writing works again.
            if not self._failed:
                sys.stderr.write(f"openclaw: cannot write the log file: {error}\n")
            self._failed = True

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    def _file(self, path: Path) -> IO[str]:
        if self._open is not None and self._open[0] == path:
            return self._open[1]
        if self._open is not None:
            self._open[1].close()
            self._open = None
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600, exist_ok=True)
        file = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._open = (path, file)
        if not self._fixed:
            remove_old_files(self._target, time.time())
        return file


def remove_old_files(folder: Path, now: float) -> None:
    """Delete daily files older than two weeks; raises OSError."""
    for path in folder.iterdir():
        if _DAY_FILE.fullmatch(path.name) and path.stat().st_mtime < now - KEEP_DAYS * 86_400:
            path.unlink(missing_ok=True)


class LogOutput:
    """Takes over the process's logging: events are queued here and written by a thread.

    When the writer cannot follow, events are dropped and counted rather than waited for.
    """

    def __init__(
        self,
        target: Path,
        level: int,
        redactor: Redactor,
        *,
        fixed_file: bool = False,
        console: IO[str] | None = None,
    ) -> None:
        """Write to `target` (a folder, or a file if `fixed_file`) and to `console`, if given."""
        self.redactor = redactor
        self._file = DayFileHandler(target, fixed=fixed_file)
        self._file.setFormatter(JsonLineFormatter(redactor))
        outputs: list[logging.Handler] = [self._file]
        if console is not None:
            stream = logging.StreamHandler(console)
            stream.setFormatter(ConsoleFormatter(redactor))
            outputs.append(stream)
        events: Queue[object] = Queue(MAX_QUEUED)
        self._entrance = _Entrance(events)
        self._writer = _Writer(events, *outputs)
        self._outputs = outputs
        self._level = level

    @property
    def file(self) -> Path:
        """Today's log file."""
        return self._file.path_at(time.time())

    def start(self) -> None:
        """Begin; foreign libraries speak from warnings on, our packages at the configured level."""
        root = logging.getLogger()
        root.addHandler(self._entrance)
        root.setLevel(max(self._level, logging.WARNING))
        self.include("openclaw")
        self._writer.start()

    def include(self, package: str) -> None:
        """Log this package at the configured level too."""
        logging.getLogger(package).setLevel(self._level)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was logged before is written; False if it took too long.

        Blocks, so not for the event loop's thread.
        """
        return self._writer.reached(timeout_s)

    def stop(self) -> None:
        """Write what is queued and let go of the process's logging."""
        logging.getLogger().removeHandler(self._entrance)
        if self._entrance.dropped:
            text = "log events were dropped, the writer could not follow"
            record = logging.makeLogRecord(
                {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": text}
            )
            record.count = self._entrance.dropped
            self._writer.handle(record)
        self._writer.stop()
        for output in self._outputs:
            output.close()


class _Entrance(QueueHandler):
    """Runs in the logging thread: takes a snapshot of the event and never waits."""

    def __init__(self, events: Queue[object]) -> None:
        super().__init__(events)
        self._events = events
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        snapshot = copy.copy(record)
        snapshot.msg = record.getMessage()
        snapshot.args = None
        if record.exc_info and not record.exc_text:
            snapshot.exc_text = logging.Formatter().formatException(record.exc_info)
        snapshot.exc_info = None
        return snapshot

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._events.put_nowait(record)
        except Full:
            self.dropped += 1


class _Writer(QueueListener):
    """The writing thread."""

    def __init__(self, events: Queue[object], *outputs: logging.Handler) -> None:
        super().__init__(events, *outputs)
        self._events = events

    def handle(self, record: logging.LogRecord | threading.Event) -> None:
        if isinstance(record, threading.Event):
            record.set()
        else:
            super().handle(record)

    def reached(self, timeout_s: float) -> bool:
        """Wait until the writer comes to what is queued now; False if it took too long."""
        mark = threading.Event()
        try:
            self._events.put_nowait(mark)
        except Full:
            return False
        return mark.wait(timeout_s)

    def enqueue_sentinel(self) -> None:
        # The end mark must get in; the oldest event makes room for it when the queue is full.
        while True:
            try:
                self._events.put_nowait(None)
            except Full:
                try:
                    self._events.get_nowait()
                except Empty:
                    continue
            else:
                return
