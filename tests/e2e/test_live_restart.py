"""A gateway with live audio is killed, or replaces itself, in the middle of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from tests.contract.networks import COMPANIES
from tests.e2e.live import STREAMING, LivePhone, live_phone
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
BACK_S: Final = 2.0
"""After a start, streams are back so soon."""
ANSWER_S: Final = 2.0
"""An answer begins so soon after the end of its question."""


async def spoken_with(phone: LivePhone, people: Iterable[Person]) -> None:
    """Everybody in turn asks, hears the answer to its end, and is listened to again."""
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(_spoken_with(phone, person))


async def _spoken_with(phone: LivePhone, person: Person) -> None:
    await phone.answered(person, "two", "To two", within=ANSWER_S)
    await person.wait_heard("To two.")
    await phone.listens(person)


@dataclass
class Crowd:
    """Ten people who have called and ten who were called."""

    callers: Mapping[str, Person]
    callees: Mapping[str, Person]

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


@pytest.mark.scenario("F54", "F55", carrier="twilio")
async def test_twenty_live_calls_survive_a_kill(tmp_path: Path) -> None:
    """Whatever they are in the middle of: nothing is lost, nothing doubled, nothing dialled."""
    crowd = Crowd(
        callers={f"+1555010{n:04}": Person() for n in range(10)},
        callees={f"+1555020{n:04}": Person() for n in range(10)},
    )
    async with live_phone(
        "twilio", tmp_path, crowd.callees, script=SCRIPT, config=OPEN_LINE
    ) as phone:
        gateway, company = phone.gateway, phone.company
        await crowd.join(phone)
        before = {view.call_id for view in await gateway.calls()}
        assert len(before) == 20
        await crowd.begin(phone)
        await gateway.kill()
        assert not any(leg.over for leg in company.legs)
        assert not any("hang up" in each for p in crowd.told for each in p.texts(complete=False))

        await gateway.start()
        ready = monotonic()
        for person in crowd.all:
            await phone.stream(person, nth=2)
        assert monotonic() - ready < BACK_S
        assert {view.call_id for view in await gateway.calls()} == before
        # What was cut off is said again, what was asked before is answered.
        async with asyncio.TaskGroup() as group:
            group.create_task(spoken_with(phone, (*crowd.silent, *crowd.speaking)))
            for person in crowd.told:
                group.create_task(person.wait_heard(STORY))
            for person in crowd.waiting:
                group.create_task(person.wait_heard("That was hard."))
        for person in crowd.all:
            await phone.listens(person)
        await spoken_with(phone, (*crowd.told, *crowd.waiting))

        answers = {"story": STORY, "think": "That was hard.", "two": "To two."}
        for person in crowd.all:
            view = await phone.record(person)
            assert view.texts("user") == [*crowd.asked_before(person), "two"]
            heard = ["Welcome.", *(answers[text] for text in view.texts("user"))]
            assert view.texts("bot") == person.texts() == heard
        assert company.asked("dial") == 10
        assert len(company.legs) == 20


@pytest.mark.scenario("F54", "F55")
@pytest.mark.parametrize("carrier", COMPANIES)
async def test_calls_survive_a_second_kill_while_their_streams_come_back(
    carrier: str, tmp_path: Path
) -> None:
    people = {f"+1555020{n:04}": Person() for n in range(4)}
    told, silent = list(people.values())[:2], list(people.values())[2:]
    async with live_phone(carrier, tmp_path, people, script=SCRIPT) as phone:
        gateway, company = phone.gateway, phone.company
        for number, person in people.items():
            await gateway.initiate(number, "Welcome.")
            await phone.listens(person)
        for person in told:
            person.speak("story")
        for person in told:
            await person.wait_heard("Once upon", complete=False)
        await gateway.kill()
        await gateway.start()
        await company.until(
            lambda: sum(each.started_at is not None for each in company.media.streams) > 4,
            "a stream comes back",
        )
        await gateway.kill()
        await gateway.start()

        for person in told:
            await person.wait_heard(STORY)
        for person in people.values():
            await company.until(lambda each=person: each.calls[0].listening, "the line listens")
            await phone.listens(person)
        await spoken_with(phone, people.values())
        for person in people.values():
            story = [STORY] if person in told else []
            assert person.texts() == ["Welcome.", *story, "To two."]
            assert (await phone.record(person)).texts("bot") == person.texts()
        assert silent[0].texts(complete=False) == silent[0].texts()
        assert company.asked("dial") == len(company.legs) == 4


@pytest.mark.scenario("F54", "F69")
@pytest.mark.parametrize("carrier", COMPANIES)
async def test_a_gateway_that_replaces_itself_keeps_its_calls(carrier: str, tmp_path: Path) -> None:
    people = {f"+1555020{n:04}": Person() for n in range(3)}
    told, *others = people.values()
    async with live_phone(carrier, tmp_path, people, script=SCRIPT) as phone:
        gateway, company, process = phone.gateway, phone.company, phone.gateway.pid
        for number, person in people.items():
            await gateway.initiate(number, "Welcome.")
            await phone.listens(person)
        told.speak("story")
        await told.wait_heard("Once upon", complete=False)
        await gateway.replace()
        assert gateway.pid == process
        for person in people.values():
            await phone.stream(person, nth=2)
        await spoken_with(phone, others)
        await told.wait_heard(STORY)
        await phone.listens(told)
        assert told.texts() == ["Welcome.", STORY]
        assert (await phone.record(told)).texts("bot") == told.texts()
        assert company.asked("dial") == len(company.legs) == 3
        assert company.asked("hang up") == 0


@pytest.mark.scenario("F54")
@pytest.mark.parametrize("carrier", COMPANIES)
async def test_calls_go_on_with_the_companys_voice_when_live_audio_was_switched_off(
    carrier: str, tmp_path: Path
) -> None:
    """Switched off while nobody was there to notice."""
    person = Person()
    async with live_phone(carrier, tmp_path, {"+15550200000": person}, script=SCRIPT) as phone:
        await phone.gateway.initiate("+15550200000", "Welcome.")
        await phone.listens(person)
        person.speak("story")
        await person.wait_heard("Once upon", complete=False)
        await phone.gateway.kill()
        phone.section["streaming"] = {**STREAMING, "enabled": False}
        await phone.gateway.start()
        await person.wait_heard(STORY)
        await phone.company.until(lambda: person.calls[0].listening, "the line listens")
        person.speak("two")
        await person.wait_heard("To two.")
        assert (await phone.record(person)).texts("bot") == ["Welcome.", STORY, "To two."]
        assert len(phone.company.media.streams) == 1
