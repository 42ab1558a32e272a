"""The host's side of `openclaw.sdk.PluginApi`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openclaw.agent.interface import Agents
from openclaw.agent.tools import Tool, ToolRegistry
from openclaw.clock import Clock
from openclaw.config.load import LoadedConfig
from openclaw.config.problem import ConfigProblem
from openclaw.errors import OpenClawError, PluginRejected
from openclaw.plugins.record import PluginRecord, Service
from openclaw.rpc.router import RpcHandler, RpcRouter, Scope
from openclaw.tasks import Supervisor

Publish = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class HostParts:
    """The parts of the gateway that plugins reach through their API."""

    state_dir: Path
    clock: Clock
    agents: Agents
    router: RpcRouter
    tools: ToolRegistry
    publish: Publish
    restarting: Callable[[], bool]
    """Whether the gateway that stops comes back at once."""


class HostApi:
    """What one plugin is given. Implements `openclaw.sdk.PluginApi`.

    What it registers takes effect in `commit`, all of it or nothing, so a plugin that fails half
    way through leaves no doors behind that lead nowhere.
    """

    def __init__(self, record: PluginRecord, parts: HostParts, loaded: LoadedConfig) -> None:
        self._record = record
        self._parts = parts
        self._loaded = loaded
        self._on_change: Callable[[], Awaitable[None]] | None = None
        self._rpc: dict[str, tuple[RpcHandler, str | None]] = {}
        self._new_tools: dict[str, Tool] = {}
        self._services: list[Service] = []
        self._open = True

    @property
    def plugin_id(self) -> str:
        return self._record.id

    @property
    def config(self) -> Mapping[str, object]:
        return self._loaded.plugin_config(self.plugin_id)

    @property
    def unresolved(self) -> Sequence[ConfigProblem]:
        return self._loaded.unresolved(f'plugins.entries["{self.plugin_id}"].config')

    @property
    def host_config(self) -> Mapping[str, object]:
        return self._loaded.resolved

    @property
    def environ(self) -> Mapping[str, str]:
        return self._loaded.env

    @property
    def state_dir(self) -> Path:
        return self._parts.state_dir

    @property
    def log(self) -> logging.Logger:
        return self._record.log

    @property
    def clock(self) -> Clock:
        return self._parts.clock

    @property
    def tasks(self) -> Supervisor:
        return self._record.tasks

    @property
    def agents(self) -> Agents:
        return self._parts.agents

    @property
    def restarting(self) -> bool:
        return self._parts.restarting()

    def report_problems(self, problems: Sequence[ConfigProblem]) -> None:
        self._record.problems.extend(each for each in problems if each not in self._record.problems)

    def publish(self, event: str, payload: Mapping[str, object]) -> None:
        self._parts.publish(event, payload)

    def on_config_change(self, callback: Callable[[], Awaitable[None]]) -> None:
        self._check_open()
        self._on_change = callback

    async def reconfigure(self, loaded: LoadedConfig) -> None:
        """Let the plugin take up what has changed for it."""
        before, self._loaded = self._visible(), loaded
        if self._on_change is not None and self._visible() != before:
            self._record.problems.clear()
            await self._on_change()

    def _visible(self) -> tuple[object, ...]:
        shared = {k: v for k, v in self.host_config.items() if k not in ("gateway", "plugins")}
        return self.config, self.unresolved, self.environ, shared

    def add_rpc(self, name: str, handler: RpcHandler, scope: str | None = Scope.ADMIN) -> None:
        self._check_open()
        if name in self._rpc or name in self._parts.router.names:
            raise PluginRejected(self.plugin_id, f"RPC method {name} is already registered")
        self._rpc[name] = (handler, scope)

    def add_tool(self, tool: Tool) -> None:
        self._check_open()
        if tool.name in self._new_tools or self._parts.tools.find(tool.name):
            raise PluginRejected(self.plugin_id, f"tool {tool.name} is already registered")
        self._new_tools[tool.name] = tool

    def add_service(
        self,
        name: str,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self._check_open()
        self._services.append(Service(name, start, stop))

    def commit(self) -> None:
        """Open the doors that were registered; afterwards nothing more can be.

        Raises:
            OpenClawError: One of them cannot be opened, so none is.
        """
        self._open = False
        added: list[str] = []
        try:
            for tool in self._new_tools.values():
                self._parts.tools.add(tool)
                added.append(tool.name)
        except OpenClawError:
            for name in added:
                self._parts.tools.remove(name)
            raise
        for name, (handler, scope) in self._rpc.items():
            self._parts.router.add(name, handler, scope, plugin=True)
        self._record.tools = list(self._new_tools)
        self._record.methods = list(self._rpc)
        self._record.services = self._services
        if self._on_change is not None:
            self._record.reconfigure = self.reconfigure

    def _check_open(self) -> None:
        if not self._open:
            raise PluginRejected(self.plugin_id, "doors can only be added in register()")
