"""Carriers that fail all the time, in small; `make soak` goes further."""

import sys
from pathlib import Path

import pytest

from tests.load.companies import EMULATED
from tests.load.soak import SoakPlan, soak

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc"),
]


@pytest.mark.parametrize("carrier", [*EMULATED, "mock"])
async def test_bad_weather_leaves_nothing_behind(tmp_path: Path, carrier: str) -> None:
    (report,) = await soak(tmp_path, SoakPlan(40, (carrier,), at_once=16))
    assert report.findings == []
    assert report.ends["hangup-user"] > 5
    assert carrier == "mock" or sum(report.faults.values()) > 5
