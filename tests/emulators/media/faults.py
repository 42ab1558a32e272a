"""What can go wrong with a media stream before it is one, or with the order of its messages."""

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


StreamFault: TypeAlias = NeverConnect | Unconnectable | StartLate | ConnectTwice | Shuffle
