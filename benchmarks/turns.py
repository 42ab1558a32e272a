"""`python -m benchmarks.turns`: how long callers wait for an answer, beside vendors alone.

Some people call at once; each says something, waits, hears the answer, and goes on. The gateway is
the real program with the durable journal, `openclaw gateway run`; the vendors are another process
with known latencies (`turns_vendors.py`), the callers this one. The ideal is measured in the same
run: as many conversations that send their speech straight to the recogniser, its words to the
model, the first sentence to the voice, and do nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from benchmarks.grid import grid, machine
from benchmarks.process import Home, Running, free_port, scratch, serving, without_uvloop
from benchmarks.traffic import percentile
from benchmarks.turns_ideal import Ideal
from benchmarks.turns_phones import Room
from benchmarks.turns_vendors import FIRST_CHUNK_MS, SENTENCE_MS
from benchmarks.webhooks import rest_stub
from openclaw_voice_call.call.facts import TurnMeasured
from openclaw_voice_call.store.reader import open_reader
from openclaw_voice_call.store.schema import FILE_NAME
from openclaw_voice_call.surfaces.latency import STAGES

CALLS: Final = (1, 10, 50)
TURNS: Final = {1: 6, 10: 4, 50: 3}
"""Of each call."""
SILENCES_MS: Final = (300, 800)
"""After which the recogniser's words are final. The second is what `silenceDurationMs` is when
nobody says otherwise."""
IDEAL_MS: Final = SENTENCE_MS + FIRST_CHUNK_MS
"""From the final words to the answer, if the vendors' latencies were all there is."""


class Waits(msgspec.Struct, frozen=True):
    """One way of answering, with so many calls at once. Times in ms from the end of the words."""

    calls: int
    silence_ms: int
    head_start: bool | None
    """None: the ideal."""
    delays_ms: list[float]
    stages_ms: dict[str, float] = {}
    """The gateway's own account, medians."""
    head_starts: float = 0.0
    """Share of the answers that were begun early."""
    cpu_share: float = 0.0
    """Of one core, for each call."""
    rss_mb: float = 0.0
    cut: int = 0
    """Answers that the gateway took for interrupted, though nobody did."""
    gaps: int = 0
    """Of the voice, all calls together."""
    late_p99_ms: float = 0.0
    """How late the callers' own frames were."""

    @property
    def p50_ms(self) -> float:
        return percentile(self.delays_ms, 0.5)

    @property
    def p95_ms(self) -> float:
        return percentile(self.delays_ms, 0.95)


async def measure(folder: Path, *, share: float = 1.0) -> list[Waits]:
    """All ways, with each number of calls. `share` of the usual turns."""
    waits: list[Waits] = []
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.turns_vendors", str(port))
    async with serving(command, os.environ, port, folder / "vendors.txt"), rest_stub() as rest_url:
        for silence_ms, calls in product(SILENCES_MS, CALLS):
            turns = max(1, round(TURNS[calls] * share))
            waits.append(await _ideal(port, silence_ms, calls, turns))
            for head_start in (False, True):
                name = f"{silence_ms}-{calls}-{head_start}"
                home = Home(
                    folder / name,
                    rest_url,
                    section=_section(port, silence_ms, head_start=head_start),
                    models={"openai": {"baseUrl": f"http://127.0.0.1:{port}/v1", "apiKey": "-"}},
                )
                waits.append(await _ours(home, silence_ms, calls, turns, head_start=head_start))
    return waits


def _section(port: int, silence_ms: int, *, head_start: bool) -> dict[str, object]:
    url = f"http://127.0.0.1:{port}/v1"
    return {
        "responseModel": "openai/benchmark",
        "streaming": {
            "enabled": True,
            "provider": "deepgram",
            "silenceDurationMs": silence_ms,
            "headStart": head_start,
            # On a machine that is too busy callers shall wait here, not be refused.
            "maxLatenessMs": 0,
            "providers": {"deepgram": {"baseUrl": url, "apiKey": "-"}},
        },
        "tts": {"provider": "openai", "providers": {"openai": {"baseUrl": url, "apiKey": "-"}}},
    }


async def _ideal(port: int, silence_ms: int, calls: int, turns: int) -> Waits:
    _say(f"{calls} at a time, words final after {silence_ms} ms, vendors alone")
    ideal = Ideal(port, silence_ms)
    await ideal.hold(calls, turns)
    return Waits(calls, silence_ms, None, [1000 * each for each in ideal.delays_s])


async def _ours(home: Home, silence_ms: int, calls: int, turns: int, *, head_start: bool) -> Waits:
    how = "with" if head_start else "without"
    _say(f"{calls} at a time, words final after {silence_ms} ms, {how} a head start")
    async with home.gateway() as gateway:
        await Room(gateway.port).hold(1, 1)
        cpu_s, began = gateway.cpu_s(), asyncio.get_running_loop().time()
        room = Room(gateway.port)
        seen_mb: list[float] = []
        async with asyncio.TaskGroup() as watching:
            watch = watching.create_task(_watch_memory(gateway, seen_mb))
            await room.hold(calls, turns)
            watch.cancel()
        elapsed = asyncio.get_running_loop().time() - began
        cpu_s = gateway.cpu_s() - cpu_s
    stages, early = _stages(home.journal / FILE_NAME)
    return Waits(
        calls,
        silence_ms,
        head_start,
        [1000 * each for each in room.delays_s],
        stages_ms=stages,
        head_starts=early,
        cpu_share=cpu_s / elapsed / calls,
        rss_mb=max(seen_mb),
        cut=room.cut,
        gaps=room.gaps,
        late_p99_ms=1000 * percentile(room.late_s, 0.99),
    )


async def _watch_memory(running: Running, seen_mb: list[float]) -> None:
    while True:
        seen_mb.append(await asyncio.to_thread(running.rss_mb))
        await asyncio.sleep(1.0)


def _stages(journal: Path) -> tuple[dict[str, float], float]:
    """The medians of all turns' stages, and how many of the answers were begun early."""
    with open_reader(journal) as reader:
        times = [
            stored.fact.times
            for record in reader.recent(1000)
            for stored in reader.facts(record.call_id)
            if isinstance(stored.fact, TurnMeasured)
        ]
    stages: dict[str, float] = {}
    for name, attribute in STAGES.items():
        values: list[int] = [ms for each in times if (ms := getattr(each, attribute)) is not None]
        stages[name] = median(values) if values else float("nan")
    return stages, sum(each.head_start for each in times) / max(1, len(times))


HEAD: Final = (
    "calls at a time",
    "turns",
    "p50 ms",
    "p95 ms",
    "from the final p50 ms",
    "by ideal",
    "p95 by ideal p95",
    "head starts",
    "CPU of a core per call",
    "MB",
    "MB per call",
)


def tables(waits: Sequence[Waits]) -> list[str]:
    """The results in Markdown: waits, then where they go."""
    late_ms = max(each.late_p99_ms for each in waits)
    cut = sum(each.cut for each in waits)
    gaps = sum(each.gaps for each in waits)
    return [
        *grid(HEAD, [_row(each, waits) for each in waits]),
        *grid(("median ms from the end of the words", *STAGES), list(_stage_rows(waits))),
        f"By the vendors' latencies alone it is {IDEAL_MS} ms from the final words.",
        f"Answers that were cut off: {cut}; gaps in what was said: {gaps}.",
        f"Of the callers' own frames, one in 100 was {late_ms:.1f} ms late.",
        "",
    ]


def _row(each: Waits, waits: Sequence[Waits]) -> Sequence[str]:
    (ideal,) = (
        other
        for other in waits
        if (other.calls, other.silence_ms, other.head_start) == (each.calls, each.silence_ms, None)
    )
    after_final = each.p50_ms - each.silence_ms
    tail = (each.p95_ms - each.silence_ms) / (ideal.p95_ms - ideal.silence_ms)
    ours = each.head_start is not None
    alone_mb = next(
        other.rss_mb
        for other in waits
        if (other.calls, other.silence_ms, other.head_start)
        == (CALLS[0], each.silence_ms, each.head_start)
    )
    more_mb = (each.rss_mb - alone_mb) / max(1, each.calls - 1)
    return (
        _name(each),
        str(len(each.delays_ms)),
        f"{each.p50_ms:.0f}",
        f"{each.p95_ms:.0f}",
        f"{after_final:.0f}",
        f"{after_final / (ideal.p50_ms - ideal.silence_ms):.2f}",
        f"{tail:.2f}",
        f"{each.head_starts:.0%}" if ours else "",
        f"{each.cpu_share:.1%}" if ours else "",
        f"{each.rss_mb:.0f}" if ours else "",
        f"{more_mb:.2f}" if ours and each.calls > CALLS[0] else "",
    )


def _stage_rows(waits: Sequence[Waits]) -> Iterator[Sequence[str]]:
    for each in waits:
        if each.head_start is not None:
            yield (_name(each), *(f"{each.stages_ms[stage]:.0f}" for stage in STAGES))


def _name(each: Waits) -> str:
    way = {None: "vendors alone", False: "no head start", True: "head start"}[each.head_start]
    return f"{each.calls}, final after {each.silence_ms} ms, {way}"


def _say(what: str) -> None:
    sys.stderr.write(f"measuring: {what}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; less exact")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--uvloop", action="store_true", help="with the extra `fast`")
    options = parser.parse_args()
    with ExitStack() as stack:
        if not options.uvloop:
            stack.enter_context(without_uvloop())
        folder = stack.enter_context(scratch())
        waits = asyncio.run(measure(folder, share=0.25 if options.quick else 1.0))
    if options.json:
        print(msgspec.json.encode(waits).decode())
        return
    print("\n".join((machine(), "", *tables(waits))))


if __name__ == "__main__":
    main()
