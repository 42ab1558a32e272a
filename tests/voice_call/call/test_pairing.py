"""The pairing book: codes that expire, callers that are bounded."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call import pairing
from openclaw_voice_call.call.pairing import (
    CALLS_PER_NUMBER,
    CODE_LIFETIME_S,
    MOST_WAITING,
    PairingBook,
)

ANN, BOB = "+15550002001", "+15550002002"


def test_a_caller_keeps_its_code_while_that_is_good() -> None:
    book, first = pairing.ask(PairingBook(), ANN, "111111", 0.0)
    book, again = pairing.ask(book, ANN, "222222", 60.0)
    assert first is not None
    assert again is not None
    assert again.code == "111111"
    _, later = pairing.ask(book, ANN, "333333", CODE_LIFETIME_S + 1)
    assert later is not None
    assert later.code == "333333"


def test_a_caller_gets_few_calls_for_one_code() -> None:
    book = PairingBook()
    for _ in range(CALLS_PER_NUMBER):
        book, request = pairing.ask(book, ANN, "111111", 0.0)
        assert request is not None
    assert pairing.ask(book, ANN, "111111", 1.0).request is None


def test_strangers_cannot_fill_the_book() -> None:
    book = PairingBook()
    for number in range(MOST_WAITING):
        book, request = pairing.ask(book, f"+1555000{number:04d}", f"{number:06d}", 0.0)
        assert request is not None
    assert pairing.ask(book, ANN, "999999", 1.0).request is None
    assert pairing.ask(book, ANN, "999999", CODE_LIFETIME_S + 1).request is not None


def test_two_callers_never_share_a_code() -> None:
    book, _ = pairing.ask(PairingBook(), ANN, "111111", 0.0)
    assert pairing.ask(book, BOB, "111111", 1.0).request is None


def test_an_approved_number_is_admitted_until_that_is_taken_back() -> None:
    book, request = pairing.ask(PairingBook(), ANN, "111111", 0.0)
    assert request is not None
    assert not book.admits(ANN)
    assert pairing.find(book, "111111", CODE_LIFETIME_S + 1) is None
    found = pairing.find(book, "111111", 10.0)
    assert found is not None
    book = pairing.approve(book, found, 10.0)
    assert book.admits(ANN)
    assert not book.admits(BOB)
    assert pairing.find(book, "111111", 11.0) is None
    assert not pairing.revoke(book, ANN).admits(ANN)


def test_a_denied_caller_gets_no_new_code_for_a_while() -> None:
    book, request = pairing.ask(PairingBook(), ANN, "111111", 0.0)
    assert request is not None
    book = pairing.deny(book, request)
    assert pairing.find(book, "111111", 1.0) is None
    assert pairing.ask(book, ANN, "222222", 2.0).request is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ANN, BOB, "+15550002003"]),
            st.sampled_from(["111111", "222222", "333333"]),
            st.floats(0, 2000),
            st.sampled_from(["ask", "approve", "deny", "revoke"]),
        ),
        max_size=40,
    )
)
def test_only_approval_admits(story: list[tuple[str, str, float, str]]) -> None:
    book, now = PairingBook(), 0.0
    admitted: set[str] = set()
    for number, code, pause, act in story:
        now += pause
        request = pairing.find(book, code, now)
        if act == "ask" and not book.admits(number):
            book, _ = pairing.ask(book, number, code, now)
        elif act == "approve" and request is not None:
            book = pairing.approve(book, request, now)
            admitted.add(request.number)
        elif act == "deny" and request is not None:
            book = pairing.deny(book, request)
        elif act == "revoke":
            book = pairing.revoke(book, number)
            admitted.discard(number)
        assert {each.number for each in book.approved} == admitted
        codes = [each.code for each in book.current(now) if each.code]
        assert len(codes) == len(set(codes)), "a code names one caller"
        assert len(book.current(now)) <= MOST_WAITING
    assert msgspec.json.decode(msgspec.json.encode(book), type=PairingBook) == book
