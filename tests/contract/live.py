"""Calls with live audio, whichever company they go over: set up, and what can be seen of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openclaw.sdk import ReplyRequest, ReplyRun
from openclaw_voice_call.audio import tone_code
from tests.contract.bench import PATIENCE_S, Bench, company_alone, serve
from tests.contract.clock import ElasticClock
from tests.contract.network import Company
from tests.emulators.clock import Changes, Clock
from tests.emulators.media import MediaStream
from tests.emulators.people import Person
from tests.voice_call.rig import FakeAgents

SPEED: Final = 5.0
"""Seconds of sound, and of the gateway, in a real one."""
TONES: Final[Mapping[str, object]] = {
    "streaming": {"enabled": True, "provider": "scripted"},
    "tts": {"provider": "scripted"},
}
"""Ear and voice speak the tone code, as the people of the emulators do."""


@asynccontextmanager
async def live(
    carrier: str,
    state_dir: Path,
    people: Mapping[str, Person] | None = None,
    *,
    agents: FakeAgents | None = None,
    speed: float = SPEED,
    **config: object,
) -> AsyncGenerator[Bench[Company]]:
    """The plugin with live audio, as a customer of this company.

    Args:
        people: whom we can call.
        config: keys of the plugin's section.
    """
    section = {**TONES, **config}
    async with (
        ElasticClock.running(speed) as clock,
        company_alone(carrier, people or {}) as (network, port),
    ):
        network.media.clock = MediaClock(clock)
        async with serve(state_dir, network, port, agents, clock, **section) as here:
            yield here


class MediaClock(Clock):
    """The clock of the gateway, for the sound on the company's side."""

    def __init__(self, clock: ElasticClock) -> None:
        super().__init__()
        self._clock = clock

    def now(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


def stale(stream: MediaStream) -> str:
    """The words that came after the newest clear: what belongs to before it is stale."""
    return tone_code.decode(stream.out.arrived_after())


@dataclass
class PacedAgents(FakeAgents):
    """Gives an answer piece by piece, each when the test lets it with `release`."""

    pieces: Sequence[str] = ()
    _let: int = 0
    _news: Changes = field(default_factory=Changes)

    def release(self, pieces: int) -> None:
        """Let so many more pieces go."""
        self._let += pieces
        self._news.notify()

    def reply(self, request: ReplyRequest) -> ReplyRun:
        self.asked.append(request)
        return _PacedRun(self)

    async def piece(self, index: int) -> str:
        await self._news.until(lambda: self._let > index, lambda: f"piece {index}", PATIENCE_S)
        return self.pieces[index]


class _PacedRun:
    def __init__(self, agents: PacedAgents) -> None:
        self._agents = agents
        self._cancelled = False

    async def __aiter__(self) -> AsyncIterator[str]:
        for index in range(len(self._agents.pieces)):
            piece = await self._agents.piece(index)
            if self._cancelled:
                return
            yield piece

    async def text(self) -> str:
        return "".join([piece async for piece in self])

    def cancel(self) -> None:
        self._cancelled = True
