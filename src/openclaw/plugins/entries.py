"""Switching a plugin in the configuration file: its entry is changed, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from openclaw.config.edit import CannotEdit, set_value, unset_value
from openclaw.config.problem import ConfigProblem
from openclaw.config.rewrite import rewrite_config
from openclaw.config.tree import format_path
from openclaw.errors import ConfigError


def switch(env: Mapping[str, str], cwd: Path, plugin_id: str, *, on: bool) -> bool:
    """Set `plugins.entries.<id>.enabled`; False when it stands so already.

    Raises ConfigError when the file cannot be read or written.
    """
    parts = ("plugins", "entries", plugin_id, "enabled")

    def edit(text: str) -> str | None:
        edited = set_value(text, parts, on)
        return None if edited == text else edited

    return _rewrite(env, cwd, plugin_id, edit)


def remove_entry(env: Mapping[str, str], cwd: Path, plugin_id: str) -> bool:
    """Take `plugins.entries.<id>` out of the file; False when it is not there.

    Raises ConfigError when the file cannot be read or written.
    """
    parts = ("plugins", "entries", plugin_id)
    return _rewrite(env, cwd, plugin_id, lambda text: unset_value(text, parts))


def _rewrite(
    env: Mapping[str, str], cwd: Path, plugin_id: str, edit: Callable[[str], str | None]
) -> bool:
    try:
        return rewrite_config(env, cwd, edit)
    except CannotEdit as error:
        path = format_path(("plugins", "entries", plugin_id))
        raise ConfigError([ConfigProblem(path, f"cannot be changed: {error}")]) from error
