"""A journal in a folder of its own, and calls to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openclaw_voice_call.store.sqlite import SqliteCallStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteCallStore]:
    journal = await SqliteCallStore.connect(tmp_path / "voice-calls")
    yield journal
    await journal.close()
