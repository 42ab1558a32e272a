"""The play-out buffer of the emulators: order, marks, clears, gaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.media import FRAME_BYTES, FRAME_SECONDS, PlayOut

FRAME = b"\x11" * FRAME_BYTES
SILENT = b"\xff" * FRAME_BYTES


def played(out: PlayOut, frames: int, start: int = 0) -> list[str]:
    """Let so many frames pass; the marks that came back."""
    return [name for n in range(start, start + frames) for name in out.frame(n * FRAME_SECONDS)[1]]


def test_audio_is_heard_in_order_and_a_mark_with_its_end() -> None:
    out = PlayOut()
    out.play(FRAME * 2, 0.0)
    assert not out.mark("a", 0.0)
    out.play(b"\x22" * 80, 0.0)
    assert not out.mark("b", 0.0)
    assert played(out, 1) == []
    assert played(out, 1) == ["a"]
    assert played(out, 1) == ["b"]
    assert out.heard == FRAME * 2 + (b"\x22" * 80).ljust(FRAME_BYTES, b"\xff")
    assert [mark.played for mark in out.marks] == [True, True]


def test_a_mark_with_nothing_before_it_comes_back_at_once() -> None:
    out = PlayOut()
    assert out.mark("a", 0.0)
    assert played(out, 2) == []
    assert out.heard == SILENT * 2


def test_a_clear_drops_what_was_not_heard_and_gives_its_marks_back() -> None:
    out = PlayOut()
    out.play(FRAME * 3, 0.0)
    out.mark("a", 0.0)
    played(out, 1)
    assert out.clear(0.02) == ("a",)
    assert out.clears[0].dropped == FRAME * 2
    assert [(mark.name, mark.played) for mark in out.marks] == [("a", False)]
    out.play(b"\x33" * FRAME_BYTES, 0.03)
    assert out.arrived_after() == b"\x33" * FRAME_BYTES
    played(out, 2)
    assert out.heard == FRAME + b"\x33" * FRAME_BYTES + SILENT


def test_silence_within_what_is_said_is_an_underrun_and_between_is_not() -> None:
    out = PlayOut()
    out.play(FRAME, 0.0)
    played(out, 3)
    out.play(FRAME, 0.06)
    out.mark("end", 0.06)
    played(out, 2, 3)
    out.play(FRAME, 0.1)
    played(out, 1, 5)
    assert [(gap.seconds, gap.inside) for gap in out.gaps] == [(0.04, True), (0.02, False)]
    assert out.torn == out.gaps[:1]


def test_what_the_buffer_cannot_take_is_counted() -> None:
    out = PlayOut(limit_seconds=0.04)
    out.play(FRAME * 3, 0.0)
    assert out.lost == FRAME_BYTES
    played(out, 3)
    assert out.heard == FRAME * 2 + SILENT


orders = st.lists(
    st.one_of(
        st.integers(1, 500).map(lambda size: ("play", size)),
        st.just(("mark", 0)),
        st.just(("clear", 0)),
        st.integers(1, 5).map(lambda frames: ("frames", frames)),
    ),
    max_size=60,
)


@given(orders)
def test_every_mark_comes_back_once_and_every_byte_is_heard_or_cleared(
    steps: list[tuple[str, int]],
) -> None:
    out, sent, marks, back = PlayOut(), bytearray(), 0, list[str]()
    for kind, size in [*steps, ("frames", 250)]:
        match kind:
            case "play":
                audio = bytes(n % 100 for n in range(size))
                sent += audio
                out.play(audio, 0.0)
            case "mark":
                name = str(marks)
                marks += 1
                back += [name] if out.mark(name, 0.0) else []
            case "clear":
                back += out.clear(0.0)
            case _:
                back += played(out, size)
    assert back == [mark.name for mark in out.marks]
    assert sorted(back, key=int) == back == [str(n) for n in range(marks)]
    heard = out.heard.replace(b"\xff", b"")
    dropped = sum(len(each.dropped) for each in out.clears)
    assert len(heard) + dropped == len(sent)
    if not dropped:
        assert heard == bytes(sent)
