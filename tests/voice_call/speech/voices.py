"""What the tests of voices share: building one, listening to it, and voices without a vendor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from openclaw.clock import Clock, SystemClock
from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.config.speech import TtsConfig
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.speech import SpeechOrder, TextToSpeech
from openclaw_voice_call.speech.voice_setup import VoiceParts
from openclaw_voice_call.speech.voices import VoicePlan, resolve_voice


def tts(raw: Mapping[str, object]) -> TtsConfig:
    """The plugin's `tts`, read as it is read from a file."""
    parsed = parse_config({"provider": "mock", "tts": raw}, {})
    assert parsed.config is not None, parsed.problems
    return parsed.config.tts


def plan(
    raw: Mapping[str, object],
    *,
    host: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    programs: Sequence[str] = (),
) -> VoicePlan:
    """Who speaks, on a machine that has these programs."""
    return resolve_voice(
        tts(raw),
        host or {},
        environ or {},
        find_program=lambda name: f"/usr/bin/{name}" if name in programs else None,
    )


@asynccontextmanager
async def parts(clock: Clock | None = None) -> AsyncGenerator[VoiceParts]:
    async with aiohttp.ClientSession() as session:
        yield VoiceParts(session, clock or SystemClock())


async def said(
    voice: TextToSpeech,
    text: str = "Hello there.",
    *,
    language: str | None = None,
    as_voice: str | None = None,
) -> bytes:
    """All that is said, which must come in pieces that are not empty."""
    pieces: list[bytes] = []
    async with aclosing(voice.speak(SpeechOrder(text, language, as_voice))) as audio:
        async for piece in audio:
            assert piece
            pieces.append(piece)
    return b"".join(pieces)


async def failure(voice: TextToSpeech, text: str = "Hello there.") -> SpeechFailed:
    """The failure of a sentence."""
    try:
        await said(voice, text)
    except SpeechFailed as exc:
        return exc
    raise AssertionError("it was said")


def strongest_hz(audio: bytes) -> float:
    """The frequency that has most energy."""
    samples = mulaw.decode(audio).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum)) * 8000 / samples.size


@dataclass
class FakeVoice:
    """A voice that says the bytes of a text, or fails as it is told."""

    name: str = "fake"
    fails: str | None = None
    """The vendor's code of every failure."""
    after: int = 0
    """How many pieces come before it fails."""
    orders: list[SpeechOrder] = field(default_factory=list[SpeechOrder])
    warmed: int = 0
    closed: int = 0
    stopped: int = 0
    """How many orders were not spoken to their end."""

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        self.orders.append(order)
        pieces = [f"{self.name}:{word} ".encode() for word in order.text.split()]
        whole = False
        try:
            for piece in pieces[: self.after if self.fails else None]:
                yield piece
            if self.fails:
                raise SpeechFailed(
                    "it failed",
                    vendor=self.name,
                    vendor_code=self.fails,
                    partial=self.after > 0,
                )
            whole = True
        finally:
            self.stopped += not whole

    async def warm_up(self) -> None:
        self.warmed += 1

    async def close(self) -> None:
        self.closed += 1
