"""What the agent offers to the rest of the host and, through the SDK, to plugins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["user", "assistant"]
"""Who said a message: the person, or the agent."""


@dataclass(frozen=True)
class ReplyRequest:
    """One thing a person said, to be answered by an agent."""

    session_key: str
    """Whose memory to use: opaque, but `agent:<id>:...` names its owner (without it, `main`)."""
    agent_id: str
    """The agent that answers; it must be the owner of the session."""
    turn_key: str
    """Names this exchange within the session; `settle` uses the same key."""
    text: str
    """What the person said. Only ever data."""
    system_prompt: str | None
    """Instructions for this reply; not kept in the history."""
    model: str | None
    """`provider/model`, or None for the agent's own."""
    timeout_s: float
    """Seconds for the whole reply, waiting for a free place and running tools included."""
    tools: bool = True
    """Whether the model may call tools."""
    spoken: bool = False
    """The reply is read aloud: tools that send audio into a chat are not offered."""
    tools_after: asyncio.Event | None = None
    """Tools wait until this is set, so that a reply begun on a guess has no effects before the
    guess is confirmed. The wait counts towards `timeout_s`."""


class ReplyRun(Protocol):
    """A reply in the making. It goes on whether or not anybody reads it."""

    def __aiter__(self) -> AsyncIterator[str]:
        """Give the text as it comes, from its beginning.

        Ends early, without an error, after `cancel`.

        Raises:
            AgentError: The reply failed; what came before it has been given.
        """
        ...

    async def text(self) -> str:
        """Wait for the whole text.

        Raises:
            AgentError: The reply failed.
        """
        ...

    def cancel(self) -> None:
        """Stop the model. A tool that has begun is not interrupted."""
        ...


class Agents(Protocol):
    """The agents of this gateway."""

    def reply(self, request: ReplyRequest) -> ReplyRun:
        """Begin to answer. Nothing is remembered before `settle`.

        Raises:
            SessionMismatch: The session belongs to another agent.
            AgentsClosed: The gateway is stopping.
        """
        ...

    async def settle(self, session_key: str, turn_key: str, user_text: str, heard: str) -> None:
        """Remember an exchange: what the person said and what they heard of the answer.

        Settling the same turn again replaces it, so repeating it changes nothing.

        Raises:
            HistoryUnavailable: It could not be written.
        """
        ...

    async def note(self, session_key: str, turn_key: str, *, role: Role, text: str) -> None:
        """Remember something said outside a reply, once per turn and role.

        Raises:
            HistoryUnavailable: It could not be written.
        """
        ...

    def readiness(self, model: str | None, agent_id: str) -> str | None:
        """Say why a reply could not be given (a missing key, say), or None if it could.

        Looks at the configuration only; it neither imports nor contacts anything.
        """
        ...

    async def warm_up(self, model: str | None, agent_id: str) -> None:
        """Load what a reply will need, while the phone still rings, say.

        Raises:
            ModelNotConfigured: As `readiness` says.
        """
        ...
