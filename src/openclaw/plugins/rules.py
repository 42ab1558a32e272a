"""Whether a plugin is on. Pure."""

from __future__ import annotations

from openclaw.config.model import PluginsConfig


def reason_off(plugin_id: str, config: PluginsConfig) -> str | None:
    """Why a plugin is off, None if it is on.

    `plugins.enabled: false` counts before `deny`, then the entry's `enabled: false`, then `allow`.
    Being installed or allowed switches nothing on: only the entry's `enabled: true` does.
    """
    entry = config.entries.get(plugin_id)
    enabled = entry.enabled if entry else None
    if not config.enabled:
        return "plugins.enabled is false"
    if plugin_id in config.deny:
        return "listed in plugins.deny"
    if enabled is False:
        return f"plugins.entries.{plugin_id}.enabled is false"
    if config.allow and plugin_id not in config.allow:
        return "not listed in plugins.allow"
    if enabled is None:
        return f"plugins.entries.{plugin_id}.enabled is not set to true"
    return None
