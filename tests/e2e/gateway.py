"""`openclaw gateway run` as a process of its own, in a scratch folder, reached as its users do."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiohttp
import msgspec

from openclaw.rpc.client import GatewayClient
from tests.emulators.clock import Changes
from tests.secrecy import secret

OPENCLAW = Path(sys.executable).with_name("openclaw")
GATEWAY_TOKEN = secret("gateway")
WEBHOOK_PATH = "/voice/webhook"

START_S = 30.0
"""Generous: several gateways may be starting on a busy machine."""
STOP_S = 15.0
CLI_S = 30.0
RPC_S = 20.0

# Below the range from which systems take the ports of outgoing connections, and apart for each
# process that runs tests at the same time.
_ports = itertools.count(12_000 + os.getpid() % 190 * 100)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on and that this process gives out once."""
    for port in _ports:
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("counting never ends")


@dataclass(frozen=True)
class Finished:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        """All of stdout, which must be one JSON object."""
        return msgspec.json.decode(self.out, type=dict[str, object])


class Entry(msgspec.Struct):
    """A line of a transcript."""

    speaker: str
    text: str
    is_final: bool = msgspec.field(name="isFinal")


class CallView(msgspec.Struct, rename="camel"):
    """A call record as the doors show it."""

    call_id: str
    provider: str
    direction: str
    state: str
    from_: str = msgspec.field(name="from")
    to: str
    transcript: list[Entry]
    started_at: int
    provider_call_id: str = ""
    answered_at: int = 0
    ended_at: int = 0
    end_reason: str = ""
    metadata: dict[str, object] = {}

    def texts(self, speaker: str) -> list[str]:
        """What `bot` or `user` said, in order."""
        return [entry.text for entry in self.transcript if entry.speaker == speaker]


class _Status(msgspec.Struct):
    found: bool
    call: CallView | None = None
    calls: list[CallView] = []


class GatewayProcess:
    """One gateway with its folder, its ports and its configuration; may be started repeatedly.

    Args:
        folder: becomes HOME and holds the state folder.
        config: the configuration, without what the harness sets: port and token of the gateway.
        environ: further variables of the process.
    """

    def __init__(
        self, folder: Path, config: dict[str, object], environ: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        """Every line that any process of this gateway has written, commands included."""
        self._config = config
        self._environ = dict(environ or {})
        self._changes = Changes()
        self._process: Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._began_at = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> str:
        """What the newest process has written so far."""
        return "\n".join(self.output[self._began_at :])

    @property
    def everything(self) -> str:
        """All output of all processes, and all log files."""
        files = sorted((self.state_dir / "logs").glob("*.log"))
        return "\n".join([*self.output, *(file.read_text("utf-8") for file in files)])

    @property
    def journal_dir(self) -> Path:
        return self.state_dir / "voice-calls"

    # --- the process

    async def start(self, *, ready: bool = True) -> None:
        """Start, and return when every door is open (`ready`), else when the RPC door is."""
        assert not self.running
        self.write_config()
        self._began_at = len(self.output)
        self._process = process = await asyncio.create_subprocess_exec(
            OPENCLAW, "gateway", "run", stdout=PIPE, stderr=PIPE, env=self._env(), cwd=self.folder
        )
        loop = asyncio.get_running_loop()
        self._readers = [
            loop.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)
        ]
        await self.wait_log("gateway ready", within=START_S)
        if ready:
            assert await self.readiness() == 200, self.log

    async def stop(self) -> int:
        """SIGTERM; the exit status, once it has ended."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: no goodbye to anybody."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """SIGKILL, then a new process on the same folder and ports."""
        await self.kill()
        await self.start()

    async def replace(self) -> None:
        """SIGUSR1: the process ends in order and replaces itself, on its configuration as it is."""
        assert self._process is not None
        self._began_at = len(self.output)
        self._process.send_signal(signal.SIGUSR1)
        await self.wait_log("gateway ready", within=START_S)

    async def close(self) -> None:
        """Leave nothing running, whatever the test did."""
        if self.running:
            await self.kill()

    async def readiness(self) -> int:
        """The HTTP status of /readyz."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=10)) as answer,
        ):
            return answer.status

    async def wait_log(self, text: str, within: float = 10.0) -> None:
        """Wait until the newest process has written this, to either stream."""

        def settled() -> bool:
            return text in self.log or all(reader.done() for reader in self._readers)

        await self._changes.until(settled, lambda: f"{text!r} in:\n{self.log}", within)
        assert text in self.log, f"ended without {text!r}:\n{self.log}"

    def write_config(self) -> None:
        """Write the configuration as it is now, which a running process may notice."""
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        gateway = {"port": self.port, "auth": {"token": GATEWAY_TOKEN}}
        self.replace_config(json.dumps({"gateway": gateway, **self._config}, indent=2))

    def replace_config(self, text: str) -> None:
        """Write the file as careful editors do: whole, or not at all."""
        new = self.state_dir / "openclaw.json.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self.state_dir / "openclaw.json")

    def limit_files(self, size: int | None) -> None:
        """No file of the process may grow beyond `size` bytes (None: any size): a full disk."""
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def memory_bytes(self) -> int:
        """What the process has in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize()

    # --- its doors

    async def cli(self, *args: str, within: float = CLI_S) -> Finished:
        """Run `openclaw ...` as its owner does, with this gateway's configuration."""
        process = await asyncio.create_subprocess_exec(
            OPENCLAW, *args, stdout=PIPE, stderr=PIPE, env=self._env(), cwd=self.folder
        )
        try:
            async with asyncio.timeout(within):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        finished = Finished(process.returncode or 0, out.decode(), err.decode())
        self.output += [*finished.out.splitlines(), *finished.err.splitlines()]
        return finished

    async def cli_until(self, text: str, *args: str, within: float = CLI_S) -> Finished:
        """Run a command that follows something; interrupt it once stdout has a line with `text`."""
        process = await asyncio.create_subprocess_exec(
            OPENCLAW, *args, stdout=PIPE, stderr=PIPE, env=self._env(), cwd=self.folder
        )
        assert process.stdout is not None
        seen = ""
        try:
            async with asyncio.timeout(within):
                while text not in seen and (line := await process.stdout.readline()):
                    seen += line.decode()
                process.send_signal(signal.SIGINT)
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Finished(process.returncode or 0, seen + out.decode(), err.decode())

    async def voicecall(self, *args: str, within: float = CLI_S) -> Finished:
        """Run `openclaw voicecall ...`."""
        return await self.cli("voicecall", *args, within=within)

    async def rpc(self, method: str, **params: object) -> dict[str, object]:
        """Call an RPC method over a connection of its own; gives its result, a JSON object.

        Raises:
            GatewayCallError: as the client reports it; RpcFailed is the gateway's own answer.
        """

        def call() -> object:
            with self._client(RPC_S) as client:
                return client.call(method, params, timeout=RPC_S)

        return msgspec.convert(await asyncio.to_thread(call), dict[str, object])

    async def invoke_tool(self, tool: str, **arguments: object) -> dict[str, object]:
        """Use a tool as an agent's host does; gives the HTTP body."""
        body = {"tool": tool, "args": arguments}
        headers = {"Authorization": f"Bearer {GATEWAY_TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.url}/tools/invoke", json=body) as answer,
        ):
            return msgspec.json.decode(await answer.read(), type=dict[str, object])

    # --- the use cases that most tests need, over RPC

    async def initiate(self, to: str, message: str = "", mode: str = "conversation") -> str:
        """Place a call; gives its id."""
        if message:
            answer = await self.rpc("voicecall.initiate", to=to, message=message, mode=mode)
        else:
            answer = await self.rpc("voicecall.start", to=to, mode=mode)
        return str(answer["callId"])

    async def speak(self, call: str, message: str) -> dict[str, object]:
        return await self.rpc("voicecall.speak", callId=call, message=message)

    async def end(self, call: str, *, at_once: bool = False) -> dict[str, object]:
        return await self.rpc("voicecall.end", callId=call, atOnce=at_once)

    async def status(self, call: str) -> CallView:
        """The record of a call that must be known."""
        return _known(await self.rpc("voicecall.status", callId=call))

    async def calls(self) -> list[CallView]:
        """The calls that `status` lists without an id."""
        return msgspec.convert(await self.rpc("voicecall.status"), _Status).calls

    async def wait_state(self, call: str, *states: str, within: float = 10.0) -> CallView:
        """Wait until the call is in one of these states."""
        return await self.wait_call(call, lambda view: view.state in states, within)

    async def wait_call(
        self, call: str, holds: Callable[[CallView], bool], within: float = 10.0
    ) -> CallView:
        """Wait until a call is known and its record is so; it is read again whenever the gateway
        says that a call has changed.

        Raises:
            TimeoutError: it was not so in time; shows the newest record.
        """

        def wait() -> CallView:
            deadline = monotonic() + within
            with self._client(within) as client:
                while True:
                    answer = client.call("voicecall.status", {"callId": call})
                    view = msgspec.convert(answer, _Status).call
                    if view is not None and holds(view):
                        return view
                    left = deadline - monotonic()
                    if left <= 0:
                        raise TimeoutError(f"not within {within} s; the call is {view}")
                    # Not every change is told of: ask again now and then.
                    events = client.events(min(left, 0.5))
                    next((each for each in events if each.event == "voicecall.call"), None)

        return await asyncio.to_thread(wait)

    # --- inside

    def _env(self) -> dict[str, str]:
        return {
            # Another tree than the installed one may be under test.
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LANG": "C.UTF-8",
            "OPENCLAW_STATE_DIR": str(self.state_dir),
            **self._environ,
        }

    def _client(self, timeout: float) -> GatewayClient:
        return GatewayClient.connect(f"ws://127.0.0.1:{self.port}", GATEWAY_TOKEN, timeout=timeout)

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while line := await stream.readline():
            self.output.append(line.decode("utf-8", "replace").rstrip("\n"))
            self._changes.notify()
        self._changes.notify()

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        process.send_signal(number)
        async with asyncio.timeout(STOP_S):
            code = await process.wait()
            await asyncio.wait(self._readers)
        return code


def _known(answer: object) -> CallView:
    status = msgspec.convert(answer, _Status)
    assert status.call is not None, "the call is not known"
    return status.call


def leaks(text: str, secrets: Sequence[str]) -> list[str]:
    """The lines of a text that show one of these secrets."""
    return [line for line in text.splitlines() if any(secret in line for secret in secrets)]
