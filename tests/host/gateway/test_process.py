"""`openclaw gateway run` as a process: start, refusals, signals, what it leaves behind."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.host.gateway.process import Home, listens, running
from tests.secrecy import secret

PACKAGES = Path(__file__).parents[1] / "plugins" / "packages"


def _tiny(**config: object) -> dict[str, object]:
    return {"plugins": {"entries": {"tiny": {"enabled": True, "config": config}}}}


def test_token_is_generated_kept_private_and_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with running(home) as gateway:
        assert home.cli("gateway", "call", "health").returncode == 0
        assert gateway.stop() == 0
    assert stat.S_IMODE(home.token_file.stat().st_mode) == 0o600
    said = "\n".join(gateway.said)
    assert f'export OPENCLAW_GATEWAY_TOKEN="$(cat {home.token_file})"' in said
    assert home.token not in said + "\n".join(gateway.complaints) + home.log_text


def test_start_lines_name_addresses_process_and_log_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with running(home) as gateway:
        pid = gateway.process.pid
        gateway.stop()
    text = "\n".join(gateway.complaints)
    assert f"listening on ws://127.0.0.1:{home.port}" in text
    assert f"(PID {pid})" in text
    assert f"log file: {home.state_dir}/logs/openclaw-" in text


def test_configured_token_is_not_announced(tmp_path: Path) -> None:
    token = secret("gateway")
    home = Home(tmp_path, {"gateway": {"auth": {"token": token}}})
    with running(home) as gateway:
        assert home.cli("gateway", "health").returncode == 0
        gateway.stop()
    assert not home.token_file.exists()
    everything = "\n".join([*gateway.said, *gateway.complaints, home.log_text])
    assert "OPENCLAW_GATEWAY_TOKEN" not in everything
    assert token not in everything


@pytest.mark.scenario("F78")
def test_wrong_host_section_refuses_and_lists_every_problem(tmp_path: Path) -> None:
    home = Home(tmp_path, {"gateway": {"prot": 1, "bind": "everywhere"}, "somebody": {"else": 1}})
    done = home.cli("gateway", "run")
    assert done.returncode == 1
    assert done.stdout == ""
    assert 'gateway.prot: Unrecognized key: "prot"; did you mean "port"?' in done.stderr
    assert 'gateway.bind: Invalid input: not one of the allowed values: "everywhere"' in done.stderr
    assert "somebody" not in done.stderr
    assert not listens(home.port)


def test_unknown_allowed_plugin_refuses(tmp_path: Path) -> None:
    home = Home(tmp_path, {"plugins": {"allow": ["nobody"]}})
    done = home.cli("gateway", "run")
    assert done.returncode == 1
    assert 'plugins.allow[0]: plugin not found: "nobody"' in done.stderr


def test_second_instance_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with running(home) as gateway:
        done = home.cli("gateway", "run", "--port", str(home.port + 1))
        assert done.returncode == 1
        assert (
            f"error: another gateway instance is already listening on ws://127.0.0.1:{home.port} "
            f"(PID {gateway.process.pid})" in done.stderr
        )
        assert home.cli("gateway", "health").returncode == 0


def test_taken_port_is_said(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with socket.create_server(("127.0.0.1", home.port)):
        done = home.cli("gateway", "run")
    assert done.returncode == 1
    assert f"error: port {home.port} is already in use" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_in_order_and_frees_everything(tmp_path: Path, number: signal.Signals) -> None:
    home = Home(tmp_path, _tiny(), PACKAGES)
    with running(home) as gateway:
        assert (home.state_dir / "tiny-presence").read_text() == "up"
        gateway.signal(number)
        assert gateway.wait() == 0
    assert (home.state_dir / "tiny-presence").read_text() == "stopped"
    assert not listens(home.port)
    with running(home) as again:
        assert again.stop() == 0


def test_killed_gateway_does_not_block_the_next(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with running(home) as gateway:
        gateway.signal(signal.SIGKILL)
        gateway.wait()
    with running(home) as again:
        assert again.stop() == 0


def test_service_that_does_not_stop_is_given_up(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(fails="stop"), PACKAGES)
    with running(home) as gateway:
        assert gateway.stop() == 0
    assert "service failed to stop" in home.log_text


def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(fails="stop"), PACKAGES)
    with running(home) as gateway:
        gateway.signal(signal.SIGTERM)
        while (home.state_dir / "tiny-presence").read_text() != "stopping":
            assert gateway.process.poll() is None
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 1
    assert "service failed to stop" not in home.log_text


def test_restart_keeps_process_and_tells_plugins(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(), PACKAGES)
    with running(home) as gateway:
        gateway.signal(signal.SIGUSR1)
        gateway.await_line("gateway ready")
        assert '"gateway restarting"' in home.log_text
        assert home.cli("gateway", "health").returncode == 0
        status = json.loads(home.cli("gateway", "status", "--json").stdout)
        assert status["gateway"]["pid"] == gateway.process.pid
        assert gateway.stop() == 0


@pytest.mark.scenario("F81")
def test_log_hides_secrets_and_forged_lines(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(apiKey="sk-very-secret-key"), PACKAGES)
    with running(home) as gateway:
        gateway.stop()
    up = next(line for line in gateway.complaints if "service up" in line)
    assert "[tiny]" in up
    assert "key=[redacted]" in up
    assert r"a\n00:00:00 [b] c" in up
    assert "sk-very-secret-key" not in "\n".join(gateway.complaints) + home.log_text
    events = [json.loads(line) for line in home.log_text.splitlines()]
    event = next(each for each in events if each["0"] == "service up")
    assert event["1"]["key"] == "[redacted]"
    assert json.loads(event["_meta"]["name"]) == {"subsystem": "tiny"}
    assert event["_meta"]["logLevelName"] == "INFO"


def test_log_level_of_the_command_line_wins(tmp_path: Path) -> None:
    home = Home(tmp_path, {"logging": {"level": "error"}})
    with running(home) as quiet:
        quiet.stop()
    assert quiet.complaints == []
    with running(home, "--verbose") as talkative:
        talkative.stop()
    assert any("listening on" in line for line in talkative.complaints)


def test_wrong_plugin_section_leaves_the_host_running(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(greeting=3), PACKAGES)
    problem = "plugins.entries.tiny.config.greeting: expected string, received 3"
    with running(home):
        assert home.cli("gateway", "health").returncode == 0
        call = home.cli("gateway", "call", "tiny.greet")
        assert call.returncode == 1
        assert problem in call.stderr
        assert problem in home.cli("health").stdout
        listed = json.loads(home.cli("plugins", "list", "--json").stdout)
        (tiny,) = [each for each in listed["plugins"] if each["id"] == "tiny"]
        assert (tiny["status"], tiny["problems"]) == ("error", [problem])
        doctor = home.cli("plugins", "doctor")
        assert (doctor.returncode, doctor.stdout) == (1, f"  x tiny: {problem}\n")
        assert _ready(home) == (503, ["plugin:tiny"])
    validate = home.cli("config", "validate")
    assert validate.returncode == 1
    assert problem in validate.stderr


def test_service_that_cannot_start_is_reported_by_every_door(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(fails="start"), PACKAGES)
    reason = "service presence failed to start: OpenClawError: the line is dead"
    with running(home):
        assert home.cli("gateway", "call", "tiny.greet").returncode == 0
        assert f"tiny: {reason}" in home.cli("plugins", "doctor").stdout
        assert reason in home.cli("health").stdout
        assert _ready(home) == (503, ["plugin:tiny"])
    assert not (home.state_dir / "tiny-presence").exists()


@pytest.mark.scenario("F81")
def test_plugin_that_fails_to_register_is_in_error_without_its_secrets(tmp_path: Path) -> None:
    home = Home(tmp_path, _tiny(fails="register", apiKey="sk-very-secret-key"), PACKAGES)
    with running(home) as gateway:
        call = home.cli("gateway", "call", "tiny.greet")
        assert "unknown method: tiny.greet" in call.stderr
        listed = home.cli("plugins", "list", "--json").stdout
        assert "failed to register: OpenClawError: cannot register with [redacted]" in listed
        health = home.cli("health").stdout
        assert "cannot register with [redacted]" in health
        gateway.stop()
    everything = [listed, health, *gateway.said, *gateway.complaints, home.log_text]
    assert "sk-very-secret-key" not in "\n".join(everything)


def _ready(home: Home) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{home.port}/readyz", timeout=5) as response:
            return response.status, json.load(response)["failing"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["failing"]


def test_start_leaves_the_model_libraries_alone() -> None:
    heavy = ("pydantic_ai", "openai", "cryptography", "rich", "numpy")
    code = (
        f"import sys, openclaw.cli.gateway_process; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n", done.stderr
