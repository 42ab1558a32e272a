"""`skills/voice-call/SKILL.md` is portable, and says what is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from openclaw_voice_call.surfaces.cli import voicecall
from openclaw_voice_call.surfaces.tool import ACTIONS

SKILL = Path(__file__).parents[3] / "skills" / "voice-call" / "SKILL.md"


NOT_FOR_AGENTS = {"start", "tail", "latency", "pairing", "recordings", "setup", "smoke", "expose"}
"""Aliases and instruments, and what only the owner decides: who may call, where a number leads,
what is kept."""


def front_matter() -> dict[str, str]:
    _, block, _ = SKILL.read_text(encoding="utf-8").split("---\n", 2)
    lines = [line.partition(": ") for line in block.splitlines()]
    assert all(separator for _, separator, _ in lines), "one key, one line"
    return {key: value for key, _, value in lines}


def test_the_front_matter_has_the_form_that_every_reader_takes() -> None:
    keys = front_matter()
    assert keys["name"] == SKILL.parent.name
    assert 0 < len(keys["description"]) <= 1024
    metadata = json.loads(keys["metadata"])
    assert metadata["openclaw"]["requires"] == {"bins": ["openclaw"]}


def test_the_body_names_the_actions_and_verbs_that_exist() -> None:
    body = SKILL.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)) == set(ACTIONS)
    named = re.findall(r"^openclaw voicecall (\w+)(.*)$", body, re.MULTILINE)
    assert {verb for verb, _ in named} == set(voicecall.commands) - NOT_FOR_AGENTS
    for verb, rest in named:
        options = {option for each in voicecall.commands[verb].params for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options
