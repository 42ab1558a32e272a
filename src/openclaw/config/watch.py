"""Notices that the configuration has changed, and loads it again.

Polling, because what editors do to a file (write it, replace it, swap a link as secret mounts do)
looks alike to it on every file system. Everything that was read counts: the file, what it includes,
env files and files of secrets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from openclaw.clock import Clock
from openclaw.config.include import ReadText
from openclaw.config.load import LoadedConfig
from openclaw.config.source import read_text
from openclaw.errors import ConfigError

POLL_S = 1.0

log = logging.getLogger(__name__)

Look: TypeAlias = tuple[int, int, int, int] | None
"""Device, inode, size and time of the last change (ns) of a file; None when it is not there."""


class ConfigWatch:
    """Brings every valid change to `apply`, one after the other. `run` is called once."""

    def __init__(
        self,
        loaded: LoadedConfig,
        load: Callable[[ReadText], LoadedConfig],
        apply: Callable[[LoadedConfig], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """`loaded` is in use; `load` reads the configuration through what it is given, off the
        event loop, and raises ConfigError."""
        self._loaded = loaded
        self._load = load
        self._apply = apply
        self._clock = clock
        self._looks: Mapping[Path, Look] = {}

    async def run(self) -> None:
        """Watch until cancelled, or until `gateway.reload.mode` is `off`.

        Begins by reading: the file may have changed since `loaded` was.
        """
        while self._is_on:
            await self._read()
            if self._is_on:
                await self._change()
        log.info("config reload is off")

    @property
    def _is_on(self) -> bool:
        return self._loaded.config.gateway.reload.mode != "off"

    async def _read(self) -> None:
        reader = _Reader()
        try:
            loaded = await asyncio.to_thread(self._load, reader)
        except ConfigError as error:
            for problem in error.problems:
                log.error(
                    "config reload skipped (invalid config): %s: %s",
                    *(problem.path, problem.detail()),
                )
            return
        finally:
            self._looks = reader.looks
        if (loaded.resolved, loaded.env) != (self._loaded.resolved, self._loaded.env):
            self._loaded = loaded
            await self._apply(loaded)

    async def _change(self) -> None:
        """Wait until a file that was read has changed, and has been left alone for a while."""
        looks = self._looks
        while looks == self._looks:
            await self._clock.sleep(POLL_S)
            looks = await asyncio.to_thread(_look_at_all, self._looks)
        before: Mapping[Path, Look] = {}
        while looks != before:
            await self._clock.sleep(self._loaded.config.gateway.reload.debounce_ms / 1000)
            before, looks = looks, await asyncio.to_thread(_look_at_all, looks)


class _Reader:
    """Reads files, and remembers how each looked before it was read."""

    def __init__(self) -> None:
        self.looks: dict[Path, Look] = {}

    def __call__(self, path: Path) -> str:
        self.looks[path] = _look_at(path)
        return read_text(path)


def _look_at(path: Path) -> Look:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _look_at_all(paths: Mapping[Path, Look]) -> Mapping[Path, Look]:
    return {path: _look_at(path) for path in paths}
