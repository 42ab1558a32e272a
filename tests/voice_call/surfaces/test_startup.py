"""A verb is quick because it imports little."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.voice_call.surfaces.terminal import gateway

PROGRAM = """
import json, sys
from openclaw.cli.main import run
status = run(sys.argv[1:])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(status)
"""
HEAVY = {
    "aiohttp",
    "cryptography",
    "numpy",
    "openclaw.sdk",
    "openclaw_voice_call.service",
    "phonenumbers",
    "pydantic",
    "rich",
}


@pytest.mark.parametrize("verb", ["status", "latency", "pairing list", "--help"])
async def test_a_verb_imports_nothing_heavy(tmp_path: Path, verb: str) -> None:
    async with gateway(tmp_path) as (shell, _):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            "voicecall",
            *verb.split(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=shell.environment,
        )
        out, err = await process.communicate()
    assert (process.returncode, bool(out)) == (0, True), err
    imported = set(json.loads(err))
    assert "openclaw_voice_call.surfaces.cli" in imported
    assert not imported & HEAVY
