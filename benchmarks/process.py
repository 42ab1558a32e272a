"""Processes under test: how they are started, and what they have used."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchmarks.traffic import ACCOUNT_SID, AUTH_TOKEN, OUR_NUMBER, PUBLIC_URL

OPENCLAW: Final = Path(sys.executable).with_name("openclaw")
NO_UVLOOP: Final = Path(__file__).with_name("no_uvloop")
"""On PYTHONPATH, it takes uvloop away from the programs under test."""
START_S: Final = 30.0
STOP_S: Final = 15.0
POLL_S: Final = 0.005


class DidNotStart(Exception):
    """A process under test ended or stayed silent; its output is the message."""


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    port: int
    """Of the webhooks."""

    def cpu_s(self) -> float:
        """CPU seconds that all of the process's threads have used so far."""
        stat = Path(f"/proc/{self.pid}/stat")
        if stat.exists():
            # From the 14th field on: ticks in user and in kernel mode. The second may hold blanks.
            user, system = stat.read_text("ascii").rpartition(")")[2].split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        clock = _ps(self.pid, "cputime").split(":")  # [hours:]minutes:seconds
        return sum(float(part) * 60**n for n, part in enumerate(reversed(clock)))

    def rss_mb(self) -> float:
        """Resident memory, in units of 10^6 bytes."""
        return int(_ps(self.pid, "rss")) * 1024 / 1e6


def _ps(pid: int, column: str) -> str:
    shown = subprocess.run(
        ["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


class Home:
    """A folder for one gateway: configuration, state, ports."""

    def __init__(
        self,
        folder: Path,
        rest_url: str,
        *,
        section: Mapping[str, object] = MappingProxyType({}),
        models: Mapping[str, object] = MappingProxyType({"scripted": {"default": "Very well."}}),
    ) -> None:
        """`rest_url` stands for Twilio's API; `section` is added to the plugin's, and `models` are
        the model providers."""
        self.folder = folder
        self.state = folder / "state"
        self.webhook_port = free_port()
        self.state.mkdir(parents=True, mode=0o700)
        section = {
            "provider": "twilio",
            "fromNumber": OUR_NUMBER,
            "twilio": {
                "accountSid": ACCOUNT_SID,
                "authToken": AUTH_TOKEN,
                "baseUrl": rest_url,
            },
            "serve": {"port": self.webhook_port},
            "publicUrl": PUBLIC_URL,
            "inboundPolicy": "open",
            "responseModel": "scripted/phone",
            "maxConcurrentCalls": 256,
            **section,
        }
        config = {
            "gateway": {"port": free_port(), "auth": {"token": "benchmark-gateway-token"}},
            "models": {"providers": dict(models)},
            "plugins": {"entries": {"voice-call": {"enabled": True, "config": section}}},
        }
        (self.state / "openclaw.json").write_text(json.dumps(config), "utf-8")

    @property
    def journal(self) -> Path:
        """The folder of the call journal."""
        return self.state / "voice-calls"

    @property
    def environ(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if "OPENCLAW" not in name}
        return {**kept, "HOME": str(self.folder), "OPENCLAW_STATE_DIR": str(self.state)}

    @asynccontextmanager
    async def gateway(self) -> AsyncGenerator[Running]:
        """`openclaw gateway run`, from when it takes webhooks and as long as it is needed."""
        command = (str(OPENCLAW), "gateway", "run")
        output = self.folder / "output.txt"
        async with serving(command, self.environ, self.webhook_port, output) as running:
            yield running


@asynccontextmanager
async def bare_handler(folder: Path) -> AsyncGenerator[Running]:
    """The floor of `bare.py`; its output goes into `folder`."""
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.bare", str(port))
    async with serving(command, os.environ, port, folder / "bare.txt") as running:
        yield running


@asynccontextmanager
async def serving(
    command: Sequence[str], environ: Mapping[str, str], port: int, output: Path
) -> AsyncGenerator[Running]:
    """A process, from when it accepts connections on `port` until it has been told to end.

    Raises DidNotStart.
    """
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, env=dict(environ), stdin=DEVNULL, stdout=file, stderr=file
        )
    try:
        await _accepting(process, port, output)
        yield Running(process.pid, port)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _accepting(process: Process, port: int, output: Path) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + START_S
    while process.returncode is None and loop.time() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(POLL_S)
        else:
            writer.close()
            return
    said = output.read_text("utf-8", "replace")  # noqa: ASYNC240 - nothing else runs yet
    raise DidNotStart(f"exit status {process.returncode} within {START_S:g} s\n{said}")


@contextmanager
def without_uvloop() -> Generator[None]:
    """What is started meanwhile is what `make install` gives."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(NO_UVLOOP), path)))
    try:
        yield
    finally:
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path


@contextmanager
def scratch() -> Generator[Path]:
    """A folder that is gone afterwards."""
    # Beside this file, because /tmp may be memory, which forgives a journal everything.
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=Path(__file__).parent) as folder:
        yield Path(folder)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
