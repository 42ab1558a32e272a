"""What a plugin's commands may know of the configuration without a gateway. Light."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from openclaw.cli.rpc import context_of


@dataclass(frozen=True, slots=True)
class PluginSection:
    """Where this machine's gateway keeps its state, and what the file says to the plugin."""

    state_dir: Path
    config: Mapping[str, object] = field(repr=False)
    """`plugins.entries.<id>.config` with variables filled in, not validated."""
    host_config: Mapping[str, object] = field(repr=False)
    """The whole file, in the same way."""
    enabled: bool
    """Whether `plugins.entries.<id>.enabled` is true."""
    environ: Mapping[str, str] = field(repr=False)
    """The process environment with the env files' values (process wins)."""


def plugin_section(ctx: click.Context, plugin_id: str) -> PluginSection:
    """The plugin's section of the configuration that this command line means.

    Raises ConfigError when the file cannot be read.
    """
    from openclaw.config.source import read_source
    from openclaw.config.tree import subtree

    source = read_source(os.environ, Path.cwd(), context_of(ctx).profile)
    entry = subtree(source.resolved, "plugins", "entries", plugin_id)
    return PluginSection(
        state_dir=source.state_dir,
        config=subtree(entry, "config"),
        host_config=source.resolved,
        enabled=entry.get("enabled") is True,
        environ=source.env,
    )
