"""What must not be loaded before an agent has something to say."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
import openclaw.agent.runtime as agent
from openclaw.agent.settings import AgentSettings

settings = AgentSettings.parse({}, {"OPENAI_API_KEY": "sk"})
from openclaw.agent.models import Models, ModelRef
assert Models(settings).problem(ModelRef.parse("openai/x")) is None
print(sorted(sys.modules.keys() & {"pydantic_ai", "openai", "httpx", "httpx2"}))
"""


def test_readiness_does_not_load_the_vendors_libraries() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
