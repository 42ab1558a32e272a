"""What `plugins install` is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.errors import PluginInstallError
from openclaw.plugins.install_source import Folder, Package, read_folder, read_source
from tests.host.plugins.scratch import write_project

HERE = 'requires = []\nbuild-backend = "somewhere.build:hooks"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "my-plugin", "openclaw-mine", "mine", build=HERE)


def _read(text: str, folder: Path) -> Package | Folder:
    return read_source(text, folder, {"HOME": str(folder)})


@pytest.mark.parametrize(
    ("text", "distribution", "requirement"),
    [
        ("openclaw-voice-call", "openclaw-voice-call", "openclaw-voice-call"),
        ("Openclaw_Voice.Call", "openclaw-voice-call", "Openclaw_Voice.Call"),
        ("openclaw-mine==1.2", "openclaw-mine", "openclaw-mine==1.2"),
        ("openclaw-mine[fast]>=1,<2", "openclaw-mine", "openclaw-mine[fast]>=1,<2"),
        ("@openclaw/voice-call", "openclaw-voice-call", "openclaw-voice-call"),
        ("@openclaw/voice-call@latest", "openclaw-voice-call", "openclaw-voice-call"),
        ("@openclaw/voice-call@0.1.0", "openclaw-voice-call", "openclaw-voice-call==0.1.0"),
    ],
)
def test_name_is_a_package(text: str, distribution: str, requirement: str, tmp_path: Path) -> None:
    assert _read(text, tmp_path) == Package(distribution, requirement)


@pytest.mark.parametrize("text", ["./my-plugin", "my-plugin", "~/my-plugin", "my-plugin/"])
def test_folder_is_found_as_it_is_written(text: str, project: Path) -> None:
    expected = Folder(project, "openclaw-mine", ("mine",), "somewhere.build")
    assert _read(text, project.parent) == expected


def test_folder_without_a_project_does_not_hide_a_package_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "openclaw-mine").mkdir()
    assert _read("openclaw-mine", tmp_path) == Package("openclaw-mine", "openclaw-mine")
    with pytest.raises(PluginInstallError, match="no Python project"):
        _read("./openclaw-mine", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("./nowhere", "Path not found: ./nowhere"),
        ("~/nowhere", "Path not found: ~/nowhere"),
        ("@somebody/else", "a package of the Node host"),
        ("git+https://example.com/x.git", "neither a package's name nor a folder"),
        ("--index-url=x", "neither a package's name nor a folder"),
        ("mine; python_version > '3'", "neither a package's name nor a folder"),
        ("", "neither a package's name nor a folder"),
        ("a-1.0-py3-none-any.whl", "is a file"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a-1.0-py3-none-any.whl").touch()
    with pytest.raises(PluginInstallError, match=re.escape(reason)):
        _read(text, tmp_path)


@given(st.text(max_size=40))
def test_any_text_is_a_source_or_refused_and_never_an_option_of_pip(text: str) -> None:
    try:
        source = read_source(text, Path("/nowhere"), {"HOME": "/nowhere"})
    except PluginInstallError:
        return
    assert isinstance(source, Package)
    assert source.requirement[0].isascii()
    assert source.requirement[0].isalnum()
    assert "\n" not in source.distribution


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_folder_without_manifest_is_refused(project: Path) -> None:
    (project / "openclaw_mine" / "openclaw.plugin.json").unlink()
    with pytest.raises(PluginInstallError, match=r"has no openclaw\.plugin\.json in its package"):
        read_folder(project)


def test_folder_whose_manifest_has_another_id_is_refused(project: Path) -> None:
    _replace(project / "openclaw_mine" / "openclaw.plugin.json", '"mine"', '"yours"')
    with pytest.raises(PluginInstallError, match='id is "yours", but the entry point is named "mi'):
        read_folder(project)


def test_project_that_declares_no_plugin_is_refused(project: Path) -> None:
    _replace(project / "pyproject.toml", "openclaw.plugins", "other.plugins")
    with pytest.raises(PluginInstallError, match="declares no plugin") as refused:
        read_folder(project)
    assert "openclaw.plugins" in str(refused.value.remedy)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[project]", "[project", r"pyproject\.toml: "),
        ('name = "openclaw-mine"', 'name = "-mine"', "no usable name"),
    ],
)
def test_unusable_project_is_named(project: Path, old: str, new: str, reason: str) -> None:
    _replace(project / "pyproject.toml", old, new)
    with pytest.raises(PluginInstallError, match=reason):
        read_folder(project)


def test_plugin_of_the_node_host_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "openclaw.plugin.json").write_text('{"id": "x", "configSchema": {}}')
    with pytest.raises(PluginInstallError, match="plugin of the Node host"):
        read_folder(tmp_path)


def test_folder_that_anybody_can_change_is_refused(project: Path) -> None:
    project.chmod(0o777)
    with pytest.raises(PluginInstallError, match="anybody on this machine can change"):
        read_folder(project)


def test_our_own_plugins_are_understood() -> None:
    root = Path(__file__).parents[3]
    assert read_folder(root / "extensions" / "voice-call").ids == ("voice-call",)
    assert read_folder(root / "examples" / "plugin-hello").ids == ("hello",)
