"""A flood of strangers while calls go on: they are served, memory stays flat, the process stays up.

The strangers are a process of their own, so that the carrier's side is not slowed by them.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from tests.e2e.gateway import GatewayProcess
from tests.emulators.twilio import HangsUp, Person
from tests.load import census
from tests.load.attacks import AttackPlan, AttackReport
from tests.load.companies import OUR_NUMBER, Company, open_company
from tests.load.house import PUBLIC_URL, free_port, local_url, open_house

MIB: Final = 1 << 20
CALLERS: Final = 4
"""Legitimate calls at a time."""
MEMORY_MARGIN: Final = 48 * MIB
"""200 connections with a buffer each, and what Python keeps of them."""
SETTLE_S: Final = 20.0


@dataclass(frozen=True)
class Calls:
    """What callers met with. Seconds until each webhook was answered."""

    served: int
    failed: list[str]
    took_s: Sequence[float]

    def ms(self, part: float) -> float:
        """The time below which `part` (0 to 1) of the answers came."""
        ordered = sorted(self.took_s)
        return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


@dataclass
class FloodReport:
    quiet: Calls
    flooded: Calls
    attack: AttackReport
    memory_before: int
    memory_peak: int
    memory_after: int
    findings: list[str] = field(default_factory=list[str])
    """What is wrong; empty when all is well."""


async def flood(folder: Path, plan: AttackPlan, *, quiet_calls: int = 24) -> FloodReport:
    """`plan.port` is not used: the gateway takes a free one."""
    port = free_port()
    async with (
        open_company("twilio", PUBLIC_URL, local_url(port)) as company,
        open_house(folder, port, {**company.section, "maxConcurrentCalls": 32}) as gateway,
    ):
        numbers = count(15_552_000_001)
        before_all = await census.take(gateway)
        await _calls(company, numbers, most=quiet_calls)
        quiet = await _calls(company, numbers, most=quiet_calls)
        # What strangers cost once is no leak: it is spent before memory is measured.
        small = AttackPlan(port, 20, 5, 2, 100, 500, one_address=plan.one_address)
        await attack_with(small)
        memory_before = gateway.memory_bytes()
        attack = asyncio.ensure_future(  # noqa: TID251 - awaited below
            attack_with(msgspec.structs.replace(plan, port=port))
        )
        peak = asyncio.ensure_future(_peak(gateway, attack))  # noqa: TID251 - awaited below
        flooded = await _calls(company, numbers, until=attack)
        report = FloodReport(
            quiet, flooded, await attack, memory_before, await peak, gateway.memory_bytes()
        )
        report.findings += _judge(report)
        after = await census.settled(gateway, before_all, SETTLE_S)
        report.findings += [f"calls: {each}" for each in after.beyond(before_all) if "task" in each]
        last = await _calls(company, numbers, most=1)
        report.findings += [f"afterwards: {each}" for each in last.failed]
        if "Traceback" in gateway.log:
            report.findings.append(gateway.log.partition("Traceback")[2][:2000])
    return report


def _judge(report: FloodReport) -> list[str]:
    attack, found = report.attack, [f"call: {each}" for each in report.flooded.failed]
    if not report.flooded.served:
        found.append("no call was served")
    if attack.longest_silence_s > 8.0:
        found.append(f"a silent connection was kept for {attack.longest_silence_s:.1f} s")
    if attack.most_taken > 8 * MIB:
        found.append(f"{attack.most_taken} bytes of one body were taken")
    for kind, statuses in attack.statuses.items():
        wrong = {each for each in statuses if each.startswith(("2", "500")) or each == "kept"}
        found += [f"{kind}: answered {each}" for each in sorted(wrong)]
    if report.memory_peak - report.memory_before > MEMORY_MARGIN:
        found.append(f"memory rose by {(report.memory_peak - report.memory_before) // MIB} MiB")
    return found


async def attack_with(plan: AttackPlan) -> AttackReport:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.load.attacks", msgspec.json.encode(plan).decode(), stdout=PIPE
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return msgspec.json.decode(out, type=AttackReport)


async def _peak(gateway: GatewayProcess, attack: asyncio.Future[AttackReport]) -> int:
    peak = 0
    while not attack.done():
        peak = max(peak, gateway.memory_bytes())
        await asyncio.wait({attack}, timeout=0.1)
    return peak


async def _calls(
    company: Company,
    numbers: count[int],
    *,
    most: int | None = None,
    until: asyncio.Future[AttackReport] | None = None,
) -> Calls:
    """People call in and have a talk, some at a time, until so many have or `until` is done."""
    exchange = company.exchange
    already = len(exchange.deliveries)
    failed: list[str] = []
    served = begun = 0

    async def line() -> None:
        nonlocal served, begun
        while (most is None or begun < most) and not (until is not None and until.done()):
            begun += 1
            person = Person(["Are you there?"], hangs_up=HangsUp(after_hearing="Are you there?"))
            began = monotonic()
            call = exchange.call_in(f"+{next(numbers)}", OUR_NUMBER, person)
            await exchange.until(lambda call=call: call.over, "the end of a call", within=60.0)
            if person.texts() == ["Hello, caller.", "You said: Are you there?"]:
                served += 1
            else:
                failed.append(f"heard {person.texts()} in {monotonic() - began:.1f} s")

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(line())
    await exchange.wait_idle()
    made = list(exchange.deliveries)[already:]
    answered = [each for each in made if each.status in (200, 204)]
    failed += [f"a webhook was answered {each.status}" for each in made if each not in answered]
    return Calls(served, failed, [each.answered_at - each.sent_at for each in answered])
