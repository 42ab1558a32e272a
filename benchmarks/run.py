"""`python -m benchmarks.run`: measures everything and prints one table.

Nothing is asserted about time: machines differ, and what counts are the ratios within one run. The
exit status is 0 unless something breaks.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import flood
from benchmarks.grid import grid, machine
from benchmarks.startup import Startup, measure_startup
from benchmarks.webhooks import History, Load, measure_history, measure_loads

NO_UVLOOP: Final = Path(__file__).with_name("no_uvloop")
"""On PYTHONPATH, it takes uvloop away from the programs under test."""


class Results(msgspec.Struct):
    machine: str
    loads: dict[str, list[Load]]
    """By event loop: `asyncio`, and `uvloop` where the extra `fast` is installed."""
    history: list[History]
    startup: Startup
    floods: list[flood.Flood]


async def measure(folder: Path, *, quick: bool) -> Results:
    path = os.environ.get("PYTHONPATH", "")
    loads: dict[str, list[Load]] = {}
    rounds, share = (1, 0.25) if quick else (4, 1.0)
    if importlib.util.find_spec("uvloop") is not None:
        _say("webhooks, with uvloop")
        loads["uvloop"] = await measure_loads(folder / "uvloop", rounds=rounds, share=share)
        # What is measured from here on is what `make install` gives.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(NO_UVLOOP), path)))
    _say("webhooks")
    loads["asyncio"] = await measure_loads(folder / "asyncio", rounds=rounds, share=share)
    _say("webhooks, with calls of the past in the journal")
    past_calls = 1_000 if quick else 10_000
    history = await measure_history(
        folder / "history", rounds=rounds, share=share, past_calls=past_calls
    )
    _say("start")
    startup = await measure_startup(folder / "startup", runs=1 if quick else 3)
    _say("webhooks in a flood of strangers")
    floods = await flood.measure_floods(folder / "flood", share=0.1 if quick else 1.0)
    return Results(machine(), loads, history, startup, floods)


def table(results: Results) -> str:
    """The results as text of fixed width, in Markdown."""
    lines = [f"{results.machine}\n"]
    for loop in sorted(results.loads):
        rows = [
            row
            for load in results.loads[loop]
            for row in (
                _load_row(f"gateway, {load.lines} at a time", load, f"{load.cpu_ratio:.1f}"),
                _load_row(f"bare handler, {load.lines} at a time", load, "1"),
            )
        ]
        head = (f"webhooks ({loop})", "per s", "p50 ms", "p99 ms", "CPU s per 1000", "ratio")
        lines += grid(head, rows)
    lines += grid(
        ("ended calls in the journal", "CPU s per 1000", "ratio"),
        [
            (f"{each.calls:,}", f"{each.cpu_s_per_1000:.2f}", f"{each.cpu_ratio:.2f}")
            for each in results.history
        ],
    )
    start = results.startup
    lines += grid(
        ("start", "measured", "`python -c pass`"),
        [
            (
                "to the first answered webhook",
                f"{start.gateway_s:.2f} s",
                f"{start.python_s:.2f} s",
            ),
            ("`openclaw voicecall status`", f"{start.status_s:.2f} s", f"{start.python_s:.2f} s"),
            ("memory before the first call", f"{start.memory_mb:.0f} MB", ""),
        ],
    )
    lines += grid(flood.HEAD, flood.rows(results.floods))
    return "\n".join(lines)


def _load_row(name: str, load: Load, ratio: str) -> Sequence[str]:
    each = load.gateway if name.startswith("gateway") else load.bare
    return (
        name,
        f"{each.per_s:,.0f}",
        f"{each.p50_ms:.1f}",
        f"{each.p99_ms:.1f}",
        f"{each.cpu_s_per_1000:.2f}",
        ratio,
    )


def _say(what: str) -> None:
    sys.stderr.write(f"measuring: {what}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; less exact")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    # Beside this file, because /tmp may be memory, which forgives a journal everything.
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=Path(__file__).parent) as folder:
        results = asyncio.run(measure(Path(folder), quick=options.quick))
    print(msgspec.json.encode(results).decode() if options.json else table(results))


if __name__ == "__main__":
    main()
