"""A gateway process in a scratch folder, and the command line that talks to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

from openclaw.rpc.client import GatewayClient

READY_WITHIN_S: Final = 15.0
END_WITHIN_S: Final = 15.0
COMMAND_S: Final = 60.0
EVENT_S: Final = 20.0
LOG_LINES: Final = 20


class Gateway:
    """Made for a folder, which has the configuration, the state and the log."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self._config = folder / "openclaw.json"
        self._log = folder / "gateway.out"
        # Keys of the person who runs this have no business in a demonstration.
        kept = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
        for name in ("OPENCLAW_CONFIG_PATH", "OPENCLAW_GATEWAY_PORT", "OPENCLAW_GATEWAY_TOKEN"):
            kept.pop(name, None)
        self._env = {**kept, "OPENCLAW_STATE_DIR": str(folder), "NO_COLOR": "1"}

    @property
    def journal(self) -> Path:
        """All that happened on calls."""
        return self.folder / "voice-calls" / "calls.db"

    @contextmanager
    def running(self, config: Mapping[str, object]) -> Generator[None]:
        """Start it, and stop it at the end of the block."""
        self._config.write_text(json.dumps(config, indent=2))
        with self._log.open("wb") as out:
            process = subprocess.Popen(
                self._command("gateway", "run"), env=self._env, stdout=out, stderr=out
            )
        try:
            self._await_log("Runtime initialized", process)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run(self, *words: str) -> str:
        """A command as a user types it, and what it prints. Raises SystemExit when it fails."""
        done = subprocess.run(
            self._command(*words),
            check=False,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        if done.returncode:
            raise SystemExit(f"openclaw {words[0]} failed: {done.stderr}\n{self._log_end()}")
        return done.stdout

    def change(self, path: str, value: str) -> None:
        """Set a value of the configuration, and wait until the gateway has taken it up."""
        seen = len(self._log.read_text())
        self.run("config", "set", path, value)
        self._await_log("config change taken up", None, seen)

    def tail(self) -> subprocess.Popen[str]:
        """`openclaw voicecall tail`, from the first line of the journal on."""
        return subprocess.Popen(
            self._command("voicecall", "tail", "--since", "0", "--poll", "50"),
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def client(self) -> GatewayClient:
        token = (self.folder / "gateway-token").read_text().strip()
        return GatewayClient.connect(f"ws://127.0.0.1:{self.port}", token=token, timeout=10)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "openclaw", *words]

    def _log_end(self) -> str:
        lines = self._log.read_text().splitlines()
        return "\n".join(["The gateway's log ends with:", *lines[-LOG_LINES:]])

    def _await_log(self, text: str, process: subprocess.Popen[bytes] | None, seen: int = 0) -> None:
        give_up = time.monotonic() + READY_WITHIN_S
        while text not in self._log.read_text()[seen:]:
            over = process is not None and process.poll() is not None
            if over or time.monotonic() > give_up:
                raise SystemExit(f"the gateway does not say {text!r}. {self._log_end()}")
            time.sleep(0.05)


@contextmanager
def relayed(tail: subprocess.Popen[str], show: Callable[[str], None]) -> Generator[None]:
    """Show each line of a process until the end of the block, then end it."""

    def relay() -> None:
        assert tail.stdout is not None
        for line in tail.stdout:
            show(line.rstrip())

    reader = threading.Thread(target=relay, daemon=True)
    reader.start()
    try:
        yield
    finally:
        tail.terminate()
        tail.wait(timeout=END_WITHIN_S)
        reader.join(timeout=END_WITHIN_S)


def await_event(client: GatewayClient, event: str, **wanted: object) -> Mapping[str, object]:
    """Wait for an event of the gateway, for example the end of an inbound call."""
    for message in client.events(timeout=EVENT_S):
        if message.event == event and isinstance(message.payload, dict):
            payload = cast("dict[str, object]", message.payload)
            if all(payload.get(key) == value for key, value in wanted.items()):
                return payload
    raise SystemExit(f"no {event} came")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
