import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openclaw.config.load import ensure_token
from openclaw.config.token import ensure_token_file, read_token, token_path
from openclaw.errors import ConfigError
from tests.host.config.conftest import Home


def test_a_configured_token_is_used_and_none_is_made(home: Home):
    home.write("{gateway: {auth: {token: 'mine'}}}")
    loaded = home.load()
    assert ensure_token(loaded.state_dir, loaded) == "mine"
    assert not token_path(loaded.state_dir).exists()


def test_a_missing_token_is_made_once_beside_the_file_and_said(
    home: Home, caplog: pytest.LogCaptureFixture
):
    config = home.write("{}")
    loaded = home.load()
    with caplog.at_level(logging.INFO, logger="openclaw"):
        token = ensure_token(loaded.state_dir, loaded)
        assert ensure_token(loaded.state_dir, loaded) == token
    assert re.fullmatch(r"[0-9a-f]{48}", token)
    assert config.read_text() == "{}"
    assert [record.message for record in caplog.records] == ["gateway token generated"]
    assert token not in caplog.text


def test_the_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        ensure_token_file(tmp_path / "state")
    finally:
        os.umask(before)
    assert token_path(tmp_path / "state").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_many_starts_at_once_agree_and_leave_nothing_behind(tmp_path: Path):
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(ensure_token_file, [tmp_path] * 64))
    assert tokens == {read_token(tmp_path)}
    assert [path.name for path in tmp_path.iterdir()] == ["gateway-token"]


def test_an_empty_file_is_reported_rather_than_used(tmp_path: Path):
    token_path(tmp_path).write_text("\n")
    assert read_token(tmp_path) is None
    with pytest.raises(ConfigError, match="the token file is empty; delete it"):
        ensure_token_file(tmp_path)


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"gateway-token: cannot write the gateway token: "):
        ensure_token_file(tmp_path / "file" / "state")
