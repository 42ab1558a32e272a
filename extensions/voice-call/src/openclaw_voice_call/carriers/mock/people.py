"""The people who can be called on the mock network, and what they do. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Pickup(StrEnum):
    """What becomes of a call to this person."""

    ANSWERS = "answers"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    DECLINES = "declines"
    FAILS = "fails"
    """The network refuses the number: nothing rings."""
    VOICEMAIL = "voicemail"


class Person(msgspec.Struct, frozen=True):
    """A person with a phone. Times in ms of the network's clock."""

    number: str
    pickup: Pickup = Pickup.ANSWERS
    answer_after_ms: int = 300
    says: tuple[str, ...] = ()
    """One entry each time this person is listened to; "" stays silent, and so does the end."""
    keys: tuple[str, ...] = ()
    """Keys pressed instead of speaking, one entry each time; "" presses none."""
    hang_up_after: int | None = None
    """Hangs up when having spoken this many times and heard the answer; 0: after the first
    sentence."""
    hang_up_when_hearing: str | None = None
    """Hangs up as soon as these words are said to them (any case)."""
    calls_back_after_ms: int | None = None
    """Calls us this long after a call to this person has ended."""
    calls_back_from: str | None = None
    """The number shown when calling back; None is the person's own, "" is withheld."""
    replies_after_ms: int = 600
    """With live audio: the silence after which they take what they hear for finished."""
    interrupts_after_ms: tuple[int | None, ...] = ()
    """With live audio, one entry for each line: they begin to speak when they have been spoken to
    for this long; None, and the end, lets us finish."""

    def line(self, turn: int) -> str:
        """What is said at the `turn`-th listening, from 0."""
        return self.says[turn] if turn < len(self.says) else ""

    def pressed(self, turn: int) -> str:
        """The keys that are pressed at the `turn`-th listening, from 0."""
        return self.keys[turn] if turn < len(self.keys) else ""

    def interruption(self, turn: int) -> int | None:
        """After how many ms of our speech the `turn`-th line is begun, from 0; None: afterwards."""
        return self.interrupts_after_ms[turn] if turn < len(self.interrupts_after_ms) else None

    def leaves(self, spoken: int, text: str) -> bool:
        """Whether this person hangs up having spoken `spoken` times and now heard `text`."""
        if self.hang_up_when_hearing and self.hang_up_when_hearing.lower() in text.lower():
            return True
        return self.hang_up_after is not None and spoken >= self.hang_up_after


MAGIC: Final = {
    person.number: person
    for person in (
        Person("+15550001001", says=("Hello, who is this?", "That sounds good.", "Thank you.")),
        Person("+15550001002"),
        Person("+15550001003", Pickup.BUSY),
        Person("+15550001004", Pickup.NO_ANSWER),
        Person("+15550001005", Pickup.DECLINES),
        Person("+15550001006", hang_up_after=0),
        Person("+15550001007", Pickup.VOICEMAIL),
        Person("+15550001008", Pickup.FAILS),
    )
}
"""Numbers with a fixed behaviour: talks, stays silent, is busy, does not answer, declines, hangs
up after the first sentence, voicemail, number refused by the network."""

ANYBODY: Final = Person("", says=("Hello?", "All right, thank you."))


class PhoneBook:
    """Finds the person behind a number: those of the configuration first, then the magic ones."""

    def __init__(self, people: tuple[Person, ...]) -> None:
        self._people = {person.number: person for person in people}

    def find(self, number: str) -> Person:
        person = self._people.get(number) or MAGIC.get(number)
        return person or msgspec.structs.replace(ANYBODY, number=number)


def speaking_ms(text: str) -> int:
    """How long saying `text` takes: 180 words per minute."""
    return max(200, 333 * len(text.split()))
