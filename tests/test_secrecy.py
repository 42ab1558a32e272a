"""The search for secrets finds them, and nothing else."""

import base64
from pathlib import Path

import pytest

from tests import secrecy


@pytest.mark.parametrize("before", ["", "a", "ab", "AC0123:"])
def test_a_secret_is_found_however_it_is_written(before: str) -> None:
    value = before + secrecy.secret("twilio")
    assert secrecy.in_text(f"token={value}") is not None
    assert secrecy.in_text(base64.b64encode(value.encode()).decode()) is not None
    assert secrecy.in_text(value.encode().hex()) is not None
    assert secrecy.in_text("an ordinary line about a token") is None


def test_secrets_differ_from_each_other() -> None:
    assert secrecy.secret("twilio") != secrecy.secret("twilio")


def test_files_are_searched_but_those_of_the_owner(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "state" / "logs"
    folder.mkdir(parents=True)

    secret = secrecy.secret("model")
    owners = folder.parent / "openclaw.json"
    owners.write_text(secret)
    log = folder / "openclaw.log"
    log.write_bytes(b"x" * (secrecy.BLOCK - 5) + secret.encode() + b"y" * 100)
    try:
        (finding,) = secrecy.in_folder(tmp_path)
        assert finding.startswith("home/state/logs/openclaw.log: ")
        log.write_text("the same without a secret")
        assert secrecy.in_folder(tmp_path) == []
    finally:
        log.unlink()


def test_a_token_that_the_program_made_stands_in_its_own_file_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "gateway-token").write_text("made-by-the-program\n")
    (tmp_path / "printed.txt").write_text("OPENCLAW_GATEWAY_TOKEN=made-by-the-program")
    assert secrecy.in_folder(tmp_path) == []
    journal = state / "calls.db-wal"
    journal.write_bytes(b"\0made-by-the-program\0")
    try:
        (finding,) = secrecy.in_folder(tmp_path)
        assert finding.startswith("state/calls.db-wal: ")
    finally:
        journal.unlink()
