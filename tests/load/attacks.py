"""Strangers at the webhook port, as a process of their own: `python -m tests.load.attacks PLAN`.

PLAN is an `AttackPlan` as JSON; when stdin ends or all is done, an `AttackReport` is printed.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Final

import msgspec

PATH: Final = b"/voice/webhook"
STREAM_PATH: Final = b"/voice/stream"
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
PING: Final = b"\x89\x80\0\0\0\0"
HUGE_MESSAGE: Final = b"\x81\xff" + (50 << 20).to_bytes(8, "big") + bytes(4)
AGAIN_S: Final = 0.5
"""After a refused upgrade."""


class AttackPlan(msgspec.Struct, frozen=True):
    """How many of each kind. Kinds come from addresses of their own, or all from one."""

    port: int
    silent: int = 200
    slow: int = 50
    huge: int = 20
    bad_hosts: int = 2000
    bad_signatures: int = 10_000
    silent_streams: int = 0
    """Sockets that are upgraded at the stream path and say nothing."""
    pinging_streams: int = 0
    huge_messages: int = 0
    """First messages of 50 MB, each on a socket of its own."""
    forged_passes: int = 0
    at_once: int = 16
    """Connections on which the last two kinds arrive."""
    one_address: bool = False


class AttackReport(msgspec.Struct):
    """`statuses` by kind: HTTP status as text, `closed CODE` of a websocket, or `cut` for a
    connection that was just closed."""

    statuses: dict[str, dict[str, int]]
    longest_silence_s: float
    """For which a connection that said nothing, or only pings, was kept."""
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
            for times, attack in (
                (plan.silent_streams, self._silent_stream),
                (plan.pinging_streams, self._pinging_stream),
            ):
                tasks += [lasting.create_task(self._again(attack)) for _ in range(times)]
            async with asyncio.TaskGroup() as counted:
                self._share(counted, plan.huge, self._huge)
                self._share(counted, plan.bad_hosts, self._bad_host)
                self._share(counted, plan.bad_signatures, self._bad_signature)
                self._share(counted, plan.huge_messages, self._huge_message)
                self._share(counted, plan.forged_passes, self._forged_pass)
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

    async def _silent_stream(self) -> None:
        async def nothing(_: asyncio.StreamWriter) -> None:
            pass

        await self._stream("silent stream", 8, nothing)

    async def _pinging_stream(self) -> None:
        async def ping(writer: asyncio.StreamWriter) -> None:
            while not writer.is_closing():
                writer.write(PING)
                await asyncio.sleep(0.2)

        await self._stream("pinging stream", 9, ping)

    async def _huge_message(self, _: int) -> None:
        async def push(writer: asyncio.StreamWriter) -> None:
            writer.write(HUGE_MESSAGE)
            with suppress(ConnectionError):
                for _ in range(50 << 4):
                    writer.write(bytes(1 << 16))
                    await writer.drain()

        await self._stream("huge message", 10, push)

    async def _forged_pass(self, number: int) -> None:
        await self._ask("forged pass", 11, _upgrade(b"/call-%d/1/%024d" % (number, number)))

    async def _stream(
        self, kind: str, address: int, say: Callable[[asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        """An upgraded socket that never tells what stream it is; until it is closed."""
        reader, writer = await self._connect(kind, address)
        try:
            writer.write(_upgrade(b""))
            status = await _status(reader)
            if status != "101":
                self._count(kind, status)
                await asyncio.sleep(AGAIN_S)
                return
            began = monotonic()
            await reader.readuntil(b"\r\n\r\n")
            saying = asyncio.ensure_future(say(writer))  # noqa: TID251 - cancelled below
            try:
                self._count(kind, await _close_code(reader))
            finally:
                saying.cancel()
                await asyncio.wait({saying})
            self._silences.append(monotonic() - began)
        finally:
            writer.close()

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


def _upgrade(below: bytes) -> bytes:
    return (
        b"GET " + STREAM_PATH + below + b" HTTP/1.1\r\nHost: voice.example.com\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )


async def _close_code(reader: asyncio.StreamReader) -> str:
    """Of the server's close frame; what comes before is short."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                first, size = await reader.readexactly(2)
                payload = await reader.readexactly(size)
                if first & 0x0F == 0x8:
                    return f"closed {int.from_bytes(payload[:2], 'big')}"
    except (ConnectionError, asyncio.IncompleteReadError):
        return "cut"
    except TimeoutError:
        return "kept"


async def _status(reader: asyncio.StreamReader) -> str:
    # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the answer.
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await reader.readline()
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
