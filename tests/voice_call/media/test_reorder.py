"""Audio that comes out of order is put right, within 60 ms."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.media.reorder import Reorder


def through(chunks: list[int]) -> tuple[list[int], Reorder]:
    reorder = Reorder()
    out = [int(each) for chunk in chunks for each in reorder.add(chunk, str(chunk).encode())]
    return out, reorder


@pytest.mark.parametrize(
    ("came", "heard", "lost"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([7, 8, 9], [7, 8, 9], 0),
        ([1, 3, 2, 4], [1, 2, 3, 4], 0),
        ([1, 3, 4, 2, 5], [1, 2, 3, 4, 5], 0),
        ([1, 3, 4, 5, 2, 6], [1, 3, 4, 5, 6], 1),
        ([1, 2, 2, 3, 1], [1, 2, 3], 0),
        ([1, 3, 3, 3, 3], [1], 0),
        ([1, 5, 7, 9, 10, 12, 11], [1, 5, 7, 9, 10, 11, 12], 5),
        ([900, 901, 1, 2, 3], [900, 901, 1, 2, 3], 0),
        ([1, 2**63, 2, 3, 4], [1, 2, 3, 4], 0),
        ([1, 2**61, 2**62, 2**63, 2, 3], [1, 2**61, 2, 3], 50),
    ],
)
def test_order(came: list[int], heard: list[int], lost: int) -> None:
    out, reorder = through(came)
    assert (out, reorder.lost) == (heard, lost)


def test_what_is_held_is_heard_as_soon_as_the_gap_is_given_up() -> None:
    out, _ = through([1, 5, 7, 9, 6])
    assert out == [1, 5, 6, 7]


@given(st.permutations(range(30)).map(lambda order: sorted(order, key=lambda n: n // 3)))
def test_neighbours_that_change_places_all_arrive(came: list[int]) -> None:
    out, reorder = through([-1, *came])
    assert out == list(range(-1, 30))
    assert reorder.lost == 0


@given(st.lists(st.integers(-100, 100)))
def test_nothing_is_heard_twice_in_a_row_or_backwards_but_after_a_new_count(
    came: list[int],
) -> None:
    out, _ = through(came)
    assert len(out) <= len(came)
    for one, other in pairwise(out):
        assert other > one or other < one - 49
