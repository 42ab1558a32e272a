"""The plugins of a running gateway: their state, and their services' lifetime."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial

from openclaw.config.load import LoadedConfig
from openclaw.config.model import PluginsConfig
from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import format_path
from openclaw.plugins.discovery import InstalledPlugin
from openclaw.plugins.record import PluginRecord, Service
from openclaw.plugins.rules import reason_off

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 4.0


class PluginRegistry:
    """All installed plugins, in the order of their ids. `loader` lets them register."""

    def __init__(
        self,
        config: PluginsConfig,
        installed: Iterable[InstalledPlugin],
        hide: Callable[[str], str] = str,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        """Decide which plugins are on; `hide` takes secrets out of texts."""
        self._records = tuple(
            PluginRecord(each, reason_off(each.id, config), hide) for each in installed
        )
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._running: list[tuple[PluginRecord, Service]] = []

    def __iter__(self) -> Iterator[PluginRecord]:
        return iter(self._records)

    def find(self, plugin_id: str) -> PluginRecord | None:
        """The plugin of this id."""
        return next((record for record in self if record.id == plugin_id), None)

    @property
    def failing(self) -> list[PluginRecord]:
        """The plugins that are on and do not work."""
        return [record for record in self if record.status == "error"]

    @property
    def deaf(self) -> list[str]:
        """The plugins that are on and take up a changed section only when they are started."""
        return [record.id for record in self if record.off is None and not record.reconfigure]

    async def reconfigure(self, loaded: LoadedConfig) -> None:
        """Let every plugin take up what has changed for it; one that fails is reported."""
        for record in self:
            if record.reconfigure is None:
                continue
            failure = await _attempt(partial(record.reconfigure, loaded), self._start_timeout_s)
            if failure is not None:
                text = f"the changed section was not taken up ({type(failure).__name__})"
                path = format_path(("plugins", "entries", record.id))
                record.problems.append(ConfigProblem(path, text, remedy="see the log"))
                log.error(
                    "plugin failed to take up its section",
                    extra={"plugin": record.id},
                    exc_info=failure,
                )

    async def start(self) -> None:
        """Start all services in order; one that fails or hangs is reported, the others go on."""
        for record in self:
            for service in record.services:
                failure = await _attempt(service.start, self._start_timeout_s)
                if failure is None:
                    self._running.append((record, service))
                    continue
                record.fail(f"service {service.name} failed to start", failure)
                _report("service failed to start", record, service, failure)

    async def stop(self) -> None:
        """Stop what was started, last first, then cancel the plugins' tasks; bounded in time."""
        while self._running:
            record, service = self._running.pop()
            failure = await _attempt(service.stop, self._stop_timeout_s)
            if failure is not None:
                _report("service failed to stop", record, service, failure)
        for record in reversed(self._records):
            await record.tasks.close(within=1.0)


async def _attempt(work: Callable[[], Awaitable[None]], timeout_s: float) -> Exception | None:
    """Do `work` within `timeout_s`; gives what went wrong, None if nothing did."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            await work()
    # The boundary to code of any quality: one plugin's failure must not stop the host.
    except Exception as error:  # noqa: BLE001
        return TimeoutError(f"not done after {timeout_s:g} s") if limit.expired() else error
    return None


def _report(text: str, record: PluginRecord, service: Service, failure: Exception) -> None:
    fields = {"plugin": record.id, "service": service.name}
    log.error(text, extra=fields, exc_info=failure)
