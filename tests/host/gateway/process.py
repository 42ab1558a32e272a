"""The real program as a process, and commands that talk to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 15.0


def free_port() -> int:
    """A TCP port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Home:
    """A scratch state folder with its configuration, and the environment that points to it."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, object] | None = None,
        packages: Path | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        """Write `config`; `packages` is a folder with further installed packages.

        `python` is the interpreter of the environment that `openclaw` is installed in.
        """
        self.command = [str(python), "-m", "openclaw"]
        self.printed = folder / "printed.txt"
        """What commands and gateways print is kept here, to be searched for secrets."""
        self.state_dir = folder / "state"
        self.state_dir.mkdir(parents=True)
        self.config_file = self.state_dir / "openclaw.json"
        self.port = free_port()
        if config is not None:
            self.config_file.write_text(json.dumps(config))
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENCLAW_", "TWILIO_", "OPENAI_"))
        }
        self.env = inherited | {
            "HOME": str(folder),
            "OPENCLAW_STATE_DIR": str(self.state_dir),
            "OPENCLAW_GATEWAY_PORT": str(self.port),
        }
        if packages is not None:
            self.env["PYTHONPATH"] = str(packages)

    @property
    def token_file(self) -> Path:
        return self.state_dir / "gateway-token"

    @property
    def token(self) -> str:
        """The token that the gateway generated."""
        return self.token_file.read_text().strip()

    @property
    def log_text(self) -> str:
        """All that was logged."""
        return "".join(path.read_text() for path in sorted(self.state_dir.glob("logs/*.log")))

    def cli(self, *args: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            [*self.command, *args],
            env=self.env,
            cwd=self.state_dir,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        self.keep(done.stdout, done.stderr)
        return done

    def keep(self, *texts: str) -> None:
        with self.printed.open("a", encoding="utf-8") as file:
            file.writelines(f"{text}\n" for text in texts)

    def program(self, *args: str) -> subprocess.Popen[str]:
        """Begin a command that goes on; what it prints can be read."""
        return subprocess.Popen(
            [*self.command, *args],
            env=self.env,
            cwd=self.state_dir,
            stdout=subprocess.PIPE,
            text=True,
        )

    def json(self, *args: str) -> object:
        """What a command prints; it must succeed and print nothing but JSON."""
        done = self.cli(*args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class GatewayProcess:
    """`openclaw gateway run`, ready."""

    def __init__(self, home: Home, *args: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [*home.command, "gateway", "run", *args],
            env=home.env,
            cwd=home.state_dir,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._lines: Queue[str | None] = Queue()
        self.complaints: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.await_line("gateway ready")

    def await_line(self, beginning: str) -> str:
        """Wait for a line on stdout."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"no {beginning!r}: {self.said} {self.complaints}") from None
            assert line is not None, f"it ended: {self.said} {self.complaints}"
            self.said.append(line)
            if line.startswith(beginning):
                return line

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; gives the exit status."""
        status = self.process.wait(STOP_TIMEOUT_S)
        for reader in self._readers:
            reader.join(STOP_TIMEOUT_S)
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                self.said.append(line)
        self.home.keep(*self.said, *self.complaints)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return status

    def stop(self) -> int:
        """End it in order; gives the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        self.complaints.extend(line.rstrip("\n") for line in self.process.stderr)


@contextmanager
def running(home: Home, *args: str) -> Generator[GatewayProcess]:
    """A gateway that runs inside the block."""
    gateway = GatewayProcess(home, *args)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.terminate()
            try:
                gateway.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                gateway.process.kill()
                raise
        gateway.wait()
