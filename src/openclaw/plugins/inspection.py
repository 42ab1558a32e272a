"""The plugins as a gateway would load them, for commands that only look."""

from __future__ import annotations

from collections.abc import Iterable

from openclaw.agent.runtime import AgentRuntime
from openclaw.agent.settings import AgentSettings
from openclaw.agent.tools import ToolRegistry
from openclaw.clock import SystemClock
from openclaw.config.load import LoadedConfig
from openclaw.log_lines import Redactor, secrets_in
from openclaw.plugins.api import HostParts
from openclaw.plugins.discovery import InstalledPlugin, installed_plugins
from openclaw.plugins.loader import register_plugins
from openclaw.plugins.registry import PluginRegistry
from openclaw.rpc.router import RpcRouter


def inspect_plugins(
    loaded: LoadedConfig, installed: Iterable[InstalledPlugin] | None = None
) -> PluginRegistry:
    """Let the plugins that are on register into a host that nobody can reach.

    Registering is cheap and free of effects by contract, and no service is started. Raises
    ConfigError when the agents' sections are wrong.
    """
    hide = Redactor(secrets_in(loaded.resolved, loaded.env)).hide
    found = installed_plugins() if installed is None else installed
    plugins = PluginRegistry(loaded.config.plugins, found, hide)
    tools, clock = ToolRegistry(), SystemClock()
    settings = AgentSettings.parse(loaded.resolved, loaded.env)
    parts = HostParts(
        state_dir=loaded.state_dir,
        clock=clock,
        agents=AgentRuntime(loaded.state_dir, settings, tools, clock),
        router=RpcRouter(),
        tools=tools,
        publish=lambda _event, _payload: None,
        restarting=lambda: False,
    )
    register_plugins(plugins, loaded, parts)
    return plugins
