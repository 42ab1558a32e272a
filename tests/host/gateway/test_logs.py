"""Log lines and their output."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import threading
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from openclaw.cli.log_view import parse_line
from openclaw.log_lines import ConsoleFormatter, JsonLineFormatter, Redactor, escaped, secrets_in
from openclaw.logs import LogOutput, remove_old_files


def _record(text: str, **fields: object) -> logging.LogRecord:
    facts = {"name": "openclaw.plugin.tiny", "levelno": 30, "levelname": "WARNING", "msg": text}
    return logging.makeLogRecord(facts | fields)


@given(st.text())
def test_escaped_text_stays_on_one_line(text: str) -> None:
    assert len(escaped(text).splitlines()) <= 1
    assert not any(
        ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in escaped(text)
    )


@given(st.text(), st.dictionaries(st.text(min_size=1).map("f_".__add__), st.text() | st.integers()))
def test_line_of_the_file_is_read_back(text: str, fields: dict[str, object]) -> None:
    line = JsonLineFormatter(Redactor()).format(_record("%s", args=(text,), **fields))
    assert "\n" not in line
    parsed = parse_line(line)
    assert parsed is not None
    assert (parsed.level, parsed.subsystem) == ("WARN", "tiny")
    assert parsed.fields == fields


def test_line_of_the_original_is_read() -> None:
    line = {
        "0": '{"subsystem":"gateway/ws"}',
        "1": "client connected",
        "_meta": {"logLevelName": "INFO", "name": '{"subsystem":"gateway/ws"}'},
        "time": "2026-03-01T10:00:00.000Z",
    }
    parsed = parse_line(json.dumps(line))
    assert parsed is not None
    assert parsed.readable() == ("2026-03-01T10:00:00.000Z INFO  [gateway/ws] client connected")
    assert parse_line("plain words") is None


@given(
    st.lists(st.text("xyz0", min_size=6), min_size=1), st.text("xyz0"), st.text("xyz0"), st.data()
)
def test_known_secret_never_passes(
    secrets: list[str], before: str, after: str, data: st.DataObject
) -> None:
    redactor = Redactor(secrets)
    secret = data.draw(st.sampled_from(secrets))
    record = _record(f"{before}{secret}{after}", f_key={"deep": [secret + after]}, exc_text=secret)
    for formatter in (ConsoleFormatter(redactor), JsonLineFormatter(redactor)):
        line = formatter.format(record)
        assert not any(each in line for each in secrets)


def test_secrets_are_found_in_config_and_environment() -> None:
    config = {
        "gateway": {"auth": {"token": "t-in-file"}, "port": 18789},
        "models": {"providers": {"x": {"headers": {"X-Anything": "in-header"}, "api": "plain"}}},
        "list": [{"authToken": "in-list"}],
    }
    found = set(secrets_in(config, {"TWILIO_AUTH_TOKEN": "in-env", "LANG": "C.UTF-8"}))
    assert found == {"t-in-file", "in-header", "in-list", "in-env"}


def test_output_writes_file_and_console_and_lets_go(tmp_path: Path) -> None:
    console = io.StringIO()
    output = LogOutput(
        tmp_path / "logs", logging.INFO, Redactor(["hunter2-hunter2"]), console=console
    )
    output.start()
    try:
        log = logging.getLogger("openclaw.gateway")
        log.info("ready with %s", "hunter2-hunter2", extra={"port": 18789})
        log.debug("not asked for")
        try:
            raise RuntimeError("broken\nline")
        except RuntimeError:
            log.exception("failed")
    finally:
        output.stop()
    log.warning("after the end")
    events = [json.loads(line) for line in output.file.read_text().splitlines()]
    assert [event["0"] for event in events] == ["ready with [redacted]", "failed"]
    assert events[0]["1"] == {"port": 18789}
    assert "RuntimeError: broken\nline" in events[1]["1"]["error"]
    assert stat.S_IMODE(output.file.stat().st_mode) == 0o600
    first, *rest = console.getvalue().splitlines()
    assert first.endswith("[gateway] ready with [redacted] port=18789")
    assert rest[0].endswith("[gateway] error: failed")
    assert all(line.startswith("    ") for line in rest[1:])


class _Stuck(io.StringIO):
    """A console that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def write(self, text: str) -> int:
        assert self.freed.wait(10)
        return super().write(text)


def test_what_was_logged_before_a_flush_is_written_after_it(tmp_path: Path) -> None:
    console = _Stuck()
    output = LogOutput(tmp_path, logging.INFO, Redactor(), console=console)
    output.start()
    try:
        log = logging.getLogger("openclaw.gateway")
        for number in range(100):
            log.info("line %d", number)
        assert not output.flush(0.01)
        console.freed.set()
        assert output.flush(10)
        assert console.getvalue().endswith("line 99\n")
    finally:
        console.freed.set()
        output.stop()


def test_only_old_daily_files_are_removed(tmp_path: Path) -> None:
    now = time.time()
    for name, age_days in (
        ("openclaw-2026-01-01.log", 20),
        ("openclaw-2026-01-10.log", 2),
        ("notes.log", 900),
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now, now - age_days * 86_400))
    remove_old_files(tmp_path, now)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.log",
        "openclaw-2026-01-10.log",
    ]
