"""Strangers at the webhook port, as a process of their own: `python -m tests.load.attacks PLAN`.

PLAN is an `AttackPlan` as JSON; when stdin ends or all is done, an `AttackReport` is printed.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import msgspec

PATH: Final = b"/voice/webhook"
PATIENCE_S: Final = 30.0
HOSTS: Final = (
    b"Host: [::1\r\n",
    b"Host: \r\n",
    b"Host: a b\r\n",
    b"Host: \xff\xfe\r\n",
    b"Host: a:99999\r\n",
    b"Host: x\r\nHost: y\r\n",
    b"",
)
BLOCK: Final = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"


class AttackPlan(msgspec.Struct, frozen=True):
    """How many of each kind. Kinds come from addresses of their own, or all from one."""

    port: int
    silent: int = 200
    slow: int = 50
    huge: int = 20
    bad_hosts: int = 2000
    bad_signatures: int = 10_000
    at_once: int = 16
    """Connections on which the last two kinds arrive."""
    one_address: bool = False


class AttackReport(msgspec.Struct):
    """`statuses` by kind: HTTP status as text, or `cut` for a connection that was just closed."""

    statuses: dict[str, dict[str, int]]
    longest_silence_s: float
    """For which a connection that said nothing was kept."""
    most_taken: int
    """Bytes of one endless body that were taken."""
    seconds: float


class Strangers:
    """All that is done, and what came of it."""

    def __init__(self, plan: AttackPlan) -> None:
        self._plan = plan
        self._seen: dict[str, Counter[str]] = {}
        self._silences = [0.0]
        self._taken = [0]

    async def run(self) -> AttackReport:
        """Silent and slow ones go on until the others are done."""
        plan, began = self._plan, monotonic()
        async with asyncio.TaskGroup() as lasting:
            tasks = [lasting.create_task(self._again(self._silent)) for _ in range(plan.silent)]
            tasks += [lasting.create_task(self._again(self._slow)) for _ in range(plan.slow)]
            async with asyncio.TaskGroup() as counted:
                self._share(counted, plan.huge, self._huge)
                self._share(counted, plan.bad_hosts, self._bad_host)
                self._share(counted, plan.bad_signatures, self._bad_signature)
            # Long enough for a silent one to be found out.
            await asyncio.sleep(max(0.0, began + 7.0 - monotonic()))
            for task in tasks:
                task.cancel()
        return AttackReport(
            {kind: dict(counts) for kind, counts in self._seen.items()},
            max(self._silences),
            max(self._taken),
            monotonic() - began,
        )

    def _share(
        self, group: asyncio.TaskGroup, times: int, attack: Callable[[int], Awaitable[None]]
    ) -> None:
        waiting = iter(range(times))

        async def line() -> None:
            for number in waiting:
                await attack(number)

        for _ in range(min(times, self._plan.at_once)):
            group.create_task(line())

    async def _again(self, attack: Callable[[], Awaitable[None]]) -> None:
        while True:
            await attack()

    async def _silent(self) -> None:
        """Connect and say nothing."""
        reader, writer = await self._connect("silent", 2)
        began = monotonic()
        try:
            status = await _status(reader)
            if status == "cut":
                self._silences.append(monotonic() - began)
            self._count("silent", status)
        finally:
            writer.close()

    async def _slow(self) -> None:
        """A byte of the body now and then."""
        reader, writer = await self._connect("slow", 3)
        try:
            writer.write(_head(b"Content-Length: 1000\r\n"))
            answer = asyncio.ensure_future(_status(reader))  # noqa: TID251 - awaited below
            while not answer.done():
                writer.write(b"a")
                await asyncio.wait({answer}, timeout=0.5)
            self._count("slow", await answer)
        finally:
            writer.close()

    async def _huge(self, _: int) -> None:
        """A body without end."""
        reader, writer = await self._connect("huge", 4)
        taken = 0
        try:
            writer.write(_head(b"Transfer-Encoding: chunked\r\n"))
            answer = asyncio.ensure_future(_status(reader))  # noqa: TID251 - awaited below
            while not answer.done() and taken < 100 << 20:
                writer.write(BLOCK)
                taken += len(BLOCK)
                try:
                    await asyncio.wait_for(writer.drain(), 2.0)
                except (ConnectionError, TimeoutError):
                    break
            self._taken.append(taken)
            self._count("huge", await answer)
        finally:
            writer.close()

    async def _bad_host(self, number: int) -> None:
        host = HOSTS[number % len(HOSTS)]
        await self._ask("bad host", 5, _head(b"Content-Length: 3\r\n", host) + b"a=b")

    async def _bad_signature(self, number: int) -> None:
        body = b"CallSid=CA%032d&AccountSid=AC%032d&CallStatus=ringing" % (number, 0)
        length = b"Content-Length: %d\r\n" % len(body)
        await self._ask("bad signature", 6, _head(length) + body)

    async def _ask(self, kind: str, address: int, request: bytes) -> None:
        reader, writer = await self._connect(kind, address)
        try:
            writer.write(request)
            self._count(kind, await _status(reader))
        finally:
            writer.close()

    async def _connect(
        self, kind: str, address: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Tries again, a little later, when the port does not accept at the moment."""
        from_host = "127.0.0.1" if self._plan.one_address else f"127.0.0.{address}"
        while True:
            try:
                return await asyncio.open_connection(
                    "127.0.0.1", self._plan.port, local_addr=(from_host, 0)
                )
            except OSError:
                self._count(kind, "not connected")
                await asyncio.sleep(0.1)

    def _count(self, kind: str, status: str) -> None:
        self._seen.setdefault(kind, Counter())[status] += 1


def _head(rest: bytes, host: bytes = b"Host: voice.example.com\r\n") -> bytes:
    return (
        b"POST " + PATH + b" HTTP/1.1\r\n" + host + b"X-Twilio-Signature: "
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        + rest
        + b"\r\n"
    )


async def _status(reader: asyncio.StreamReader) -> str:
    try:
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    except ConnectionError:
        return "cut"
    except TimeoutError:
        return "kept"
    return line.split()[1].decode() if line else "cut"


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=AttackPlan)
    report = asyncio.run(Strangers(plan).run())
    sys.stdout.write(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main()
