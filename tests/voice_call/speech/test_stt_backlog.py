"""The audio that is kept for a recogniser, and how a mute one is told."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.speech.backlog import Backlog
from openclaw_voice_call.speech.mute_watch import MuteWatch, is_loud

MS = 8


def numbered(count: int, first: int = 0) -> bytes:
    return bytes((first + place) % 251 for place in range(count))


class BacklogModel(RuleBasedStateMachine):
    """The backlog beside the whole audio of the call, kept in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog = Backlog(most_ms=100, quiet_ms=20)
        self.audio = b""
        self.sent = 0
        """How far this connection was sent; what was lost counts."""

    @rule(count=st.integers(0, 2000))
    def add(self, count: int) -> None:
        more = numbered(count, len(self.audio))
        self.audio += more
        self.backlog.add(more)
        self.sent = len(self.audio) - self.backlog.unsent

    @rule(least=st.integers(1, 400), most=st.integers(400, 1600))
    def take(self, least: int, most: int) -> None:
        taken = self.backlog.take(least, most)
        assert taken == self.audio[self.sent : self.sent + len(taken)]
        assert len(taken) <= most
        self.sent += len(taken)

    @rule()
    def rewind(self) -> None:
        self.backlog.rewind()
        self.sent = len(self.audio) - self.backlog.unsent

    @rule(until=st.none() | st.integers(0, 500))
    def settle(self, until: int | None) -> None:
        before = self.backlog.unsent
        self.backlog.settle(until)
        assert self.backlog.unsent == before

    @rule(speaking=st.booleans())
    def speak(self, speaking: bool) -> None:
        self.backlog.in_speech = speaking

    @invariant()
    def unsent_is_what_is_behind_the_sent(self) -> None:
        assert self.backlog.unsent == len(self.audio) - self.sent
        assert self.backlog.unsent <= 100 * MS


TestBacklogModel = BacklogModel.TestCase


def drain(backlog: Backlog) -> bytes:
    taken = b""
    while piece := backlog.take(1, 1600):
        taken += piece
    return taken


def test_another_connection_is_sent_what_was_not_answered() -> None:
    backlog = Backlog(most_ms=1000, quiet_ms=10)
    audio = numbered(400 * MS)
    backlog.in_speech = True
    backlog.add(audio)
    assert drain(backlog) == audio
    backlog.settle(150)
    backlog.rewind()
    assert drain(backlog) == audio[150 * MS :]
    # Places count from the beginning of each connection.
    backlog.settle(50)
    backlog.rewind()
    assert drain(backlog) == audio[200 * MS :]
    backlog.settle()
    backlog.rewind()
    assert drain(backlog) == b""
    assert backlog.lost_ms == 0


def test_of_what_was_sent_in_silence_little_is_kept() -> None:
    backlog = Backlog(most_ms=1000, quiet_ms=100)
    for place in range(50):
        backlog.add(numbered(20 * MS, place))
        drain(backlog)
    backlog.rewind()
    assert len(drain(backlog)) == (100 + 20) * MS


def test_too_much_is_given_up_oldest_first_and_counted() -> None:
    backlog = Backlog(most_ms=100, quiet_ms=10)
    audio = numbered(250 * MS)
    backlog.add(audio)
    assert drain(backlog) == audio[150 * MS :]
    assert backlog.lost_ms == 150


def test_a_turn_is_finished_behind_its_audio_and_once() -> None:
    backlog = Backlog(most_ms=1000, quiet_ms=10)
    backlog.add(numbered(30 * MS))
    assert backlog.take(40 * MS, 1600) == b""
    backlog.finish()
    assert not backlog.finish_due()
    assert len(backlog.take(40 * MS, 1600)) == 30 * MS
    assert backlog.finish_due()
    assert not backlog.finish_due()


SPEECH = tone_code.encode("some words that take about two seconds to be said on the telephone")


def watch(pieces: Sequence[bytes], patience_s: float = 8.0) -> tuple[MuteWatch, float]:
    """A watch that was given these, in real time; and the time at their end."""
    told, now = MuteWatch(patience_s), 0.0
    for piece in pieces:
        for at in range(0, len(piece), 160):
            told.audio(piece[at : at + 160], now)
            now += 0.02
    return told, now


def test_speech_that_is_not_answered_in_time_is_a_mute_vendor() -> None:
    told, now = watch([SPEECH])
    assert told.owed
    assert not told.is_mute(now)
    assert told.is_mute(now + 8.0)
    told.connected(now + 8.0)
    assert not told.is_mute(now + 15.9)
    assert told.is_mute(now + 16.0)
    told.answered()
    assert not told.is_mute(now + 100.0)


def test_the_vendors_own_hint_counts_but_not_alone() -> None:
    told, now = watch([SPEECH[: 1300 * MS]])
    assert not told.owed
    told.speech_started(now)
    assert told.owed
    alone = MuteWatch(8.0)
    alone.speech_started(0.0)
    alone.speech_started(1.0)
    assert not alone.owed


@given(noise=st.binary(min_size=160, max_size=160))
def test_quiet_noise_is_not_loud(noise: bytes) -> None:
    quiet = bytes(0x60 | byte for byte in noise)
    assert not is_loud(quiet)


def test_what_is_loud() -> None:
    assert is_loud(SPEECH[:160])
    assert not is_loud(mulaw.silence(20))
    assert not is_loud(b"")


def test_noises_far_apart_do_not_add_up() -> None:
    told, _ = watch([SPEECH[: 300 * MS], mulaw.silence(5000)] * 30)
    assert not told.owed
