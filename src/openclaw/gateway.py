"""The gateway, put together: the only place of the host that knows every concrete part."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from openclaw import __version__
from openclaw.agent.runtime import AgentRuntime
from openclaw.agent.settings import AgentSettings
from openclaw.agent.tools import ToolRegistry, ToolResult
from openclaw.clock import Clock, SystemClock
from openclaw.config.access import bind_host
from openclaw.config.gateway_rules import start_refusals
from openclaw.config.include import ReadText
from openclaw.config.load import LoadedConfig, ensure_token
from openclaw.config.paths import expand
from openclaw.config.problem import ConfigProblem
from openclaw.config.watch import ConfigWatch
from openclaw.errors import ConfigError, OpenClawError, ToolNotAvailable
from openclaw.gateway_facts import GatewayFacts
from openclaw.gateway_lock import GatewayLock
from openclaw.log_lines import Redactor, secrets_in
from openclaw.logs import LogOutput, level_of
from openclaw.plugins.api import HostParts
from openclaw.plugins.check import section_problems
from openclaw.plugins.discovery import InstalledPlugin, installed_plugins
from openclaw.plugins.loader import register_plugins
from openclaw.plugins.registry import PluginRegistry
from openclaw.reload import Reload
from openclaw.rpc.core_methods import hello_snapshot, register_core
from openclaw.rpc.handshake import AuthPolicy
from openclaw.rpc.router import Caller, RpcHandler, RpcRouter, Scope
from openclaw.rpc.server import Readiness, RpcServer
from openclaw.rpc.tools_http import InvokeTool, ToolInvocation
from openclaw.tasks import Supervisor

log = logging.getLogger("openclaw.gateway")

TOOL_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 8.0
"""Of the ten seconds in which the process ends, what the parts may take together."""
RESTART_EXPECTED_MS = 1500
LOG_FLUSH_S = 1.0

Ending = Literal["stopped", "restart"]


@dataclass(frozen=True, slots=True)
class ReadyGateway:
    """A gateway that is listening and whose services have been started."""

    urls: tuple[str, ...]
    port: int
    log_file: Path
    token_generated: bool
    """Whether clients need the token that was made for this state folder."""


class Gateway:
    """One gateway process. `run` is called once."""

    def __init__(
        self,
        loaded: LoadedConfig,
        *,
        console: IO[str] | None = None,
        clock: Clock | None = None,
        installed: Iterable[InstalledPlugin] | None = None,
        load: Callable[[ReadText], LoadedConfig] | None = None,
    ) -> None:
        """Prepare; nothing is written or opened before `run`.

        Args:
            loaded: The configuration, whose host sections are valid.
            console: Where readable log lines go besides the file.
            clock: The plugins' clock.
            installed: The plugins to consider instead of those of this environment.
            load: Loads the configuration again, through what it is given; raises ConfigError. With
                it, changes are taken up while the gateway runs.

        Raises:
            ConfigError: The configuration does not allow a start; every reason is in it.
        """
        plugins = installed_plugins() if installed is None else tuple(installed)
        noted = list(section_problems(loaded, [plugin.id for plugin in plugins]))
        refusals = [*start_refusals(loaded), *(p for p in noted if p.severity == "error")]
        host = bind_host(loaded.config.gateway.bind, loaded.config.gateway.custom_bind_host)
        if isinstance(host, ConfigProblem):
            raise ConfigError(refusals or [host])
        if refusals:
            raise ConfigError(refusals)
        self._host = host
        self._loaded = loaded
        self._load = load
        self._installed = plugins
        self._warnings = [*loaded.warnings, *noted]
        self._clock = clock or SystemClock()
        self._settings = AgentSettings.parse(loaded.resolved, loaded.env)
        self._redactor = Redactor(secrets_in(loaded.resolved, loaded.env))
        self._logs = _log_output(loaded, self._redactor, console)
        self._ending: Ending | None = None
        self._asked_to_end = asyncio.Event()
        self._started = False

    @property
    def redactor(self) -> Redactor:
        """Knows the secrets of this gateway, for texts that leave it outside the log."""
        return self._redactor

    def stop(self, *, restart: bool = False) -> None:
        """Ask the running gateway to end; `run` returns when it has."""
        self._ending = self._ending or ("restart" if restart else "stopped")
        self._asked_to_end.set()

    async def run(self, on_ready: Callable[[ReadyGateway], None] = lambda _: None) -> Ending:
        """Start, serve until `stop`, and end in bounded time.

        Raises:
            GatewayRunning: Another gateway runs with this configuration.
            PortTaken: Something else listens on the port.
            ConfigError: The token cannot be read or made.
            OSError: The state folder cannot be written, or the address is not this machine's.
        """
        async with AsyncExitStack() as parts:
            lock = parts.enter_context(GatewayLock(self._loaded.state_dir, self._loaded.path))
            self._logs.start()
            parts.callback(self._logs.stop)
            policy, generated = self._policy()
            await self._serve(lock, policy, generated, on_ready)
        return self._ending or "stopped"

    async def _serve(
        self,
        lock: GatewayLock,
        policy: AuthPolicy,
        generated: bool,
        on_ready: Callable[[ReadyGateway], None],
    ) -> None:
        loaded, tools, router = self._loaded, ToolRegistry(), RpcRouter()
        agents = AgentRuntime(loaded.state_dir, self._settings, tools, self._clock)
        plugins = PluginRegistry(loaded.config.plugins, self._installed, self._redactor.hide)
        reload = Reload(loaded, plugins, self._redactor)
        facts = GatewayFacts(loaded, agents, self._logs, plugins, lambda: reload.newest)
        sources = facts.sources()
        runs = register_core(router, sources)
        router.add("plugins.list", _plugin_list(plugins), Scope.READ)
        server = RpcServer(
            router,
            policy,
            version=__version__,
            snapshot=lambda: hello_snapshot(sources),
            invoke_tool=_invoker(tools),
            readiness=lambda: self._readiness(plugins),
            trusted_proxies=[
                ipaddress.ip_network(each, strict=False)
                for each in loaded.config.gateway.trusted_proxies
            ],
        )
        parts = HostParts(
            state_dir=loaded.state_dir,
            clock=self._clock,
            agents=agents,
            router=router,
            tools=tools,
            publish=server.publish,
            restarting=lambda: self._ending == "restart",
        )
        watching = Supervisor("config watch", log)
        for warning in self._warnings:
            log.warning("config", extra={"problem": warning.render()})
        try:
            register_plugins(plugins, loaded, parts, self._logs.include)
            listener = await server.start(self._host, loaded.config.gateway.port)
            urls = tuple(f"ws://{address}" for address in listener.addresses)
            lock.announce(urls[0])
            log.info("listening on %s (PID %d)", ", ".join(urls), os.getpid())
            log.info("log file: %s", self._logs.file)
            if await self._start_plugins(plugins):
                self._started = True
                if self._load is not None:
                    watch = ConfigWatch(loaded, self._load_again, reload.apply, self._clock)
                    watching.spawn("files", watch.run())
                # The log has a thread of its own; what the start had to say comes first.
                await asyncio.to_thread(self._logs.flush, LOG_FLUSH_S)
                # What the start has made stays for good. Searching it for garbage would stop the
                # event loop for some 30 ms every now and then, which delays all live calls.
                gc.freeze()
                on_ready(ReadyGateway(urls, listener.port, self._logs.file, generated))
                await self._asked_to_end.wait()
        finally:
            await self._shut_down(
                (
                    watching.close,
                    lambda: server.stop(*self._farewell()),
                    runs.aclose,
                    plugins.stop,
                    agents.close,
                )
            )

    async def _start_plugins(self, plugins: PluginRegistry) -> bool:
        """Start the services; False when the gateway was asked to end before they had started."""
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(plugins.start())
            ending = group.create_task(self._asked_to_end.wait())
            await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
            started = starting.done()
            starting.cancel()
            ending.cancel()
        return started

    def _load_again(self, read: ReadText) -> LoadedConfig:
        """Raises ConfigError for all that a start would be refused for."""
        assert self._load is not None
        loaded = self._load(read)
        noted = section_problems(loaded, [plugin.id for plugin in self._installed])
        errors = [*start_refusals(loaded), *(p for p in noted if p.severity == "error")]
        if errors:
            raise ConfigError(errors)
        return loaded

    def _policy(self) -> tuple[AuthPolicy, bool]:
        """How clients prove themselves, and whether the token was made here."""
        access = self._loaded.access
        origins = self._loaded.config.gateway.control_ui.allowed_origins
        if access.mode == "none":
            return AuthPolicy(mode="none", allowed_origins=origins), False
        if access.mode == "password":
            return AuthPolicy(
                mode="password", secret=access.password or "", allowed_origins=origins
            ), False
        token = ensure_token(self._loaded.state_dir, self._loaded)
        self._redactor.add([token])
        return AuthPolicy(mode="token", secret=token, allowed_origins=origins), not access.token

    def _readiness(self, plugins: PluginRegistry) -> Readiness:
        starting = [] if self._started else ["starting"]
        return Readiness(failing=[*starting, *(f"plugin:{each.id}" for each in plugins.failing)])

    def _farewell(self) -> tuple[str, int | None]:
        if self._ending == "restart":
            return "gateway restarting", RESTART_EXPECTED_MS
        return "gateway stopping", None

    async def _shut_down(self, steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
        log.info(self._farewell()[0])
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                for step in steps:
                    await step()
        except TimeoutError:
            log.error("the gateway's parts did not stop in time")


def _log_output(loaded: LoadedConfig, redactor: Redactor, console: IO[str] | None) -> LogOutput:
    config = loaded.config.logging
    target = expand(config.file, loaded.env) if config.file else loaded.state_dir / "logs"
    fixed = config.file is not None
    return LogOutput(target, level_of(config.level), redactor, fixed_file=fixed, console=console)


def _plugin_list(plugins: PluginRegistry) -> RpcHandler:
    async def plugin_list(params: Mapping[str, object], caller: Caller) -> object:
        return {"plugins": [record.as_json() for record in plugins]}

    return plugin_list


def _invoker(tools: ToolRegistry) -> InvokeTool:
    async def invoke(invocation: ToolInvocation) -> Mapping[str, object]:
        tool = tools.find(invocation.tool)
        if tool is None:
            raise ToolNotAvailable(invocation.tool)
        try:
            async with asyncio.timeout(TOOL_TIMEOUT_S):
                result = await tool.run(invocation.arguments)
        except TimeoutError:
            result = ToolResult.error(f"{tool.name} did not finish within {TOOL_TIMEOUT_S:g} s")
        except OpenClawError as error:
            result = ToolResult.error(str(error))
        return result.as_json()

    return invoke
