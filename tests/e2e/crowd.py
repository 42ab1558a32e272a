"""Twenty people on live calls, each in the middle of something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.live import LivePhone
from tests.emulators.people import Person

STORY: Final = "Once upon a time there was a telephone that nobody could hang up at all."
SCRIPT: Final = {
    "rules": [
        {"match": "story", "reply": STORY},
        {"match": "think", "reply": "That was hard.", "delayMs": 2000},
    ],
    "default": "To {text}.",
}
OPEN_LINE: Final = {
    "inboundPolicy": "open",
    "inboundGreeting": "Welcome.",
    # A sign of life would stand before the answer.
    "fillerAfterMs": 0,
}
ANSWER_S: Final = 2.0
"""An answer begins so soon after the end of its question."""


@dataclass
class Crowd:
    """Ten people who have called and ten who were called."""

    callers: Mapping[str, Person] = field(
        default_factory=lambda: {f"+1555010{n:04}": Person() for n in range(10)}
    )
    callees: Mapping[str, Person] = field(
        default_factory=lambda: {f"+1555020{n:04}": Person() for n in range(10)}
    )

    @property
    def all(self) -> Sequence[Person]:
        return [*self.callers.values(), *self.callees.values()]

    def asked_before(self, person: Person) -> Sequence[str]:
        """What somebody has asked, and heard no answer to, when all stand where `begin` ends."""
        return ["story"] if person in self.told else ["think"] if person in self.waiting else []

    @property
    def told(self) -> Sequence[Person]:
        """They are told something."""
        return self.all[0::4]

    @property
    def waiting(self) -> Sequence[Person]:
        """They wait for the agent."""
        return self.all[1::4]

    @property
    def speaking(self) -> Sequence[Person]:
        return self.all[2::4]

    @property
    def silent(self) -> Sequence[Person]:
        return self.all[3::4]

    async def join(self, phone: LivePhone) -> None:
        """All are greeted and listened to."""
        for number, person in self.callers.items():
            phone.company.ring_in(number, person)
        async with asyncio.TaskGroup() as group:
            for number in self.callees:
                group.create_task(phone.gateway.initiate(number, "Welcome."))
        for person in self.all:
            await person.wait_heard("Welcome.")
            await phone.listens(person)

    async def begin(self, phone: LivePhone) -> None:
        """Bring each into the middle of what they are to be in."""
        for person in self.waiting:
            person.speak("think")
        for person in self.waiting:
            leg = phone.leg(person)
            await phone.gateway.wait_call(leg, lambda view: "think" in view.texts("user"))
        for person in self.told:
            person.speak("story")
        for person in self.told:
            await person.wait_heard("Once upon", complete=False)
        for person in self.speaking:
            person.speak("I had just begun to say all of this to you")
        for person in self.speaking:
            stream = await phone.stream(person)
            await phone.company.until(lambda each=stream: bool(each.onsets), "somebody speaks")


async def spoken_with(phone: LivePhone, people: Iterable[Person]) -> None:
    """Each of them asks, hears the answer to its end, and is listened to again."""
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(_spoken_with(phone, person))


async def _spoken_with(phone: LivePhone, person: Person) -> None:
    await phone.answered(person, "two", "To two", within=ANSWER_S)
    await person.wait_heard("To two.")
    await phone.listens(person)
