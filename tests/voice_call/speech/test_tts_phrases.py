"""Phrases that are known before they are needed, and the voice of tests and demonstrations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from openclaw.clock import SystemClock
from openclaw.tasks import Supervisor
from openclaw_voice_call.audio import tone_code
from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.cached_voice import FRESH_S, CachedVoice
from openclaw_voice_call.speech.scripted.tts import ScriptedSettings, ScriptedVoice
from tests.clock import FakeClock, settle
from tests.voice_call.speech.voices import FakeVoice, failure, said

GREETING = SpeechOrder("Hello there friend")
SPOKEN = b"fake:Hello fake:there fake:friend "


@dataclass
class Desk:
    """A voice with a memory, and what is behind it."""

    inner: FakeVoice = field(default_factory=FakeVoice)
    clock: FakeClock = field(default_factory=FakeClock)
    tasks: Supervisor = field(
        default_factory=lambda: Supervisor("phrases", logging.getLogger("phrases"))
    )

    def cached(self, *, most_phrases: int = 32, most_bytes: int = 2_000_000) -> CachedVoice:
        return CachedVoice(
            self.inner,
            self.clock,
            self.tasks,
            most_phrases=most_phrases,
            most_bytes=most_bytes,
        )

    async def prepared(self, voice: CachedVoice, *texts: str) -> None:
        for text in texts:
            voice.prepare(SpeechOrder(text))
            await settle()


@dataclass
class SlowVoice(FakeVoice):
    """Says a word each time it is let."""

    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        async with aclosing(super().speak(order)) as audio:
            async for piece in audio:
                await self.go.acquire()
                yield piece


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    desk = Desk()
    yield desk
    await desk.tasks.close()


async def test_a_prepared_phrase_is_said_from_memory(desk: Desk) -> None:
    voice = desk.cached()
    voice.prepare(GREETING)
    voice.prepare(GREETING)
    await settle()
    voice.prepare(GREETING)
    for _ in range(3):
        assert await said(voice, GREETING.text) == SPOKEN
    assert len(desk.inner.orders) == 1


async def test_what_was_not_prepared_is_spoken_and_not_kept(desk: Desk) -> None:
    voice = desk.cached()
    for _ in range(2):
        assert await said(voice, GREETING.text) == SPOKEN
    assert len(desk.inner.orders) == 2


async def test_another_voice_or_language_is_another_phrase(desk: Desk) -> None:
    voice = desk.cached()
    await desk.prepared(voice, GREETING.text)
    await said(voice, GREETING.text, language="de-DE")
    await said(voice, GREETING.text, as_voice="onyx")
    assert len(desk.inner.orders) == 3


async def test_whoever_comes_while_it_is_made_hears_it_from_the_beginning(desk: Desk) -> None:
    desk.inner = slow = SlowVoice()
    voice = desk.cached()
    voice.prepare(GREETING)
    slow.go.release()
    await settle()
    async with aclosing(voice.speak(GREETING)) as audio:
        assert await anext(audio) == b"fake:Hello "
        slow.go.release()
        slow.go.release()
        assert [piece async for piece in audio] == [b"fake:there ", b"fake:friend "]
    assert len(slow.orders) == 1


async def test_a_phrase_that_could_not_be_made_is_no_phrase(desk: Desk) -> None:
    desk.inner.fails = "500"
    voice = desk.cached()
    await desk.prepared(voice, GREETING.text)
    assert (await failure(voice, GREETING.text)).vendor_code == "500"
    desk.inner.fails = None
    assert await said(voice, GREETING.text) == SPOKEN


async def test_who_follows_a_phrase_that_fails_is_told(desk: Desk) -> None:
    desk.inner = slow = SlowVoice(fails="stalled", after=1)
    voice = desk.cached()
    voice.prepare(GREETING)
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(failure(voice, GREETING.text)) for _ in range(3)]
        slow.go.release()
    assert [each.result().vendor_code for each in followers] == ["stalled"] * 3
    assert len(slow.orders) == 1


async def test_a_phrase_of_an_hour_ago_is_spoken_anew_if_that_can_be(desk: Desk) -> None:
    voice = desk.cached()
    await desk.prepared(voice, GREETING.text)
    await desk.clock.advance(FRESH_S + 1)
    assert await said(voice, GREETING.text) == SPOKEN
    assert len(desk.inner.orders) == 2
    desk.inner.fails = "unreachable"
    assert await said(voice, GREETING.text) == SPOKEN
    desk.inner.after = 1
    assert (await failure(voice, GREETING.text)).partial
    desk.inner.fails = None
    await desk.prepared(voice, GREETING.text)
    asked = len(desk.inner.orders)
    assert await said(voice, GREETING.text) == SPOKEN
    assert len(desk.inner.orders) == asked


async def test_memory_is_bounded_and_what_was_used_last_stays(desk: Desk) -> None:
    voice = desk.cached(most_phrases=2)
    await desk.prepared(voice, "a", "b")
    await said(voice, "a")
    await desk.prepared(voice, "c")
    asked = len(desk.inner.orders)
    await said(voice, "a")
    await said(voice, "c")
    assert len(desk.inner.orders) == asked
    await said(voice, "b")
    assert len(desk.inner.orders) == asked + 1


async def test_a_phrase_that_is_too_long_pushes_nothing_out(desk: Desk) -> None:
    voice = desk.cached(most_bytes=100)
    await desk.prepared(voice, "a", "one two three four five")
    asked = len(desk.inner.orders)
    await said(voice, "a")
    assert len(desk.inner.orders) == asked
    await said(voice, "one two three four five")
    assert len(desk.inner.orders) == asked + 1


async def test_closing_answers_whoever_still_listens(desk: Desk) -> None:
    desk.inner = SlowVoice()
    voice = desk.cached()
    voice.prepare(GREETING)
    listening = asyncio.get_running_loop().create_task(failure(voice, GREETING.text))
    await settle()
    await voice.close()
    assert (await listening).vendor_code == "stopped"
    assert desk.inner.closed == 1


async def test_a_phrase_that_is_cancelled_before_it_began_answers_too(desk: Desk) -> None:
    voice = desk.cached()
    voice.prepare(GREETING)
    listening = asyncio.get_running_loop().create_task(failure(voice, GREETING.text))
    await voice.close()
    assert (await listening).vendor_code == "stopped"


async def test_nothing_is_prepared_while_the_gateway_stops(desk: Desk) -> None:
    voice = desk.cached()
    await desk.tasks.close()
    voice.prepare(GREETING)
    assert await said(voice, GREETING.text) == SPOKEN


async def test_the_scripted_voice_says_what_the_scripted_recogniser_hears() -> None:
    voice = ScriptedVoice(ScriptedSettings(), SystemClock())
    assert tone_code.decode(await said(voice, "Hello, how are you?")) == "Hello, how are you?"
    await voice.warm_up()
    await voice.close()


async def test_the_scripted_voice_takes_its_time() -> None:
    clock = FakeClock()
    voice = ScriptedVoice(ScriptedSettings(latency_s=0.25), clock)
    speaking = asyncio.get_running_loop().create_task(said(voice))
    await clock.advance(0.24)
    assert not speaking.done()
    await clock.advance(0.01)
    assert await speaking


@pytest.mark.scenario("F15")
@pytest.mark.parametrize(
    ("settings", "code", "partial"),
    [
        (ScriptedSettings(fault="refuses"), "refused", False),
        (ScriptedSettings(fault="empty"), "empty", False),
        (ScriptedSettings(fault="breaks"), "broken", True),
    ],
)
async def test_the_scripted_voice_fails_as_told(
    settings: ScriptedSettings, code: str, partial: bool
) -> None:
    failed = await failure(ScriptedVoice(settings, SystemClock()))
    assert (failed.vendor_code, failed.partial) == (code, partial)


async def test_the_scripted_voice_falls_silent_as_told() -> None:
    clock = FakeClock()
    voice = ScriptedVoice(ScriptedSettings(fault="stalls"), clock)
    speaking = asyncio.get_running_loop().create_task(failure(voice))
    await clock.advance(5)
    failed = await speaking
    assert (failed.vendor_code, failed.partial) == ("stalled", True)
