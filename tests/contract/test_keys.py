"""Keys: pressed by the other party, and by us."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.call.facts import DigitsPlayed
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import InvalidRequest
from tests.contract.bench import bench, company, words
from tests.contract.network import THEIRS
from tests.contract.networks import COMPANIES, NETWORKS
from tests.emulators.people import Person, Reply


@pytest.mark.parametrize("carrier", NETWORKS)
async def test_keys_that_are_pressed_are_one_answer(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: Person([Reply(digits="42")])}) as here:
        call = await here.call("Your code, please.")
        record = await here.wait(call, lambda seen: len(words(seen, "bot")) == 2)
        assert words(record, "user") == ["42"]
        [asked] = here.agents.asked
        assert asked.text.endswith("42")
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.parametrize("carrier", NETWORKS)
async def test_we_press_keys_and_listen_again(carrier: str, tmp_path: Path) -> None:
    async with bench(carrier, tmp_path, {THEIRS: Person()}) as here:
        call = await here.call()
        await here.wait_state(call, "listening")
        await here.service.send_digits(call, "12w*#")
        await here.wait_fact(call, DigitsPlayed)
        await here.wait_state(call, "listening")
        with pytest.raises(InvalidRequest):
            await here.service.send_digits(call, "12<Hangup/>")
        await here.service.end(call)
        await here.ended(call)


@pytest.mark.parametrize("carrier", COMPANIES)
async def test_the_keys_that_we_press_are_heard(carrier: str, tmp_path: Path) -> None:
    async with company(carrier, tmp_path, {THEIRS: Person()}) as here:
        placed = await here.service.initiate(
            to=THEIRS, message="Hello.", mode=Mode.CONVERSATION, digits="9ww1"
        )
        call = placed.call_id
        await here.wait_words(call, "bot", "Hello.")
        await here.service.send_digits(call, "12w*#")
        heard = here.network.people[THEIRS].heard
        await here.network.until(lambda: len(heard) == 3 and heard[2].complete, "all is heard")
        assert [(item.kind, item.text) for item in heard] == [
            ("digits", "9ww1"),
            ("say", "Hello."),
            ("digits", "12w*#"),
        ]
        await here.service.end(call)
        await here.ended(call)
