"""The gateway goes away in the middle of calls and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.bench import company_alone, leaves_after, serve, transcript, words
from tests.contract.network import THEIRS
from tests.contract.networks import COMPANIES
from tests.emulators.faults import Drop
from tests.emulators.people import HangsUp, Person, Reply

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)


@pytest.mark.scenario("F54", "F55")
async def test_a_live_call_goes_on_after_a_restart(carrier: str, tmp_path: Path) -> None:
    callee = Person(
        ["First.", Reply("Second.", when="Back again.")],
        hangs_up=HangsUp(after_hearing="You said: Second.", delay=15.0),
    )
    # At this pace the carrier still tries what it could not deliver when we are back.
    async with company_alone(carrier, {THEIRS: callee}, speed=5) as (network, port):
        async with serve(tmp_path, network, port) as here:
            call = await here.call()
            await here.wait_words(call, "bot", "You said: First.")
            await here.wait_state(call, "listening")
            here.rig.api.restarting = True
        assert not network.legs[0].over, "the line was left alone"
        async with serve(tmp_path, network, port) as here:
            await here.service.speak(call, "Back again.")
            record = await here.ended(call)
            assert record["state"] == "hangup-user"
            assert words(record, "user") == ["First.", "Second."]
            assert callee.texts() == [
                "Hello.",
                "You said: First.",
                "Back again.",
                "You said: Second.",
            ]
        assert network.asked("dial") == 1
        assert len(network.legs) == 1


@pytest.mark.scenario("F54", "F55")
async def test_a_call_that_ended_meanwhile_is_known_to_be_over(
    carrier: str, tmp_path: Path
) -> None:
    callee = Person()
    async with company_alone(carrier, {THEIRS: callee}) as (network, port):
        async with serve(tmp_path, network, port) as here:
            call = await here.call()
            await here.wait_state(call, "listening")
            here.rig.api.restarting = True
        network.spoil(Drop())
        network.leave(network.legs[0].id)
        async with serve(tmp_path, network, port, maxConcurrentCalls=1) as here:
            assert (await here.ended(call))["state"] == "hangup-user"
            network.behave()
            network.people[THEIRS] = leaves_after("Hello again.")
            again = await here.ended(await here.call())
            assert ("user", "Hello again.") in transcript(again)
        assert network.asked("dial") == 2


@pytest.mark.scenario("F55")
async def test_a_call_that_was_ringing_is_served_when_it_is_answered(
    carrier: str, tmp_path: Path
) -> None:
    callee = Person(["Hello?"], answers_after=20.0, hangs_up=HangsUp("You said:", delay=15.0))
    async with company_alone(carrier, {THEIRS: callee}, speed=10) as (network, port):
        async with serve(tmp_path, network, port) as here:
            call = await here.call()
            await here.wait_state(call, "ringing")
            here.rig.api.restarting = True
        async with serve(tmp_path, network, port) as here:
            record = await here.ended(call)
            assert record["state"] == "hangup-user"
            assert callee.texts() == ["Hello.", "You said: Hello?"]
        assert network.asked("dial") == 1
