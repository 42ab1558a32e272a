"""The manifest `openclaw.plugin.json` that lies in a plugin's package."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import msgspec

MANIFEST_NAME = "openclaw.plugin.json"
_MAX_BYTES = 1024 * 1024


class ManifestError(Exception):
    """The manifest is missing or cannot be used; the text names the file."""


class PluginManifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a plugin says about itself; other OpenClaw hosts read the same file.

    Keys that we do not know are theirs and are ignored.
    """

    id: str
    config_schema: Mapping[str, object]
    """JSON schema of `plugins.entries.<id>.config`."""
    name: str = ""
    description: str = ""
    version: str = ""
    skills: tuple[str, ...] = ()
    """Folders with skills, relative to the manifest."""


def manifest_path(module: str) -> Path:
    """Where the manifest of the package with this module lies. Imports nothing.

    Raises ManifestError when there is no such package or file.
    """
    package = module.partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ManifestError(f"the package {package} is not installed")
    folders = spec.submodule_search_locations or []
    candidates = [Path(folder, MANIFEST_NAME) for folder in folders]
    if not candidates and spec.origin is not None:
        candidates = [Path(spec.origin).with_name(MANIFEST_NAME)]
    for path in candidates:
        if path.is_file():
            return path
    looked = ", ".join(str(path) for path in candidates)
    raise ManifestError(f"no manifest at {looked or package}")


def read_manifest(path: Path) -> PluginManifest:
    """Read a manifest. Raises ManifestError."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise ManifestError(f"{path} is larger than {_MAX_BYTES} bytes")
    try:
        manifest = msgspec.json.decode(content, type=PluginManifest)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ManifestError(f"{path}: {error}") from error
    if manifest.config_schema.get("type") != "object":
        raise ManifestError(f'{path}: configSchema must have "type": "object"')
    return manifest
