"""What a company and the gateway can tell each other on a media socket, whatever they call it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True)
class Play:
    """Play this mu-law after what was sent before."""

    mulaw: bytes


@dataclass(frozen=True)
class Mark:
    """Give `name` back when all before it was played."""

    name: str


@dataclass(frozen=True)
class Clear:
    """Drop what was not played yet."""


Order: TypeAlias = Play | Mark | Clear


class NotUnderstood(Exception):
    """The gateway has sent what the company would not take; the text says what and why."""


class Language(Protocol):
    """One company's messages on one stream: it knows the stream's names and counts its messages.

    Times are seconds since the stream began.
    """

    def opening(self) -> Sequence[str]:
        """What is said when the socket is open, in order."""
        ...

    def audio(self, mulaw: bytes, at: float) -> str: ...
    def key(self, key: str, at: float) -> str: ...
    def reached(self, name: str) -> str: ...
    def cleared(self) -> str | None: ...
    def complaint(self, problem: str) -> str | None:
        """What the gateway is told of a message that was not understood."""
        ...

    def stop(self) -> str | None:
        """What is said before the company closes the socket."""
        ...

    def read(self, message: str) -> Order:
        """Raises NotUnderstood."""
        ...
