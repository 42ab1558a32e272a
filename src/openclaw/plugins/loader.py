"""Imports the plugins that are on and lets them register."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeGuard

from openclaw.config.load import LoadedConfig
from openclaw.errors import PluginRejected
from openclaw.plugins.api import HostApi, HostParts
from openclaw.plugins.discovery import InstalledPlugin
from openclaw.plugins.record import PluginRecord
from openclaw.plugins.registry import PluginRegistry
from openclaw.sdk import Plugin

log = logging.getLogger(__name__)


def register_plugins(
    plugins: PluginRegistry,
    loaded: LoadedConfig,
    parts: HostParts,
    on_package: Callable[[str], None] = lambda _: None,
) -> None:
    """Let every plugin that is on register; what fails is noted in its record, never raised.

    `on_package` is told the package of each plugin before its code runs.
    """
    for record in plugins:
        if record.off is not None:
            continue
        on_package(record.installed.package)
        _register(record, HostApi(record, parts, loaded))


def instantiate(installed: InstalledPlugin) -> Plugin:
    """Import a plugin's class and make its object. Raises PluginRejected, with the reason."""
    if installed.problem is not None:
        raise PluginRejected(installed.id, installed.problem)
    try:
        plugin: object = installed.entry_point.load()()
    # The boundary to code of any quality: importing it can raise anything.
    except Exception as error:
        log.exception("plugin cannot be imported", extra={"plugin": installed.id})
        where = installed.entry_point.value
        raise PluginRejected(installed.id, f"cannot import {where}: {_said(error)}") from error
    if not _is_plugin(plugin):
        reason = f"{installed.entry_point.value} is no plugin (id, register and check_config)"
        raise PluginRejected(installed.id, reason)
    if plugin.id != installed.id:
        raise PluginRejected(installed.id, f'its class says that its id is "{plugin.id}"')
    return plugin


def _register(record: PluginRecord, api: HostApi) -> None:
    try:
        instantiate(record.installed).register(api)
        api.commit()
    except PluginRejected as error:
        log.error("plugin not loaded", extra={"plugin": record.id, "why": error.reason})
        record.errors.append(record.hide(error.reason))
        return
    # The boundary to code of any quality: one plugin's failure must not stop the host.
    except Exception as error:
        log.exception("plugin failed to register", extra={"plugin": record.id})
        record.fail("failed to register", error)
        return
    for problem in record.problems:
        level = logging.ERROR if problem.severity == "error" else logging.WARNING
        log.log(level, "plugin config", extra={"plugin": record.id, "problem": problem.render()})


def _is_plugin(candidate: object) -> TypeGuard[Plugin]:
    return isinstance(getattr(candidate, "id", None), str) and all(
        callable(getattr(candidate, name, None)) for name in ("register", "check_config")
    )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
