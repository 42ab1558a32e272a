"""The gateway comes back to a live call whose stream does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.call.facts import PathChanged
from tests.contract.bench import company_alone, serve, words
from tests.contract.clock import FastClock
from tests.contract.live import TONES
from tests.contract.network import OTHERS, THEIRS
from tests.contract.networks import COMPANIES
from tests.emulators.clock import Clock
from tests.emulators.faults import Drop, Fail
from tests.emulators.media import NeverConnect, Unconnectable
from tests.emulators.people import Person

pytestmark = pytest.mark.parametrize("carrier", COMPANIES)

SPEED = 5.0


@pytest.mark.scenario("F51", "F54")
@pytest.mark.parametrize("told", ["in progress", "an error", "completed"])
async def test_a_call_whose_stream_does_not_come_back_ends_within_the_grace(
    carrier: str, tmp_path: Path, told: str
) -> None:
    """Whatever the company says of it; then its place is free."""
    them, others = Person(), Person()
    people = {THEIRS: them, OTHERS: others}
    async with company_alone(carrier, people) as (network, port):
        network.media.clock = Clock(SPEED)
        config = {**TONES, "maxConcurrentCalls": 1}
        async with serve(tmp_path, network, port, None, FastClock(SPEED), **config) as here:
            call = await here.call()
            await them.wait_heard("Hello.")
            await here.wait_state(call, "listening")
            here.rig.api.restarting = True
        [leg] = network.legs
        assert not leg.over
        network.spoil_streams(NeverConnect())
        network.spoil(Drop(), "ended")
        if told == "an error":
            network.spoil_api(Fail(500), "look up")
        elif told == "completed":
            network.leave(leg.id)
        clock = FastClock(SPEED)
        began = clock.monotonic()
        async with serve(tmp_path, network, port, None, clock, **config) as here:
            record = await here.ended(call)
            assert clock.monotonic() - began < (5.0 if told == "completed" else 15.0 + 5.0)
            await network.until(lambda: network.legs[0].over, "the end of the leg")
            assert words(record, "bot") == ["Hello."]
            network.behave()
            await here.call("Good morning.", to=OTHERS)
            await others.wait_heard("Good morning.")
            assert network.asked("dial") == 2


@pytest.mark.scenario("F54")
async def test_a_call_whose_streams_fail_after_a_restart_goes_on_with_the_companys_voice(
    carrier: str, tmp_path: Path
) -> None:
    them = Person()
    async with company_alone(carrier, {THEIRS: them}) as (network, port):
        network.media.clock = Clock(SPEED)
        async with serve(tmp_path, network, port, None, FastClock(SPEED), **TONES) as here:
            call = await here.call()
            await them.wait_heard("Hello.")
            await here.wait_state(call, "listening")
            here.rig.api.restarting = True
        network.spoil_streams(Unconnectable())
        async with serve(tmp_path, network, port, None, FastClock(SPEED), **TONES) as here:
            assert await here.wait_fact(call, PathChanged)
            await network.until(lambda: them.calls[0].listening, "the line listens")
            them.speak("Still here?")
            await them.wait_heard("You said: Still here?")
            record = await here.wait_words(call, "bot", "You said: Still here?")
            assert words(record, "user") == ["Still here?"]
            await here.service.end(call)
            await here.ended(call)
