"""A virtual environment of its own to install plugins into, with all that this one has."""

from __future__ import annotations

import json
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent


class ScratchEnvironment:
    """What is installed in it lies in it; the environment that runs the tests is only read."""

    def __init__(self, folder: Path) -> None:
        """Make it in `folder`."""
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self._packages = folder / "lib" / version / "site-packages"
        # As a site folder, so that the editable packages in it count too. pip comes with it, and
        # leaves alone what lies outside of its own environment.
        self.add_line(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})", "a-base")

    def add_line(self, line: str, name: str) -> None:
        """Have every interpreter of this environment run a line when it starts."""
        (self._packages / f"{name}.pth").write_text(f"{line}\n")

    @property
    def installed(self) -> set[str]:
        """The distributions that were installed into it, as their folders are named."""
        return {path.name.split("-")[0] for path in self._packages.glob("*.dist-info")}


def build_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    plugin_id: str | None = None,
    requires: str | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Put a wheel into `folder`; with `plugin_id`, of a plugin that registers nothing."""
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents = {
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
        f"{package}/__init__.py": "",
    }
    if plugin_id is not None:
        points = f"[openclaw.plugins]\n{plugin_id} = {package}:Quiet\n"
        contents[f"{info}/entry_points.txt"] = points
        contents |= plugin_files(package, plugin_id)
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in (contents | dict(files or {})).items():
            wheel.writestr(path, text)


def plugin_files(package: str, plugin_id: str) -> dict[str, str]:
    """A package with a plugin that registers nothing, by path."""
    manifest = {"id": plugin_id, "configSchema": {"type": "object"}}
    code = f"""
        class Quiet:
            id = {plugin_id!r}

            def register(self, api): ...

            def check_config(self, config, environ):
                return []
        """
    return {
        f"{package}/__init__.py": dedent(code),
        f"{package}/openclaw.plugin.json": json.dumps(manifest),
    }


def write_project(
    folder: Path, name: str, plugin_id: str, *, build: str, requires: str = ""
) -> Path:
    """A plugin's source tree; `build` is its `[build-system]` table."""
    package = name.replace("-", "_")
    project = f"""
        [project]
        name = "{name}"
        version = "1.0"
        dependencies = [{json.dumps(requires) if requires else ""}]

        [project.entry-points."openclaw.plugins"]
        {plugin_id} = "{package}:Quiet"

        [build-system]
        """
    texts = {"pyproject.toml": dedent(project) + build} | plugin_files(package, plugin_id)
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
