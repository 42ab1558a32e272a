"""All that a plugin may import from the host.

A plugin is a class named by an entry point of the group `openclaw.plugins`. Its `register` is
called in the gateway process once, must be cheap and free of effects, and attaches everything
through the `PluginApi` that it is given. What has a lifetime is started by a service.
"""

from __future__ import annotations

import logging
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from openclaw.agent.interface import Agents, ReplyRequest, ReplyRun
from openclaw.agent.tools import Tool, ToolResult
from openclaw.clock import Clock, TimerHandle
from openclaw.config.problem import ConfigProblem
from openclaw.config.validate import finding
from openclaw.errors import AgentError, OpenClawError, RpcError
from openclaw.rpc.idempotency import IdempotencyCache
from openclaw.rpc.router import Caller, RpcHandler
from openclaw.tts.settings import host_tts_settings

__all__ = [
    "AgentError",
    "Agents",
    "Caller",
    "Clock",
    "ConfigProblem",
    "IdempotencyCache",
    "OpenClawError",
    "Plugin",
    "PluginApi",
    "ReplyRequest",
    "ReplyRun",
    "RpcError",
    "RpcHandler",
    "TaskOwner",
    "TimerHandle",
    "Tool",
    "ToolResult",
    "finding",
    "host_tts_settings",
]


class TaskOwner(Protocol):
    """Owns a plugin's background tasks: all are cancelled and awaited when the gateway stops."""

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> Task[None]:
        """Run `work`; an exception that it raises is logged with `name`, never lost."""
        ...


class PluginApi(Protocol):
    """What a plugin is given. Complete before `register` is called."""

    @property
    def plugin_id(self) -> str: ...

    @property
    def config(self) -> Mapping[str, object]:
        """`plugins.entries.<id>.config` after `${ENV}` substitution, not validated."""
        ...

    @property
    def unresolved(self) -> Sequence[ConfigProblem]:
        """Values of `config` whose variable or secret is not there, as warnings.

        What stands in their place is the reference itself, so whoever needs one must refuse it.
        """
        ...

    @property
    def host_config(self) -> Mapping[str, object]:
        """The whole configuration file after substitution, for defaults that live elsewhere."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """The process environment with the env files' values (process wins)."""
        ...

    @property
    def state_dir(self) -> Path: ...

    @property
    def log(self) -> logging.Logger: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def tasks(self) -> TaskOwner: ...

    @property
    def agents(self) -> Agents: ...

    @property
    def restarting(self) -> bool:
        """While services stop: whether the gateway comes back at once, so that calls can wait."""
        ...

    def report_problems(self, problems: Sequence[ConfigProblem]) -> None:
        """Put this plugin in error; `plugins list|info|doctor` and `config validate` show them."""
        ...

    def publish(self, event: str, payload: Mapping[str, object]) -> None:
        """Send an event to every connected client with read scope."""
        ...

    def on_config_change(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have `callback` called whenever `config`, `unresolved`, `host_config` or `environ` have
        changed while the gateway runs; by then they give the new values.

        Until it is called the plugin's reported problems are forgotten, so it reports those that
        hold now. It should not take long; an exception is reported, not fatal. A plugin without
        it is told nothing, and its changes take a restart.
        """
        ...

    def add_rpc(self, name: str, handler: RpcHandler, scope: str | None = "operator.admin") -> None:
        """Offer an RPC method; without a declared scope only admins may call it."""
        ...

    def add_tool(self, tool: Tool) -> None:
        """Offer a tool to the host's agents and to `POST /tools/invoke`."""
        ...

    def add_service(
        self,
        name: str,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        """Run something for the gateway's lifetime. A failing start is reported, not fatal."""
        ...


class Plugin(Protocol):
    """What the entry point names: a class without constructor arguments."""

    id: str

    def register(self, api: PluginApi) -> None: ...

    def check_config(
        self, config: Mapping[str, object], environ: Mapping[str, str]
    ) -> Sequence[ConfigProblem]:
        """Pure: what is wrong with the plugin's section. Used by `openclaw config validate`."""
        ...
