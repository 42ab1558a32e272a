"""Both legs of a call on one timeline, however the network and the playing of it went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.audio.two_legs import WINDOW_S, Piece, TwoLegs

FRAME = 160
FRAME_S = 0.02
SILENT = 0xFF
BEGIN = 100.0


def frame(value: int) -> bytes:
    return bytes([value]) * FRAME


def silence(ms: float) -> bytes:
    return b"\xff" * round(ms * 8)


class Tape:
    """Hears what a recorder does, and keeps all that is given."""

    def __init__(self) -> None:
        self.legs = TwoLegs()
        self.left = b""
        self.right = b""

    def heard(self, at: float, mulaw: bytes) -> None:
        self.legs.heard(at, mulaw)
        self._keep(self.legs.settled(at))

    def said(self, at: float, mulaw: bytes) -> None:
        self.legs.said(at, mulaw)
        self._keep(self.legs.settled(at))

    def end(self) -> tuple[bytes, bytes]:
        self._keep(self.legs.rest())
        assert self.legs.rest() is None
        return self.left, self.right

    def _keep(self, piece: Piece | None) -> None:
        if piece is not None:
            size = max(len(piece.left), len(piece.right))
            self.left += piece.left.ljust(size, b"\xff")
            self.right += piece.right.ljust(size, b"\xff")


def test_the_legs_are_in_step() -> None:
    """The other party's frame was spoken before it came; ours is heard when it is played."""
    tape = Tape()
    tape.heard(BEGIN, frame(1))
    tape.said(BEGIN + 0.1, frame(2))
    tape.heard(BEGIN + FRAME_S, frame(3))
    left, right = tape.end()
    assert left == frame(1) + frame(3) + silence(100)
    assert right == silence(120) + frame(2)


def test_what_is_cleared_is_not_there() -> None:
    tape = Tape()
    tape.said(BEGIN, frame(1) * 3)
    tape.legs.cleared(BEGIN + 0.025)
    tape.said(BEGIN + 0.1, frame(2))
    assert tape.end()[1] == bytes([1]) * 200 + silence(75) + frame(2)


def test_nothing_is_cleared_before_there_was_anything() -> None:
    tape = Tape()
    tape.legs.cleared(BEGIN)
    assert tape.end() == (b"", b"")


def test_lost_frames_leave_their_silence() -> None:
    tape = Tape()
    tape.heard(BEGIN, frame(1))
    tape.heard(BEGIN + 10 * FRAME_S, frame(2))
    assert tape.end()[0] == frame(1) + silence(180) + frame(2)


def test_a_stall_of_the_network_leaves_nothing() -> None:
    """What comes late and at once was spoken in time."""
    tape = Tape()
    for number in range(1, 151):
        stalled = 20 <= number < 120
        tape.heard(BEGIN + FRAME_S * (120 if stalled else number), frame(number))
    assert tape.end()[0] == b"".join(map(frame, range(1, 151)))


def test_a_stall_at_the_beginning_moves_the_beginning() -> None:
    """The frames that came at once were spoken before, so ours comes after them."""
    tape = Tape()
    for number in range(1, 51):
        tape.heard(BEGIN + FRAME_S * max(number, 25), frame(number))
        if number == 1:
            tape.said(BEGIN + 0.6, frame(201))
    tape.said(BEGIN + 0.8, frame(202))
    left, right = tape.end()
    assert left == b"".join(map(frame, range(1, 51)))
    assert right == silence(600) + frame(201) + silence(180) + frame(202) + silence(180)


def test_a_long_call_is_given_out_as_it_goes() -> None:
    tape = Tape()
    for number in range(3_000):
        now = BEGIN + number * FRAME_S
        tape.heard(now, frame(1))
        if number % 3 == 0:
            tape.said(now + 0.1, frame(2) * 3)
        kept = number * FRAME - len(tape.left)
        assert kept <= (WINDOW_S + 1.0) * 8_000
    left, right = tape.end()
    assert len(left) == len(right) == pytest.approx(60 * 8_000, abs=1_500)
    assert set(left[: 59 * 8_000]) == {1}
    assert set(right[2_000 : 59 * 8_000]) == {2}


@pytest.mark.parametrize("speed", [1.02, 2.0, 50.0])
def test_a_flood_takes_no_more_room_than_its_time(speed: float) -> None:
    tape = Tape()
    frames = 5_000
    for number in range(frames):
        tape.heard(BEGIN + number * FRAME_S / speed, frame(1))
    took_s = frames * FRAME_S / speed
    begun_earlier_s = WINDOW_S + 1.0
    assert len(tape.end()[0]) <= (took_s + begun_earlier_s + 0.6) * 8_000


def test_a_pause_between_two_streams_is_silence() -> None:
    tape = Tape()
    tape.heard(BEGIN, frame(1))
    tape.said(BEGIN, frame(3))
    tape.heard(BEGIN + 30.0, frame(2))
    tape.said(BEGIN + 30.0, frame(4))
    left, right = tape.end()
    assert left == frame(1) + silence(29_980) + frame(2) + silence(20)
    assert right == silence(20) + frame(3) + silence(29_980) + frame(4)


@given(
    delays=st.lists(st.floats(0, 0.45), min_size=1, max_size=120),
    lost=st.sets(st.integers(1, 119), max_size=60),
)
def test_every_frame_is_near_its_time(delays: Sequence[float], lost: set[int]) -> None:
    """None is lost here, none overtakes another, and none is further off than the network was."""
    tape = Tape()
    arrivals = list(accumulate((n * FRAME_S + delay for n, delay in enumerate(delays)), max))
    came = [number for number in range(len(delays)) if number not in lost]
    for number in came:
        tape.heard(BEGIN + arrivals[number], frame(number + 1))
    left, _ = tape.end()
    places = [left.find(frame(number + 1)) for number in came]
    assert len(left.replace(b"\xff", b"")) == FRAME * len(came)
    assert places == sorted(places)
    assert places[0] == 0
    for number, place in zip(came, places, strict=True):
        late = place / 8_000 - number * FRAME_S
        # The beginning is as late as the least late frame of the first run, or less.
        assert -max(delays) - 0.041 <= late <= max(delays) + 0.001


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("say"), st.integers(0, 4_000), st.integers(1, 1_000)),
            st.tuples(st.just("clear"), st.integers(0, 2_000), st.just(0)),
        ),
        max_size=40,
    )
)
def test_ours_is_where_it_is_heard(steps: Sequence[tuple[str, int, int]]) -> None:
    """Against a tape on which each sample is written at its place."""
    tape = Tape()
    tape.heard(BEGIN, frame(SILENT))
    expected: list[int] = []
    end = FRAME
    for number, (what, count, size) in enumerate(steps):
        if what == "say":
            # Later than what is played already, at a time that is not a whole sample.
            place = end + count + 20
            tape.said(BEGIN + (place - FRAME + 0.3) / 8_000, bytes([number + 1]) * size)
            expected += [SILENT] * (place - len(expected)) + [number + 1] * size
            end = place + size
        else:
            place = max(0, end - count)
            tape.legs.cleared(BEGIN + (place - FRAME) / 8_000)
            del expected[place:]
            end = max(FRAME, place)
    assert tape.end()[1].rstrip(b"\xff") == bytes(expected).rstrip(b"\xff")


def test_a_burst_that_another_stall_interrupts_leaves_no_trace() -> None:
    legs = TwoLegs()
    heard = b""
    for frame in range(400):
        due = 0.02 * (frame + 1)
        # The network stalls from 1.0 s on: part of what waits comes at 1.3 s, the rest at 1.42 s.
        at = 1.3 if 1.0 <= due < 1.1 else max(due, 1.42) if 1.1 <= due < 1.42 else due
        legs.heard(at, (b"\x10" if frame == 300 else b"\xff") * 160)
        piece = legs.settled(at)
        heard += piece.left if piece is not None else b""
    rest = legs.rest()
    heard += rest.left if rest is not None else b""
    assert heard.index(b"\x10") == 300 * 160
