"""What a gateway process holds: tasks, waiters and calls inside it, sockets, files, memory."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.e2e.gateway import GatewayProcess

WATCH: Final = Path(__file__).with_name("watch")
TELL_S: Final = 10.0
_SERIAL: Final = re.compile(r"\d+")


class Inside(msgspec.Struct):
    """What `watch/sitecustomize.py` sees. `waiters` are futures that nobody has settled yet, those
    of the event loop itself included; `calls` are the runners of live calls."""

    tasks: list[str]
    waiters: int
    calls: int
    objects: int


@dataclass(frozen=True)
class Census:
    inside: Inside
    sockets: int
    files: int
    """Open descriptors of other kinds."""
    memory: int
    """Resident bytes."""

    def beyond(self, before: Census) -> list[str]:
        """What is here and was not before; empty when all has been given back."""
        more = Counter(map(_kind, self.inside.tasks)) - Counter(map(_kind, before.inside.tasks))
        found = [f"{count} more tasks {name!r}" for name, count in more.items()]
        if self.inside.calls:
            found.append(f"{self.inside.calls} runners of calls")
        found += [
            f"{now - then} more {what}"
            for what, now, then in (
                ("waiters", self.inside.waiters, before.inside.waiters),
                ("sockets", self.sockets, before.sockets),
                ("open files", self.files, before.files),
            )
            if now > then
        ]
        return found


def watched(folder: Path) -> Mapping[str, str]:
    """The environment of a gateway whose census can be taken."""
    return {"PYTHONPATH": str(WATCH), "OPENCLAW_CENSUS": str(folder / "census.json")}


async def take(gateway: GatewayProcess) -> Census:
    """Ask a running gateway that was started with `watched(gateway.folder)`."""
    path = gateway.folder / "census.json"
    path.unlink(missing_ok=True)
    os.kill(gateway.pid, signal.SIGUSR2)
    async with asyncio.timeout(TELL_S):
        while not path.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
    inside = msgspec.json.decode(path.read_bytes(), type=Inside)
    links = [_link(each) for each in Path(f"/proc/{gateway.pid}/fd").iterdir()]
    sockets = sum(link.startswith("socket:") for link in links)
    return Census(inside, sockets, len(links) - sockets, gateway.memory_bytes())


async def settled(gateway: GatewayProcess, before: Census, within: float) -> Census:
    """The census once nothing is beyond `before`, or the last one when the time is over."""
    return await _until(gateway, lambda census: not census.beyond(before), within)


async def until_no_calls(gateway: GatewayProcess, within: float) -> Census:
    """The census once no call is live, or the last one when the time is over."""
    return await _until(gateway, lambda census: not census.inside.calls, within)


async def _until(gateway: GatewayProcess, holds: Callable[[Census], bool], within: float) -> Census:
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    census = await take(gateway)
    while not holds(census) and loop.time() < until:
        await asyncio.sleep(0.5)
        census = await take(gateway)
    return census


def _kind(task: str) -> str:
    """Tasks of a kind are told apart by numbers only."""
    return _SERIAL.sub("*", task)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
