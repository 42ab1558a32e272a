"""Who asked to be let in, and who was. Pure.

An unknown caller hears a short code. The owner, who learns it from the caller by another way,
approves that code, and from then on the number may call. What strangers can cost is bounded: codes
expire, a number gets few of them, and only so many wait at the same time.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

CODE_DIGITS: Final = 6
CODE_LIFETIME_S: Final = 3600.0
CALLS_PER_NUMBER: Final = 3
"""How often a number hears its code within `CODE_LIFETIME_S`; then it is refused unanswered."""
MOST_WAITING: Final = 20


class PairingRequest(msgspec.Struct, frozen=True):
    """A caller who waits for approval. Times are epoch seconds, `number` is E.164."""

    number: str
    code: str
    asked_at: float
    expires_at: float
    calls: int = 1


class Approval(msgspec.Struct, frozen=True):
    number: str
    approved_at: float


class PairingBook(msgspec.Struct, frozen=True):
    """All of it; changed only by the functions below."""

    waiting: tuple[PairingRequest, ...] = ()
    approved: tuple[Approval, ...] = ()

    def admits(self, number: str) -> bool:
        return any(approval.number == number for approval in self.approved)

    def current(self, now: float) -> tuple[PairingRequest, ...]:
        """The requests whose code is still good, oldest first."""
        return tuple(request for request in self.waiting if request.expires_at > now)


class Asked(NamedTuple):
    """`request` is None when the caller asked too often, or too many wait."""

    book: PairingBook
    request: PairingRequest | None


def ask(book: PairingBook, number: str, new_code: str, now: float) -> Asked:
    """An unknown number calls. It keeps the code that it has while that is good."""
    waiting = book.current(now)
    known = next((request for request in waiting if request.number == number), None)
    if known is not None:
        if known.calls >= CALLS_PER_NUMBER:
            return Asked(book, None)
        again = msgspec.structs.replace(known, calls=known.calls + 1)
        kept = tuple(again if request is known else request for request in waiting)
        return Asked(msgspec.structs.replace(book, waiting=kept), again)
    if len(waiting) >= MOST_WAITING or any(request.code == new_code for request in waiting):
        return Asked(book, None)
    request = PairingRequest(number, new_code, now, now + CODE_LIFETIME_S)
    return Asked(msgspec.structs.replace(book, waiting=(*waiting, request)), request)


def find(book: PairingBook, code_or_number: str, now: float) -> PairingRequest | None:
    """The request with this code or number, if its code is still good."""
    for request in book.current(now):
        if code_or_number in (request.code, request.number):
            return request
    return None


def approve(book: PairingBook, request: PairingRequest, now: float) -> PairingBook:
    """The number may call from now on."""
    others = tuple(each for each in book.approved if each.number != request.number)
    return PairingBook(_without(book, request), (*others, Approval(request.number, now)))


def deny(book: PairingBook, request: PairingRequest) -> PairingBook:
    """The code is worth nothing any more; the number may ask again when it would have expired."""
    spent = msgspec.structs.replace(request, code="", calls=CALLS_PER_NUMBER)
    return msgspec.structs.replace(book, waiting=(*_without(book, request), spent))


def revoke(book: PairingBook, number: str) -> PairingBook:
    """Take an approval back."""
    kept = tuple(each for each in book.approved if each.number != number)
    return msgspec.structs.replace(book, approved=kept)


def spoken_code(code: str) -> str:
    """The code as a voice should say it: digit by digit, twice."""
    digits = ", ".join(code)
    return f"{digits}. Again: {digits}."


def _without(book: PairingBook, request: PairingRequest) -> tuple[PairingRequest, ...]:
    return tuple(each for each in book.waiting if each.number != request.number)
