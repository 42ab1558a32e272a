"""The gateway's probe of itself: answered once, in time, by its own process, and by nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.setup.probe import LIFETIME_S, MOST_OPEN, ProbeBook, proves

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NOW = 1_700_000_000.0


def test_our_own_probe_is_answered_once() -> None:
    book = ProbeBook(KEY)
    probe = book.open("nonce", NOW)
    proof = book.answer(probe.header, NOW + 1)
    assert proof is not None
    assert proves(probe, proof.encode())
    assert book.answer(probe.header, NOW + 2) is None


def test_a_late_probe_is_not_answered() -> None:
    book = ProbeBook(KEY)
    probe = book.open("nonce", NOW)
    assert book.answer(probe.header, NOW + LIFETIME_S + 0.1) is None
    assert book.answer(probe.header, NOW + 1) is None, "it is spent"


def test_another_gateway_can_neither_answer_nor_ask() -> None:
    ours, theirs = ProbeBook(KEY), ProbeBook(OTHER_KEY)
    probe = ours.open("nonce", NOW)
    assert theirs.answer(probe.header, NOW) is None
    stolen = theirs.open("nonce", NOW)
    assert ours.answer(stolen.header, NOW) is None
    assert not proves(probe, stolen.proof.encode())


def test_what_was_sent_is_no_proof() -> None:
    probe = ProbeBook(KEY).open("nonce", NOW)
    for echo in (probe.header, probe.header.partition(".")[2], "", "nonce"):
        assert not proves(probe, echo.encode())


@given(header=st.text(st.characters(), max_size=200), near=st.integers(0, 63))
def test_whoever_guesses_gets_nothing_and_spoils_nothing(header: str, near: int) -> None:
    book = ProbeBook(KEY)
    probe = book.open("nonce", NOW)
    assert book.answer(header, NOW) is None
    nonce, _, signature = probe.header.partition(".")
    flipped = "0" if signature[near] != "0" else "1"
    wrong = f"{nonce}.{signature[:near]}{flipped}{signature[near + 1 :]}"
    assert book.answer(wrong, NOW) is None
    assert book.answer(probe.header, NOW) is not None


def test_only_so_many_are_remembered() -> None:
    book = ProbeBook(KEY)
    probes = [book.open(f"nonce{n}", NOW) for n in range(MOST_OPEN + 1)]
    assert book.answer(probes[0].header, NOW) is None
    assert all(book.answer(probe.header, NOW) for probe in probes[1:])
