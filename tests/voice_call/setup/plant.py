"""The whole plugin behind a real RPC server, and the command line beside it."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aiohttp import web

from openclaw.clock import SystemClock
from openclaw.gateway_lock import GatewayLock
from openclaw.rpc.frames import Request
from openclaw.sdk import Caller
from openclaw.tasks import Supervisor
from openclaw_voice_call.plugin import VoiceCallPlugin
from tests.host.rpc.support import serving
from tests.voice_call.rig import FakeAgents
from tests.voice_call.surfaces.house import DoorsApi, frame
from tests.voice_call.surfaces.terminal import Terminal

Start = Callable[[], Awaitable[None]]


@dataclass
class PluginHost(DoorsApi):
    """Starts what the plugin asks for, as the gateway does."""

    starts: list[Start] = field(default_factory=list[Start])

    def add_service(self, name: str, start: Start, stop: Start) -> None:
        super().add_service(name, start, stop)
        self.starts.append(start)

    async def asked(
        self, method: str, params: object, scope: str = "operator.admin"
    ) -> dict[str, object]:
        """The result of `voicecall.<method>`, or the error."""
        caller = Caller(
            "conn", "cli", "operator", frozenset({scope}), 4, lambda event, payload: None
        )
        request = Request(id="1", method=f"voicecall.{method}", params=params)
        answer = frame(await self.router.dispatch(request, caller))
        result = answer["payload"] if answer["ok"] else answer["error"]
        return cast("dict[str, object]", result)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configured(
    folder: Path,
    section: Mapping[str, object],
    *,
    rpc_port: int | None = None,
    enabled: bool = True,
) -> Terminal:
    """A shell on a machine with this configuration, and no gateway."""
    entry = {"enabled": enabled, "config": dict(section)}
    folder.mkdir(exist_ok=True)
    (folder / "openclaw.json").write_text(
        json.dumps({"plugins": {"entries": {"voice-call": entry}}})
    )
    return Terminal(folder, rpc_port or free_port())


@asynccontextmanager
async def plugin_gateway(
    folder: Path, section: Mapping[str, object], *, agents: FakeAgents | None = None
) -> AsyncGenerator[tuple[Terminal, PluginHost]]:
    """A gateway with the plugin in it, whether or not it can work, and a shell beside it."""
    tasks = Supervisor("plant", logging.getLogger("plant"))
    api = PluginHost(folder, SystemClock(), agents or FakeAgents(), tasks, config=section)
    VoiceCallPlugin().register(api)
    try:
        for start in api.starts:
            await start()
        async with serving(api.router) as server:
            shell = configured(folder, section, rpc_port=server.port)
            with GatewayLock(folder, folder / "openclaw.json"):
                yield shell, api
    finally:
        for stop in reversed(api.stops):
            await stop()
        await tasks.close()


@asynccontextmanager
async def website(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncGenerator[str]:
    """Something else that answers HTTP on this machine; gives its origin."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
