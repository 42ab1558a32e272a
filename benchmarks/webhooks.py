"""What a signed webhook costs: the gateway beside a bare handler, in one run, turn by turn.

The gateway is the real program with the durable journal, its agent a scripted one that answers at
once. CPU is that of the server's process alone; the callers are in this one.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

import msgspec

from benchmarks.process import Home, Running, bare_handler
from benchmarks.traffic import UnexpectedAnswer, percentile, play
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CallId, CarrierCallId
from openclaw_voice_call.store.sqlite import SqliteCallStore

CALLS: Final[Mapping[int, int]] = {1: 40, 16: 160, 64: 256}
"""Lines that are busy at a time, and the calls of one round (9 webhooks each)."""
HISTORY_LINES: Final = 16
PAST_CALLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Round:
    """Some calls through one server."""

    webhooks: int
    elapsed_s: float
    cpu_s: float
    took_s: Sequence[float]

    @property
    def cpu_per_1000(self) -> float:
        return 1000 * self.cpu_s / self.webhooks


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds; latencies over all webhooks together."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s_per_1000: float


@dataclass(slots=True)
class Rounds:
    """One server's rounds under one load."""

    each: list[Round] = field(default_factory=list[Round])

    async def play(self, server: Running, lines: int, calls: int) -> None:
        """One more round."""
        cpu_s, began = server.cpu_s(), time.perf_counter()
        took = await play(server.port, lines=lines, calls=calls)
        elapsed = time.perf_counter() - began
        self.each.append(Round(len(took), elapsed, server.cpu_s() - cpu_s, took))

    def figures(self) -> Figures:
        took = [seconds for each in self.each for seconds in each.took_s]
        return Figures(
            per_s=median(each.webhooks / each.elapsed_s for each in self.each),
            p50_ms=1000 * percentile(took, 0.5),
            p99_ms=1000 * percentile(took, 0.99),
            cpu_s_per_1000=median(each.cpu_per_1000 for each in self.each),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """Both servers under the same load, with `lines` calls at a time."""

    lines: int
    gateway: Figures
    bare: Figures
    cpu_ratio: float
    """Median of the rounds' ratios, each of neighbours in time."""


@dataclass(frozen=True, slots=True)
class History:
    """CPU per webhook with so many calls in the journal, relative to an empty one."""

    calls: int
    cpu_s_per_1000: float
    cpu_ratio: float


def ratio(ours: Rounds, floor: Rounds) -> float:
    pairs = zip(ours.each, floor.each, strict=True)
    return median(one.cpu_per_1000 / other.cpu_per_1000 for one, other in pairs)


async def measure_loads(folder: Path, *, rounds: int, share: float = 1.0) -> list[Load]:
    """The gateway and the bare handler at each concurrency; `share` of the usual calls."""
    loads: list[Load] = []
    async with rest_stub() as rest_url:
        home = Home(folder / "gateway", rest_url)
        async with bare_handler(folder) as bare, home.gateway() as gateway:
            for lines, usual in CALLS.items():
                calls = max(lines, round(usual * share))
                ours, floor = Rounds(), Rounds()
                for server in (bare, gateway):
                    await play(server.port, lines=lines, calls=lines)
                for _ in range(rounds):
                    await floor.play(bare, lines, calls)
                    await ours.play(gateway, lines, calls)
                loads.append(Load(lines, ours.figures(), floor.figures(), ratio(ours, floor)))
    return loads


async def measure_history(
    folder: Path, *, rounds: int, share: float = 1.0, past_calls: int = PAST_CALLS
) -> list[History]:
    """The gateway with none, `past_calls` and twice as many ended calls in its journal."""
    async with AsyncExitStack() as stack:
        rest_url = await stack.enter_async_context(rest_stub())
        homes = [Home(folder / f"past-{n * past_calls}", rest_url) for n in range(3)]
        await _fill(homes, past_calls)
        servers = [await stack.enter_async_context(home.gateway()) for home in homes]
        measured = [Rounds() for _ in servers]
        calls = max(HISTORY_LINES, round(CALLS[HISTORY_LINES] * share))
        for server in servers:
            await play(server.port, lines=HISTORY_LINES, calls=HISTORY_LINES)
        for _ in range(rounds):
            for server, its_rounds in zip(servers, measured, strict=True):
                await its_rounds.play(server, HISTORY_LINES, calls)
        return [
            History(n * past_calls, each.figures().cpu_s_per_1000, ratio(each, measured[0]))
            for n, each in enumerate(measured)
        ]


async def _fill(homes: Sequence[Home], past_calls: int) -> None:
    """Give the second home `past_calls` calls of the past, the third twice as many.

    They are copies of one that the first home took, so they have all that a real one has.
    """
    empty, once, twice = homes
    async with empty.gateway() as gateway:
        await play(gateway.port, lines=1, calls=1)
    await _add_copies(empty.journal, once.journal, past_calls)
    shutil.copytree(once.journal, twice.journal)
    await _add_copies(empty.journal, twice.journal, past_calls)


async def _add_copies(template: Path, journal: Path, number: int) -> None:
    source = await SqliteCallStore.connect(template)
    (record,) = await source.recent(1)
    facts = await source.facts(record.call_id)
    await source.close()
    store = await SqliteCallStore.connect(journal)
    for batch in range(0, number, 1000):
        copies = (_copy(record, n) for n in range(batch, min(batch + 1000, number)))
        for added in [store.add_ended(copy, facts) for copy in copies]:
            await added
    await store.close()


def _copy(record: CallRecord, number: int) -> CallRecord:
    """Another call like this one, some minutes earlier."""
    return msgspec.structs.replace(
        record,
        call_id=CallId(str(uuid4())),
        carrier_call_id=CarrierCallId(f"CA{uuid4().hex}"),
        opened_at=record.opened_at - 60.0 * number,
    )


@asynccontextmanager
async def rest_stub() -> AsyncGenerator[str]:
    """Stands for Twilio's API, which calls that come in and hang up by themselves do not need.

    Raises UnexpectedAnswer at the end if it was asked anything.
    """
    asked = 0

    def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    if asked:
        raise UnexpectedAnswer(f"Twilio's API was asked {asked} times")
