"""A live call's runner when things happen at the wrong moment."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call.events import ContinueRequested
from openclaw_voice_call.call.facts import TurnHeard
from openclaw_voice_call.call.record import MediaStream
from openclaw_voice_call.call.script import ConnectStream, StepRef
from openclaw_voice_call.call.types import VoicePathKind
from openclaw_voice_call.interfaces.instruction import KeepAlive, Perform
from openclaw_voice_call.interfaces.speech import RecogniserDown
from tests.clock import settle
from tests.voice_call.engine.runner_rig import runner_rig
from tests.voice_call.media.live_rig import SILENT_FRAME


@pytest.mark.scenario("F19")
async def test_an_answer_that_is_being_made_outlives_the_loss_of_live_audio() -> None:
    async with runner_rig() as rig:
        await rig.open_stream()
        await rig.hears("What is the time?")
        (run,) = rig.agents.runs
        rig.recogniser.hear(RecogniserDown("http_401", "the key was refused", final=True))
        await settle()
        assert rig.record.path is VoicePathKind.CARRIER
        assert not run.cancelled
        run.write("It is noon. ")
        run.end()
        await settle()
        assert rig.carrier.said == ["It is noon."]


async def test_a_head_start_is_given_up_when_somebody_else_waits_for_the_words() -> None:
    async with runner_rig() as rig:
        await rig.open_stream()
        rig.runner.likely("My name is Ann")
        await settle()
        (run,) = rig.agents.runs
        await rig.runner.apply(ContinueRequested("op", "What is your name?"))
        assert run.cancelled


@pytest.mark.scenario("F51")
async def test_a_line_that_has_left_its_stream_without_a_word_gets_the_next_one() -> None:
    async with runner_rig() as rig:
        await rig.open_stream()
        after = StepRef(rig.record.script.number, 1)
        await rig.clock.advance(1.0)
        assert isinstance(await rig.runner.instruction(after, 0), KeepAlive)
        assert rig.record.stream == MediaStream(1, open=True)
        await rig.clock.advance(1.5)
        assert isinstance(await rig.runner.instruction(after, 0), KeepAlive)
        await settle()
        told = await rig.runner.instruction(after, 0)
        assert isinstance(told, Perform)
        assert told.verb == ConnectStream(2)


@pytest.mark.scenario("F51")
async def test_a_repeated_request_takes_no_stream_away_on_which_audio_comes() -> None:
    async with runner_rig() as rig:
        await rig.open_stream()
        after = StepRef(rig.record.script.number, 1)
        for _ in range(40):
            await rig.clock.advance(0.1)
            rig.frame(SILENT_FRAME)
        assert isinstance(await rig.runner.instruction(after, 0), KeepAlive)
        assert rig.record.stream == MediaStream(1, open=True)


async def test_what_was_decided_behind_a_refused_write_is_not_lost_with_it() -> None:
    async with runner_rig() as rig:
        await rig.open_stream()
        rig.store.held, rig.store.refuses = True, 1
        await rig.hears("What is the weather")
        await rig.hears("in Paris")
        rig.store.held = False
        rig.store.release()
        await rig.clock.advance(1.0)
        heard = [fact.text for fact in rig.of(TurnHeard) if isinstance(fact, TurnHeard)]
        assert heard == ["What is the weather", "in Paris"]
        assert rig.record.reply is not None
