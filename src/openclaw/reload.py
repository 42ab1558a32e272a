"""Brings a changed configuration to the parts that take it up while the gateway runs."""

from __future__ import annotations

import logging

from openclaw.config.load import LoadedConfig
from openclaw.config.restart import needing_restart
from openclaw.log_lines import Redactor, secrets_in
from openclaw.plugins.registry import PluginRegistry

log = logging.getLogger(__name__)


class Reload:
    """Plugins take up their sections; of the rest it is said that it takes a restart."""

    def __init__(self, loaded: LoadedConfig, plugins: PluginRegistry, redactor: Redactor) -> None:
        """`loaded` is what the gateway was started with."""
        self._started = loaded
        self._plugins = plugins
        self._redactor = redactor
        self._waiting: tuple[str, ...] = ()
        self.newest = loaded
        """What the file says, as far as it was valid."""

    async def apply(self, loaded: LoadedConfig) -> None:
        """Take up what can be; plugins' failures are noted in their records."""
        self._redactor.add(secrets_in(loaded.resolved, loaded.env))
        for warning in loaded.warnings:
            if warning not in self.newest.warnings:
                log.warning("config", extra={"problem": warning.render()})
        self.newest = loaded
        waiting = needing_restart(self._started.resolved, loaded.resolved, self._plugins.deaf)
        if waiting and waiting != self._waiting:
            log.warning("config change needs a gateway restart: %s", ", ".join(waiting))
        self._waiting = waiting
        await self._plugins.reconfigure(loaded)
        log.info("config reloaded")
