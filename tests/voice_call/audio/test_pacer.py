"""How far ahead of the far end what is sent may be, and that nothing drifts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.audio.pacer import Pace, Pacer

_MS = 8
_PLENTY = 10**6


def test_the_first_frame_goes_at_once_and_the_lead_is_filled() -> None:
    pacer = Pacer()
    sizes: list[int] = []
    while size := pacer.due(5.0, _PLENTY):
        pacer.sent(5.0, size)
        sizes.append(size // _MS)
    assert sizes == [20, 60, 60]
    assert pacer.ends_at == 5.140
    assert pacer.next_at(_PLENTY) == 5.060


def test_a_small_rest_goes_as_soon_as_it_has_room() -> None:
    pacer = Pacer(Pace(first_ms=20, message_ms=60, lead_ms=100))
    pacer.sent(0.0, 80 * _MS)
    assert pacer.due(0.0, 20 * _MS) == 20 * _MS
    assert pacer.due(0.0, 40 * _MS) == 0
    assert pacer.due(0.020, 40 * _MS) == 40 * _MS


def test_a_timer_that_fires_a_little_early_finds_its_message_due() -> None:
    pacer = Pacer()
    pacer.sent(0.0, 140 * _MS)
    assert pacer.due(pacer.next_at(_PLENTY) - 0.0005, _PLENTY) == 60 * _MS


def test_after_running_dry_it_begins_anew_from_now() -> None:
    pacer = Pacer()
    pacer.sent(0.0, 20 * _MS)
    assert pacer.due(1.0, _PLENTY) == 20 * _MS
    assert pacer.sent(1.0, 20 * _MS) == 1.0
    assert pacer.ends_at == 1.020


def test_what_was_cleared_is_not_waited_for() -> None:
    pacer = Pacer()
    pacer.sent(0.0, 140 * _MS)
    pacer.cut(0.050)
    assert pacer.ahead(0.050) == 0
    assert pacer.due(0.050, _PLENTY) == 20 * _MS


@given(st.lists(st.floats(0, 0.075), min_size=1, max_size=200))
def test_late_timers_neither_shift_what_follows_nor_let_it_run_dry(late: list[float]) -> None:
    pacer = Pacer()
    now = began = 100.0
    sent = 0
    for each in late:
        while size := pacer.due(now, _PLENTY):
            assert sent == 0 or now <= pacer.ends_at, "a gap"
            assert pacer.sent(now, size) == began + sent / 8000
            sent += size
            assert pacer.ahead(now) <= 141 * _MS
        now = pacer.next_at(_PLENTY) + each
