"""A gateway with live audio replaces itself in the middle of calls, or comes back without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.networks import COMPANIES
from tests.e2e.crowd import SCRIPT, STORY, spoken_with
from tests.e2e.live import STREAMING, live_phone
from tests.emulators.people import Person


@pytest.mark.scenario("F54")
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
