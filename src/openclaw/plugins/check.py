"""What is wrong with the `plugins` section, as far as it takes installed plugins to know."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from openclaw.config.load import LoadedConfig
from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import format_path
from openclaw.errors import PluginRejected
from openclaw.plugins.discovery import InstalledPlugin, installed_plugins
from openclaw.plugins.loader import instantiate

log = logging.getLogger(__name__)


def plugin_problems(
    loaded: LoadedConfig, installed: Iterable[InstalledPlugin] | None = None
) -> list[ConfigProblem]:
    """The problems of the section itself and of each configured plugin's block.

    A block is checked by its plugin, which is imported for it, also when the plugin is off.
    """
    found = {each.id: each for each in (installed_plugins() if installed is None else installed)}
    problems = list(section_problems(loaded, found.keys()))
    for plugin_id, entry in loaded.config.plugins.entries.items():
        if plugin_id in found and (entry.enabled or entry.config):
            problems += _block_problems(loaded, found[plugin_id])
    return problems


def section_problems(loaded: LoadedConfig, known: Iterable[str]) -> Iterator[ConfigProblem]:
    """Plugins that are named and not among the `known` installed ones, and keys without effect."""
    config, ids = loaded.config.plugins, set(known)
    for plugin_id in config.entries:
        if plugin_id not in ids:
            path = format_path(("plugins", "entries", plugin_id))
            text = f"plugin not found: {plugin_id} (stale config entry ignored)"
            remedy = "install its package beside openclaw-gateway, or remove the entry"
            yield ConfigProblem(path, text, remedy=remedy, severity="warning")
    for index, plugin_id in enumerate(config.allow):
        if plugin_id not in ids:
            path = format_path(("plugins", "allow", index))
            yield ConfigProblem(path, "plugin not found:", plugin_id, allowed=tuple(sorted(ids)))
    if config.load.paths:
        yield ConfigProblem(
            "plugins.load.paths",
            "has no effect here: this gateway's plugins are installed Python packages",
            remedy="pip install the plugin into the gateway's environment",
            severity="warning",
        )


def _block_problems(loaded: LoadedConfig, installed: InstalledPlugin) -> list[ConfigProblem]:
    path = format_path(("plugins", "entries", installed.id))
    try:
        plugin = instantiate(installed)
        return list(plugin.check_config(loaded.plugin_config(installed.id), loaded.env))
    except PluginRejected as error:
        return [ConfigProblem(path, f"the plugin cannot be used: {error.reason}")]
    # The boundary to code of any quality: validation must report, not end in a stack.
    except Exception as error:
        # Its text may quote the block, secrets included, so only the log has it.
        log.exception("plugin failed to check its block", extra={"plugin": installed.id})
        text = f"the plugin failed to check its block ({type(error).__name__}); see the log"
        return [ConfigProblem(path, text)]
