"""Manifests and discovery: nothing of the plugin's code runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from openclaw.plugins.discovery import installed_plugins
from openclaw.plugins.manifest import ManifestError, read_manifest

SCHEMA = {"type": "object"}


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A package whose code cannot be run."""
    sys.path.insert(0, str(tmp_path))
    folder = tmp_path / "explosive_plugin"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    yield folder
    sys.path.remove(str(tmp_path))


def _point(name: str) -> EntryPoint:
    return EntryPoint(name, "explosive_plugin.plugin:Plugin", "openclaw.plugins")


def test_plugin_is_described_without_being_imported(package: Path) -> None:
    manifest = {"id": "boom", "name": "Boom", "version": "3", "configSchema": SCHEMA, "other": 1}
    (package / "openclaw.plugin.json").write_text(json.dumps(manifest))
    (plugin,) = installed_plugins([_point("boom"), _point("boom")], [])
    assert plugin.problem is None
    assert plugin.manifest is not None
    assert (plugin.manifest.name, plugin.version, plugin.package) == ("Boom", "3", package.name)
    assert package.name not in sys.modules


def test_missing_manifest_is_the_plugins_problem(package: Path) -> None:
    (plugin,) = installed_plugins([_point("boom")], [])
    assert plugin.problem == f"no manifest at {package / 'openclaw.plugin.json'}"


def test_manifest_of_another_id_is_refused(package: Path) -> None:
    text = json.dumps({"id": "bang", "configSchema": SCHEMA})
    (package / "openclaw.plugin.json").write_text(text)
    (plugin,) = installed_plugins([_point("boom")], [])
    assert plugin.problem is not None
    assert 'id is "bang", but the entry point is named "boom"' in plugin.problem


def test_package_that_is_not_installed_is_named() -> None:
    (plugin,) = installed_plugins([EntryPoint("gone", "no_such_package:Plugin", "x")], [])
    assert plugin.problem == "the package no_such_package is not installed"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "truncated"),
        ('{"id": "x"}', "configSchema"),
        ('{"id": 3, "configSchema": {"type": "object"}}', "$.id"),
        ('{"id": "x", "configSchema": {"type": "string"}}', 'must have "type": "object"'),
        ("\xff", "malformed"),
        (" " * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_unusable_manifest_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ManifestError) as refused:
        read_manifest(file)
    assert str(file) in str(refused.value)
    assert reason in str(refused.value)
