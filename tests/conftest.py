"""What every test can rely on."""

import os
from collections.abc import Generator

import pytest

from tests import secrecy


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "scenario(*ids, carrier=None): proves these rows of docs/scenarios.md, on this carrier",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Whole calls take the time that calls take: twice as many workers as CPUs keep these busy."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def _nothing_written_shows_a_secret(  # pyright: ignore[reportUnusedFunction]
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[None]:
    """When all tests are done, all that they left in scratch folders is searched: logs, journals,
    sessions, what commands printed. Each folder is named for its test."""
    yield
    findings = secrecy.in_folder(tmp_path_factory.getbasetemp())
    assert not findings, "\n".join(["secrets were written:", *findings])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test whose captured output or log shows a secret fails."""
    report = yield
    if call.when == "teardown":
        places = ((name, secrecy.in_text(text)) for name, text in report.sections)
        findings = [f"{name}: {place}" for name, place in places if place is not None]
        if findings:
            report.outcome = "failed"
            report.longrepr = "\n".join(["a secret was written:", *findings])
    return report
