"""`python -m benchmarks.media`: what a live call costs, beside what nobody can do for less.

Callers send 20 ms of speech 50 times a second, each on a media stream of its own, and are spoken to
all the time. Three servers take turns, each a process of its own (see `media_server.py`): ours, a
bare aiohttp websocket handler that sends every message back, and a TCP server that sends every byte
back. CPU is the server's, from the kernel. "To the recogniser" is the time from when a frame is
sent by the carrier until it is at the recogniser's server; for the others, until it is back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.grid import grid, machine
from benchmarks.media_lines import Caller, Ears, Line
from benchmarks.media_server import LINKS, STREAM_PATH, new_loop
from benchmarks.process import Running, free_port, serving
from benchmarks.traffic import percentile
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.media import FRAME_MS, StreamTicket

CALLS: Final = (1, 50, 200)
SLOTS: Final = 10
"""Into so many parts the calls are divided, so that they do not all send at one moment."""
WARM_UP_S: Final = 2.0
NO_UVLOOP: Final = Path(__file__).with_name("no_uvloop")
NAMES: Final = {
    "door": "ours",
    "plain": "the obvious aiohttp handler",
    "bare": "bare aiohttp handler",
    "floor": "TCP echo",
}
HEAD: Final = (
    "streams, both ways",
    "CPU us per frame",
    "by bare handler",
    "streams per core",
    "to the recogniser p50 ms",
    "p99 ms",
    "gaps per min",
    "MB per call",
)


class Cost(msgspec.Struct, frozen=True):
    """One server with so many streams."""

    server: str
    streams: int
    cpu_us_per_frame: float
    """Of a frame in and a frame out."""
    p50_ms: float
    p99_ms: float
    gaps_per_min: float
    """How often a caller ran out of our speech, per stream and minute."""
    rss_mb: float
    lines_late_p99_ms: float
    """How late the callers themselves were: what delays have of it is not the server's."""

    @property
    def streams_per_core(self) -> float:
        return 1e6 * FRAME_MS / 1000 / self.cpu_us_per_frame


class Lines:
    """So many callers on one server."""

    def __init__(self, server: str, port: int, lines: list[Line]) -> None:
        self._server = server
        self._port = port
        self._lines = lines
        self._callers: list[Caller] = []
        self.late: list[float] = []

    async def __aenter__(self) -> Lines:
        loop = asyncio.get_running_loop()
        for number, line in enumerate(self._lines):
            ticket = StreamTicket(CallId(str(number)), 1)
            path = None if self._server == "floor" else f"{STREAM_PATH}/{LINKS.pass_for(ticket)}"
            _, caller = await loop.create_connection(
                lambda line=line, path=path: Caller(line, path), "127.0.0.1", self._port
            )
            self._callers.append(caller)
            async with asyncio.timeout(10):
                await caller.up
        return self

    async def __aexit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.close()

    async def talk(self, seconds: float) -> None:
        """Everybody speaks, and is spoken to."""
        began = time.monotonic()
        for slot in range(round(seconds * 1000 / FRAME_MS * SLOTS)):
            due = began + slot * FRAME_MS / 1000 / SLOTS
            await asyncio.sleep(due - time.monotonic())
            self.late.append(time.monotonic() - due)
            for caller in self._callers[slot % SLOTS :: SLOTS]:
                caller.send()


async def _cost(server: str, running: Running, lines: list[Line], seconds: float) -> Cost:
    async with Lines(server, running.port, lines) as callers:
        await callers.talk(WARM_UP_S)
        for line in lines:
            line.forget()
        callers.late.clear()
        sent, cpu_s = sum(len(line.sent_at) for line in lines), running.cpu_s()
        await callers.talk(seconds)
        sent, cpu_s = sum(len(line.sent_at) for line in lines) - sent, running.cpu_s() - cpu_s
        rss_mb = running.rss_mb()
    delays = [1000 * each for line in lines for each in line.delays]
    return Cost(
        server=server,
        streams=len(lines),
        cpu_us_per_frame=1e6 * cpu_s / sent,
        p50_ms=percentile(delays, 0.5),
        p99_ms=percentile(delays, 0.99),
        gaps_per_min=sum(line.gaps for line in lines) * 60 / seconds / len(lines),
        rss_mb=rss_mb,
        lines_late_p99_ms=1000 * percentile(callers.late, 0.99),
    )


@asynccontextmanager
async def _listening(lines: list[Line]) -> AsyncGenerator[int]:
    """The recogniser's server; gives its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Ears(lines), "127.0.0.1", 0, backlog=512)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def measure(folder: Path, seconds: float) -> Sequence[Cost]:
    """All servers with each number of streams, one after the other."""
    costs: list[Cost] = []
    for streams in CALLS:
        for server in NAMES:
            lines = [Line() for _ in range(streams)]
            async with _listening(lines) as ears_port:
                port = free_port()
                module = "benchmarks.media_server"
                command = (sys.executable, "-m", module, server, str(port), str(ears_port))
                output = folder / f"{server}-{streams}.txt"
                async with serving(command, os.environ, port, output) as running:
                    costs.append(await _cost(server, running, lines, seconds))
    return costs


def rows(costs: Sequence[Cost]) -> Sequence[Sequence[str]]:
    """One for each server and number of streams."""
    bare = {each.streams: each.cpu_us_per_frame for each in costs if each.server == "bare"}
    alone = {each.server: each.rss_mb for each in costs if each.streams == 1}
    return [
        (
            f"{NAMES[each.server]}, {each.streams}",
            f"{each.cpu_us_per_frame:.0f}",
            f"{each.cpu_us_per_frame / bare[each.streams]:.2f}",
            f"{each.streams_per_core:.0f}",
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.gaps_per_min:.1f}" if each.server == "door" else "",
            (
                f"{(each.rss_mb - alone[each.server]) / (each.streams - 1):.2f}"
                if each.streams > 1
                else ""
            ),
        )
        for each in costs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; less exact")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--uvloop", action="store_true", help="with the extra `fast`, everywhere")
    options = parser.parse_args()
    if not options.uvloop:
        path = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(NO_UVLOOP), path)))
        sys.path.insert(0, str(NO_UVLOOP))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=new_loop) as runner:
        costs = runner.run(measure(Path(folder), 2.0 if options.quick else 10.0))
    if options.json:
        print(msgspec.json.encode(costs).decode())
        return
    late = max(each.lines_late_p99_ms for each in costs)
    print("\n".join((machine(), "", *grid(HEAD, rows(costs)))))
    print(f"The callers themselves were up to {late:.1f} ms late (p99).")


if __name__ == "__main__":
    main()
