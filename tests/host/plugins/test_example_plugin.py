"""The plugin of examples/ as a stranger would use it: installed, run, removed, for real."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from openclaw.config.tree import lookup
from tests.host.gateway.process import Home, running
from tests.host.plugins.scratch import ScratchEnvironment

EXAMPLE = Path(__file__).parents[3] / "examples" / "plugin-hello"
CONFIG = """{
  // the token comes from the environment
  gateway: { auth: { token: "${HELLO_TOKEN}" } },
  plugins: {
    entries: {
      hello: { config: { greeting: "${GREETING}" } }, // in the language of the house
    },
  },
}
"""
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The example, installed without a network, in an environment of its own."""
    folder = tmp_path_factory.mktemp("hello")
    scratch = ScratchEnvironment(folder / "env")
    house = Home(folder, python=scratch.python)
    house.env |= {"HELLO_TOKEN": TOKEN, "GREETING": "Servus", "PIP_NO_INDEX": "1"}
    house.config_file.write_text(CONFIG)
    shown = house.cli("plugins", "install", str(EXAMPLE), "--dry-run")
    assert shown.stdout.splitlines() == [
        "Plugin package: openclaw-plugin-hello (hello)",
        f"Will run: {scratch.python} -m pip install --editable {EXAMPLE}",
        f"Will set: plugins.entries.hello.enabled = true in {house.config_file}",
        f"Will note it in: {house.state_dir / 'plugins.json'}",
        "Dry run: nothing was changed.",
    ]
    assert scratch.installed == set()
    assert house.config_file.read_text() == CONFIG

    done = house.cli("plugins", "install", str(EXAMPLE), timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == [
        f"Linked plugin path: {EXAMPLE}",
        "Installed plugin: hello (openclaw-plugin-hello 0.1.0)",
        "Restart the gateway to load plugins.",
    ]
    assert "Trying with what is installed here" in done.stderr
    assert scratch.installed == {"openclaw_plugin_hello"}
    enabled = '"${GREETING}" }, enabled: true }'
    assert house.config_file.read_text() == CONFIG.replace('"${GREETING}" } }', enabled)
    yield house

    done = house.cli("plugins", "uninstall", "hello", "--yes", timeout=120)
    assert done.returncode == 0, done.stderr
    assert scratch.installed == set()
    assert "hello" not in house.config_file.read_text()
    assert "// the token comes from the environment" in house.config_file.read_text()
    assert EXAMPLE.is_dir()
    again = house.cli("plugins", "uninstall", "hello", "--yes")
    assert again.stderr.startswith("error: Plugin not found: hello\n")


def test_method_tool_and_command_reach_one_running_plugin(home: Home) -> None:
    with running(home) as gateway:
        call = ("gateway", "call", "hello.greet", "--json", "--params", '{"name": "Ada"}')
        assert home.json(*call) == {"text": "Servus, Ada!", "count": 1}
        assert lookup(_invoke(home, {"name": "Alan"}), ("text",)) == "Servus, Alan!"
        assert "name required" in str(_invoke(home, {"name": " "}))
        assert home.json("hello", "greet", "Grace") == {"text": "Servus, Grace!", "count": 3}
        wrong = home.cli("hello", "greet", " ")
        assert (wrong.returncode, wrong.stderr) == (1, "error: name required\n")
        assert home.json("plugins", "doctor", "--json") == {"ok": True, "issues": []}
        assert gateway.stop() == 0
    # Its service has taken the count through the restart.
    with running(home):
        assert home.json("hello", "greet", "Ada") == {"text": "Servus, Ada!", "count": 4}


def test_info_says_what_it_offers_and_where_it_came_from(home: Home) -> None:
    facts = home.json("plugins", "info", "hello", "--json")
    offered = {key: lookup(facts, (key,)) for key in ("status", "toolNames", "services")}
    assert offered == {"status": "loaded", "toolNames": ["hello_greet"], "services": ["count"]}
    assert lookup(facts, ("install", "sourcePath")) == str(EXAMPLE)
    assert f"from {EXAMPLE}" in home.cli("plugins", "info", "hello").stdout


def test_wrong_section_is_named_and_stops_nothing_else(home: Home) -> None:
    home.env["GREETING"] = ""
    path = "plugins.entries.hello.config.gretting"
    assert home.cli("config", "set", path, "Hi").returncode == 0
    done = home.cli("config", "validate")
    assert f'{path}: Unrecognized key: "gretting"' in done.stderr
    with running(home):
        health = home.json("health", "--json")
        assert lookup(health, ("plugins", 0, "status")) == "error"
    assert home.cli("config", "unset", path).returncode == 0
    home.env["GREETING"] = "Servus"


def test_removing_asks_and_shows_first(home: Home) -> None:
    before = home.config_file.read_text()
    shown = home.cli("plugins", "uninstall", "hello", "--dry-run").stdout
    package, entry = "package openclaw-plugin-hello", "config entry plugins.entries.hello"
    assert shown.splitlines() == [
        f"Will remove: {package}; {entry}; install record",
        f"Will stay: {EXAMPLE}",
        "Dry run: nothing was changed.",
    ]
    kept = home.cli("plugins", "uninstall", "hello", "--dry-run", "--keep-config").stdout
    assert "config entry" not in kept
    unasked = home.cli("plugins", "uninstall", "hello")
    assert (unasked.returncode, unasked.stderr) == (
        1,
        "error: there is no terminal to ask on\nSay --yes to remove it.\n",
    )
    assert home.config_file.read_text() == before


def _invoke(home: Home, arguments: object) -> object:
    """What the tool answers over HTTP."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{home.port}/tools/invoke",
        json.dumps({"tool": "hello_greet", "args": arguments}).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return lookup(json.load(response), ("result", "details"))
