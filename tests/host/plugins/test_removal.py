"""Install records, and what removing a plugin means."""

from __future__ import annotations

import json
import stat
from importlib.metadata import EntryPoint
from pathlib import Path

import msgspec
import pytest

from openclaw.errors import PluginInstallError
from openclaw.plugins.discovery import InstalledPlugin
from openclaw.plugins.install import Removal, plan_removal
from openclaw.plugins.install_records import InstallRecord, InstallRecords

RECORD = InstallRecord(
    source="path",
    spec="/src/mine",
    distribution="openclaw-mine",
    version="1.0",
    environment="/env",
    installed_at="2026-03-01T12:00:00+00:00",
    source_path="/src/mine",
)


def _installed(plugin_id: str, distribution: str = "OpenClaw_Mine") -> InstalledPlugin:
    point = EntryPoint(plugin_id, "x:Plugin", "openclaw.plugins")
    return InstalledPlugin(plugin_id, point, distribution, "1", None, None, None, ())


def test_records_are_kept_privately_and_by_id(tmp_path: Path) -> None:
    records = InstallRecords(tmp_path / "state")
    assert records.all() == {}
    records.add({"mine": RECORD})
    records.add({"other": RECORD})
    assert records.all() == {"mine": RECORD, "other": RECORD}
    assert json.loads(records.path.read_text())["installs"]["mine"]["sourcePath"] == "/src/mine"
    assert stat.S_IMODE(records.path.stat().st_mode) == 0o600
    records.remove(["mine", "nobody"])
    assert records.all() == {"other": RECORD}
    assert [path.name for path in records.path.parent.iterdir()] == ["plugins.json"]


@pytest.mark.parametrize("text", ["{", '{"installs": {"x": {}}}', '{"version": 2}', "\xff"])
def test_file_that_cannot_be_read_is_named_and_not_overwritten(tmp_path: Path, text: str) -> None:
    records = InstallRecords(tmp_path)
    records.path.write_text(text, encoding="latin-1")
    with pytest.raises(PluginInstallError, match=r"plugins\.json"):
        records.add({"mine": RECORD})
    assert records.path.read_text(encoding="latin-1") == text


def test_removal_takes_all_that_one_package_brought() -> None:
    records = {"mine": RECORD, "also": RECORD, "other": _record(distribution="openclaw-other")}
    installed = [_installed("mine"), _installed("also"), _installed("other", "openclaw-other")]
    assert plan_removal("mine", records, installed, (), "/env") == Removal(
        ("also", "mine"), "openclaw-mine", recorded=True, source_path="/src/mine"
    )


def test_record_without_its_package_can_be_cleared_up() -> None:
    removal = plan_removal("mine", {"mine": RECORD}, [], (), "/env")
    assert (removal.distribution, removal.recorded) == (None, True)


def test_entry_without_a_plugin_can_be_cleared_up() -> None:
    removal = plan_removal("old", {}, [_installed("mine")], ["old"], "/env")
    assert removal == Removal(("old",), None, recorded=False, source_path=None)


def test_plugin_that_came_by_other_means_is_refused_with_the_way() -> None:
    with pytest.raises(PluginInstallError, match="was not installed by openclaw plugins") as no:
        plan_removal("mine", {}, [_installed("mine")], ["mine"], "/env")
    assert "-m pip uninstall OpenClaw_Mine" in str(no.value.remedy)


def test_plugin_of_another_environment_is_left_to_it(tmp_path: Path) -> None:
    records = {"mine": _record(environment=str(tmp_path))}
    with pytest.raises(PluginInstallError, match=f"is installed in {tmp_path}, not in /env"):
        plan_removal("mine", records, [], (), "/env")
    tmp_path.rmdir()
    assert plan_removal("mine", records, [], (), "/env").distribution is None


def test_unknown_plugin_is_not_found() -> None:
    with pytest.raises(PluginInstallError, match="Plugin not found: nobody"):
        plan_removal("nobody", {"mine": RECORD}, [_installed("mine")], ["mine"], "/env")


def _record(**changes: str) -> InstallRecord:
    return msgspec.structs.replace(RECORD, **changes)
