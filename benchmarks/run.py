"""`python -m benchmarks.run [PART ...]`: measures everything, or these parts, and prints tables.

Nothing is asserted about time: machines differ, and what counts are the ratios within one run. The
exit status is 0 unless something breaks.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from benchmarks import audio, bargein, flood, media, playout, restart, turns
from benchmarks.grid import grid, machine
from benchmarks.process import scratch, without_uvloop
from benchmarks.startup import measure_startup
from benchmarks.webhooks import Load, measure_history, measure_loads


class Measured(NamedTuple):
    results: object
    """What `--json` prints."""
    tables: Sequence[str]
    """Their lines, in Markdown."""


Part: TypeAlias = Callable[[Path, bool], Awaitable[Measured]]
"""Measures in a folder of its own; True: quickly, less exactly."""


async def _webhooks(folder: Path, quick: bool) -> Measured:
    rounds, share = (1, 0.25) if quick else (4, 1.0)
    loads: dict[str, list[Load]] = {}
    with without_uvloop():
        loads["asyncio"] = await measure_loads(folder / "asyncio", rounds=rounds, share=share)
        past_calls = 1_000 if quick else 10_000
        history = await measure_history(
            folder / "history", rounds=rounds, share=share, past_calls=past_calls
        )
    if importlib.util.find_spec("uvloop") is not None:
        loads["uvloop"] = await measure_loads(folder / "uvloop", rounds=rounds, share=share)
    lines: list[str] = []
    for loop, each in loads.items():
        head = (f"webhooks ({loop})", "per s", "p50 ms", "p99 ms", "CPU s per 1000", "ratio")
        lines += grid(head, [row for load in each for row in _load_rows(load)])
    lines += grid(
        ("ended calls in the journal", "CPU s per 1000", "ratio"),
        [
            (f"{each.calls:,}", f"{each.cpu_s_per_1000:.2f}", f"{each.cpu_ratio:.2f}")
            for each in history
        ],
    )
    return Measured({"loads": loads, "history": history}, lines)


def _load_rows(load: Load) -> Sequence[Sequence[str]]:
    servers = (
        ("gateway", load.gateway, f"{load.cpu_ratio:.1f}"),
        ("bare handler", load.bare, "1"),
    )
    return [
        (
            f"{name}, {load.lines} at a time",
            f"{each.per_s:,.0f}",
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.cpu_s_per_1000:.2f}",
            ratio,
        )
        for name, each, ratio in servers
    ]


async def _startup(folder: Path, quick: bool) -> Measured:
    with without_uvloop():
        start = await measure_startup(folder, runs=1 if quick else 3)
    python = f"{start.python_s:.2f} s"
    rows = [
        ("to the first answered webhook", f"{start.gateway_s:.2f} s", python),
        ("`openclaw voicecall status`", f"{start.status_s:.2f} s", python),
        ("memory before the first call", f"{start.memory_mb:.0f} MB", ""),
    ]
    return Measured(start, grid(("start", "measured", "`python -c pass`"), rows))


async def _flood(folder: Path, quick: bool) -> Measured:
    with without_uvloop():
        floods = await flood.measure_floods(folder, share=0.1 if quick else 1.0)
    return Measured(floods, grid(flood.HEAD, flood.rows(floods)))


async def _audio(_: Path, quick: bool) -> Measured:
    results = audio.measure(quick=quick)
    return Measured(results, audio.tables(results))


async def _playout(_: Path, quick: bool) -> Measured:
    measured = await playout.measure(2.0 if quick else 10.0)
    return Measured(measured, grid(playout.HEAD, playout.rows(measured)))


async def _bargein(_: Path, quick: bool) -> Measured:
    results = bargein.measure(quick=quick)
    return Measured(results, bargein.tables(results))


async def _media(folder: Path, quick: bool) -> Measured:
    rounds, seconds = (1, 2.0) if quick else (3, 5.0)
    with without_uvloop():
        costs = await media.measure(folder, rounds=rounds, seconds=seconds)
    return Measured(costs, grid(media.HEAD, media.rows(costs)))


async def _turns(folder: Path, quick: bool) -> Measured:
    with without_uvloop():
        waits = await turns.measure(folder, share=0.25 if quick else 1.0)
    return Measured(waits, turns.tables(waits))


async def _restart(folder: Path, _: bool) -> Measured:
    with without_uvloop():
        measured = await restart.measure(folder)
    return Measured(measured, grid(restart.HEAD, restart.rows(measured)))


PARTS: Final[Mapping[str, Part]] = {
    "webhooks": _webhooks,
    "startup": _startup,
    "flood": _flood,
    "audio": _audio,
    "playout": _playout,
    "bargein": _bargein,
    "media": _media,
    "turns": _turns,
    "restart": _restart,
}


async def measure(folder: Path, parts: Sequence[str], *, quick: bool) -> dict[str, Measured]:
    """These parts, one after the other."""
    measured: dict[str, Measured] = {}
    for name in parts:
        sys.stderr.write(f"measuring: {name}\n")
        (folder / name).mkdir()
        measured[name] = await PARTS[name](folder / name, quick)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="see that it works; less exact")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    parts: list[str] = options.part or list(PARTS)
    unknown = [name for name in parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with scratch() as folder:
        measured = asyncio.run(measure(folder, parts, quick=options.quick))
    if options.json:
        results = {name: each.results for name, each in measured.items()}
        print(msgspec.json.encode({"machine": machine(), **results}).decode())
        return
    print(machine(), end="\n\n")
    for each in measured.values():
        print("\n".join(each.tables))


if __name__ == "__main__":
    main()
