"""What an interpreter that starts now sees of one distribution's plugins.

After an installation the running process still knows what it found before, so `install` runs this
module as a program: `python -m openclaw.plugins.probe <distribution>` prints a `Sighting` as JSON.
"""

from __future__ import annotations

import contextlib
import sys
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points

import msgspec

from openclaw.errors import PluginRejected
from openclaw.plugins.discovery import PLUGIN_GROUP, InstalledPlugin, installed_plugins
from openclaw.plugins.install_source import normalised
from openclaw.plugins.loader import instantiate


class SeenPlugin(msgspec.Struct, frozen=True):
    """One plugin of the distribution; `problem` says why it cannot be used."""

    id: str
    problem: str | None = None


class Sighting(msgspec.Struct, frozen=True):
    """A distribution: its version, None if it is not installed, and its plugins."""

    version: str | None
    plugins: tuple[SeenPlugin, ...] = ()


def look(name: str) -> Sighting:
    """Look at the distribution `name` from inside this process; imports its plugins' code."""
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        return Sighting(None)
    wanted = normalised(name)
    usable = {each.id: each for each in installed_plugins()}
    owners = {(point.name, _owner(point)) for point in entry_points(group=PLUGIN_GROUP)}
    seen: list[SeenPlugin] = []
    for plugin_id in sorted(each for each, owner in owners if owner == wanted):
        others = sorted(owner for each, owner in owners if each == plugin_id and owner != wanted)
        problem = f"{', '.join(others)} already has a plugin of this id" if others else None
        seen.append(SeenPlugin(plugin_id, problem or _problem(usable[plugin_id])))
    return Sighting(version, tuple(seen))


def _owner(point: EntryPoint) -> str:
    return normalised(point.dist.name) if point.dist else ""


def _problem(plugin: InstalledPlugin) -> str | None:
    try:
        instantiate(plugin)
    except PluginRejected as error:
        return error.reason
    return None


def main() -> None:
    """Print what `look` gives; whatever a plugin prints while it is imported goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        found = look(sys.argv[1])
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
