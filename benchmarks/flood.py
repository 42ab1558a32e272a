"""Calls while strangers flood the webhook port: `python -m benchmarks.flood`.

200 silent connections, 50 slow bodies, 20 endless ones, 2000 bad Hosts and 10 000 bad signatures,
once from addresses of their own and once from the carrier's, as it is behind a tunnel. What counts
is the second line of each pair beside the first: the same calls without strangers.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.load.attacks import AttackPlan
from tests.load.flood import MIB, flood


@dataclass(frozen=True, slots=True)
class Flood:
    """Webhooks of legitimate calls, with and without strangers. Memory in MiB."""

    where: str
    quiet_p50_ms: float
    quiet_p99_ms: float
    flood_p50_ms: float
    flood_p99_ms: float
    calls_served: int
    calls_failed: int
    refused_per_s: float
    memory_before: int
    memory_peak: int


async def measure_floods(folder: Path, *, share: float = 1.0) -> list[Flood]:
    """`share` of the usual bad Hosts and signatures."""
    usual = AttackPlan(0)
    floods: list[Flood] = []
    for where, one_address in (("addresses of their own", False), ("the carrier's address", True)):
        plan = AttackPlan(
            0,
            bad_hosts=round(usual.bad_hosts * share),
            bad_signatures=round(usual.bad_signatures * share),
            one_address=one_address,
        )
        report = await flood(folder / f"flood-{one_address:d}", plan)
        refused = sum(sum(each.values()) for each in report.attack.statuses.values())
        floods.append(
            Flood(
                where,
                report.quiet.ms(0.5),
                report.quiet.ms(0.99),
                report.flooded.ms(0.5),
                report.flooded.ms(0.99),
                report.flooded.served,
                len(report.flooded.failed),
                refused / report.attack.seconds,
                report.memory_before // MIB,
                report.memory_peak // MIB,
            )
        )
    return floods


def rows(floods: Sequence[Flood]) -> list[Sequence[str]]:
    """For a table with the columns of `HEAD`."""
    return [
        row
        for each in floods
        for row in (
            ("no strangers", f"{each.quiet_p50_ms:.1f}", f"{each.quiet_p99_ms:.1f}", "", "", ""),
            (
                f"strangers with {each.where}",
                f"{each.flood_p50_ms:.1f}",
                f"{each.flood_p99_ms:.1f}",
                f"{each.calls_served} / {each.calls_failed}",
                f"{each.refused_per_s:,.0f}",
                f"{each.memory_before} -> {each.memory_peak}",
            ),
        )
    ]


HEAD = ("flood", "p50 ms", "p99 ms", "calls served / failed", "refused per s", "memory MiB")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="openclaw-flood-") as folder:
        floods = asyncio.run(measure_floods(Path(folder)))
    for row in (HEAD, *rows(floods)):
        print(" | ".join(cell.rjust(36 if n == 0 else 8) for n, cell in enumerate(row)))


if __name__ == "__main__":
    main()
