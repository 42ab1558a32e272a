"""A live voice when things go wrong, or come at the wrong moment."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import VoicePathKind
from openclaw_voice_call.interfaces.speech import SpeechOrder
from tests.clock import settle
from tests.voice_call.media.live_rig import MS_PER_CHAR, FakeVoice, LiveRig, live_rig, speech

GREETING = "Hello, this is a greeting that takes a while."


class BrokenVoice(FakeVoice):
    """Has a defect, where others have bad luck."""

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        self.asked.append(order.text)
        raise RuntimeError("a defect")
        yield b""


def sent_ms(rig: LiveRig) -> float:
    """How much audio has been sent on the newest stream."""
    media = [each["media"] for _, each in rig.wire.messages if each["event"] == "media"]
    return sum(len(base64.b64decode(each["payload"])) / 8 for each in media)  # pyright: ignore[reportIndexIssue, reportUnknownArgumentType, reportArgumentType]


@pytest.mark.scenario("F7", "F15")
async def test_a_voice_with_a_defect_is_replaced_by_the_carriers() -> None:
    async with live_rig(voice=BrokenVoice()) as rig:
        rig.open_stream()
        rig.happens(ev.SpeakRequested("op", "Say this."))
        await settle()
        assert rig.play.record.path is VoicePathKind.CARRIER
        assert rig.play.lined_up == ["Say this."]


async def test_what_is_dropped_while_it_begins_does_not_repeat_what_was_before_it() -> None:
    async with live_rig(GREETING) as rig:
        rig.open_stream()
        rig.happens(ev.Heard("Hello?", continuous=True))
        rig.happens(ev.ReplySentence(1, "Yes, hello."))
        greeting_ms = MS_PER_CHAR * len(GREETING)
        for _ in range(500):
            if sent_ms(rig) > greeting_ms + 20:
                break
            await rig.silence(20)
        # The first of the answer is on its way, and the mark of the greeting is not back.
        assert rig.play.lined_up == [GREETING, "Yes, hello."]
        rig.happens(ev.ContinueRequested("op", "Who is it?"))
        await rig.silence(3000)
        assert sent_ms(rig) <= greeting_ms + 200 + MS_PER_CHAR * len("Who is it?")
        assert rig.play.state == "listening"


@pytest.mark.scenario("F42")
async def test_words_that_come_while_an_answer_is_being_stored_make_it_obsolete() -> None:
    async with live_rig() as rig:
        rig.open_stream()
        await rig.silence(200)
        rig.recogniser.words("What is the weather")
        # Decided, and on its way to the journal.
        rig.play.at(5.0, ev.ReplySentence(1, "Where do you mean?"))
        rig.live.forget(rig.play.record)
        rig.recogniser.words("in Paris?")
        await rig.silence(1500)
        assert rig.play.record.reply is not None
        assert rig.play.record.reply.text == "What is the weather in Paris?"
        assert rig.voice.asked == []


async def test_an_answer_that_was_held_back_is_said_although_no_frames_come() -> None:
    async with live_rig() as rig:
        rig.open_stream()
        await rig.hear(speech(400))
        rig.recogniser.words("Hello")
        rig.happens(ev.ReplySentence(1, "Hi there."))
        await settle()
        assert "media" not in rig.wire.kinds()
        await rig.clock.advance(1.0)
        assert sent_ms(rig) > 0


async def test_a_noise_costs_no_word_although_the_owner_speaks_before_it_is_known_for_one() -> None:
    async with live_rig() as rig:
        rig.open_stream()
        await rig.silence(200)
        rig.recogniser.words("Tell me a story")
        rig.happens(ev.ReplySentence(1, "Once upon a time there was a fox."))
        rig.happens(ev.ReplyFinished(1))
        await rig.silence(700)
        await rig.hear(speech(300))
        assert rig.of(ev.UtteranceInterrupted)
        rig.happens(ev.SpeakRequested("op", "Dinner is ready."))
        await rig.silence(5000)
        assert rig.play.record.exchange is not None
        assert rig.play.record.exchange.heard == "Once upon a time there was a fox."
        assert "Dinner is ready." in rig.voice.asked
        assert rig.play.state == "listening"
