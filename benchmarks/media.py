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
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import msgspec

from benchmarks.grid import grid, machine
from benchmarks.media_lines import Caller, Line, Speech
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
    "ends": "ours, audio only",
    "plain": "the obvious aiohttp handler",
    "bare": "bare aiohttp handler",
    "floor": "TCP echo",
}
OURS: Final = ("door", "ends")
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
    """One server with so many streams, in one round."""

    server: str
    streams: int
    round: int
    cpu_us_per_frame: float
    """Of a frame in and a frame out."""
    p50_ms: float | None
    """None where nothing comes back and nobody listens."""
    p99_ms: float | None
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
        self._speech = Speech()
        self._callers: list[Caller] = []
        self.late: list[float] = []

    async def __aenter__(self) -> Lines:
        loop = asyncio.get_running_loop()
        for number, line in enumerate(self._lines):
            ticket = StreamTicket(CallId(str(number)), 1)
            path = None if self._server == "floor" else f"{STREAM_PATH}/{LINKS.pass_for(ticket)}"
            _, caller = await loop.create_connection(
                lambda line=line, path=path: Caller(line, self._speech, path),
                "127.0.0.1",
                self._port,
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


async def _cost(
    server: str, running: Running, lines: list[Line], ears: Ears, number: int, seconds: float
) -> Cost:
    async with Lines(server, running.port, lines) as callers:
        await callers.talk(WARM_UP_S)
        await ears.forget()
        for line in lines:
            line.forget()
        callers.late.clear()
        cpu_s = running.cpu_s()
        await callers.talk(seconds)
        cpu_s = running.cpu_s() - cpu_s
        rss_mb = running.rss_mb()
        delays = await ears.delays_ms()
    delays += [each for line in lines for each in line.delays_ms]
    return Cost(
        server=server,
        streams=len(lines),
        round=number,
        cpu_us_per_frame=1e6 * cpu_s / sum(line.sent for line in lines),
        p50_ms=percentile(delays, 0.5) if delays else None,
        p99_ms=percentile(delays, 0.99) if delays else None,
        gaps_per_min=sum(line.gaps for line in lines) * 60 / seconds / len(lines),
        rss_mb=rss_mb,
        lines_late_p99_ms=1000 * percentile(callers.late, 0.99),
    )


class Ears:
    """The recogniser's server."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}"
        self.port = port

    async def forget(self) -> None:
        """Time only what comes from now on."""
        async with self._http.get(f"{self._url}/forget") as answer:
            answer.raise_for_status()

    async def delays_ms(self) -> list[float]:
        """Of all frames that came since."""
        async with self._http.get(f"{self._url}/delays") as answer:
            return msgspec.json.decode(await answer.read(), type=list[float])


@asynccontextmanager
async def _listening(folder: Path) -> AsyncGenerator[Ears]:
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.media_lines", str(port))
    async with (
        serving(command, os.environ, port, folder / "ears.txt"),
        aiohttp.ClientSession() as http,
    ):
        yield Ears(http, port)


async def measure(folder: Path, *, rounds: int, seconds: float) -> Sequence[Cost]:
    """All servers with each number of streams, one after the other, `rounds` times."""
    costs: list[Cost] = []
    module = "benchmarks.media_server"
    async with _listening(folder) as ears:
        for streams, number, server in product(CALLS, range(rounds), NAMES):
            lines = [Line() for _ in range(streams)]
            port = free_port()
            command = (sys.executable, "-m", module, server, str(port), str(ears.port))
            output = folder / f"{server}-{streams}-{number}.txt"
            async with serving(command, os.environ, port, output) as running:
                costs.append(await _cost(server, running, lines, ears, number, seconds))
    return costs


def rows(costs: Sequence[Cost]) -> Sequence[Sequence[str]]:
    """One for each server and number of streams, of the medians."""
    return [
        _row([each for each in costs if (each.server, each.streams) == (server, streams)], costs)
        for streams in CALLS
        for server in NAMES
    ]


def _row(rounds: Sequence[Cost], costs: Sequence[Cost]) -> Sequence[str]:
    server, streams = rounds[0].server, rounds[0].streams
    bare = {
        each.round: each.cpu_us_per_frame
        for each in costs
        if (each.server, each.streams) == ("bare", streams)
    }
    alone = median(each.rss_mb for each in costs if (each.server, each.streams) == (server, 1))
    p50s = [each.p50_ms for each in rounds if each.p50_ms is not None]
    p99s = [each.p99_ms for each in rounds if each.p99_ms is not None]
    mb = (median(each.rss_mb for each in rounds) - alone) / max(1, streams - 1)
    return (
        f"{NAMES[server]}, {streams}",
        f"{median(each.cpu_us_per_frame for each in rounds):.0f}",
        f"{median(each.cpu_us_per_frame / bare[each.round] for each in rounds):.2f}",
        f"{median(each.streams_per_core for each in rounds):.0f}",
        f"{median(p50s):.1f}" if p50s else "",
        f"{median(p99s):.1f}" if p99s else "",
        f"{median(each.gaps_per_min for each in rounds):.1f}" if server in OURS else "",
        f"{mb:.2f}" if streams > 1 else "",
    )


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
        rounds, seconds = (1, 2.0) if options.quick else (3, 5.0)
        costs = runner.run(measure(Path(folder), rounds=rounds, seconds=seconds))
    if options.json:
        print(msgspec.json.encode(costs).decode())
        return
    late = median(each.lines_late_p99_ms for each in costs if each.streams == CALLS[-1])
    print("\n".join((machine(), "", *grid(HEAD, rows(costs)))))
    print(f"Of {CALLS[-1]} callers, one in 100 was {late:.1f} ms late itself.")


if __name__ == "__main__":
    main()
