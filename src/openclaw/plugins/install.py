"""Installing plugins into the environment of this interpreter, and removing them again."""

from __future__ import annotations

import importlib.util
import shlex
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from openclaw.errors import PluginInstallError
from openclaw.plugins.discovery import InstalledPlugin
from openclaw.plugins.install_records import InstallRecord, InstallRecords
from openclaw.plugins.install_source import Folder, Package, normalised
from openclaw.plugins.pip import Pip
from openclaw.plugins.probe import Sighting

HOST_DISTRIBUTION = "openclaw-gateway"


class PluginInstaller:
    """Carries out what the command line has shown to its user."""

    def __init__(
        self,
        pip: Pip,
        records: InstallRecords,
        say: Callable[[str], None],
        environment: str = sys.prefix,
    ) -> None:
        """Use `pip`, note in `records`, and tell `say` what takes longer than it should."""
        self._pip = pip
        self._records = records
        self._say = say
        self._environment = environment

    def command(self, source: Package | Folder) -> str:
        """The command line that `install` runs first, for people to read."""
        return shlex.join(self._pip.command("install", *_target(source)))

    def check(self, source: Package | Folder, installed: Iterable[InstalledPlugin]) -> None:
        """Refuse what cannot work before anything is changed.

        Raises PluginInstallError: there is no pip, the distribution is here and has no plugin, or
        another one has a plugin of the same id.
        """
        self._pip.require()
        owners = {plugin.id: normalised(plugin.distribution) for plugin in installed}
        for plugin_id in source.ids if isinstance(source, Folder) else ():
            owner = owners.get(plugin_id, source.distribution)
            if owner != source.distribution:
                text = f"plugin already exists: {plugin_id} (of {owner})"
                raise PluginInstallError(text, f"First: openclaw plugins uninstall {plugin_id}")
        here = _installed_version(source.distribution)
        if isinstance(source, Package) and here and source.distribution not in owners.values():
            text = f"{source.distribution} {here} is installed and has no plugin"
            raise PluginInstallError(text)

    def install(self, source: Package | Folder, now: datetime) -> Mapping[str, InstallRecord]:
        """Install, look at the outcome with a fresh interpreter, and note what is there now.

        What turns out to be no usable plugin is removed again, unless the distribution was there
        before. `now` is aware. Raises PluginInstallError.
        """
        name = source.distribution
        was_there = self._look(name).version is not None
        wrong = self._run_pip(source)
        found = self._look(name)
        wrong += _reasons(name, found)
        if wrong:
            if not was_there:
                self._pip.run(self._pip.command("uninstall", "--yes", name))
            state = "is still installed" if was_there else "was removed again"
            listed = "".join(f"\n  {each}" for each in wrong)
            raise PluginInstallError(f"{name} cannot be used and {state}:{listed}")
        path = str(source.path) if isinstance(source, Folder) else None
        record = InstallRecord(
            source="path" if path else "package",
            spec=source.requirement if isinstance(source, Package) else str(source.path),
            distribution=name,
            version=found.version or "",
            environment=self._environment,
            installed_at=now.isoformat(timespec="seconds"),
            source_path=path,
        )
        added = {plugin.id: record for plugin in found.plugins}
        self._records.add(added)
        return added

    def remove(self, removal: Removal) -> None:
        """Remove the distribution, make sure that it is gone, and forget the records.

        Raises PluginInstallError.
        """
        name = removal.distribution
        if name is not None:
            self._pip.require()
            outcome = self._pip.run(self._pip.command("uninstall", "--yes", name))
            if not outcome.ok:
                raise PluginInstallError(f"pip could not remove {name}:\n{outcome.end}")
            if self._look(name).version is not None:
                text = f"{name} is still there, from outside {self._environment}:\n{outcome.end}"
                raise PluginInstallError(text)
        if removal.recorded:
            self._records.remove(removal.ids)

    def _run_pip(self, source: Package | Folder) -> list[str]:
        """Install; gives the requirements that are not met. Raises PluginInstallError."""
        name = source.distribution
        with _host_as_it_is() as constraint:
            first = self._pip.run(self._pip.command("install", *constraint, *_target(source)))
        if first.ok:
            return []
        failure = PluginInstallError(
            f"pip could not install {name}:\n{first.end}", f"It ran: {self.command(source)}"
        )
        if not isinstance(source, Folder) or not _has_backend(source):
            raise failure
        # Without a network pip cannot fetch the build backend, which may be here already.
        here = ("--no-build-isolation", "--no-deps")
        again = self._pip.command("install", *here, *_target(source))
        self._say(f"{failure}\nTrying with what is installed here: {shlex.join(again)}")
        if not self._pip.run(again).ok:
            raise failure
        told = self._pip.run(self._pip.command("check")).lines
        return [line for line in told if normalised(line.partition(" ")[0]) == name]

    def _look(self, distribution: str) -> Sighting:
        printed = self._pip.ask("-m", "openclaw.plugins.probe", distribution)
        return msgspec.json.decode(printed, type=Sighting)


@dataclass(frozen=True, slots=True)
class Removal:
    """What `plugins uninstall` takes away."""

    ids: tuple[str, ...]
    """The plugin, and those that the same distribution brought with it."""
    distribution: str | None
    """What pip removes; None when it is no longer installed."""
    recorded: bool
    """Whether there are records to forget."""
    source_path: str | None
    """The linked folder, which stays."""


def plan_removal(
    plugin_id: str,
    records: Mapping[str, InstallRecord],
    installed: Iterable[InstalledPlugin],
    configured: Iterable[str],
    environment: str = sys.prefix,
) -> Removal:
    """What removing a plugin means; `configured` are the ids that the configuration has entries of.

    Raises PluginInstallError for a plugin that nobody knows, that came by other means, or that was
    installed into another environment.
    """
    here = {each.id: each.distribution for each in installed}
    record = records.get(plugin_id)
    if record is None:
        if plugin_id in here:
            raise PluginInstallError(
                f'plugin "{plugin_id}" was not installed by openclaw plugins install',
                f"Remove its package with: {sys.executable} -m pip uninstall {here[plugin_id]}",
            )
        if plugin_id not in configured:
            raise PluginInstallError(f"Plugin not found: {plugin_id}", "See: openclaw plugins list")
        return Removal((plugin_id,), None, recorded=False, source_path=None)
    if record.environment != environment and Path(record.environment).exists():
        raise PluginInstallError(
            f'plugin "{plugin_id}" is installed in {record.environment}, not in {environment}',
            "Use the openclaw of that environment.",
        )
    ids = [name for name, each in records.items() if each.distribution == record.distribution]
    present = any(normalised(each) == record.distribution for each in here.values())
    return Removal(
        tuple(sorted(ids)),
        record.distribution if present else None,
        recorded=True,
        source_path=record.source_path,
    )


def _target(source: Package | Folder) -> tuple[str, ...]:
    if isinstance(source, Folder):
        return ("--editable", str(source.path))
    return (source.requirement,)


def _reasons(name: str, found: Sighting) -> list[str]:
    if found.version is None:
        return [f"pip reported success, but {name} is not there"]
    if not found.plugins:
        return [f"{name} {found.version} has no plugin"]
    return [f"plugin {each.id}: {each.problem}" for each in found.plugins if each.problem]


def _installed_version(name: str) -> str | None:
    """As this process sees it, so only to be asked before anything has changed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _has_backend(source: Folder) -> bool:
    backend = (source.backend or "").partition(".")[0]
    return bool(backend) and importlib.util.find_spec(backend) is not None


@contextmanager
def _host_as_it_is() -> Generator[tuple[str, ...]]:
    """Options that keep pip from replacing the gateway for the sake of a plugin."""
    host = _installed_version(HOST_DISTRIBUTION)
    if host is None:
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="openclaw-") as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text(f"{HOST_DISTRIBUTION}=={host}\n", encoding="utf-8")
        yield ("--constraint", str(constraints))
