"""What every test can rely on."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "scenario(*ids, carrier=None): proves these rows of docs/scenarios.md, on this carrier",
    )
