"""The gateway's own methods, in the shapes that the Node command line reads.

Only what this gateway can truthfully answer is here: no channels, no heartbeats, no cron.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from openclaw.errors import RpcError
from openclaw.rpc.agent_runs import AgentRuns, RunAgent
from openclaw.rpc.log_tail import read_log
from openclaw.rpc.params import read_params
from openclaw.rpc.router import Caller, RpcRouter, Scope


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSources:
    """Where the core methods get their facts; every one is asked anew for each request.

    `agents` are the ids of the agents, the default one first. `config` is the config snapshot
    `{path, exists, raw, parsed, valid, config, hash, issues, warnings, legacyIssues}` with secrets
    redacted. `health` gives what to add to the health report (plugins that failed, ...).
    `sessions` is `(path, count)` of an agent's session store. `identity` is
    `{deviceId, publicKey}`.
    """

    version: str
    started_at_ms: int
    agents: Callable[[], Sequence[str]]
    config: Callable[[], Mapping[str, object]]
    log_file: Callable[[], Path | None]
    run_agent: RunAgent
    health: Callable[[], Awaitable[Mapping[str, object]]]
    default_model: Callable[[], str | None]
    sessions: Callable[[str], tuple[str, int]]
    identity: Callable[[], Mapping[str, object] | None]
    config_path: str | None = None
    state_dir: str | None = None
    auth_mode: str = "token"
    now_ms: Callable[[], int] = _now_ms


def register_core(router: RpcRouter, sources: CoreSources) -> AgentRuns:
    """Adds the core methods. Close what it returns when the gateway stops: agents may be running.

    `health` needs no scope; reading needs read, `agent` write, as in the original.
    """
    core = _CoreMethods(sources)
    runs = AgentRuns(sources.run_agent, now_ms=sources.now_ms)
    router.add("health", core.health, None)
    router.add("status", core.status, Scope.READ)
    router.add("system-presence", core.presence, Scope.READ)
    router.add("last-heartbeat", core.last_heartbeat, Scope.READ)
    router.add("config.get", core.config_get, Scope.READ)
    router.add("logs.tail", core.logs_tail, Scope.READ)
    router.add("agents.list", core.agents_list, Scope.READ)
    router.add("gateway.identity.get", core.identity_get, Scope.READ)
    router.add("agent", runs.agent, Scope.WRITE)
    router.add("agent.wait", runs.wait, Scope.WRITE)
    return runs


def hello_snapshot(sources: CoreSources) -> Mapping[str, object]:
    """The `snapshot` of hello-ok: the gateway as a newly connected client finds it."""
    snapshot: dict[str, object] = {
        "presence": [_presence(sources)],
        "health": {},
        "stateVersion": {"presence": 0, "health": 0},
        "uptimeMs": max(0, sources.now_ms() - sources.started_at_ms),
        "sessionDefaults": {
            "defaultAgentId": _default_agent(sources),
            "mainKey": "main",
            "mainSessionKey": f"agent:{_default_agent(sources)}:main",
            "scope": "per-sender",
        },
        "authMode": sources.auth_mode,
    }
    if sources.config_path is not None:
        snapshot["configPath"] = sources.config_path
    if sources.state_dir is not None:
        snapshot["stateDir"] = sources.state_dir
    return snapshot


class _LogsTailParams(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    cursor: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=1, le=5000)] = 500
    max_bytes: Annotated[int, Meta(ge=1, le=1_000_000)] = 250_000


class _CoreMethods:
    def __init__(self, sources: CoreSources) -> None:
        self._sources = sources

    async def health(self, params: Mapping[str, object], caller: Caller) -> object:
        started = time.monotonic()
        sources = self._sources
        default = _default_agent(sources)
        agents = [
            {
                "agentId": agent,
                "isDefault": agent == default,
                "heartbeat": _no_heartbeat(),
                "sessions": _sessions(sources, agent),
            }
            for agent in sources.agents()
        ]
        more = await sources.health()
        return {
            "ok": True,
            "ts": sources.now_ms(),
            "durationMs": int((time.monotonic() - started) * 1000),
            "channels": {},
            "channelOrder": [],
            "channelLabels": {},
            "heartbeatSeconds": 0,
            "defaultAgentId": default,
            "agents": agents,
            "sessions": _sessions(sources, default),
            **more,
        }

    async def status(self, params: Mapping[str, object], caller: Caller) -> object:
        sources = self._sources
        by_agent = [{"agentId": a, **_sessions(sources, a)} for a in sources.agents()]
        return {
            "runtimeVersion": sources.version,
            "heartbeat": {
                "defaultAgentId": _default_agent(sources),
                "agents": [{"agentId": a, **_no_heartbeat()} for a in sources.agents()],
            },
            "channelSummary": [],
            "queuedSystemEvents": [],
            "sessions": {
                "paths": [sources.sessions(a)[0] for a in sources.agents()],
                "count": sum(sources.sessions(a)[1] for a in sources.agents()),
                "defaults": {"model": sources.default_model(), "contextTokens": None},
                "recent": [],
                "byAgent": by_agent,
            },
        }

    async def presence(self, params: Mapping[str, object], caller: Caller) -> object:
        return [_presence(self._sources)]

    async def last_heartbeat(self, params: Mapping[str, object], caller: Caller) -> object:
        return None

    async def config_get(self, params: Mapping[str, object], caller: Caller) -> object:
        return self._sources.config()

    async def logs_tail(self, params: Mapping[str, object], caller: Caller) -> object:
        asked = read_params(_LogsTailParams, params, "logs.tail")
        path = self._sources.log_file()
        if path is None:
            raise RpcError(
                "UNAVAILABLE", "this gateway writes no log file", {"code": "no_log_file"}
            )
        try:
            found = await asyncio.to_thread(
                read_log, path, asked.cursor, asked.limit, asked.max_bytes
            )
        except OSError as exc:
            text = f"log file {path} cannot be read: {exc.strerror}"
            raise RpcError("UNAVAILABLE", text, {"code": "log_unreadable"}) from exc
        return {
            "file": str(path),
            "cursor": found.cursor,
            "size": found.size,
            "lines": found.lines,
            "truncated": found.truncated,
            "reset": found.reset,
        }

    async def agents_list(self, params: Mapping[str, object], caller: Caller) -> object:
        return {
            "defaultId": _default_agent(self._sources),
            "mainKey": "main",
            "scope": "per-sender",
            "agents": [{"id": agent} for agent in self._sources.agents()],
        }

    async def identity_get(self, params: Mapping[str, object], caller: Caller) -> object:
        identity = self._sources.identity()
        if identity is None:
            raise RpcError(
                "UNAVAILABLE", "this gateway has no device identity", {"code": "no_identity"}
            )
        return identity


def _default_agent(sources: CoreSources) -> str:
    return next(iter(sources.agents()), "main")


def _sessions(sources: CoreSources, agent: str) -> dict[str, object]:
    path, count = sources.sessions(agent)
    return {"path": path, "count": count, "recent": []}


def _no_heartbeat() -> dict[str, object]:
    """How the original describes an agent whose heartbeat is switched off."""
    return {"enabled": False, "every": "disabled", "everyMs": None}


def _presence(sources: CoreSources) -> Mapping[str, object]:
    host = socket.gethostname()
    return {
        "host": host,
        "version": sources.version,
        "platform": sys.platform,
        "mode": "gateway",
        "reason": "self",
        "text": f"Gateway: {host} · app {sources.version} · mode gateway · reason self",
        "ts": sources.now_ms(),
    }
