"""Places at the stream door: strangers are few, and never in the way of those with a pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.interfaces.media import StreamTicket
from openclaw_voice_call.webhook.places import Place, PlaceLimits, Places

A, B = "192.0.2.1", "192.0.2.2"


def ticket(number: int) -> StreamTicket:
    return StreamTicket(CallId("c"), number)


def test_an_address_has_few_pending_sockets_until_they_start_or_leave() -> None:
    places = Places(PlaceLimits(pending_per_address=2))
    first, second = places.take(A, None), places.take(A, None)
    assert first is not None
    assert second is not None
    assert places.take(A, None) is None
    assert places.take(B, None) is not None
    places.leave(first)
    assert places.take(A, None) is not None
    assert places.take(A, None) is None
    assert places.start(second)
    assert places.take(A, None) is not None


def test_a_pass_does_not_count_for_its_address_but_for_itself() -> None:
    places = Places(PlaceLimits(pending_per_address=1, pending=1))
    assert places.take(A, None) is not None
    assert places.take(A, ticket(1)) is not None
    assert places.take(A, ticket(2)) is not None
    assert places.take(B, ticket(1)) is None


def test_strangers_are_turned_away_first_when_the_house_is_full() -> None:
    places = Places(PlaceLimits(pending_per_address=8, open=3))
    assert places.take(A, ticket(1)) is not None
    strangers = [places.take(A, None), places.take(A, None)]
    assert None not in strangers
    assert places.take(A, None) is None
    assert places.take(A, ticket(2)) is not None
    assert places.take(A, ticket(3)) is not None
    assert places.take(A, ticket(4)) is None
    stranger = strangers[0]
    assert stranger is not None
    assert not places.start(stranger)


LIMITS = PlaceLimits(pending_per_address=2, pending=3, open=5)
STEPS = st.tuples(
    st.sampled_from(["take", "take", "take", "start", "leave"]),
    st.sampled_from([A, B, "192.0.2.3"]),
    st.sampled_from([None, None, ticket(1), ticket(2), ticket(3)]),
    st.integers(0, 9),
)


@given(st.lists(STEPS, max_size=60))
def test_the_counts_hold_in_any_order_of_things(
    steps: list[tuple[str, str, StreamTicket | None, int]],
) -> None:
    places = Places(LIMITS)
    held: list[Place] = []
    for what, address, shown, which in steps:
        if what == "take":
            place = places.take(address, shown)
            if place is not None:
                held.append(place)
        elif held:
            place = held[which % len(held)]
            if what == "start" and place.pending:
                places.start(place)
            elif what == "leave":
                held.remove(place)
                places.leave(place)
        assert places.open == len(held)
        assert places.pending == sum(one.pending for one in held)
        strangers = [one for one in held if one.stranger]
        assert len(strangers) <= LIMITS.pending
        assert len(held) - len(strangers) <= LIMITS.open
        for key in {one.key for one in held}:
            waiting = [one for one in held if one.key == key and one.pending]
            assert len(waiting) <= LIMITS.pending_per_address
    for place in held:
        places.leave(place)
    assert (places.open, places.pending) == (0, 0)
