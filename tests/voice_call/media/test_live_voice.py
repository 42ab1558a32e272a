"""A call's live voice: what it says, what it hears, and when it holds its tongue."""

from __future__ import annotations

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import Mode, VoicePathKind
from openclaw_voice_call.interfaces.speech import Final, Partial, RecogniserDown, SpeechStarted
from tests.voice_call.media.live_rig import LiveRig, live_rig, speech

GREETING = "Hello, this is a greeting that takes a while to be said."


async def listening(rig: LiveRig) -> None:
    """Open the stream and let the opening, if there is one, be heard."""
    rig.open_stream()
    await rig.silence(200)
    for _ in range(60):
        if rig.play.state == "listening":
            return
        await rig.silence(200)
    raise AssertionError(rig.play.state)


@pytest.mark.scenario("F6")
async def test_the_greeting_is_ready_before_the_stream_and_flows_at_once() -> None:
    async with live_rig(GREETING) as rig:
        assert rig.voice.asked == [GREETING]
        opened_at = rig.clock.monotonic()
        wire = rig.open_stream()
        await rig.clock.advance(0.02)
        first = wire.first("media")
        assert first is not None
        assert first - opened_at < 0.3


@pytest.mark.scenario("F35")
async def test_the_recogniser_connects_while_the_phone_rings() -> None:
    async with live_rig(GREETING, end_silence_ms=500) as rig:
        (order,) = rig.recogniser.orders
        assert order.end_silence_ms == 500
        assert rig.play.record.answered_at is None


@pytest.mark.scenario("F40")
async def test_words_over_the_greeting_neither_cut_it_nor_are_lost() -> None:
    async with live_rig(GREETING) as rig:
        wire = rig.open_stream()
        await rig.silence(400)
        await rig.hear(speech(600))
        rig.recogniser.words("Hello?")
        await rig.silence(4000)
        assert "clear" not in wire.kinds()
        assert [e.text for e in rig.of(ev.Heard) if isinstance(e, ev.Heard)] == ["Hello?"]
        assert ev.UtterancePlayed(1) in rig.told


@pytest.mark.scenario("F41")
async def test_an_interruption_is_followed_by_silence_and_tells_what_was_heard() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.words("Tell me a story")
        rig.happens(ev.ReplySentence(1, "Once upon a time there was a fox in a deep wood."))
        rig.happens(ev.ReplySentence(1, "It was red and it was very clever indeed."))
        await rig.silence(1000)
        assert rig.play.state == "speaking"
        began = rig.clock.monotonic()
        await rig.hear(speech(400))
        cleared = rig.wire.first("clear")
        assert cleared is not None
        assert cleared - began <= 0.3
        (cut,) = rig.of(ev.UtteranceInterrupted)
        assert isinstance(cut, ev.UtteranceInterrupted)
        assert cut.heard.startswith("Once upon a time")
        assert len(cut.heard) < 48
        rig.recogniser.words("Stop")
        await rig.silence(3000)
        assert not [at for at, m in rig.wire.messages if m["event"] == "media" and at > cleared]
        heard = [e.text for e in rig.of(ev.Heard) if isinstance(e, ev.Heard)]
        assert heard == ["Tell me a story", "Stop"]


async def test_a_noise_costs_nobody_a_word() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.words("Tell me a story")
        rig.happens(ev.ReplySentence(1, "Once upon a time there was a fox."))
        rig.happens(ev.ReplyFinished(1))
        await rig.silence(700)
        await rig.hear(speech(300))
        assert rig.of(ev.UtteranceInterrupted)
        await rig.silence(3000)
        assert rig.of(ev.InterruptionVoid)
        assert rig.play.record.exchange is not None
        assert rig.play.record.exchange.heard == "Once upon a time there was a fox."


async def test_a_cough_does_not_interrupt() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.words("Tell me a story")
        rig.happens(ev.ReplySentence(1, "Once upon a time there was a fox in a deep wood."))
        await rig.silence(700)
        await rig.hear(speech(140))
        await rig.silence(1500)
        assert "clear" not in rig.wire.kinds()


@pytest.mark.scenario("F42")
async def test_an_answer_waits_while_the_caller_goes_on_speaking() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.words("What is the weather")
        await rig.silence(100)
        await rig.hear(speech(300))
        rig.happens(ev.ReplySentence(1, "Where do you mean?"))
        sent = len(rig.wire.messages)
        rig.recogniser.hear(SpeechStarted())
        rig.recogniser.hear(Partial("in Par"))
        await rig.hear(speech(300))
        assert len(rig.wire.messages) == sent
        rig.recogniser.words("in Paris?")
        await rig.silence(1500)
        assert len(rig.wire.messages) == sent
        rig.happens(ev.ReplySentence(2, "Sunny."))
        await rig.silence(1000)
        assert ev.UtterancePlayed(2) in rig.told
        assert rig.voice.asked == ["Where do you mean?", "Sunny."]


@pytest.mark.scenario("F42")
async def test_the_owners_words_are_said_whatever_the_caller_says() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.words("Hello")
        rig.happens(ev.SpeakRequested("op", "An announcement."))
        await rig.silence(1500)
        played = [f for f in rig.told if isinstance(f, ev.UtterancePlayed)]
        assert len(played) == 1


async def test_a_lost_stream_repeats_the_sentence_that_it_cut() -> None:
    async with live_rig(GREETING) as rig:
        rig.open_stream()
        await rig.silence(500)
        rig.sink.closed()
        assert rig.of(ev.StreamClosed)
        rig.open_stream()
        await rig.silence(5000)
        assert rig.play.state == "listening"
        assert rig.voice.asked == [GREETING]


@pytest.mark.scenario("F7")
async def test_a_greeting_that_cannot_be_synthesised_falls_to_the_carrier() -> None:
    async with live_rig() as rig:
        rig.voice.fails.add("Say this.")
        await listening(rig)
        rig.happens(ev.SpeakRequested("op", "Say this."))
        await rig.silence(200)
        assert rig.voice.asked == ["Say this.", "Say this."]
        assert rig.play.record.path is VoicePathKind.CARRIER
        assert rig.play.lined_up == ["Say this."]


@pytest.mark.scenario("F7")
async def test_a_greeting_that_failed_while_the_phone_rang_is_tried_again() -> None:
    async with live_rig(GREETING) as rig:
        rig.voice.fails.add(GREETING)
        await rig.clock.advance(0.1)
        rig.live.follow(rig.play.record, rig.play.record)
        assert not rig.of(ev.UtteranceRefused)
        rig.voice.fails.clear()
        wire = rig.open_stream()
        await rig.silence(200)
        assert wire.first("media") is not None
        assert rig.play.record.path is VoicePathKind.LIVE


@pytest.mark.scenario("F48", "F19")
async def test_a_recogniser_that_is_lost_for_good_leaves_the_carriers() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.hear(RecogniserDown("timeout", "no answer"))
        assert rig.play.record.path is VoicePathKind.LIVE
        rig.recogniser.hear(RecogniserDown("unauthorized", "401", final=True))
        assert rig.play.record.path is VoicePathKind.CARRIER


@pytest.mark.scenario("F39")
async def test_our_echo_is_neither_sent_to_the_recogniser_nor_interrupts() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.recogniser.words("Go")
        rig.happens(ev.ReplySentence(1, "This sentence comes back to us as an echo, later."))
        await rig.silence(300)
        before = len(rig.recogniser.sent)
        await rig.hear(speech(1000, level_dbfs=-38.0))
        assert "clear" not in rig.wire.kinds()
        echo = bytes(rig.recogniser.sent[before:])
        assert not echo.strip(b"\xff\x7f")


async def test_stages_of_an_answer_are_timed_once() -> None:
    async with live_rig() as rig:
        await listening(rig)
        await rig.hear(speech(400))
        await rig.silence(300)
        rig.recogniser.words("Hello")
        rig.live.watch.first_token(1, rig.clock.monotonic() + 0.1)
        await rig.silence(200)
        rig.live.watch.first_sentence(1, rig.clock.monotonic())
        rig.happens(ev.ReplySentence(1, "Hi there."))
        rig.happens(ev.ReplySentence(1, "How are you?"))
        await rig.silence(2000)
        (timed,) = rig.of(ev.TurnTimed)
        assert isinstance(timed, ev.TurnTimed)
        times = timed.times
        assert times.final_ms is not None
        assert 250 <= times.final_ms <= 400
        assert times.first_token_ms == times.final_ms + 100
        assert times.first_sentence_ms == times.final_ms + 200
        assert times.first_frame_ms is not None
        assert times.first_sentence_ms is not None
        assert times.first_frame_ms >= times.first_sentence_ms


async def test_keys_are_told() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.sink.feed('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"5"}}')
        assert rig.of(ev.KeyPressed) == [ev.KeyPressed("5")]


@pytest.mark.scenario("F31")
async def test_a_notice_is_heard_to_its_end_whatever_the_caller_says() -> None:
    async with live_rig(GREETING, Mode.NOTIFY, notify_hangup_delay_ms=0) as rig:
        wire = rig.open_stream()
        await rig.silence(400)
        await rig.hear(speech(1500))
        rig.recogniser.words("Who is this?")
        await rig.silence(2500)
        assert "clear" not in wire.kinds()
        assert ev.UtterancePlayed(1) in rig.told


async def test_a_final_after_the_end_changes_nothing() -> None:
    async with live_rig() as rig:
        await listening(rig)
        await rig.live.close()
        assert rig.recogniser.closed
        assert rig.wire.closed == 1000
        told = len(rig.told)
        rig.recogniser.hear(Final("late"))
        rig.sink.closed()
        assert len(rig.told) == told


async def test_a_record_that_is_stored_late_brings_nothing_back() -> None:
    async with live_rig() as rig:
        await listening(rig)
        rig.happens(ev.SpeakRequested("op", "Short."))
        stored = rig.play.record
        await rig.silence(1500)
        assert rig.voice.asked == ["Short."]
        rig.live.follow(stored, rig.play.record)
        await rig.silence(500)
        assert rig.voice.asked == ["Short."]
