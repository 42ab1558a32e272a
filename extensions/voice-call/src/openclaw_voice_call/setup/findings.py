"""What was found out, before it is judged. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from openclaw_voice_call.errors import CarrierError
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, Routing


class Reached(Enum):
    """Who answered at the public URL."""

    OURSELVES = "this gateway"
    ANOTHER = "somebody else"
    REDIRECT = "a redirect"
    NOBODY = "nobody"
    NO_UPGRADE = "this gateway, and not as a websocket"


class ProbeResult(NamedTuple):
    """`detail` says more, for people: an HTTP status, or why nobody answered."""

    reached: Reached
    detail: str = ""


class SpeechFindings(NamedTuple):
    """Who would hear and speak on live calls."""

    recogniser: str
    recogniser_problem: str | None
    voices: Sequence[str]
    """The one that speaks first, and those that stand in for it."""
    voice_problem: str | None
    voice_warnings: Sequence[str] = ()


class Certificate(NamedTuple):
    """What TLS to the public URL showed. `problem` is set when the handshake failed."""

    expires_at: float | None = None
    problem: str | None = None


class AccountFindings(NamedTuple):
    """What the carrier said. An error stands where it said nothing."""

    asked_at: float
    """Epoch seconds, the moment of the answer."""
    account: AccountReport | CarrierError
    number: str
    routing: Routing | CarrierError | None = None
    """None: the account does not own the number."""
    aimed: Routing | None = None
    """With which the number's calls would come here."""


class Port(NamedTuple):
    """`holder` is None when it is free, else who has it."""

    bind: str
    port: int
    holder: str | None
    ours: bool = False


class Folder(NamedTuple):
    path: str
    problem: str | None
