"""`plugins enable|disable`: one value of the file changes, nothing else."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openclaw.cli.plugin_commands import plugins
from tests.host.gateway.process import Home

FILE = """{
  // kept by hand
  gateway: { auth: { token: "${TOKEN}" } },
  plugins: {
    allow: ["voice-call"],
    entries: {
      "voice-call": { enabled: true, config: { fromNumber: "${NUMBER}" } }, // the phone
    },
  },
}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "openclaw.json"
    path.write_text(FILE)
    return path


def _run(file: Path, *args: str) -> Result:
    return CliRunner().invoke(plugins, args, env={"OPENCLAW_STATE_DIR": str(file.parent)})


def test_one_value_is_changed_and_back(file: Path) -> None:
    off = _run(file, "disable", "voice-call")
    assert (off.exit_code, off.stderr) == (0, "")
    assert off.stdout == 'Disabled plugin "voice-call". Restart the gateway to apply.\n'
    assert file.read_text() == FILE.replace("enabled: true", "enabled: false")
    on = _run(file, "enable", "voice-call")
    assert (on.exit_code, on.stderr) == (0, "")
    assert on.stdout == 'Enabled plugin "voice-call". Restart the gateway to apply.\n'
    assert file.read_text() == FILE


def test_file_that_says_so_already_is_not_written(file: Path) -> None:
    assert _run(file, "enable", "voice-call").exit_code == 0
    assert [path.name for path in file.parent.iterdir()] == ["openclaw.json"]


def test_unknown_id_is_a_warning(file: Path) -> None:
    done = _run(file, "disable", "nobody")
    assert (done.exit_code, done.stdout) == (
        0,
        'Disabled plugin "nobody". Restart the gateway to apply.\n',
    )
    assert done.stderr == "warning: plugin not found: nobody; see: openclaw plugins list\n"
    assert '"enabled": false' in file.read_text()


def test_plugin_that_stays_off_all_the_same_is_said(file: Path) -> None:
    done = _run(file, "enable", "nobody")
    assert done.exit_code == 0
    assert "warning: nobody stays off: not listed in plugins.allow" in done.stderr


def test_entry_that_cannot_be_changed_is_named(file: Path) -> None:
    file.write_text("{plugins: {entries: []}}")
    done = _run(file, "enable", "voice-call")
    assert done.exit_code == 1
    assert "plugins.entries" in str(done.exception)
    assert file.read_text() == "{plugins: {entries: []}}"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["install", "click", "-l"], "error: only a folder can be linked, and click is none"),
        (["uninstall", "voice-call", "--yes"], "was not installed by openclaw plugins install"),
        (["install", "./nowhere"], "Path not found: ./nowhere"),
    ],
)
def test_refusal_changes_nothing(file: Path, args: list[str], said: str) -> None:
    done = _run(file, *args)
    assert done.exit_code == 1
    assert said in f"{done.stderr}{done.exception}"
    assert file.read_text() == FILE


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("", 1), ("y", 0)])
def test_removing_asks_on_a_terminal(tmp_path: Path, answer: str, status: int) -> None:
    home = Home(tmp_path, {"plugins": {"entries": {"old": {"enabled": True}}}})
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    done = subprocess.run(
        [*home.command, "plugins", "uninstall", "old"],
        env=home.env,
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=30,
    )
    os.close(keyboard)
    os.close(terminal)
    assert done.returncode == status
    assert done.stdout.startswith("Will remove: config entry plugins.entries.old\n")
    assert "Continue? [y/N]" in done.stderr
    assert ("Cancelled: nothing was changed." in done.stderr) == bool(status)
    assert ("old" in home.config_file.read_text()) == bool(status)


def test_cleared_entry_that_is_still_allowed_is_warned_of(file: Path) -> None:
    file.write_text('{plugins: {allow: ["old"], entries: {old: {enabled: true}, b: {}}}}')
    done = _run(file, "uninstall", "old", "--yes")
    assert done.exit_code == 0, done.exception
    assert 'Uninstalled plugin "old". Removed: config entry plugins.entries.old.' in done.stdout
    assert "warning: plugins.allow still names old" in done.stderr
    assert file.read_text() == '{plugins: {allow: ["old"], entries: {b: {}}}}'
