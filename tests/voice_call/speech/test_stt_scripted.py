"""The recogniser without a network, and its faults."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.interfaces.speech import (
    Final,
    ListenOrder,
    Partial,
    RecogniserDown,
    RecogniserUp,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.speech.scripted.ear import Heard, ScriptedEar
from tests.voice_call.speech.stt_stage import DELAYS, speech, stage

WORDS = st.lists(st.text("abcdefgäé", min_size=1, max_size=8), min_size=1, max_size=4)


@settings(max_examples=30)
@given(words=WORDS, chunks=st.lists(st.integers(1, 1000), min_size=1))
def test_words_are_heard_whatever_the_pieces_of_audio(words: list[str], chunks: list[int]) -> None:
    ear = ScriptedEar(end_silence_ms=400)
    audio, heard, at = speech(" ".join(words)), list[Heard](), 0
    while at < len(audio):
        size = chunks[at % len(chunks)]
        heard += ear.hear(audio[at : at + size])
        at += size
    text = " ".join(words)
    partials = [Partial(" ".join(words[: count + 1])) for count in range(len(words))]
    assert heard == [SpeechStarted(), *partials, Final(text), TurnEnded()]


def test_a_pause_shorter_than_the_silence_that_ends_a_turn_does_not_end_it() -> None:
    ear = ScriptedEar(end_silence_ms=800)
    audio = tone_code.encode("one") + mulaw.silence(700) + speech("two") + mulaw.silence(300)
    assert [each for each in ear.hear(audio) if isinstance(each, Final)] == [Final("one two")]


def test_silence_is_nothing_and_noise_is_an_empty_text() -> None:
    ear = ScriptedEar(end_silence_ms=0)
    assert ear.hear(mulaw.silence(5000)) == []
    assert ear.finish() == []
    noise = b"\x00" * 1600 + mulaw.silence(200)
    assert ear.hear(noise) == [SpeechStarted(), Final(""), TurnEnded()]


async def test_the_scripted_vendor_recognises_and_takes_its_time() -> None:
    late = {"connectDelayMs": 3000, "finalDelayMs": 250}
    async with stage("scripted", settings=late) as call:
        call.listen()
        call.say("good morning")
        await call.passes(2.9)
        assert call.heard == []
        await call.passes(0.2)
        await call.hears(Partial("good morning"))
        assert call.finals == []
        await call.passes(0.25)
        await call.hears(TurnEnded())
        assert call.without_partials == [
            *(RecogniserUp(), SpeechStarted(), Final("good morning"), TurnEnded())
        ]


async def test_the_scripted_vendor_finishes_a_turn_when_asked() -> None:
    async with stage("scripted") as call:
        line = call.listen(ListenOrder(end_silence_ms=60_000))
        await call.is_up()
        call.say("over to you")
        line.finish_turn()
        await call.hears(TurnEnded())
        assert call.finals == ["over to you"]


async def test_the_scripted_vendor_refuses_when_told_so() -> None:
    async with stage("scripted", settings={"refuses": True}) as call:
        call.listen()
        await call.passes(0)
        down = await call.is_down()
        assert (down.code, down.final) == ("http_401", True)


@pytest.mark.scenario("F48")
async def test_the_scripted_vendor_drops_when_told_so() -> None:
    async with stage("scripted", settings={"dropsAfterMs": 1500}) as call:
        call.listen()
        await call.is_up()
        call.say("one", mulaw.silence(1000))
        await call.is_down()
        assert call.finals == ["one"]
        call.say("two")
        await call.passes(DELAYS[0])
        await call.news.until(lambda: call.finals == ["one", "two"])


@pytest.mark.scenario("F49")
async def test_the_scripted_vendor_is_mute_when_told_so() -> None:
    async with stage("scripted", settings={"mute": True}) as call:
        call.listen()
        await call.is_up()
        call.say("hello hello can you hear me " * 3)
        await call.passes(8)
        call.say(mulaw.silence(20))
        down = await call.is_down()
        assert down == RecogniserDown("mute", down.detail)
