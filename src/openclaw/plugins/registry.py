"""The plugins of a running gateway: their state, and their services' lifetime."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass

from openclaw.plugins.record import PluginRecord, Service
from openclaw.tasks import Supervisor

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin's record, and the owner of its background tasks."""

    record: PluginRecord
    tasks: Supervisor


class PluginRegistry:
    """All installed plugins, in the order of their ids."""

    def __init__(
        self,
        plugins: Sequence[LoadedPlugin],
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self._plugins = tuple(plugins)
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._running: list[tuple[PluginRecord, Service]] = []

    def __iter__(self) -> Iterator[PluginRecord]:
        return (plugin.record for plugin in self._plugins)

    def find(self, plugin_id: str) -> PluginRecord | None:
        """The plugin of this id."""
        return next((record for record in self if record.id == plugin_id), None)

    @property
    def failing(self) -> list[PluginRecord]:
        """The plugins that are on and do not work."""
        return [record for record in self if record.status == "error"]

    async def start(self) -> None:
        """Start all services in order; one that fails or hangs is reported, the others go on."""
        for record in self:
            for service in record.services:
                failure = await _attempt(service.start(), self._start_timeout_s)
                if failure is None:
                    self._running.append((record, service))
                else:
                    record.errors.append(f"service {service.name} failed to start: {failure}")
                    _report("service failed to start", record, service, failure)

    async def stop(self) -> None:
        """Stop what was started, last first, then cancel the plugins' tasks; bounded in time."""
        while self._running:
            record, service = self._running.pop()
            failure = await _attempt(service.stop(), self._stop_timeout_s)
            if failure is not None:
                _report("service failed to stop", record, service, failure)
        for plugin in reversed(self._plugins):
            await plugin.tasks.close(within=1.0)


async def _attempt(work: Awaitable[None], timeout_s: float) -> str | None:
    """Await `work` for `timeout_s` at most; gives what went wrong, None if nothing did."""
    try:
        async with asyncio.timeout(timeout_s):
            await work
    except TimeoutError:
        return f"not done after {timeout_s:g} s"
    # The boundary to code of any quality: one plugin's failure must not stop the host.
    except Exception as error:
        log.exception("plugin service failed")
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return None


def _report(text: str, record: PluginRecord, service: Service, failure: str) -> None:
    log.error(text, extra={"plugin": record.id, "service": service.name, "why": failure})
