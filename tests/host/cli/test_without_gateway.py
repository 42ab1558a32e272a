"""Commands when no gateway runs, when something else hangs on its port, and when misused."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.host.gateway.process import Home, listens, running

ASKING = (
    ("gateway", "health"),
    ("gateway", "probe"),
    ("gateway", "call", "health"),
    ("health",),
    ("status",),
    ("logs",),
    ("agent", "-m", "hello"),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize("verb", ASKING, ids=" ".join)
def test_no_gateway_says_how_to_start_one(home: Home, verb: tuple[str, ...]) -> None:
    done = home.cli(*verb)
    assert done.returncode == 1
    assert f"no gateway is running at ws://127.0.0.1:{home.port}" in done.stderr
    assert done.stderr.endswith("Start it with: openclaw gateway run\n")
    assert not listens(home.port)


def test_status_of_the_gateway_tells_without_failing(home: Home) -> None:
    done = home.cli("gateway", "status")
    assert done.returncode == 0
    assert "RPC probe: failed: no gateway is running" in done.stdout
    assert "RPC probe" not in home.cli("gateway", "status", "--no-probe").stdout


@pytest.mark.scenario("F74")
def test_gateway_that_hangs_ends_with_advice(home: Home) -> None:
    with socket.create_server(("127.0.0.1", home.port)):
        done = home.cli("gateway", "health", "--timeout", "300", timeout=10)
    assert done.returncode == 1
    assert "gateway timeout after 300ms" in done.stderr
    assert "openclaw gateway status" in done.stderr
    assert not listens(home.port)


def test_logs_of_the_last_gateway_are_found(home: Home) -> None:
    with running(home) as gateway:
        gateway.stop()
    done = home.cli("logs")
    assert done.returncode == 0
    assert "[gateway] gateway stopping" in done.stdout
    assert "No gateway is running" in done.stderr


def test_logs_of_the_last_gateway_are_found_where_the_file_says(tmp_path: Path) -> None:
    home = Home(tmp_path, {"logging": {"file": "~/gateway.log"}})
    with running(home) as gateway:
        gateway.stop()
    done = home.cli("logs")
    assert "[gateway] gateway stopping" in done.stdout
    assert f"the last log is {tmp_path / 'gateway.log'}" in done.stderr


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["bogus"], "error: unknown command 'bogus'"),
        (["gateway", "bogus"], "error: unknown command 'bogus'"),
        (["agent"], "error: required option '-m, --message <text>' not specified"),
        (["gateway", "call"], "error: missing required argument 'method'"),
        (["status", "--jsno"], "error: unknown option '--jsno' (did you mean --json?)"),
        (["gateway", "run", "--port", "0"], "error: Invalid value for '--port'"),
    ],
)
def test_misuse_is_one_line_and_where_to_read(home: Home, args: list[str], text: str) -> None:
    done = home.cli(*args)
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(text)
    assert second.startswith("See: openclaw")


def test_help_and_version(home: Home) -> None:
    assert home.cli("--help").returncode == 0
    assert home.cli("--version").stdout == "0.1.0\n"
    alone = home.cli()
    assert alone.returncode == 1
    assert "Commands:" in alone.stderr
    assert home.cli("plugins").returncode == 1


def test_profile_has_a_folder_and_port_of_its_own(home: Home, tmp_path: Path) -> None:
    del home.env["OPENCLAW_STATE_DIR"], home.env["OPENCLAW_GATEWAY_PORT"]
    done = home.cli("--dev", "gateway", "status", "--json", "--no-probe")
    report = json.loads(done.stdout)
    assert report["config"]["path"] == str(tmp_path / ".openclaw-dev" / "openclaw.json")
    assert report["gateway"]["url"] == "ws://127.0.0.1:19001"
    named = json.loads(
        home.cli("--profile", "x", "gateway", "status", "--json", "--no-probe").stdout
    )
    assert named["config"]["path"] == str(tmp_path / ".openclaw-x" / "openclaw.json")


def test_light_commands_do_not_import_heavy_libraries(home: Home) -> None:
    home.env["PYTHONPROFILEIMPORTTIME"] = "1"
    done = home.cli("gateway", "health")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "websockets.sync.client" in imported
    assert not imported & {"aiohttp", "pydantic", "pydantic_ai", "cryptography", "openai"}
