"""What the owner waits for: the gateway's start and the command line, beside Python's own start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.process import OPENCLAW, Home
from benchmarks.traffic import play
from benchmarks.webhooks import rest_stub

SETTLE_S: Final = 2.0
"""What is begun in the background at the start is over by then, and counts."""


@dataclass(frozen=True, slots=True)
class Startup:
    """Medians. Seconds of wall time, and 10^6 bytes of resident memory."""

    python_s: float
    """`python -c pass`: what no program written in Python can be faster than."""
    gateway_s: float
    """From `openclaw gateway run` to the first answered webhook."""
    memory_mb: float
    """Of a gateway that nobody has called yet."""
    status_s: float
    """`openclaw voicecall status`, with a running gateway."""


async def measure_startup(folder: Path, *, runs: int) -> Startup:
    """Each run starts a gateway twice: to be called at once, and to be left alone."""
    python, gateway, memory, status = [[0.0] * 0 for _ in range(4)]
    async with rest_stub() as rest_url:
        for n in range(runs):
            home = Home(folder / f"start-{n}", rest_url)
            python.append(await _timed((sys.executable, "-c", "pass"), home.environ))
            began = time.perf_counter()
            async with home.gateway() as running:
                ready_s = time.perf_counter() - began
                took = await play(running.port, lines=1, calls=1)
                gateway.append(ready_s + took[0])
            async with home.gateway() as running:
                await asyncio.sleep(SETTLE_S)
                memory.append(running.rss_mb())
                command = (str(OPENCLAW), "voicecall", "status")
                status.append(await _timed(command, home.environ))
    return Startup(median(python), median(gateway), median(memory), median(status))


async def _timed(command: Sequence[str], environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    await asyncio.to_thread(
        subprocess.run, command, env=dict(environ), check=True, capture_output=True
    )
    return time.perf_counter() - began
