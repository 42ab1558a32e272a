"""Whether a plugin is on."""

from __future__ import annotations

import pytest

from openclaw.config.model import PluginsConfig
from openclaw.plugins.rules import reason_off

ON = {"x": {"enabled": True}}


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"entries": ON}, None),
        ({"entries": ON, "allow": ["x"]}, None),
        ({}, "plugins.entries.x.enabled is not set to true"),
        ({"allow": ["x"]}, "plugins.entries.x.enabled is not set to true"),
        ({"entries": {"x": {}}}, "plugins.entries.x.enabled is not set to true"),
        ({"entries": ON, "allow": ["y"]}, "not listed in plugins.allow"),
        (
            {"entries": {"x": {"enabled": False}}, "allow": ["x"]},
            "plugins.entries.x.enabled is false",
        ),
        ({"entries": ON, "allow": ["x"], "deny": ["x"]}, "listed in plugins.deny"),
        ({"entries": ON, "deny": ["x"], "enabled": False}, "plugins.enabled is false"),
    ],
)
def test_first_rule_that_applies_counts(section: dict[str, object], reason: str | None) -> None:
    assert reason_off("x", PluginsConfig.model_validate(section)) == reason
