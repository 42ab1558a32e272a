"""What a call's audio costs is reported, for every rate that voices come in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.scenario("F36")
def test_the_cost_of_conversion_is_reported_beside_its_peers() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.audio", "--quick", "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    costs = json.loads(told.stdout)["costs"]
    assert {cost["rate_hz"] for cost in costs} >= {16_000, 22_050, 24_000, 44_100}
    for cost in costs:
        # CPU ms per second of audio: ours, the naive way and the ideal one, all measured.
        assert min(cost["ours_ms"], cost["lines_ms"], cost["ideal_ms"]) > 0
        assert cost["delay_ms"] > 0
