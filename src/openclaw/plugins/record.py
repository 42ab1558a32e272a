"""What the host knows of one plugin."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from openclaw.config.load import LoadedConfig
from openclaw.config.problem import ConfigProblem
from openclaw.plugins.discovery import InstalledPlugin
from openclaw.tasks import Supervisor

Status = Literal["loaded", "disabled", "error"]


@dataclass(frozen=True, slots=True)
class Service:
    """Something a plugin runs for the gateway's lifetime."""

    name: str
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class PluginRecord:
    """One plugin: what it is, how it fares, what it registered."""

    installed: InstalledPlugin
    off: str | None = None
    """Why it is off, None if it is on."""
    hide: Callable[[str], str] = str
    """Takes secrets out of a text."""
    errors: list[str] = field(default_factory=list[str])
    """What went wrong while it was loaded or started."""
    problems: list[ConfigProblem] = field(default_factory=list[ConfigProblem])
    """What is wrong with its section of the configuration."""
    methods: list[str] = field(default_factory=list[str])
    tools: list[str] = field(default_factory=list[str])
    services: list[Service] = field(default_factory=list[Service])
    reconfigure: Callable[[LoadedConfig], Awaitable[None]] | None = None
    """Lets it take up a changed configuration; None if it does not while it runs."""
    log: logging.Logger = field(init=False)
    tasks: Supervisor = field(init=False)
    """Owns its background tasks."""

    def __post_init__(self) -> None:
        self.log = logging.getLogger(f"openclaw.plugin.{self.id}")
        self.tasks = Supervisor(self.id, self.log)

    @property
    def id(self) -> str:
        """Its name in the configuration."""
        return self.installed.id

    @property
    def status(self) -> Status:
        """`error` also while its section is wrong: its doors then answer with the problems."""
        if self.off is not None:
            return "disabled"
        wrong = any(problem.severity == "error" for problem in self.problems)
        return "error" if wrong or self.errors else "loaded"

    def fail(self, what: str, error: BaseException) -> None:
        """Note that something went wrong; the error's text comes from the plugin's code."""
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.errors.append(self.hide(f"{what}: {said}"))

    @property
    def complaints(self) -> list[str]:
        """All that its owner should know, one line each."""
        return [*self.errors, *(problem.render() for problem in self.problems)]

    def as_json(self) -> dict[str, object]:
        """The form of `plugins list --json`, with the original's key names."""
        installed, manifest = self.installed, self.installed.manifest
        described: dict[str, object] = {
            "id": self.id,
            "name": (manifest.name if manifest else "") or self.id,
            "description": manifest.description if manifest else "",
            "version": installed.version,
            "source": str(installed.manifest_file or installed.entry_point.value),
            "origin": installed.distribution,
            "enabled": self.off is None,
            "status": self.status,
            "toolNames": list(self.tools),
            "gatewayMethods": list(self.methods),
            "cliCommands": list(installed.commands),
            "services": [service.name for service in self.services],
            "problems": self.complaints,
        }
        if self.off is not None:
            described["reason"] = self.off
        if self.errors:
            described["error"] = "; ".join(self.errors)
        return described
