"""A call's line to each recogniser: what is heard, over real sockets."""

from __future__ import annotations

import pytest

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.interfaces.speech import (
    Final,
    Partial,
    RecogniserUp,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.speech.recogniser import Patience
from tests.emulators.speech.deepgram_stt import DeepgramSttServer
from tests.emulators.speech.openai_stt import OpenAiSttServer
from tests.voice_call.speech.stt_stage import SERVERS, stage

VENDORS = pytest.mark.parametrize("name", SERVERS)


@VENDORS
async def test_words_come_as_speech_partials_a_final_and_the_end_of_a_turn(name: str) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        call.say("good morning")
        await call.hears(TurnEnded())
        call.say("two pizzas please")
        await call.news.until(lambda: call.count(TurnEnded) == 2)
        turn = [SpeechStarted(), Final("good morning"), TurnEnded()]
        second = [SpeechStarted(), Final("two pizzas please"), TurnEnded()]
        assert call.without_partials == [RecogniserUp(), *turn, *second]
        assert Partial("two pizzas") in call.heard
        assert call.server.attempts == 1


@VENDORS
async def test_audio_is_gathered_and_nothing_of_it_is_lost_or_changed(name: str) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        spoken = mulaw.silence(1000) + tone_code.encode("one two") + mulaw.silence(1000)
        call.say(spoken)
        await call.hears(TurnEnded())
        connection = call.server.last
        await call.server.until(lambda: len(connection.heard) == len(spoken))
        assert bytes(connection.heard) == spoken


@pytest.mark.scenario("F20")
@VENDORS
async def test_what_is_said_while_the_vendor_connects_is_recognised(name: str) -> None:
    async with stage(name) as call:
        call.server.admit.clear()
        call.listen()
        call.say("hello is anybody there")
        await call.server.until(lambda: call.server.attempts == 1)
        await call.passes(3.0)
        assert call.heard == []
        call.server.admit.set()
        await call.hears(TurnEnded())
        assert call.finals == ["hello is anybody there"]


@pytest.mark.scenario("F20")
async def test_while_the_vendor_connects_the_newest_audio_is_kept() -> None:
    async with stage("openai", patience=Patience(kept_ms=5000)) as call:
        call.server.admit.clear()
        call.listen()
        call.say("lost words", mulaw.silence(4000), "newest words")
        call.server.admit.set()
        await call.hears(TurnEnded())
        assert call.finals == ["newest words"]
        assert call.server.last.heard_ms <= 5000


async def test_an_open_socket_is_not_taken_for_a_ready_vendor() -> None:
    async with stage("elevenlabs") as call:
        call.server.greet.clear()
        call.listen()
        call.say("too early")
        connection = await call.server.connected()
        assert connection.received == []
        call.server.greet.set()
        await call.hears(TurnEnded())
        assert call.finals == ["too early"]


@pytest.mark.parametrize(
    "section",
    [
        {"api": "beta"},
        {"audioFormat": "pcm16"},
        {"api": "beta", "audioFormat": "pcm16"},
        {"prompt": "Names: Ada", "noiseReduction": "near_field", "language": "auto"},
    ],
)
async def test_openais_forms_are_taken_by_its_server(section: dict[str, object]) -> None:
    async with stage("openai", settings=section) as call:
        call.listen()
        await call.is_up()
        call.say("as you like it")
        await call.hears(TurnEnded())
        assert call.finals == ["as you like it"]


async def test_openais_texts_that_come_out_of_order_are_put_in_order() -> None:
    async with stage("openai") as call:
        assert isinstance(call.server, OpenAiSttServer)
        server = call.server
        server.holds_texts = True
        call.listen()
        await call.is_up()
        call.say("first", "second", "third")
        await server.until(lambda: len(server.held) == 3)
        await server.release(2, 0, 1)
        await call.hears(TurnEnded())
        assert call.finals == ["first", "second", "third"]
        # One turn: when the first text came, the third speech was already over.
        assert call.count(TurnEnded) == 1


async def test_with_a_model_that_finds_no_turns_we_end_them() -> None:
    async with stage("openai", settings={"model": "gpt-realtime-whisper"}) as call:
        line = call.listen()
        await call.is_up()
        call.say("over to you", mulaw.silence(3000))
        await call.hears(SpeechStarted())
        assert call.finals == []
        line.finish_turn()
        await call.hears(TurnEnded())
        assert call.finals == ["over to you"]


async def test_elevenlabs_may_leave_the_end_of_turns_to_us() -> None:
    async with stage("elevenlabs", settings={"commitStrategy": "manual"}) as call:
        line = call.listen()
        await call.is_up()
        call.say("over to you", mulaw.silence(3000))
        await call.hears(Partial("over to you"))
        line.finish_turn()
        await call.hears(TurnEnded())
        assert call.finals == ["over to you"]


async def test_deepgrams_turns_end_in_noise_too_and_once() -> None:
    async with stage("deepgram") as call:
        assert isinstance(call.server, DeepgramSttServer)
        call.server.noisy = True
        call.listen()
        await call.is_up()
        call.say("over the traffic", "and the rain")
        await call.news.until(lambda: call.count(TurnEnded) == 2)
        call.server.noisy = False
        call.say("and now")
        await call.news.until(lambda: call.count(TurnEnded) == 3)
        assert call.finals == ["over the traffic", "and the rain", "and now"]


async def test_deepgram_without_interim_results_gives_finals_alone() -> None:
    async with stage("deepgram", settings={"interimResults": False}) as call:
        call.listen()
        await call.is_up()
        call.say("short and good")
        await call.hears(TurnEnded())
        assert call.finals == ["short and good"]
        assert call.count(Partial) == 0


@VENDORS
async def test_doubled_finals_are_given_once(name: str) -> None:
    async with stage(name) as call:
        call.server.doubles = True
        call.listen()
        await call.is_up()
        call.say("yes", "no")
        await call.news.until(lambda: call.count(TurnEnded) == 2)
        assert call.finals == ["yes", "no"]


@VENDORS
async def test_speech_without_words_gives_no_empty_text(name: str) -> None:
    async with stage(name, script=["", "after the cough"]) as call:
        call.listen()
        await call.is_up()
        call.say("cough", "words")
        await call.hears(TurnEnded())
        assert call.finals == ["after the cough"]
        assert call.count(TurnEnded) == 1


@VENDORS
async def test_a_turn_that_we_end_is_finished_by_the_vendor_at_once(name: str) -> None:
    async with stage(name) as call:
        line = call.listen()
        await call.is_up()
        call.say(tone_code.encode("that is all thank you"), mulaw.silence(100))
        # The vendor is asked only when it has told that somebody speaks.
        await call.hears(SpeechStarted())
        line.finish_turn()
        await call.hears(TurnEnded())
        assert call.finals == ["that is all thank you"]
        assert call.server.last.heard.endswith(b"\xff" * 160)


@VENDORS
async def test_ending_a_turn_in_which_nothing_was_said_asks_for_nothing(name: str) -> None:
    async with stage(name) as call:
        line = call.listen()
        await call.is_up()
        call.say(mulaw.silence(500))
        line.finish_turn()
        call.say("now then")
        await call.hears(TurnEnded())
        assert call.finals == ["now then"]


async def test_a_quiet_line_is_kept_alive_where_the_vendor_asks_for_it() -> None:
    async with stage("deepgram") as call:
        call.listen()
        await call.is_up()
        for count in (1, 2, 3):
            await call.passes(4.0)
            await call.server.until(lambda count=count: len(call.server.last.received) == count)
        assert call.server.last.types() == ["KeepAlive"] * 3
        assert not call.server.last.heard
