"""One stream: what the carrier hears and when, what we hear, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import pytest

from openclaw_voice_call.audio.mulaw import level_dbfs
from openclaw_voice_call.audio.playout import Cut, PlayoutLimits
from openclaw_voice_call.errors import MediaMalformed, PlayoutFull
from openclaw_voice_call.interfaces.media import (
    AudioIn,
    KeyIn,
    MarkReached,
    MediaMessage,
    StreamStart,
    StreamStopped,
    StreamTrouble,
)
from openclaw_voice_call.media.session import MediaSession, SessionLimits
from openclaw_voice_call.media.wheel import TimerWheel
from tests.clock import FakeClock
from tests.voice_call.media.far_end import START, FarEnd, LateClock, PlainDialect

_FRAME = b"\x55" * 160


def noise(ms: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(ms * 8)


class Listening:
    """Notes what it is told; `on_*` may be replaced to answer."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.keys: list[str] = []
        self.began: list[int] = []
        self.played: list[int] = []
        self.lost: list[str] = []
        self.on_frame: Callable[[], object] = bool

    def frame_heard(self, mulaw: bytes) -> None:
        self.frames.append(mulaw)
        self.on_frame()

    def key_pressed(self, key: str) -> None:
        self.keys.append(key)

    def utterance_began(self, utterance: int) -> None:
        self.began.append(utterance)

    def utterance_played(self, utterance: int) -> None:
        self.played.append(utterance)

    def stream_lost(self, detail: str) -> None:
        self.lost.append(detail)


class Tape:
    """A tap that keeps what it hears, as a recorder would."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.said: list[tuple[float, bytes]] = []
        self.cuts: list[float] = []

    def inbound(self, at: float, mulaw: bytes) -> None:
        self.heard.append((at, mulaw))

    def outbound(self, at: float, mulaw: bytes) -> None:
        self.said.append((at, mulaw))

    def cleared(self, at: float) -> None:
        self.cuts.append(at)


class Stream:
    """A session between a far end and a listener, on a clock that is moved by hand."""

    def __init__(
        self,
        *,
        reorders: bool = False,
        limits: SessionLimits | None = None,
        late_s: Callable[[], float] = float,
    ) -> None:
        self.clock = FakeClock()
        self.dialect = PlainDialect(reorders=reorders)
        self.far = FarEnd(self.clock)
        self.listener = Listening()
        self.wheel = TimerWheel(LateClock(self.clock, late_s))
        self.session = MediaSession(
            self.dialect, START, self.far, self.wheel, self.clock, self.listener, limits
        )

    def tell(self, message: MediaMessage) -> None:
        self.session.feed(self.dialect.tell(message))

    def say(self, utterance: int, text: str, mulaw: bytes) -> None:
        self.session.begin(utterance, text)
        assert self.session.add(utterance, mulaw)
        assert self.session.finish(utterance)

    async def run(self, seconds: float) -> None:
        """Let the call go on: the caller is silent, marks come back as things are played."""
        for _ in range(round(seconds * 50)):
            await self.clock.advance(0.020)
            for mark in self.far.due_marks():
                self.tell(mark)
            self.tell(AudioIn(_FRAME))


# --- out ------------------------------------------------------------------------------------------


@pytest.mark.scenario("F28")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_minute_of_speech_leaves_on_time_whatever_the_loop_does(seed: int) -> None:
    dice = random.Random(seed)
    stream = Stream(late_s=lambda: dice.uniform(0, 0.015))
    speech = noise(60_000)
    began = stream.clock.monotonic()
    stream.say(1, "A minute.", speech)
    await stream.run(62)
    assert stream.far.audio == speech
    shifts = [at - began - number * 0.020 for number, (at, _) in enumerate(stream.far.frames)]
    assert min(shifts) >= -0.160
    assert max(shifts) <= 0.020
    assert stream.far.gaps == []
    assert set(stream.far.sizes[1:-1]) == {60}
    assert stream.listener.played == [1]
    assert stream.clock.monotonic() - began < 62.1


async def test_the_first_frame_leaves_before_anything_is_waited_for() -> None:
    stream = Stream()
    stream.session.begin(1, "Hello.")
    stream.session.add(1, noise(20))
    assert stream.far.audio == noise(20)
    assert stream.listener.began == [1]


async def test_a_voice_that_makes_odd_pieces_is_sent_without_a_gap() -> None:
    stream = Stream()
    speech = noise(3_000)
    stream.session.begin(1, "Three seconds.")
    for begin in range(0, len(speech), 333):
        stream.session.add(1, speech[begin : begin + 333])
        await stream.clock.advance(0.030)
    stream.session.finish(1)
    await stream.run(3)
    assert stream.far.audio == speech
    assert stream.far.gaps == []
    assert stream.session.figures().underruns == 0


async def test_utterances_follow_each_other_without_a_gap_and_are_confirmed_in_order() -> None:
    stream = Stream()
    for number in (1, 2, 3):
        stream.say(number, "Words.", noise(210, number))
    await stream.run(1.0)
    assert stream.far.gaps == []
    assert stream.listener.began == stream.listener.played == [1, 2, 3]
    assert stream.session.figures().sent_ms == 660, "each is filled up to whole frames"


async def test_nothing_is_confirmed_before_the_carrier_says_that_it_was_played() -> None:
    stream = Stream()
    stream.say(1, "Half a second.", noise(500))
    await stream.run(0.48)
    assert stream.listener.played == []
    await stream.run(0.04)
    assert stream.listener.played == [1]


async def test_a_carrier_that_returns_no_marks_does_not_hold_up_the_call() -> None:
    stream = Stream()
    stream.say(1, "Half a second.", noise(500))
    await stream.clock.advance(1.99)
    assert stream.listener.played == []
    await stream.clock.advance(0.02)
    assert stream.listener.played == [1]
    stream.tell(MarkReached(stream.far.all_marks[0]))
    assert stream.listener.played == [1]


async def test_running_dry_is_not_filled_and_goes_on_when_there_is_more() -> None:
    stream = Stream()
    stream.session.begin(1, "With a pause.")
    stream.session.add(1, noise(100))
    await stream.run(1.0)
    assert len(stream.far.audio) == 800
    stream.session.add(1, noise(100, 2))
    stream.session.finish(1)
    await stream.run(0.3)
    assert stream.far.audio == noise(100) + noise(100, 2)
    assert stream.session.figures().underruns == 1
    assert stream.listener.played == [1]


@pytest.mark.scenario("F41")
async def test_an_interruption_clears_at_once_and_nothing_old_follows() -> None:
    stream = Stream()
    stream.say(1, "One two three four five six seven eight nine ten.", noise(5_000))
    stream.say(2, "Never heard.", noise(1_000))
    await stream.run(2.0)
    before = len(stream.far.frames)
    marks = stream.far.all_marks
    cuts = stream.session.stop()
    assert stream.far.clears == [stream.clock.monotonic()]
    assert cuts == (
        Cut(1, "One two three four", complete=False, begun=True),
        Cut(2, "", complete=False, begun=False),
    )
    assert not stream.session.add(1, noise(100)), "a voice that speaks on is not heard"
    assert not stream.session.finish(1)
    await stream.run(2.0)
    assert len(stream.far.frames) == before
    for name in marks:
        stream.tell(MarkReached(name))
    assert stream.listener.played == []
    stream.say(3, "Yes?", noise(200, 3))
    await stream.run(0.5)
    assert stream.far.audio[before * 160 :] == noise(200, 3)
    assert stream.listener.played == [3]


async def test_silence_is_not_cleared() -> None:
    stream = Stream()
    assert stream.session.stop() == ()
    stream.say(1, "Hello.", noise(100))
    await stream.run(1.0)
    stream.session.stop()
    stream.session.stop()
    assert len(stream.far.clears) == 1, "its end may still be on its way to the caller"


async def test_what_has_not_begun_can_be_taken_back() -> None:
    stream = Stream()
    stream.say(1, "One.", noise(500))
    stream.say(2, "Two.", noise(500, 2))
    stream.say(3, "Three.", noise(500, 3))
    assert not stream.session.drop(1)
    assert stream.session.drop(2)
    await stream.run(1.5)
    assert stream.listener.played == [1, 3]
    assert stream.far.audio == noise(500) + noise(500, 3)
    assert stream.far.gaps == []


@pytest.mark.scenario("F29")
async def test_a_voice_five_times_too_fast_waits_and_can_be_interrupted() -> None:
    stream = Stream(limits=SessionLimits(playout=PlayoutLimits(most_ms=2_000)))
    speech = noise(20_000)
    given: list[int] = []

    async def voice() -> bool:
        stream.session.begin(1, "Twenty seconds.")
        for begin in range(0, len(speech), 800):
            while stream.session.room_ms(1) < 100:
                await stream.clock.sleep(0.020)
            if not stream.session.add(1, speech[begin : begin + 800]):
                return False
            given.append(begin)
            await stream.clock.sleep(0.020)
        return stream.session.finish(1)

    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(voice())
        await stream.run(6.0)
        ahead = (given[-1] + 800 - len(stream.far.audio)) / 8
        assert 1_800 <= ahead <= 2_000
        assert stream.far.audio == speech[: len(stream.far.audio)]
        assert stream.far.gaps == []
        stream.session.stop()
        sent = len(stream.far.frames)
        await stream.run(1.0)
        assert not speaking.result()
        assert len(stream.far.frames) == sent


async def test_audio_that_was_not_asked_for_is_refused() -> None:
    stream = Stream(limits=SessionLimits(playout=PlayoutLimits(most_ms=500)))
    stream.session.begin(1, "Too much.")
    assert stream.session.room_ms(1) == 500
    with pytest.raises(PlayoutFull):
        stream.session.add(1, noise(520))


async def test_what_is_being_heard_is_known_by_word_and_level() -> None:
    stream = Stream()
    assert stream.session.playing_dbfs is None
    loud, soft = b"\x80" * 4000, b"\xf0" * 4000
    stream.say(1, "Loud loud soft soft", loud + soft)
    await stream.run(0.3)
    assert stream.session.playing_dbfs == pytest.approx(level_dbfs(loud), abs=0.001)
    await stream.run(0.3)
    assert stream.session.playing_dbfs == pytest.approx(level_dbfs(soft), abs=0.001)
    assert stream.session.stop() == (Cut(1, "Loud loud", complete=False, begun=True),)
    assert stream.session.playing_dbfs is None


# --- in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [160, 20, 33, 1000])
async def test_messages_of_any_size_are_heard_in_frames(size: int) -> None:
    stream = Stream()
    speech = noise(1_000)
    for begin in range(0, len(speech), size):
        stream.tell(AudioIn(speech[begin : begin + size]))
    assert {len(frame) for frame in stream.listener.frames} == {160}
    assert b"".join(stream.listener.frames) == speech
    assert stream.session.figures().heard_ms == 1_000


async def test_audio_that_came_out_of_order_is_put_right() -> None:
    stream = Stream(reorders=True)
    for chunk in (1, 3, 2, 4):
        stream.tell(AudioIn(bytes([chunk]) * 160, chunk))
    stream.tell(AudioIn(b"\x09" * 160))
    assert [frame[0] for frame in stream.listener.frames] == [1, 2, 3, 4, 9]


async def test_keys_and_what_is_of_no_interest() -> None:
    stream = Stream()
    stream.tell(None)
    stream.tell(KeyIn("#"))
    stream.tell(START)
    assert stream.listener.keys == ["#"]
    assert stream.listener.lost == []


async def test_what_is_not_the_protocol_is_not_swallowed() -> None:
    stream = Stream()
    with pytest.raises(MediaMalformed):
        stream.session.feed("{}")


async def test_a_carriers_complaint_is_logged_once_a_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = Stream()
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            stream.tell(StreamTrouble(f"code {number // 2}", "invalid media"))
    assert len(caplog.records) == 16
    assert stream.listener.lost == []


async def test_taps_hear_both_sides_in_the_time_of_the_caller() -> None:
    stream = Stream()
    tape = Tape()
    stream.session.add_tap(tape)
    began = stream.clock.monotonic()
    stream.say(1, "Hello.", noise(1_000))
    await stream.run(0.5)
    stopped = stream.clock.monotonic()
    stream.session.stop()
    at = began
    for plays_at, mulaw in tape.said:
        assert plays_at == pytest.approx(at)
        at += len(mulaw) / 8000
    assert b"".join(mulaw for _, mulaw in tape.said) == stream.far.audio
    assert stopped < at < stopped + 0.141
    assert tape.cuts == [stopped]
    assert [mulaw for _, mulaw in tape.heard] == stream.listener.frames


async def test_a_tap_knows_that_the_end_of_the_stream_was_the_end_of_our_words() -> None:
    stream = Stream()
    tape = Tape()
    stream.session.add_tap(tape)
    stream.say(1, "One two three four.", noise(1_000))
    await stream.run(0.5)
    stream.session.closed()
    stream.session.close()
    last, mulaw = tape.said[-1]
    assert tape.cuts == [stream.clock.monotonic()]
    assert last < tape.cuts[0] + 0.141
    assert last + len(mulaw) / 8000 > tape.cuts[0], "sent, and never heard"


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        (StreamStopped("call ended"), "call ended"),
        (StreamStopped(), "the carrier ended the stream"),
        (
            StreamStart("stream-2", START.carrier_call_id),
            "the carrier began another stream",
        ),
    ],
)
async def test_the_carrier_ends_the_stream(message: MediaMessage, lost: str) -> None:
    stream = Stream()
    stream.say(1, "One two three four.", noise(1_000))
    await stream.run(0.5)
    stream.tell(message)
    assert stream.listener.lost == [lost]
    assert stream.far.closed_with == 1000
    stream.session.closed()
    await stream.clock.advance(60)
    assert stream.listener.lost == [lost], "told once"
    assert stream.listener.played == []
    assert stream.session.stop() == (Cut(1, "One two", complete=False, begun=True),)
    assert stream.session.stop() == ()
    assert stream.clock.waiting == 0


async def test_a_lost_socket_ends_it_and_nothing_has_an_effect_afterwards() -> None:
    stream = Stream()
    stream.session.begin(1, "One.")
    stream.session.closed()
    assert stream.listener.lost == ["the stream's socket closed"]
    assert not stream.session.add(1, noise(100))
    assert not stream.session.finish(1)
    stream.session.begin(2, "Two.")
    assert not stream.session.add(2, noise(100))
    stream.tell(AudioIn(_FRAME))
    stream.session.close()
    assert stream.listener.frames == []
    assert stream.far.frames == []
    assert stream.far.closed_with is None


async def test_our_own_end_is_not_reported() -> None:
    stream = Stream()
    stream.say(1, "Bye.", noise(1_000))
    stream.session.close(1000, "the call is over")
    stream.session.closed()
    await stream.clock.advance(60)
    assert stream.far.closed_with == 1000
    assert stream.listener.lost == []
    assert stream.clock.waiting == 0


async def test_ended_by_what_was_made_of_one_frame_the_rest_is_not_heard() -> None:
    stream = Stream()
    stream.listener.on_frame = stream.session.close
    stream.tell(AudioIn(noise(200)))
    assert len(stream.listener.frames) == 1


async def test_half_a_minute_without_audio_is_the_end() -> None:
    stream = Stream()
    await stream.run(40)
    assert stream.listener.lost == []
    await stream.clock.advance(29.9)
    assert stream.listener.lost == []
    await stream.clock.advance(0.2)
    assert stream.listener.lost == ["no audio for 30 s"]
    assert stream.far.closed_with == 1000


async def test_a_socket_that_takes_nothing_is_given_up_before_memory_grows() -> None:
    stream = Stream()
    stream.say(1, "A long story.", noise(20_000))
    stream.far.unsent = 64 * 1024
    await stream.run(1.0)
    assert stream.listener.lost == []
    stream.far.unsent += 1
    stream.session.begin(2, "And another one.")
    stream.session.add(2, noise(100))
    assert stream.listener.lost == [], "not while somebody is adding to it"
    await stream.run(0.1)
    assert stream.far.closed_with == 1008
    assert stream.listener.lost == ["stalled: the carrier does not take our audio"]
