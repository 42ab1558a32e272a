"""A call's line to a recogniser and the vendor at its other end, joined over real sockets.

Time is a `FakeClock`'s; audio is given as fast as it is taken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final as Constant

import aiohttp

from openclaw.tasks import Supervisor
from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import vendor_keys
from openclaw_voice_call.interfaces.speech import (
    Final,
    ListenOrder,
    Partial,
    Recognised,
    Recogniser,
    RecogniserDown,
    RecogniserUp,
    SpeechToText,
)
from openclaw_voice_call.speech.recogniser import Patience
from openclaw_voice_call.speech.registry import build_recogniser
from tests.clock import FakeClock, settle
from tests.emulators.speech.deepgram_stt import DeepgramSttServer
from tests.emulators.speech.elevenlabs_stt import ElevenLabsSttServer
from tests.emulators.speech.openai_stt import OpenAiSttServer
from tests.emulators.speech.stt_server import News, SttServer
from tests.secrecy import secret

SERVERS: Constant[Mapping[str, type[SttServer]]] = {
    "openai": OpenAiSttServer,
    "deepgram": DeepgramSttServer,
    "elevenlabs": ElevenLabsSttServer,
}
FRAME: Constant = 160
DELAYS: Constant = Patience().delays_s
ORDER: Constant = ListenOrder(end_silence_ms=400)


class WatchedClock(FakeClock):
    """Tells when somebody begins to sleep."""

    def __init__(self, news: News) -> None:
        super().__init__()
        self._news = news

    async def sleep(self, delay_s: float) -> None:
        # Those who look now must find the sleeper's timer.
        asyncio.get_running_loop().call_soon(self._news.tell)
        await super().sleep(delay_s)


def speech(text: str) -> bytes:
    """A person who says this, and then nothing for long enough."""
    return tone_code.encode(text) + mulaw.silence(600)


@dataclass
class Stage:
    """One call. `heard` is what its line has reported."""

    vendor: SpeechToText
    clock: FakeClock
    server: SttServer
    news: News
    heard: list[Recognised] = field(default_factory=list[Recognised])
    line: Recogniser | None = None

    def listen(self, order: ListenOrder = ORDER) -> Recogniser:
        def hear(recognised: Recognised) -> None:
            self.heard.append(recognised)
            self.news.tell()

        self.line = self.vendor.listen(order, hear)
        return self.line

    def say(self, *pieces: bytes | str) -> None:
        """Give audio frame by frame; text is spoken first."""
        assert self.line is not None
        for piece in pieces:
            audio = speech(piece) if isinstance(piece, str) else piece
            for at in range(0, len(audio), FRAME):
                self.line.send(audio[at : at + FRAME])

    async def hears(self, *expected: Recognised) -> None:
        """Wait until these have been reported, the last of them last."""
        await self.news.until(lambda: all(each in self.heard for each in expected))

    async def is_up(self, times: int = 1) -> None:
        await self.news.until(lambda: self.count(RecogniserUp) >= times)

    async def is_down(self, times: int = 1) -> RecogniserDown:
        await self.news.until(lambda: self.count(RecogniserDown) >= times)
        return [each for each in self.heard if isinstance(each, RecogniserDown)][-1]

    async def passes(self, seconds: float) -> None:
        """Let time pass for the line, in steps that a socket can follow."""
        await self.clock.advance(seconds)
        await settle()

    async def tries_again(self, attempt: int) -> None:
        """Wait until the line has begun the delay before this attempt, and let that pass."""
        delay = DELAYS[attempt - 1]
        await self.news.until(lambda: self.clock.next_due == delay)
        await self.passes(delay)

    def count(self, kind: type[Recognised]) -> int:
        return sum(isinstance(each, kind) for each in self.heard)

    @property
    def finals(self) -> list[str]:
        return [each.text for each in self.heard if isinstance(each, Final)]

    @property
    def without_partials(self) -> list[Recognised]:
        return [each for each in self.heard if not isinstance(each, Partial)]


@asynccontextmanager
async def stage(
    name: str,
    *,
    script: list[str] | None = None,
    patience: Patience | None = None,
    settings: Mapping[str, object] | None = None,
    **streaming: object,
) -> AsyncGenerator[Stage]:
    """A vendor of this name that is up, and a call that does not listen yet.

    `settings` are those of `streaming.providers.<name>`, beside key and base URL.
    """
    key = secret(f"{name}-stt")
    news = News()
    clock = WatchedClock(news)
    tasks = Supervisor("stage", logging.getLogger("stage"))
    async with SERVERS.get(name, OpenAiSttServer)(key, script) as server:
        given = {} if name == "scripted" else {"apiKey": key, "baseUrl": server.base_url}
        provider = {**given, **(settings or {})}
        section = {"provider": name, "providers": {name: provider}, **streaming}
        parsed = parse_config({"provider": "mock", "streaming": section}, {})
        assert parsed.config is not None, [each.render() for each in parsed.problems]
        async with aiohttp.ClientSession() as session:
            vendor = build_recogniser(
                parsed.config,
                vendor_keys(parsed.config, {}),
                session=session,
                clock=clock,
                tasks=tasks,
                patience=patience,
            )
            on_stage = Stage(vendor, clock, server, news)
            try:
                yield on_stage
            finally:
                if on_stage.line is not None:
                    await on_stage.line.close()
                await tasks.close()
