"""What a model is given, and what it must be able to do with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from openclaw.agent.sessions import Message
from openclaw.agent.tools import Tool


@dataclass(frozen=True)
class Prompt:
    """One request to a model."""

    system: str | None
    history: tuple[Message, ...]
    """Earlier turns, oldest first."""
    text: str
    """What the person says now."""
    tools: tuple[Tool, ...]


class Model(Protocol):
    """One model, ready to be asked."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Give the reply's text as it comes, running the tools that the model calls.

        Raises:
            AgentError: The vendor's failure, by kind; nothing was tried again.
        """
        ...
