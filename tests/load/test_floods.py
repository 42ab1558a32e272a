"""The floods in small; `python -m tests.load.driver flood` and `streams` go further."""

import sys
from pathlib import Path

import msgspec
import pytest

from tests.load.attacks import AttackPlan
from tests.load.flood import flood
from tests.load.stream_flood import AT_THE_DOOR, STREAMS, stream_flood

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc"),
]


@pytest.mark.scenario("A9", "F93", carrier="twilio")
@pytest.mark.parametrize("one_address", [False, True], ids=["own-addresses", "behind-a-tunnel"])
async def test_calls_go_on_in_a_flood(tmp_path: Path, one_address: bool) -> None:
    plan = AttackPlan(
        0, silent=60, slow=20, huge=4, bad_hosts=100, bad_signatures=500, one_address=one_address
    )
    report = await flood(tmp_path, plan, quiet_calls=4)
    assert report.findings == []
    assert report.flooded.served > 5
    assert set(report.attack.statuses["bad signature"]) <= {"401", "503"}
    assert report.attack.statuses["silent"]["cut"] >= 60


@pytest.mark.scenario("A6", "A14")
@pytest.mark.parametrize("one_address", [False, True], ids=["own-addresses", "behind-a-tunnel"])
async def test_streams_go_on_while_strangers_are_at_their_door(one_address: bool) -> None:
    plan = msgspec.structs.replace(AT_THE_DOOR, one_address=one_address)
    report = await stream_flood(plan)
    assert report.findings == []
    assert report.served >= STREAMS
    assert report.attack.statuses["silent stream"]["closed 1008"] >= 4
    assert report.attack.statuses["silent stream"]["503"] > 100
