"""The load profiles as programs: `python -m tests.load.driver flood|streams|soak`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.load.attacks import AttackPlan, AttackReport
from tests.load.flood import FloodReport, flood
from tests.load.soak import MIB, CarrierReport, SoakPlan, soak
from tests.load.stream_flood import AT_THE_DOOR, StreamFloodReport, stream_flood


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.driver", description=__doc__)
    profiles = parser.add_subparsers(dest="profile", required=True)
    long = profiles.add_parser("soak", help="many calls over carriers that fail all the time")
    usual = SoakPlan()
    calls = int(os.environ.get("SOAK_CALLS", str(usual.calls)))
    long.add_argument("--calls", type=int, default=calls)
    long.add_argument("--carriers", default=",".join(usual.carriers))
    long.add_argument("--at-once", type=int, default=usual.at_once)
    long.add_argument("--fault-rate", type=float, default=usual.fault_rate)
    long.add_argument("--seed", type=int, default=usual.seed)
    wide = profiles.add_parser("flood", help="strangers at the webhook port while calls go on")
    wide.add_argument("--signatures", type=int, default=AttackPlan(0).bad_signatures)
    wide.add_argument(
        "--behind-tunnel", action="store_true", help="strangers have the carrier's own address"
    )
    door = profiles.add_parser("streams", help="strangers at the stream door while streams run")
    door.add_argument("--behind-tunnel", action="store_true", help="as above")
    options = parser.parse_args()
    if options.profile == "streams":
        attack = msgspec.structs.replace(AT_THE_DOOR, one_address=options.behind_tunnel)
        met = asyncio.run(stream_flood(attack))
        _say(stream_flood_text(met))
        return 1 if met.findings else 0
    with tempfile.TemporaryDirectory(prefix="openclaw-load-") as folder:
        if options.profile == "flood":
            attack = AttackPlan(
                0, bad_signatures=options.signatures, one_address=options.behind_tunnel
            )
            flooded = asyncio.run(flood(Path(folder), attack))
            _say(flood_text(flooded))
            return 1 if flooded.findings else 0
        plan = SoakPlan(
            options.calls,
            tuple(options.carriers.split(",")),
            options.at_once,
            options.fault_rate,
            options.seed,
        )
        reports = asyncio.run(soak(Path(folder), plan, _say))
    for report in reports:
        _say(soak_text(report))
    return 1 if any(report.findings for report in reports) else 0


def soak_text(report: CarrierReport) -> str:
    """One carrier's soak, for people."""
    assert report.before is not None
    assert report.warm is not None
    assert report.after is not None
    before, warm, after = report.before, report.warm, report.after
    rows: Sequence[tuple[str, int, int, int]] = (
        ("memory, MiB", before.memory // MIB, warm.memory // MIB, after.memory // MIB),
        ("objects", before.inside.objects, warm.inside.objects, after.inside.objects),
        ("tasks", len(before.inside.tasks), len(warm.inside.tasks), len(after.inside.tasks)),
        ("waiters", before.inside.waiters, warm.inside.waiters, after.inside.waiters),
        ("calls", before.inside.calls, warm.inside.calls, after.inside.calls),
        ("sockets", before.sockets, warm.sockets, after.sockets),
    )
    lines = [
        f"\n{report.carrier}: {report.calls} calls in {report.seconds:.0f} s",
        f"  ended: {_counts(report.ends)}",
        f"  faults: {_counts(report.faults)}",
        f"  {'':12} {'start':>9} {'warm':>9} {'end':>9}",
        *(f"  {name:12} {one:>9} {two:>9} {three:>9}" for name, one, two, three in rows),
        *(f"  WRONG: {finding}" for finding in report.findings),
    ]
    return "\n".join(lines if report.findings else [*lines, "  all given back"])


def flood_text(report: FloodReport) -> str:
    """A flood, for people."""
    attack = report.attack
    lines = [
        *_attack_lines(attack),
        f"  most of one body taken: {attack.most_taken / MIB:.1f} MiB",
    ]
    for name, calls in (("quiet", report.quiet), ("flooded", report.flooded)):
        lines.append(
            f"calls, {name}: {calls.served} served, {len(calls.failed)} failed; webhooks answered "
            f"in {calls.ms(0.5):.1f} ms (p50), {calls.ms(0.99):.1f} ms (p99)"
        )
    lines.append(
        f"memory, MiB: {report.memory_before // MIB} before, {report.memory_peak // MIB} at most, "
        f"{report.memory_after // MIB} after"
    )
    return "\n".join([*lines, *(f"WRONG: {finding}" for finding in report.findings)])


def stream_flood_text(report: StreamFloodReport) -> str:
    """A flood at the stream door, for people."""
    lines = [
        *_attack_lines(report.attack),
        f"  at most {report.most_pending} sockets pending at once",
    ]
    lines.append(
        f"streams: {report.served} served, {len(report.failed)} failed; frames came back in "
        f"{report.ms(0.5):.1f} ms (p50), {report.ms(0.99):.1f} ms (p99)"
    )
    return "\n".join([*lines, *(f"WRONG: {finding}" for finding in report.findings)])


def _attack_lines(attack: AttackReport) -> list[str]:
    return [
        f"strangers, {attack.seconds:.0f} s:",
        *(f"  {kind:14} {_counts(statuses)}" for kind, statuses in attack.statuses.items()),
        f"  silence kept for {attack.longest_silence_s:.1f} s",
    ]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program for people


if __name__ == "__main__":
    sys.exit(main())
