"""The plugin in this process, as a customer of one of the phone companies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from openclaw.clock import Clock
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.snapshot import CallSnapshot
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.service import CallService
from tests.contract.network import THEIRS, Company, Network
from tests.contract.networks import COMPANIES, NETWORKS, Open
from tests.e2e.gateway import free_port
from tests.emulators.people import HangsUp, Person
from tests.voice_call.rig import FakeAgents, Rig, rig

NetworkT = TypeVar("NetworkT", bound=Network)
PATIENCE_S = 20.0
"""Much longer than anything takes; a busy machine may be slow."""


@dataclass
class Bench(Generic[NetworkT]):
    network: NetworkT
    rig: Rig
    port: int
    """Of the webhook server, on loopback."""

    @property
    def service(self) -> CallService:
        return self.rig.service

    @property
    def agents(self) -> FakeAgents:
        return self.rig.agents

    async def call(
        self, message: str | None = "Hello.", mode: Mode = Mode.CONVERSATION, to: str = THEIRS
    ) -> str:
        """Place a call; gives our id."""
        return (await self.service.initiate(to=to, message=message, mode=mode)).call_id

    async def view(self, call: str) -> CallSnapshot:
        snapshot = await self.service.status(call)
        assert snapshot is not None, f"{call} is not known"
        return snapshot

    async def wait(
        self, call: str, holds: Callable[[CallSnapshot], bool], within: float = PATIENCE_S
    ) -> CallSnapshot:
        """Wait until the call's record is so; it is looked at whenever a call changes."""
        seen, news = await self.view(call), self.rig.api.news
        try:
            async with asyncio.timeout(within):
                while True:
                    news.clear()
                    seen = await self.view(call)
                    if holds(seen):
                        return seen
                    await news.wait()
        except TimeoutError:
            raise TimeoutError(f"not within {within} s; the call is {seen}") from None

    async def wait_state(self, call: str, *states: str) -> CallSnapshot:
        return await self.wait(call, lambda seen: seen["state"] in states)

    async def wait_words(self, call: str, who: str, text: str) -> CallSnapshot:
        """Wait until the `bot` or `user` has said this to its end."""
        return await self.wait(call, lambda seen: text in words(seen, who))

    async def wait_fact(self, call: str, kind: type[Fact]) -> Fact:
        """Wait until such a fact is in the call's journal."""
        found: list[Fact] = []
        news = self.rig.api.news
        async with asyncio.timeout(PATIENCE_S):
            while not found:
                news.clear()
                history = await self.service.history(call)
                assert history is not None
                found = [each.fact for each in history[1] if isinstance(each.fact, kind)]
                if not found:
                    await news.wait()
        return found[-1]

    async def ended(self, call: str) -> CallSnapshot:
        return await self.wait(call, lambda seen: "endedAt" in seen)

    async def inbound(self) -> str:
        """The id of the newest call that came in, once there is one."""
        await self.rig.api.published("voicecall.call", PATIENCE_S, direction="inbound")
        return next(
            call["callId"] for call in await self.service.calls() if call["direction"] == "inbound"
        )

    async def heard(self, number: str = THEIRS) -> Sequence[str]:
        """What this person heard to its end."""
        return await self.network.heard(self.service, number)


def transcript(snapshot: CallSnapshot) -> list[tuple[str, str]]:
    """Of what was said to its end."""
    return [(each["speaker"], each["text"]) for each in snapshot["transcript"] if each["isFinal"]]


def words(snapshot: CallSnapshot, who: str) -> list[str]:
    return [text for speaker, text in transcript(snapshot) if speaker == who]


def leaves_after(*says: str) -> Person:
    """Says these things, hears the answer to the last, and hangs up."""
    return Person(says, hangs_up=HangsUp(after_hearing=f"You said: {says[-1]}", delay=15.0))


# --- opening


@asynccontextmanager
async def serve(
    state_dir: Path,
    network: NetworkT,
    port: int,
    agents: FakeAgents | None = None,
    clock: Clock | None = None,
    **config: object,
) -> AsyncGenerator[Bench[NetworkT]]:
    """Runs the plugin as this customer, on the journal that is in `state_dir`."""
    section: dict[str, object] = {
        **network.section,
        "serve": {"port": port},
        # Carriers are told of the limit too, and their seconds are fast.
        "maxDurationSeconds": 3600,
        **config,
    }
    async with rig(state_dir, agents=agents, clock=clock, **section) as running:
        yield Bench(network, running, port)
        network.release()


@asynccontextmanager
async def _opened(
    open_network: Open[NetworkT],
    state_dir: Path,
    people: Mapping[str, Person] | None,
    callers: Mapping[str, Person] | None,
    agents: FakeAgents | None,
    clock: Clock | None,
    speed: float,
    config: Mapping[str, object],
) -> AsyncGenerator[Bench[NetworkT]]:
    port = free_port()
    async with open_network(port, people or {}, callers or {}, speed) as network:
        async with serve(state_dir, network, port, agents, clock, **config) as bench:
            yield bench
        await network.settle()


@asynccontextmanager
async def bench(
    carrier: str,
    state_dir: Path,
    people: Mapping[str, Person] | None = None,
    *,
    callers: Mapping[str, Person] | None = None,
    agents: FakeAgents | None = None,
    speed: float = 50.0,
    **config: object,
) -> AsyncGenerator[Bench[Network]]:
    """The plugin and any of the networks.

    Args:
        people: whom we can call.
        callers: who calls us, by the number that is shown then.
        config: keys of the plugin's section.
    """
    open_network = NETWORKS[carrier]
    async with _opened(
        open_network, state_dir, people, callers, agents, None, speed, config
    ) as here:
        yield here


@asynccontextmanager
async def company(
    carrier: str,
    state_dir: Path,
    people: Mapping[str, Person] | None = None,
    *,
    agents: FakeAgents | None = None,
    clock: Clock | None = None,
    speed: float = 50.0,
    **config: object,
) -> AsyncGenerator[Bench[Company]]:
    """The plugin, which lives by `clock`, and one of the companies that may fail."""
    open_company = COMPANIES[carrier]
    async with _opened(open_company, state_dir, people, None, agents, clock, speed, config) as here:
        yield here


@asynccontextmanager
async def company_alone(
    carrier: str, people: Mapping[str, Person], *, speed: float = 50.0
) -> AsyncGenerator[tuple[Company, int]]:
    """A company and the port that it will look for us at; several processes in turn may `serve`."""
    port = free_port()
    async with COMPANIES[carrier](port, people, {}, speed) as network:
        yield network, port
        await network.settle()
