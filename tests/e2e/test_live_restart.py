"""A gateway with live audio is killed in the middle of calls and started again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from tests.contract.networks import COMPANIES
from tests.e2e.crowd import OPEN_LINE, SCRIPT, STORY, Crowd, spoken_with
from tests.e2e.live import live_phone
from tests.emulators.people import Person

BACK_S: Final = 2.0
"""After a start, streams are back so soon."""


@pytest.mark.scenario("F54", "F55", carrier="twilio")
async def test_twenty_live_calls_survive_a_kill(tmp_path: Path) -> None:
    """Whatever they are in the middle of: nothing is lost, nothing doubled, nothing dialled."""
    crowd = Crowd()
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


@pytest.mark.scenario("F46", "F54", carrier="twilio")
async def test_who_asked_before_a_kill_gets_the_answer_from_the_next_process(
    tmp_path: Path,
) -> None:
    """The agent does not answer it, and has the words after it."""
    person = Person()
    async with live_phone("twilio", tmp_path, {"+15550200000": person}, script=SCRIPT) as phone:
        gateway = phone.gateway
        call = await gateway.initiate("+15550200000", "Welcome.")
        await phone.listens(person)
        asked = await gateway.rpc("voicecall.continue.start", callId=call, message="Which colour?")
        await person.wait_heard("Which", complete=False)
        await gateway.kill()
        await gateway.start()
        await phone.stream(person, nth=2)
        await person.wait_heard("Which colour?")
        await phone.listens(person)
        person.speak("Blue")
        await gateway.wait_call(call, lambda view: view.texts("user") == ["Blue"])
        answer = await gateway.rpc("voicecall.continue.result", operationId=asked["operationId"])
        assert answer["status"] == "completed"
        assert answer["result"] == {"success": True, "transcript": "Blue"}
        await phone.answered(person, "two", "To two", within=2.0)
        await person.wait_heard("To two.")
        await phone.listens(person)
        assert (await phone.record(person)).texts("bot") == ["Welcome.", "Which colour?", "To two."]
