"""Which changes of the configuration take a restart of the gateway. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from openclaw.config.source import OWN_SECTIONS
from openclaw.config.tree import Tree, format_path, is_tree, subtree

LIVE_GATEWAY_KEYS = frozenset({"reload", "remote"})
"""Of `gateway`: read at each change, and by clients only."""


def needing_restart(started: Tree, now: Tree, deaf: Collection[str] = ()) -> tuple[str, ...]:
    """The paths at which `now` differs from what the gateway was started with, without effect.

    `deaf` are the plugins that run and do not take up changes of their section.
    """
    return tuple(format_path(path) for path in _paths(started, now, deaf))


def _paths(started: Tree, now: Tree, deaf: Collection[str]) -> Iterator[tuple[str, ...]]:
    for section in sorted(OWN_SECTIONS):
        if section == "gateway":
            for key in _differing(subtree(started, "gateway"), subtree(now, "gateway")):
                if key not in LIVE_GATEWAY_KEYS:
                    yield "gateway", key
        elif section == "plugins":
            yield from _plugins(subtree(started, "plugins"), subtree(now, "plugins"), deaf)
        elif started.get(section) != now.get(section):
            yield (section,)


def _plugins(started: Tree, now: Tree, deaf: Collection[str]) -> Iterator[tuple[str, ...]]:
    for key in _differing(started, now):
        if key != "entries":
            yield "plugins", key
    old, new = subtree(started, "entries"), subtree(now, "entries")
    for plugin in _differing(old, new):
        for key in _differing(_entry(old, plugin), _entry(new, plugin)):
            if key != "config" or plugin in deaf:
                yield "plugins", "entries", plugin, key


def _entry(entries: Tree, plugin: str) -> Tree:
    entry = entries.get(plugin)
    return entry if is_tree(entry) else {}


def _differing(old: Tree, new: Tree) -> list[str]:
    return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
