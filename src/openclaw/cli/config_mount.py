"""`openclaw config`, with the plugins' checks loaded only when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openclaw.cli.config_commands import config_group

if TYPE_CHECKING:
    from openclaw.config.load import LoadedConfig
    from openclaw.config.problem import ConfigProblem


def _plugin_problems(loaded: LoadedConfig) -> Sequence[ConfigProblem]:
    from openclaw.plugins.check import plugin_problems

    return plugin_problems(loaded)


config = config_group(_plugin_problems)
