"""Thousands of calls over carriers that fail all the time; afterwards nothing is left.

Every kind of fault strikes a given share of webhooks or REST requests. Calls are of many kinds:
talked through, hung up early, unanswered, busy, notifications, incoming. What becomes of a single
call depends on the weather; that it ends, on both sides, and leaves nothing behind does not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

from openclaw.errors import GatewayCallError, RpcFailed
from openclaw_voice_call.store.reader import open_reader
from openclaw_voice_call.store.schema import FILE_NAME
from tests.e2e.gateway import GatewayProcess
from tests.emulators.twilio import HangsUp, Person
from tests.load import census
from tests.load.companies import EMULATED, OUR_NUMBER, Company, open_company
from tests.load.house import PUBLIC_URL, free_port, local_url, open_house

MIB: Final = 1 << 20
SPEED: Final = 50.0
WARM_UP: Final = 60
"""Calls before memory is first measured: modules are loaded, caches filled."""
MEMORY_MARGIN: Final = 24 * MIB
CALL_S: Final = 60.0
"""Real seconds after which a call is over, whatever happened to it."""
SETTLE_S: Final = 90.0
LIMITS: Final[Mapping[str, object]] = {
    "maxConcurrentCalls": 512,
    "maxDurationSeconds": 25,
    "ringTimeoutMs": 4000,
    "staleCallReaperSeconds": 10,
    "transcriptTimeoutMs": 8000,
    "responseTimeoutMs": 5000,
    "outbound": {"notifyHangupDelaySec": 0},
}


@dataclass(frozen=True)
class SoakPlan:
    calls: int = 2000
    carriers: tuple[str, ...] = (*EMULATED, "mock")
    at_once: int = 32
    fault_rate: float = 0.05
    seed: int = 0


@dataclass
class CarrierReport:
    """What became of one carrier's calls."""

    carrier: str
    calls: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter[str])
    """End reasons in the gateway's journal, and refusals by their code."""
    faults: dict[str, int] = field(default_factory=dict[str, int])
    before: census.Census | None = None
    warm: census.Census | None = None
    after: census.Census | None = None
    findings: list[str] = field(default_factory=list[str])
    """What is wrong; empty when all is well."""


async def soak(
    folder: Path, plan: SoakPlan, say: Callable[[str], None] = lambda _: None
) -> list[CarrierReport]:
    """The calls are shared among the carriers, each with a gateway of its own, one by one."""
    share = max(1, plan.calls // len(plan.carriers))
    # Clients of the gateway's RPC wait in threads.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(plan.at_once + 8))
    reports: list[CarrierReport] = []
    for name in plan.carriers:
        say(f"{name}: {share} calls")
        one = _mock if name == "mock" else _emulated
        reports.append(await one(folder / name, name, share, plan))
    return reports


# --- carriers with an emulator


async def _emulated(folder: Path, name: str, calls: int, plan: SoakPlan) -> CarrierReport:
    report = CarrierReport(name, calls)
    port = free_port()
    async with AsyncExitStack() as stack:
        company = await stack.enter_async_context(
            open_company(
                name,
                PUBLIC_URL,
                local_url(port),
                speed=SPEED,
                seed=plan.seed,
                fault_rate=plan.fault_rate,
            )
        )
        # Left first, so that the gateway is seen without its carrier's connections.
        leaving = stack.pop_all()
        async with open_house(folder, port, {**company.section, **LIMITS}) as gateway:
            try:
                report.before = await census.take(gateway)
                await _calls(company, gateway, calls, plan, report)
                await company.exchange.wait_idle(within=SETTLE_S)
                # What the gateway was not told of, it finds out by its deadlines, and by asking.
                await census.until_no_calls(gateway, within=SETTLE_S)
                report.faults = {kind: hits() for kind, hits in company.faults.items()}
                report.findings += _billed(company)
            finally:
                await leaving.aclose()
            await _aftermath(gateway, report)
    return report


async def _calls(
    company: Company, gateway: GatewayProcess, calls: int, plan: SoakPlan, report: CarrierReport
) -> None:
    rng = Random(plan.seed)
    numbers = count(15_551_000_001)

    async def one() -> None:
        kind = _KINDS[rng.randrange(len(_KINDS))]
        await kind(company, gateway, f"+{next(numbers)}", report)

    await _run(one, gateway, calls, plan, report)


async def _run(
    one: Callable[[], Awaitable[None]],
    gateway: GatewayProcess,
    calls: int,
    plan: SoakPlan,
    report: CarrierReport,
) -> None:
    """Make `one` call so often, some at a time; the census is taken when the program is warm."""
    began = monotonic()
    first = min(WARM_UP, calls)
    for share in (first, calls - first):
        async with asyncio.TaskGroup() as group:
            waiting = iter(range(share))
            for _ in range(min(plan.at_once, share)):
                group.create_task(_line(waiting, one))
        report.warm = report.warm or await census.take(gateway)
    report.seconds = monotonic() - began


async def _line(waiting: Iterator[int], one: Callable[[], Awaitable[None]]) -> None:
    for _ in waiting:
        await one()


async def _out(
    company: Company,
    gateway: GatewayProcess,
    number: str,
    report: CarrierReport,
    person: Person,
    mode: str = "conversation",
) -> None:
    """Place a call, and return when the carrier has no such call any more."""
    exchange = company.exchange
    exchange.people[number] = person
    try:
        await gateway.initiate(number, "Hello, this is a call.", mode=mode)
    except GatewayCallError as refusal:
        code = refusal.stable_code if isinstance(refusal, RpcFailed) else type(refusal).__name__
        report.ends[f"not placed: {code}"] += 1
    placed = [call for call in exchange.calls if call.order.to.endswith(number[1:])]
    await exchange.until(
        lambda: all(call.over for call in placed), f"the end of {number}", within=CALL_S
    )
    del exchange.people[number]


async def _talks(
    company: Company, gateway: GatewayProcess, number: str, report: CarrierReport
) -> None:
    person = Person(["Good morning.", "Goodbye."], hangs_up=HangsUp(after_hearing="goodbye"))
    await _out(company, gateway, number, report, person)


async def _leaves(
    company: Company, gateway: GatewayProcess, number: str, report: CarrierReport
) -> None:
    await _out(company, gateway, number, report, Person(hangs_up=HangsUp(during="this is a")))


async def _busy(
    company: Company, gateway: GatewayProcess, number: str, report: CarrierReport
) -> None:
    await _out(company, gateway, number, report, Person(outcome="busy"))


async def _absent(
    company: Company, gateway: GatewayProcess, number: str, report: CarrierReport
) -> None:
    await _out(company, gateway, number, report, Person(answers_after=None))


async def _notified(
    company: Company, gateway: GatewayProcess, number: str, report: CarrierReport
) -> None:
    await _out(company, gateway, number, report, Person(), mode="notify")


async def _calls_in(
    company: Company, gateway: GatewayProcess, number: str, report: CarrierReport
) -> None:
    person = Person(["I have a question."], hangs_up=HangsUp(after_hearing="a question"))
    call = company.exchange.call_in(number, OUR_NUMBER, person)
    await company.exchange.until(lambda: call.over, f"the end of {number}", within=CALL_S)


_KINDS: Final = (_talks, _talks, _talks, _leaves, _busy, _absent, _notified, _calls_in, _calls_in)


def _billed(company: Company) -> Sequence[str]:
    """No number was called twice, and the carrier has nothing to complain about."""
    dialled = Counter(call.order.to.removeprefix("+") for call in company.exchange.calls)
    del dialled[OUR_NUMBER.removeprefix("+")]  # everybody calls in there
    twice = [number for number, times in dialled.items() if times > 1]
    found = [f"{len(twice)} numbers were called twice"] if twice else []
    return [*found, *(f"violation: {each}" for each in company.exchange.violations[:5])]


# --- the mock carrier, whose network is inside the gateway and has no faults


_PEOPLE: Final = ("talks", "talks", "leaves", "busy", "absent", "calls-back")


async def _mock(folder: Path, name: str, calls: int, plan: SoakPlan) -> CarrierReport:
    report = CarrierReport(name, calls)
    section: dict[str, object] = {
        "provider": "mock",
        **LIMITS,
        "mock": {
            "speed": SPEED,
            "script": [
                {"number": "talks", "says": ["Good morning.", "Goodbye."], "hangUpAfter": 2},
                {"number": "leaves", "hangUpAfter": 0},
                {"number": "busy", "answer": "busy"},
                {"number": "absent", "answer": "no-answer"},
                {"number": "calls-back", "hangUpAfter": 0, "callsBackAfterMs": 10},
            ],
        },
    }
    rng = Random(plan.seed)
    async with open_house(folder, free_port(), section) as gateway:

        async def one() -> None:
            call = await gateway.initiate(rng.choice(_PEOPLE), "Hello, this is a call.")
            await gateway.wait_call(call, lambda view: view.ended_at > 0, within=CALL_S)

        report.before = await census.take(gateway)
        await _run(one, gateway, calls, plan, report)
        await _aftermath(gateway, report)
    return report


# --- what is left


async def _aftermath(gateway: GatewayProcess, report: CarrierReport) -> None:
    """Everything is to be given back: calls, tasks, waiters, sockets, memory."""
    assert report.before is not None
    assert report.warm is not None
    # Logs and journals are opened with the first line and stay open.
    allowed = replace(report.before, files=report.warm.files)
    report.after = await census.settled(gateway, allowed, within=SETTLE_S)
    report.findings += report.after.beyond(allowed)
    grown = report.after.memory - report.warm.memory
    if grown > MEMORY_MARGIN:
        report.findings.append(f"memory has grown by {grown / MIB:.0f} MiB since the warm-up")
    with open_reader(gateway.journal_dir / FILE_NAME) as journal:
        live = journal.live()
        report.ends.update(str(each.end_reason) for each in journal.recent(report.calls * 2))
    if live:
        report.findings.append(f"{len(live)} calls live in the journal, one {live[0].phase.value}")
    if "Traceback" in gateway.log:
        report.findings.append(f"a traceback: {gateway.log.partition('Traceback')[2][:2000]}")
