"""Places for those who have not proved themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.webhook.gate import Admission, AdmissionGate, GateLimits

LIMITS = GateLimits(per_address=2, total=3, queue_per_address=1)


def test_an_address_has_its_places_then_a_queue_then_nothing() -> None:
    gate = AdmissionGate(LIMITS)
    tickets = [gate.arrive("a") for _ in range(4)]
    assert [admission for _, admission in tickets] == [
        Admission.ADMITTED,
        Admission.ADMITTED,
        Admission.QUEUED,
        Admission.REFUSED,
    ]
    # Other addresses are not affected, until the whole house is full.
    assert gate.arrive("b")[1] is Admission.ADMITTED
    assert gate.arrive("c")[1] is Admission.REFUSED
    assert gate.leave("a") == tickets[2][0]
    assert gate.leave("a") is None
    assert gate.arrive("c")[1] is Admission.ADMITTED


def test_who_gives_up_is_not_called() -> None:
    gate = AdmissionGate(LIMITS)
    gate.arrive("a")
    gate.arrive("a")
    waiting, _ = gate.arrive("a")
    gate.give_up("a", waiting)
    assert gate.leave("a") is None
    assert gate.leave("a") is None
    assert gate.inside == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["come", "leave", "give up"]))))
def test_the_limits_hold_and_nobody_is_forgotten(moves: list[tuple[str, str]]) -> None:
    gate = AdmissionGate(LIMITS)
    inside: dict[str, set[int]] = {name: set() for name in "abc"}
    queued: dict[str, list[int]] = {name: [] for name in "abc"}
    for address, move in moves:
        if move == "come":
            ticket, admission = gate.arrive(address)
            if admission is Admission.ADMITTED:
                inside[address].add(ticket)
            elif admission is Admission.QUEUED:
                queued[address].append(ticket)
        elif move == "leave" and inside[address]:
            inside[address].pop()
            following = gate.leave(address)
            assert following == (queued[address].pop(0) if queued[address] else None)
            if following is not None:
                inside[address].add(following)
        elif move == "give up" and queued[address]:
            gate.give_up(address, queued[address].pop())
        assert all(len(each) <= 2 for each in inside.values())
        assert all(len(each) <= 1 for each in queued.values())
        assert gate.inside == sum(len(each) for each in inside.values()) <= 3
