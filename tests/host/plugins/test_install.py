"""Installing with pip into an environment that is really there, without any index."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from openclaw.errors import PluginInstallError
from openclaw.plugins.discovery import installed_plugins
from openclaw.plugins.install import PluginInstaller, Removal
from openclaw.plugins.install_records import InstallRecord, InstallRecords
from openclaw.plugins.install_source import Package, read_folder
from openclaw.plugins.pip import Pip
from tests.host.plugins.scratch import ScratchEnvironment, build_wheel, write_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINE = Package("openclaw-mine", "openclaw-mine")

# Lies in the folder itself, so that pip can build it without fetching anything.
OWN_BACKEND = 'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
    import pathlib, zipfile

    def build_editable(folder, config_settings=None, metadata_directory=None):
        info = "openclaw_mine-1.0.dist-info"
        here = pathlib.Path.cwd()
        name = "openclaw_mine-1.0-py3-none-any.whl"
        with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
            wheel.writestr("openclaw_mine.pth", f"{here}\\n")
            wheel.writestr(f"{info}/METADATA",
                           "Metadata-Version: 2.1\\nName: openclaw-mine\\nVersion: 1.0\\n")
            wheel.writestr(f"{info}/WHEEL",
                           "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
            wheel.writestr(f"{info}/entry_points.txt",
                           "[openclaw.plugins]\\nmine = openclaw_mine:Quiet\\n")
            wheel.writestr(f"{info}/RECORD", "")
        return name
    """


class Desk:
    """An installer for a scratch environment, whose packages lie in one folder."""

    def __init__(self, folder: Path) -> None:
        self.scratch = ScratchEnvironment(folder / "env")
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.records = InstallRecords(folder / "state")
        self.said: list[str] = []
        links = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        pip = Pip(str(self.scratch.python), {**os.environ, **links})
        environment = str(self.scratch.folder)
        self.installer = PluginInstaller(pip, self.records, self.said.append, environment)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_package_comes_and_goes_with_its_record(desk: Desk) -> None:
    build_wheel(desk.wheels, "openclaw-mine", "1.5", plugin_id="mine")
    desk.installer.check(MINE, installed_plugins())
    expected = InstallRecord(
        source="package",
        spec="openclaw-mine",
        distribution="openclaw-mine",
        version="1.5",
        environment=str(desk.scratch.folder),
        installed_at="2026-03-01T12:00:00+00:00",
    )
    assert desk.installer.install(MINE, NOW) == {"mine": expected}
    assert desk.records.all() == {"mine": expected}
    assert desk.scratch.installed == {"openclaw_mine"}

    removal = Removal(("mine",), "openclaw-mine", recorded=True, source_path=None)
    desk.installer.remove(removal)
    assert desk.scratch.installed == set()
    assert desk.records.all() == {}


def test_package_of_another_environment_is_not_said_to_be_gone(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "openclaw_mine-1.0.dist-info"
    outside.mkdir(parents=True)
    (outside / "METADATA").write_text("Metadata-Version: 2.1\nName: openclaw-mine\nVersion: 1.0\n")
    (outside / "RECORD").touch()
    desk.scratch.add_line(f"import site; site.addsitedir({str(outside.parent)!r})", "b-outside")
    with pytest.raises(PluginInstallError, match="openclaw-mine is still there, from outside"):
        desk.installer.remove(Removal(("mine",), "openclaw-mine", recorded=True, source_path=None))


def test_folder_is_linked_by_its_own_backend(desk: Desk, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "mine", "openclaw-mine", "mine", build=OWN_BACKEND)
    (folder / "backend.py").write_text(dedent(BACKEND))
    record = desk.installer.install(read_folder(folder), NOW)["mine"]
    assert (record.source, record.source_path) == ("path", str(folder))
    assert desk.said == []
    # Linked: what the folder holds now is what counts.
    (folder / "openclaw_mine" / "openclaw.plugin.json").unlink()
    with pytest.raises(PluginInstallError, match=r"still installed:\n  plugin mine: no manifest"):
        desk.installer.install(Package("openclaw-mine", "openclaw-mine"), NOW)


def test_build_that_fails_ends_with_pips_own_words(desk: Desk, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "mine", "openclaw-mine", "mine", build=OWN_BACKEND)
    (folder / "backend.py").write_text("raise SystemExit('no compiler on board')")
    with pytest.raises(PluginInstallError, match="no compiler on board") as failed:
        desk.installer.install(read_folder(folder), NOW)
    assert len(str(failed.value).splitlines()) < 15
    assert str(failed.value.remedy).endswith(f"-m pip install --editable {folder}")
    assert desk.records.all() == {}


@pytest.mark.parametrize(
    ("plugin_id", "files", "reason"),
    [
        (None, {}, "openclaw-mine 1.0 has no plugin"),
        ("mine", {"openclaw_mine/__init__.py": "import gone"}, "No module named 'gone'"),
        ("voice-call", {}, "openclaw-voice-call already has a plugin of this id"),
    ],
)
def test_what_is_no_usable_plugin_is_removed_again(
    desk: Desk, plugin_id: str | None, files: Mapping[str, str], reason: str
) -> None:
    build_wheel(desk.wheels, "openclaw-mine", plugin_id=plugin_id, files=files)
    with pytest.raises(PluginInstallError, match="was removed again") as refused:
        desk.installer.install(MINE, NOW)
    assert reason in str(refused.value)
    assert desk.scratch.installed == set()
    assert desk.records.all() == {}


def test_folder_whose_requirements_cannot_be_fetched_is_not_left_half_there(
    desk: Desk, tmp_path: Path
) -> None:
    build = 'requires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    folder = write_project(
        tmp_path / "mine", "openclaw-mine", "mine", build=build, requires="openclaw-nowhere"
    )
    with pytest.raises(PluginInstallError, match="was removed again") as refused:
        desk.installer.install(read_folder(folder), NOW)
    assert "openclaw-mine 1.0 requires openclaw-nowhere, which is not inst" in str(refused.value)
    assert "Trying with what is installed here" in desk.said[0]
    assert desk.scratch.installed == set()


def test_plugin_does_not_replace_the_gateway(desk: Desk) -> None:
    build_wheel(desk.wheels, "openclaw-mine", plugin_id="mine", requires="openclaw-gateway>=99")
    build_wheel(desk.wheels, "openclaw-gateway", "99.0")
    with pytest.raises(PluginInstallError, match="openclaw-gateway"):
        desk.installer.install(MINE, NOW)
    assert desk.scratch.installed == set()


def test_missing_package_is_pips_to_say(desk: Desk) -> None:
    with pytest.raises(PluginInstallError, match="No matching distribution found for openclaw-m"):
        desk.installer.install(MINE, NOW)


def test_what_is_installed_and_no_plugin_is_left_alone(desk: Desk) -> None:
    with pytest.raises(PluginInstallError, match=r"click .* is installed and has no plugin"):
        desk.installer.check(Package("click", "click"), installed_plugins())


def test_folder_with_the_id_of_another_package_is_refused(desk: Desk, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "mine", "openclaw-mine", "voice-call", build=OWN_BACKEND)
    with pytest.raises(PluginInstallError, match=r"already exists: voice-call \(of openclaw-voice"):
        desk.installer.check(read_folder(folder), installed_plugins())


@pytest.mark.parametrize(
    ("made_by", "remedy"),
    [("", "{python} -m ensurepip"), ("uv = 0.8.0", "uv pip install --python {python} pip")],
)
def test_environment_without_pip_says_how_to_get_it(desk: Desk, made_by: str, remedy: str) -> None:
    desk.scratch.add_line("import sys; sys.modules['pip'] = None", "z-no-pip")
    with (desk.scratch.folder / "pyvenv.cfg").open("a") as notes:
        notes.write(f"{made_by}\n")
    with pytest.raises(PluginInstallError, match="has no pip") as refused:
        desk.installer.check(MINE, ())
    python = shlex.quote(str(desk.scratch.python))
    assert refused.value.remedy == f"Add it with: {remedy.format(python=python)}"


def test_pip_that_never_ends_is_ended(tmp_path: Path) -> None:
    pip = Pip(sys.executable, timeout_s=0.2)
    with pytest.raises(PluginInstallError, match=r"not done after 0\.2 s"):
        pip.run((sys.executable, "-c", "import time; time.sleep(60)"))


def test_output_is_kept_to_its_end() -> None:
    outcome = Pip().run((sys.executable, "-c", "for n in range(100_000): print(n)"))
    assert outcome.ok
    assert len(outcome.lines) < 5000
    assert outcome.end.splitlines()[-1] == "  99999"
    assert len(outcome.end.splitlines()) == 12
