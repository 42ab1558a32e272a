"""What the gateway says of itself in its core RPC methods."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openclaw import __version__
from openclaw.agent.runtime import AgentRuntime
from openclaw.config.load import LoadedConfig
from openclaw.config.problem import ConfigProblem
from openclaw.config.redact import redact
from openclaw.plugins.registry import PluginRegistry
from openclaw.rpc.agent_runs import DEFAULT_TIMEOUT_S, AgentRequest
from openclaw.rpc.core_methods import CoreSources


class LogFile(Protocol):
    """Knows where the log is written."""

    @property
    def file(self) -> Path: ...


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """Answers from the gateway's parts; nothing is kept here."""

    loaded: LoadedConfig
    agents: AgentRuntime
    logs: LogFile
    plugins: PluginRegistry
    newest: Callable[[], LoadedConfig]
    """What the file says now, as far as it was valid; `loaded` is what is in use."""

    def sources(self) -> CoreSources:
        """These facts as the core methods ask for them."""
        loaded = self.loaded
        return CoreSources(
            version=__version__,
            started_at_ms=time.time_ns() // 1_000_000,
            agents=self._agent_ids,
            config=self._config,
            log_file=lambda: self.logs.file,
            run_agent=self._run_agent,
            health=self._health,
            default_model=lambda: loaded.config.agents.model(self._default_agent).primary,
            sessions=self._sessions,
            identity=lambda: None,
            config_path=str(loaded.path),
            state_dir=str(loaded.state_dir),
            auth_mode=loaded.access.mode,
        )

    @property
    def _default_agent(self) -> str:
        return self.loaded.config.agents.default_id()

    def _agent_ids(self) -> Sequence[str]:
        config = self.loaded.config.agents
        listed = [*config.entries, *(each.id for each in config.list)]
        return list(dict.fromkeys([self._default_agent, *listed]))

    def _config(self) -> Mapping[str, object]:
        loaded = self.newest()
        shown = redact(loaded.parsed)
        return {
            "path": str(loaded.path),
            "exists": loaded.exists,
            "raw": json.dumps(shown, indent=2, ensure_ascii=False),
            "parsed": shown,
            "valid": True,
            "config": redact(loaded.resolved),
            "hash": loaded.hash,
            "issues": [],
            "warnings": [_issue(problem) for problem in loaded.warnings],
            "legacyIssues": [],
        }

    async def _health(self) -> Mapping[str, object]:
        plugins = [
            {"id": record.id, "status": record.status, "problems": record.complaints}
            for record in self.plugins
            if record.off is None
        ]
        return {"plugins": plugins}

    def _sessions(self, agent: str) -> tuple[str, int]:
        folder = self.loaded.state_dir / "agents" / agent / "sessions"
        try:
            return str(folder), sum(1 for path in folder.iterdir() if path.suffix == ".jsonl")
        except OSError:
            return str(folder), 0

    async def _run_agent(self, request: AgentRequest) -> AsyncGenerator[str]:
        agent = request.agent_id or self._default_agent
        conversation = f"session:{request.session_id}" if request.session_id else "main"
        said = self.agents.run(
            request.message,
            agent,
            request.session_key or f"agent:{agent}:{conversation}",
            request.timeout or DEFAULT_TIMEOUT_S,
            turn_key=request.idempotency_key,
            system_prompt=request.extra_system_prompt,
        )
        async with aclosing(said):
            async for piece in said:
                yield piece


def _issue(problem: ConfigProblem) -> dict[str, str]:
    return {"path": problem.path, "message": problem.detail()}
