"""One connection to a recogniser whose network takes messages, or takes them later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from openclaw.clock import SystemClock
from openclaw_voice_call.interfaces.speech import ListenOrder
from openclaw_voice_call.speech.backlog import Backlog
from openclaw_voice_call.speech.deepgram.stt import DeepgramSttProtocol, DeepgramSttSettings
from openclaw_voice_call.speech.stt_link import SttLink
from openclaw_voice_call.speech.stt_protocol import Message, SttProtocol, Trouble

PATIENCE_S = 5.0
CHUNKS = tuple(bytes([number]) * 320 for number in range(1, 6))


@dataclass
class Network:
    """Implements `SttSocket`. It takes all that is sent while `room` is set."""

    taken: list[Message] = field(default_factory=list[Message])
    room: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: int = 0
    broken: bool = False

    async def send(self, message: Message) -> Trouble | None:
        self.asked.set()
        try:
            await self.room.wait()
        except BaseException:
            self.given_up += 1
            raise
        if self.broken:
            raise AssertionError("a defect")
        self.taken.append(message)
        self.changed.set()
        return None

    async def receive(self) -> Message | Trouble:
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def close(self) -> None:
        """Nothing is open."""

    async def until(self, taken: Sequence[Message]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.taken != list(taken):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def connected(network: Network) -> AsyncGenerator[tuple[SttLink, Backlog]]:
    async def dial(protocol: SttProtocol) -> Network:
        return network

    protocol = DeepgramSttProtocol(DeepgramSttSettings(), ListenOrder())
    link = SttLink(protocol, dial, SystemClock(), lambda link, reading: None)
    backlog = Backlog(10_000, 2_000)
    async with asyncio.timeout(2 * PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(link.run(PATIENCE_S))
        assert await link.until_ready() is None
        link.take_over(backlog)
        yield link, backlog
        link.end(Trouble("replaced", "by another one"))


async def test_what_comes_while_the_network_takes_nothing_follows_in_its_order() -> None:
    network = Network()
    network.room.set()
    async with connected(network) as (link, backlog):
        backlog.add(CHUNKS[0])
        link.wake()
        await network.until(CHUNKS[:1])
        assert link.sending_since is None
        network.room.clear()
        for chunk in CHUNKS[1:]:
            backlog.add(chunk)
            link.wake()
            await asyncio.sleep(0)
        assert network.taken == [CHUNKS[0]]
        assert link.sending_since is not None
        network.room.set()
        await network.until((CHUNKS[0], CHUNKS[1], b"".join(CHUNKS[2:])))
        assert link.sending_since is None


async def test_a_message_that_waits_is_given_up_with_its_connection() -> None:
    network = Network()
    async with connected(network) as (link, backlog):
        backlog.add(CHUNKS[0])
        link.wake()
        await network.asked.wait()
    assert (network.taken, network.given_up) == ([], 1)


async def test_a_defect_in_sending_ends_the_connection_and_is_reported() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: reported.append(context.get("exception"))
    )
    network = Network(broken=True)
    network.room.set()
    async with connected(network) as (link, backlog):
        backlog.add(CHUNKS[0])
        link.wake()
        trouble = await link.ended
        assert trouble.code == "internal"
    assert [str(each) for each in reported] == ["a defect"]
