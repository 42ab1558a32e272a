"""What can go wrong with a media stream: before it is one, with its messages, with its sound."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class StreamOrder:
    """What the gateway has asked for. `nth` counts the streams of a call from 1."""

    call_id: str
    nth: int
    url: str


@dataclass(frozen=True)
class NeverConnect:
    """Neither open the socket nor tell anybody."""


@dataclass(frozen=True)
class Unconnectable:
    """The network between the company and the gateway takes no connection."""


@dataclass(frozen=True)
class StartLate:
    """Open the socket and say nothing on it for this many seconds of the media clock."""

    seconds: float


@dataclass(frozen=True)
class ConnectTwice:
    """Open a second socket with the same URL as soon as the first is open."""


@dataclass(frozen=True)
class Shuffle:
    """Send each two frames in reverse order, with the numbers that they should have."""


@dataclass(frozen=True)
class Echo:
    """What the other party hears comes back on the line, so much later and quieter."""

    gain_db: float = -20.0
    seconds: float = 0.1


StreamFault: TypeAlias = NeverConnect | Unconnectable | StartLate | ConnectTwice | Shuffle | Echo
