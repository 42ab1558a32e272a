"""Reading the end of a log file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.rpc.log_tail import read_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "gateway.log"


def test_a_missing_file_is_empty(log: Path) -> None:
    found = read_log(log, None, 10, 1000)
    assert (found.lines, found.cursor, found.size, found.reset) == ([], 0, 0, False)


def test_the_last_lines_then_only_new_ones(log: Path) -> None:
    log.write_text("one\ntwo\nthree\n")
    found = read_log(log, None, 2, 1000)
    assert (found.lines, found.truncated) == (["two", "three"], True)
    with log.open("a") as file:
        file.write("four\n")
    again = read_log(log, found.cursor, 10, 1000)
    assert (again.lines, again.truncated, again.reset) == (["four"], False, False)
    assert read_log(log, again.cursor, 10, 1000).lines == []


def test_a_line_being_written_is_left_for_later(log: Path) -> None:
    log.write_text("one\nhal")
    found = read_log(log, None, 10, 1000)
    assert (found.lines, found.cursor) == (["one"], 4)
    with log.open("a") as file:
        file.write("f\n")
    assert read_log(log, found.cursor, 10, 1000).lines == ["half"]


def test_a_line_cut_by_the_byte_limit_is_left_out(log: Path) -> None:
    log.write_text("aaaa\nbbbb\ncccc\n")
    assert read_log(log, None, 10, 10).lines == ["bbbb", "cccc"]
    found = read_log(log, None, 10, 9)
    assert (found.lines, found.truncated) == (["cccc"], True)


def test_a_new_file_starts_over(log: Path) -> None:
    log.write_text("new\n")
    found = read_log(log, 5000, 10, 1000)
    assert (found.lines, found.reset, found.cursor) == (["new"], True, 4)


def test_what_is_not_text_is_replaced(log: Path) -> None:
    log.write_bytes(b"\xff\xfe ok\r\n")
    assert read_log(log, None, 10, 1000).lines == ["\ufffd\ufffd ok"]


@given(st.lists(st.text("ab", max_size=6), max_size=20), st.integers(1, 6))
def test_following_sees_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], step: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "gateway.log"
    data = "".join(f"{line}\n" for line in lines)
    seen: list[str] = []
    cursor = 0
    for end in range(0, len(data) + step, step):
        path.write_text(data[:end])
        found = read_log(path, cursor, 1000, 100_000)
        assert not found.truncated
        seen += found.lines
        cursor = found.cursor
    assert seen == lines
