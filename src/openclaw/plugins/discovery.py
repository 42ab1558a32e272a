"""Which plugins are installed. Reads package metadata and manifests, runs no plugin's code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from openclaw.plugins.manifest import ManifestError, PluginManifest, manifest_path, read_manifest

PLUGIN_GROUP = "openclaw.plugins"
COMMAND_GROUP = "openclaw.commands"


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """A plugin on this machine. Without a manifest it cannot be used; `problem` says why."""

    id: str
    entry_point: EntryPoint
    distribution: str
    version: str
    manifest: PluginManifest | None
    manifest_file: Path | None
    problem: str | None
    commands: tuple[str, ...]
    """The command groups that the same distribution adds to `openclaw`."""

    @property
    def package(self) -> str:
        """The top-level package of its code."""
        return self.entry_point.value.partition(":")[0].partition(".")[0]


def installed_plugins(
    plugins: Iterable[EntryPoint] | None = None, commands: Iterable[EntryPoint] | None = None
) -> tuple[InstalledPlugin, ...]:
    """The installed plugins by id; of two with one id the first on `sys.path` counts.

    The arguments are entry points to look at instead of those of this environment.
    """
    if plugins is None:
        plugins = entry_points(group=PLUGIN_GROUP)
    command_points = entry_points(group=COMMAND_GROUP) if commands is None else tuple(commands)
    found: dict[str, InstalledPlugin] = {}
    for point in plugins:
        if point.name not in found:
            found[point.name] = _described(point, command_points)
    return tuple(found[name] for name in sorted(found))


def _described(point: EntryPoint, commands: Iterable[EntryPoint]) -> InstalledPlugin:
    distribution, version = _origin(point)
    manifest: PluginManifest | None = None
    file: Path | None = None
    problem: str | None = None
    try:
        file = manifest_path(point.module)
        manifest = read_manifest(file)
        if manifest.id != point.name:
            problem = f'{file}: id is "{manifest.id}", but the entry point is named "{point.name}"'
    except ManifestError as error:
        problem = str(error)
    return InstalledPlugin(
        id=point.name,
        entry_point=point,
        distribution=distribution,
        version=(manifest.version if manifest else "") or version,
        manifest=manifest,
        manifest_file=file,
        problem=problem,
        commands=tuple(
            sorted(
                each.name for each in commands if distribution and _origin(each)[0] == distribution
            )
        ),
    )


def _origin(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution; empty for an entry point made by hand."""
    return (point.dist.name, point.dist.version) if point.dist else ("", "")
