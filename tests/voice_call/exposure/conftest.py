"""An exposure with fake programs, as the composition root opens it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openclaw.clock import SystemClock
from openclaw.tasks import Supervisor
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import resolve_credentials
from openclaw_voice_call.exposure.choose import choose_exposure
from openclaw_voice_call.exposure.process import Patience
from openclaw_voice_call.exposure.setup import Pace
from openclaw_voice_call.interfaces.exposure import ExposureNews, ExposureState, PublicUrls
from tests.voice_call.exposure.fakes import FakePrograms

TOKEN = "2ngrokTokenThatNobodyMaySee_7Zq"
QUICK = Pace(
    open_s=10.0,
    command_s=5.0,
    first_retry_s=0.01,
    longest_retry_s=0.04,
    watch_s=0.02,
    patience=Patience(term_s=0.5, kill_s=2.0),
)


@dataclass
class Stage:
    """What an exposure needs around it, and what it told."""

    programs: FakePrograms
    tasks: Supervisor
    news: asyncio.Queue[ExposureNews] = field(default_factory=asyncio.Queue[ExposureNews])

    def expose(
        self, section: Mapping[str, object], pace: Pace = QUICK, **environ: str
    ) -> AbstractAsyncContextManager[PublicUrls]:
        """Open what this section asks for; the carrier is Twilio's emulator unless it says so."""
        whole: dict[str, object] = {
            "provider": "twilio",
            "fromNumber": "+15550001234",
            "twilio": {"accountSid": "AC1", "authToken": "t", "baseUrl": "http://127.0.0.1:1"},
            **section,
        }
        env = {"PATH": self.programs.path, "HOME": str(self.programs.folder), **environ}
        config = parse_config(whole, env).config
        assert config is not None
        return choose_exposure(
            config,
            resolve_credentials(config, env),
            environ=env,
            clock=SystemClock(),
            tasks=self.tasks,
            report=self.news.put_nowait,
            pace=pace,
        )

    async def told(self, state: ExposureState, within_s: float = 10.0) -> str:
        """The reason of the next news, which must be this."""
        async with asyncio.timeout(within_s):
            news = await self.news.get()
        assert news.state is state, news
        return news.reason


@pytest.fixture
def programs(tmp_path: Path) -> FakePrograms:
    return FakePrograms(tmp_path / "bin")


@pytest.fixture
async def stage(programs: FakePrograms) -> AsyncGenerator[Stage]:
    """Nothing may be left running at the end of a test, and no news unheard."""
    tasks = Supervisor("stage", logging.getLogger("stage"))
    made = Stage(programs, tasks)
    yield made
    assert len(tasks) == 0
    assert made.news.empty(), made.news.get_nowait()
    await tasks.close()
