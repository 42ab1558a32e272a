"""Strangers at the stream door while streams run: each of these is let in and loses nothing.

The door and its server are in this process, with a desk that sends back what it is told; the
strangers are a process of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Final

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.media import StreamStart, StreamTicket, Wire
from openclaw_voice_call.webhook.streams import StreamLimits
from tests.load.attacks import AttackPlan, AttackReport
from tests.load.flood import attack_with
from tests.voice_call.webhook.stream_fakes import Stream, StreamDesk, pass_path, start_message
from tests.voice_call.webhook.stream_house import House, house

AT_THE_DOOR: Final = AttackPlan(
    *(0, 0, 0, 0, 0, 0), silent_streams=200, pinging_streams=10, huge_messages=8, forged_passes=500
)
"""Strangers who know of nothing but the stream path."""
STREAMS: Final = 8
"""Genuine ones at a time."""
FRAMES: Final = 100
"""Of each, one every 20 ms; then the next one opens."""
FRAME_S: Final = 0.02
SAMPLE_S: Final = 0.02
WAIT_S: Final = 10.0


@dataclass
class StreamFloodReport:
    attack: AttackReport
    served: int
    failed: list[str]
    delays_s: Sequence[float]
    """From sending a frame until it is back."""
    most_pending: int
    findings: list[str] = field(default_factory=list[str])
    """What is wrong; empty when all is well."""

    def ms(self, part: float) -> float:
        """The delay below which `part` (0 to 1) of the frames were."""
        ordered = sorted(self.delays_s)
        return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


async def stream_flood(plan: AttackPlan) -> StreamFloodReport:
    """`plan.port` is not used: the server takes a free one."""
    numbers = count(1)
    limits = StreamLimits()
    async with house(limits, desk=_Everybody()) as it, asyncio.TaskGroup() as group:
        aimed = msgspec.structs.replace(plan, port=it.server.port)
        attack = group.create_task(attack_with(aimed))
        pending = group.create_task(_most_pending(it, attack))
        failed: list[str] = []
        delays: list[float] = []
        lines = [
            group.create_task(_line(it, numbers, attack, failed, delays)) for _ in range(STREAMS)
        ]
        served = sum([await line for line in lines])
        report = StreamFloodReport(await attack, served, failed, delays, await pending)
    # Strangers of a kind have an address, and no place is held by who has a pass.
    addresses = 1 if plan.one_address else 3
    report.findings += _judge(report, addresses * limits.places.pending_per_address + STREAMS)
    return report


def _judge(report: StreamFloodReport, pending: int) -> list[str]:
    found = [f"stream: {each}" for each in report.failed]
    if not report.served:
        found.append("no stream was served")
    if report.most_pending > pending:
        found.append(f"{report.most_pending} sockets were pending at once")
    if report.attack.longest_silence_s > 8.0:
        found.append(f"a silent socket was kept for {report.attack.longest_silence_s:.1f} s")
    expected = {
        "silent stream": {"503", "closed 1008"},
        "pinging stream": {"503", "closed 1008"},
        "huge message": {"503", "closed 1009"},
        "forged pass": {"404"},
    }
    for kind, known in expected.items():
        wrong = set(report.attack.statuses.get(kind, {})) - known
        found += [f"{kind}: {each}" for each in sorted(wrong)]
    return found


class _Echo(Stream):
    def feed(self, message: str | bytes) -> None:
        self.wire.send(str(message))


class _Everybody(StreamDesk):
    """Expects each stream, and sends back what it says."""

    def expects(self, ticket: StreamTicket) -> bool:
        return True

    async def connect(self, ticket: StreamTicket, start: StreamStart, wire: Wire) -> Stream:
        self.streams.append(_Echo(ticket, start, wire))
        return self.streams[-1]


async def _line(
    it: House,
    numbers: count[int],
    attack: asyncio.Task[AttackReport],
    failed: list[str],
    delays: list[float],
) -> int:
    """One genuine stream after the other until the attack is over; how many went well."""
    served = 0
    while not attack.done():
        try:
            async with asyncio.timeout(WAIT_S):
                delays += await _one(it, StreamTicket(CallId("load"), next(numbers)))
            served += 1
        except (OSError, WebSocketException, TimeoutError) as exc:
            failed.append(f"{type(exc).__name__}: {exc}")
    return served


async def _one(it: House, ticket: StreamTicket) -> list[float]:
    delays: list[float] = []
    url = f"ws://127.0.0.1:{it.server.port}{pass_path(ticket)}"
    async with connect(url, proxy=None, compression=None) as socket:
        await socket.send(start_message())
        for number in range(FRAMES):
            sent = monotonic()
            await socket.send(f"{number} {'x' * 250}")
            answer = await socket.recv()
            if not str(answer).startswith(f"{number} "):
                raise WebSocketException(f"frame {number} is not what came back")
            delays.append(monotonic() - sent)
            await asyncio.sleep(max(0.0, sent + FRAME_S - monotonic()))
    return delays


async def _most_pending(it: House, attack: asyncio.Task[AttackReport]) -> int:
    most = 0
    while not attack.done():
        most = max(most, it.door.counts.pending)
        await asyncio.wait({attack}, timeout=SAMPLE_S)
    return most
