"""What `plugins install` is asked for: a distribution by its name, or a folder with a plugin."""

from __future__ import annotations

import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openclaw.config.paths import expand
from openclaw.config.tree import Tree, is_list, subtree
from openclaw.errors import PluginInstallError
from openclaw.plugins.discovery import PLUGIN_GROUP
from openclaw.plugins.manifest import MANIFEST_NAME, ManifestError, read_manifest

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_CLAUSE = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+\s*"
_EXTRAS = r"\[[A-Za-z0-9._,\s-]*\]"
_REQUIREMENT = re.compile(rf"(?P<name>{_NAME})(?:{_EXTRAS})?(?:{_CLAUSE}(?:,{_CLAUSE})*)?")
_NODE_NAME = r"(?P<name>[a-z0-9][a-z0-9._-]*)(?:@(?P<version>[A-Za-z0-9.]+))?"
_NODE_PACKAGE = re.compile(f"@openclaw/{_NODE_NAME}")

_SPELLING = "write it like openclaw-voice-call, openclaw-voice-call==0.1.0 or ./extensions/mine"


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution that pip looks for in its index."""

    distribution: str
    requirement: str
    """What pip is given: the name, perhaps with extras and versions."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A source tree that is linked: what changes in it counts at the gateway's next start."""

    path: Path
    distribution: str
    ids: tuple[str, ...]
    """The plugins inside."""
    backend: str | None
    """The module that builds it; None if it does not say, which means setuptools."""


def read_source(text: str, cwd: Path, env: Mapping[str, str]) -> Package | Folder:
    """What the user means by `text`: a folder if it looks like one or is one, else a package.

    `@openclaw/<name>`, as the Node host calls its plugins, is our `openclaw-<name>`. Of a folder
    everything is checked that can be without running its code. Raises PluginInstallError.
    """
    node = _NODE_PACKAGE.fullmatch(text)
    if node:
        name = f"openclaw-{node['name']}"
        version = node["version"]
        pinned = version is not None and version != "latest"
        return Package(normalised(name), f"{name}=={version}" if pinned else name)
    path = cwd / expand(text, env)
    looks_like_path = text.startswith((".", "~")) or "/" in text.removeprefix("@")
    # A bare name is a folder's only if a project lies there; any other one is left to pip.
    if path.is_dir() and (looks_like_path or (text and (path / "pyproject.toml").exists())):
        return read_folder(path.resolve())
    if text.startswith("@"):
        remedy = "this gateway's plugins are Python packages; " + _SPELLING
        raise PluginInstallError(f"{text} is a package of the Node host", remedy)
    if path.is_file():
        raise PluginInstallError(
            f"{text} is a file; a plugin is installed from its folder or by its name",
            "install the file with pip, then: openclaw plugins enable <id>",
        )
    if looks_like_path and "://" not in text:
        raise PluginInstallError(f"Path not found: {text}")
    found = _REQUIREMENT.fullmatch(text)
    if found is None:
        raise PluginInstallError(f"{text!r} is neither a package's name nor a folder", _SPELLING)
    return Package(normalised(found["name"]), text)


def normalised(name: str) -> str:
    """A distribution's name in the one spelling that all its spellings share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_folder(path: Path) -> Folder:
    """The plugin in a folder. Raises PluginInstallError when it has none that we can run."""
    project_file = path / "pyproject.toml"
    try:
        if path.stat().st_mode & stat.S_IWOTH:
            text = f"anybody on this machine can change {path}, and so run code in the gateway"
            raise PluginInstallError(text, f"First: chmod o-w {shlex.quote(str(path))}")
        declared: Tree = tomllib.loads(project_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _no_project(path) from None
    except OSError as error:
        raise PluginInstallError(f"cannot read {project_file}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PluginInstallError(f"{project_file}: {error}") from error
    project = subtree(declared, "project")
    name = project.get("name")
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise PluginInstallError(f"{project_file}: [project] has no usable name")
    points = subtree(project, "entry-points", PLUGIN_GROUP)
    if not points:
        raise PluginInstallError(
            f"{project_file} declares no plugin",
            f'add [project.entry-points."{PLUGIN_GROUP}"] with <id> = "<package>.<module>:<Class>"',
        )
    for plugin_id, target in points.items():
        _check_manifest(path, plugin_id, str(target))
    return Folder(path, normalised(name), tuple(sorted(points)), _backend(declared))


def _no_project(path: Path) -> PluginInstallError:
    if (path / "package.json").exists():
        text = f"{path} holds a plugin of the Node host, which this gateway cannot run"
        return PluginInstallError(text, "its Python counterpart may be @openclaw/<name>")
    return PluginInstallError(f"{path} is no Python project: it has no pyproject.toml")


def _check_manifest(folder: Path, plugin_id: str, target: str) -> None:
    package = target.partition(":")[0].partition(".")[0]
    file = next((each for each in _places(folder, package) if each.is_file()), None)
    if file is None:
        text = f"{folder} has no {MANIFEST_NAME} in its package {package}"
        raise PluginInstallError(text, f"{plugin_id} needs one beside the package's __init__.py")
    try:
        manifest = read_manifest(file)
    except ManifestError as error:
        raise PluginInstallError(str(error)) from error
    if manifest.id != plugin_id:
        text = f'{file}: id is "{manifest.id}", but the entry point is named "{plugin_id}"'
        raise PluginInstallError(text)


def _places(folder: Path, package: str) -> Iterator[Path]:
    """Where the manifest of a package can lie: the package is in the folder, or one below."""
    for root in (folder, *sorted(each for each in folder.iterdir() if each.is_dir())):
        yield root / package / MANIFEST_NAME
        if (root / f"{package}.py").is_file():
            yield root / MANIFEST_NAME


def _backend(declared: Tree) -> str | None:
    system = subtree(declared, "build-system")
    backend = system.get("build-backend")
    # A backend that lies in the folder itself is there anyway.
    if is_list(system.get("backend-path")) or not isinstance(backend, str):
        return None
    return backend.partition(":")[0]
