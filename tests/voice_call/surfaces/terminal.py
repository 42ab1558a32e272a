"""The command `openclaw`, run against a real RPC server that offers the plugin's methods."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from openclaw.cli.main import run
from openclaw.gateway_lock import GatewayLock
from openclaw.rpc.router import RpcRouter
from openclaw_voice_call.call.opening import InboundPolicy
from openclaw_voice_call.errors import VoiceCallError
from tests.host.rpc.support import TOKEN, Running, serving
from tests.voice_call.surfaces.house import House, house

COMMAND = Path(sys.executable).with_name("openclaw")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        """All of stdout, which must be one JSON object."""
        return cast("dict[str, object]", json.loads(self.out))


@dataclass(frozen=True)
class Terminal:
    """A shell in a folder of its own."""

    folder: Path
    port: int
    token: str = TOKEN

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "OPENCLAW" not in name}
        return {
            **kept,
            "OPENCLAW_STATE_DIR": str(self.folder),
            "OPENCLAW_GATEWAY_PORT": str(self.port),
            "OPENCLAW_GATEWAY_TOKEN": self.token,
        }

    async def voicecall(self, *args: str) -> Outcome:
        """Run a verb in a thread, so that this loop's server can answer it."""
        return await asyncio.to_thread(self._run, ("voicecall", *args))

    def _run(self, args: Sequence[str]) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environment)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    code = run(args)
                except SystemExit as end:
                    code = end.code if isinstance(end.code, int) else 1
        finally:
            os.environ.clear()
            os.environ.update(before)
        return Outcome(code, out.getvalue(), err.getvalue())

    @asynccontextmanager
    async def process(self, *args: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """The verb as a process of its own; killed at the end if it still runs."""
        started = await asyncio.create_subprocess_exec(
            COMMAND,
            "voicecall",
            *args,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
            cwd=self.folder,
        )
        try:
            yield started
        finally:
            if started.returncode is None:
                started.kill()
            await started.communicate()


async def line_of(stream: asyncio.StreamReader | None, part: str) -> str:
    """The next line that contains `part`."""
    assert stream is not None
    async with asyncio.timeout(10.0):
        while line := (await stream.readline()).decode():
            if part in line:
                return line
    raise AssertionError(f"the stream ended without {part!r}")


@asynccontextmanager
async def gateway(
    folder: Path,
    *,
    says: Sequence[str] | None = None,
    reason: VoiceCallError | None = None,
    inbound: InboundPolicy = InboundPolicy.DISABLED,
) -> AsyncGenerator[tuple[Terminal, House]]:
    """A gateway with the plugin's doors, and a shell on the same machine."""
    running: list[Running] = []

    def publish(event: str, payload: Mapping[str, object]) -> None:
        for each in running:
            each.server.publish(event, payload)

    async with (
        house(folder, says=says, reason=reason, inbound=inbound, publish=publish) as home,
        serving(home.api.router) as server,
    ):
        running.append(server)
        with GatewayLock(folder, folder / "openclaw.json"):
            yield Terminal(folder, server.port), home
        running.clear()


@asynccontextmanager
async def foreign_gateway(folder: Path, router: RpcRouter) -> AsyncGenerator[Terminal]:
    """A gateway with other methods than ours."""
    async with serving(router) as server:
        with GatewayLock(folder, folder / "openclaw.json"):
            yield Terminal(folder, server.port)
