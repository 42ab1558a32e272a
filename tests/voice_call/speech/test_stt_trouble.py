"""A call's line to a recogniser that is lost, refuses, falls mute, stalls or is replaced."""

from __future__ import annotations

import asyncio
import time

import pytest

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.interfaces.speech import (
    RecogniserDown,
    RecogniserUp,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.speech.recogniser import Patience
from tests.emulators.speech.openai_stt import TRANSCRIPTION
from tests.voice_call.speech.stt_stage import DELAYS, SERVERS, stage

VENDORS = pytest.mark.parametrize("name", SERVERS)
LONG = "hello hello can you hear me " * 3
LATE = {
    "openai": {"type": f"{TRANSCRIPTION}.completed", "item_id": "x", "transcript": "late words"},
    "elevenlabs": {"message_type": "committed_transcript", "text": "late words"},
}
FRESH_S = {"openai": 900, "elevenlabs": 600}


@pytest.mark.parametrize("name", ["openai", "elevenlabs"])
async def test_a_vendor_that_never_gets_ready_is_given_up_after_its_attempts(name: str) -> None:
    async with stage(name) as call:
        call.server.greet.clear()
        call.server.admit.clear()
        call.listen()
        for attempt in range(1, 2 + len(DELAYS)):
            await call.server.until(lambda attempt=attempt: call.server.attempts == attempt)
            await call.passes(Patience().ready_s)
            if attempt <= len(DELAYS):
                await call.tries_again(attempt)
        down = await call.is_down(2)
        assert (down.code, down.final) == ("timeout", True)
        assert [each.final for each in call.heard if isinstance(each, RecogniserDown)] == [
            *(False, True)
        ]
        assert call.server.attempts == 1 + len(DELAYS)


@pytest.mark.parametrize("status", [400, 401, 402, 403])
@VENDORS
async def test_a_refused_key_is_final_and_is_not_tried_again(name: str, status: int) -> None:
    async with stage(name) as call:
        call.server.refusals.append((status, {}))
        call.listen()
        down = await call.is_down()
        assert down.final
        assert down.code == f"http_{status}"
        await call.passes(60)
        assert call.server.attempts == 1
        call.say("nobody listens")
        assert call.heard == [down]


async def test_the_vendors_answer_to_a_wrong_key_is_not_repeated() -> None:
    """Deepgram's refusal and its like may hold the key itself."""
    async with stage("deepgram") as call:
        call.server.key = f"{call.server.key}-rotated"
        call.listen()
        down = await call.is_down()
        assert (down.code, down.final) == ("http_401", True)
        assert call.server.key not in down.detail


@VENDORS
async def test_too_many_requests_pass(name: str) -> None:
    async with stage(name) as call:
        call.server.refusals.extend([(429, {}), (503, {})])
        call.listen()
        first = await call.is_down()
        assert (first.code, first.final) == ("http_429", False)
        await call.passes(DELAYS[0])
        await call.server.until(lambda: not call.server.refusals)
        await call.tries_again(2)
        await call.is_up()
        assert call.server.attempts == 3


@pytest.mark.scenario("F48")
@VENDORS
async def test_a_sentence_in_which_the_socket_drops_is_recognised_as_a_whole(name: str) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        call.say("first things first")
        await call.hears(TurnEnded())
        words = "please do call me back on the number that i have left with you last monday"
        sentence = tone_code.encode(words)
        cut = len(sentence) - 4000
        call.say(sentence[:cut])
        connection = call.server.last
        await call.server.until(lambda: sentence[: cut - 1000] in connection.heard)
        await call.news.until(lambda: call.count(SpeechStarted) == 2)
        connection.drop()
        down = await call.is_down()
        assert (down.code, down.final) == ("closed", False)
        call.say(sentence[cut:], mulaw.silence(600))
        await call.passes(DELAYS[0])
        await call.news.until(lambda: call.count(TurnEnded) == 2)
        assert call.finals == ["first things first", words]
        assert call.count(RecogniserUp) == 2


@pytest.mark.scenario("F48")
@VENDORS
async def test_three_drops_one_of_them_while_opening(name: str) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        call.say("one")
        await call.news.until(lambda: call.finals == ["one"])
        call.server.last.drop()
        await call.is_down()
        call.say("two")
        call.server.admit.clear()
        await call.passes(DELAYS[0])
        await call.server.until(lambda: call.server.attempts == 2)
        call.server.refusals.append((500, {}))
        call.server.admit.set()
        await call.server.until(lambda: not call.server.refusals)
        await call.tries_again(2)
        await call.news.until(lambda: call.finals == ["one", "two"])
        call.server.last.drop()
        await call.is_down(2)
        call.say("three")
        await call.passes(DELAYS[0])
        await call.news.until(lambda: call.finals == ["one", "two", "three"])
        await call.news.until(lambda: call.count(TurnEnded) == 3)


@pytest.mark.scenario("F48")
@VENDORS
async def test_what_opens_and_drops_again_and_again_reaches_the_cap(name: str) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        for attempt, delay in enumerate(DELAYS, start=1):
            (await call.server.connected(attempt)).drop()
            await call.is_down(attempt)
            call.say(mulaw.silence(100))
            await call.passes(delay * 0.9)
            assert call.server.attempts == attempt
            await call.passes(delay * 0.2)
            await call.is_up(attempt + 1)
        (await call.server.connected(1 + len(DELAYS))).drop()
        down = await call.is_down(1 + len(DELAYS))
        assert (down.code, down.final) == ("closed", True)
        await call.passes(600)
        assert call.server.attempts == 1 + len(DELAYS)


@pytest.mark.scenario("F48")
async def test_a_connection_that_lived_long_enough_begins_the_delays_anew() -> None:
    async with stage("deepgram") as call:
        call.listen()
        await call.is_up()
        for attempt in range(1, 2 * len(DELAYS)):
            await call.passes(Patience().proven_s)
            (await call.server.connected(attempt)).drop()
            await call.is_down(attempt)
            await call.passes(DELAYS[0])
            await call.is_up(attempt + 1)


@pytest.mark.scenario("F48")
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("openai", {"type": "error", "error": {"code": "session_expired"}}),
        ("elevenlabs", {"message_type": "session_time_limit_exceeded", "error": "over"}),
    ],
)
async def test_late_words_of_an_old_socket_are_ignored(name: str, end: dict[str, object]) -> None:
    late = LATE[name]
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        old = call.server.last
        await old.send(end)
        await old.send(late)
        assert not (await call.is_down()).final
        await old.send(late)
        await call.passes(DELAYS[0])
        await call.is_up(2)
        await old.send(late)
        call.say("fresh words")
        await call.hears(TurnEnded())
        assert call.finals == ["fresh words"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai", {"type": "error", "error": {"code": "insufficient_quota"}}),
        ("elevenlabs", {"message_type": "quota_exceeded", "error": "no more"}),
        ("elevenlabs", {"message_type": "auth_error", "error": "no"}),
    ],
)
async def test_an_account_that_ends_in_a_call_is_not_tried_again(
    name: str, said: dict[str, object]
) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        await call.server.last.send(said)
        assert (await call.is_down()).final
        await call.passes(60)
        assert call.server.attempts == 1


@VENDORS
async def test_what_the_vendor_complains_about_or_garbles_does_not_end_the_line(name: str) -> None:
    complaints = {
        "openai": {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow"}},
        "deepgram": {"type": "Error", "description": "hm", "variant": "SOME"},
        "elevenlabs": {"message_type": "commit_throttled", "error": "hm"},
    }
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        connection = call.server.last
        for message in ("", "{", "[]", "null", '{"type":7}', '{"type":"new"}'):
            await connection.send(message)
        await connection.send({"type": "Results"})
        await connection.send(complaints[name])
        await connection.socket.send_bytes(b"\xff\xfe\x00")
        call.say("still listening")
        await call.hears(TurnEnded())
        assert call.finals == ["still listening"]
        assert call.server.attempts == 1


@pytest.mark.scenario("F49")
@VENDORS
async def test_a_vendor_that_takes_speech_and_gives_no_text_is_found_out(name: str) -> None:
    async with stage(name) as call:
        call.server.understands = False
        call.listen()
        await call.is_up()
        call.say(LONG)
        await call.passes(Patience().mute_s)
        call.say(mulaw.silence(20))
        down = await call.is_down()
        assert (down.code, down.final) == ("mute", False)
        await call.passes(DELAYS[0])
        await call.is_up(2)
        # The same speech is owed a text again; a second connection that stays mute is the last.
        await call.passes(Patience().mute_s)
        call.say(mulaw.silence(20))
        down = await call.is_down(2)
        assert (down.code, down.final) == ("mute", True)
        assert call.server.attempts == 2


@pytest.mark.scenario("F49")
@VENDORS
async def test_a_vendor_that_was_mute_once_gives_the_text_over_a_new_connection(name: str) -> None:
    async with stage(name) as call:
        call.server.understands = False
        call.listen()
        await call.is_up()
        call.say(LONG)
        connection = call.server.last
        await call.server.until(lambda: connection.heard_ms > 3000)
        await call.passes(Patience().mute_s)
        call.server.understands = True
        call.say(mulaw.silence(20))
        await call.is_down()
        await call.passes(DELAYS[0])
        await call.hears(TurnEnded())
        assert call.finals == [LONG.strip()]


async def test_silence_and_short_noises_are_no_sign_of_a_mute_vendor() -> None:
    async with stage("deepgram") as call:
        call.server.understands = False
        call.listen()
        await call.is_up()
        for _ in range(20):
            call.say(tone_code.encode("o")[:2400], mulaw.silence(5000))
            await call.passes(5)
        assert call.heard == [RecogniserUp()]


@pytest.mark.parametrize("name", FRESH_S)
async def test_a_fresh_connection_takes_over_in_a_pause_and_no_word_is_lost(name: str) -> None:
    async with stage(name) as call:
        call.listen()
        await call.is_up()
        call.say("before")
        await call.hears(TurnEnded())
        await call.passes(FRESH_S[name] - 1)
        call.say(tone_code.encode("while it"), mulaw.silence(60))
        await call.news.until(lambda: call.count(SpeechStarted) == 2)
        await call.passes(1)
        second = await call.server.connected(2)
        await call.server.until(lambda: name != "openai" or second.received)
        assert not call.server.connections[0].closed
        # Until it takes over, what it says does not count.
        await second.send(LATE[name])
        call.say(tone_code.encode("changes"), mulaw.silence(600))
        await call.news.until(lambda: call.finals[1:] == ["while it changes"])
        await call.server.until(lambda: call.server.connections[0].closed)
        call.say("after")
        await call.news.until(lambda: call.finals[2:] == ["after"])
        assert second.heard
        assert call.count(RecogniserUp) == 1
        assert call.count(RecogniserDown) == 0


async def test_a_fresh_connection_that_fails_leaves_the_old_one_at_work() -> None:
    async with stage("openai") as call:
        call.listen()
        await call.is_up()
        call.server.refusals.append((500, {}))
        await call.passes(FRESH_S["openai"])
        await call.server.until(lambda: not call.server.refusals)
        call.say("still here")
        await call.hears(TurnEnded())
        await call.passes(Patience().fresh_retry_s)
        await call.server.connected(2)
        await call.server.until(lambda: call.server.connections[0].closed)
        assert call.finals == ["still here"]
        assert call.count(RecogniserDown) == 0


async def test_a_vendor_that_takes_nothing_more_does_not_let_audio_pile_up() -> None:
    async with stage("deepgram", patience=Patience(mute_s=1000)) as call:
        call.listen()
        await call.is_up()
        stuck = call.server.last
        stuck.stop_reading()
        for _ in range(60):
            call.say(mulaw.silence(60_000))
            await call.passes(1.0)
            if call.count(RecogniserDown):
                break
        down = await call.is_down()
        assert (down.code, down.final) == ("stalled", False)
        await call.passes(DELAYS[0])
        await call.is_up(2)
        call.say("fresh words")
        await call.hears(TurnEnded())
        assert call.finals == ["fresh words"]


@pytest.mark.parametrize("moment", ["connecting", "opening", "up", "waiting"])
@VENDORS
async def test_closing_is_quick_and_silent_at_any_moment(name: str, moment: str) -> None:
    async with stage(name) as call:
        if moment == "connecting":
            call.server.admit.clear()
        if moment == "opening":
            call.server.greet.clear()
        line = call.listen()
        await call.server.until(lambda: call.server.attempts)
        if moment in ("up", "waiting"):
            await call.is_up()
        if moment == "waiting":
            call.server.last.drop()
            await call.is_down()
        told = len(call.heard)
        began = time.monotonic()
        await line.close()
        assert time.monotonic() - began < 2.0
        line.send(b"\xff" * 160)
        line.finish_turn()
        await line.close()
        assert len(call.heard) == told
        if moment == "up":
            connection = call.server.last
            await call.server.until(lambda: connection.closed)


async def test_closing_does_not_wait_for_a_vendor_that_does_not_answer() -> None:
    async with stage("deepgram") as call:
        line = call.listen()
        await call.is_up()
        call.server.last.stop_reading()
        async with asyncio.timeout(2.0):
            await line.close()
