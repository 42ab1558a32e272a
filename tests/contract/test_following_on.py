"""Conversations in which the other party waits for its turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.bench import company, words
from tests.contract.network import THEIRS
from tests.contract.networks import COMPANIES
from tests.emulators.people import HangsUp, Person, Reply

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)


@pytest.mark.scenario("F46")
async def test_after_an_answer_to_the_owner_the_agent_takes_over(
    carrier: str, tmp_path: Path
) -> None:
    callee = Person(
        ["Large.", Reply("Is that all?", when="Noted.")],
        hangs_up=HangsUp(after_hearing="You said: Is that all?", delay=15.0),
    )
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        call = await here.call()
        assert await here.service.continue_call(call, "What size?") == "Large."
        await here.service.speak(call, "Noted.")
        record = await here.ended(call)
        assert [request.text for request in here.agents.asked] == ["Is that all?"]
        assert callee.texts() == ["Hello.", "What size?", "Noted.", "You said: Is that all?"]
        assert words(record, "user") == ["Large.", "Is that all?"]


async def test_what_is_cut_by_a_hang_up_was_not_said(carrier: str, tmp_path: Path) -> None:
    callee = Person(hangs_up=HangsUp(during="long story"))
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        call = await here.call("This is a long story that nobody wants to hear to its end.")
        record = await here.ended(call)
        assert record["state"] == "hangup-user"
        assert words(record, "bot") == []
        assert callee.texts() == []


async def test_who_is_called_may_say_nothing_at_all(carrier: str, tmp_path: Path) -> None:
    """The line keeps listening, however often its silence is noticed."""
    callee = Person(hangs_up=HangsUp(after_seconds=60.0))
    async with company(carrier, tmp_path, {THEIRS: callee}) as here:
        record = await here.ended(await here.call())
        assert record["state"] == "hangup-user"
        assert here.agents.asked == []
        assert callee.texts() == ["Hello."]
