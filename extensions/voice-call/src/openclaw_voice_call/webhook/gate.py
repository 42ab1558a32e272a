"""How many requests may be in the house before they have proved who sent them. Pure.

Only what waits for its body to be verified counts: a carrier's held answers come from few
addresses, and behind a tunnel everybody has the same one. Who finds all places of its address taken
waits in line, so that a burst of honest requests, each of which proves itself in a moment, is not
turned away.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

import msgspec


class Admission(Enum):
    ADMITTED = "admitted"
    QUEUED = "queued"
    """`leave` of another request will name this one when its turn comes."""
    REFUSED = "refused"


class GateLimits(msgspec.Struct, frozen=True):
    """Requests that are not verified yet: in work, per address and in all, and waiting in line
    per address."""

    per_address: int = 8
    total: int = 128
    queue_per_address: int = 128


class _Line(msgspec.Struct):
    inside: int = 0
    waiting: deque[int] = msgspec.field(default_factory=deque[int])


class AdmissionGate:
    """Keeps the count. Whoever gets a ticket that is not REFUSED must `leave` once.

    A refusal by the total is not queued: then the house is full of strangers, and every place
    that is freed goes to somebody who is in line already or to the next who comes.
    """

    def __init__(self, limits: GateLimits | None = None) -> None:
        self._limits = limits or GateLimits()
        self._lines: dict[str, _Line] = {}
        self._tickets = 0
        self.inside = 0
        """Unverified requests in work, all addresses together."""

    def arrive(self, address: str) -> tuple[int, Admission]:
        """A request came in; gives its ticket and what becomes of it."""
        self._tickets += 1
        line = self._lines.get(address)
        if line is None:
            line = _Line()
        if line.inside >= self._limits.per_address:
            if len(line.waiting) >= self._limits.queue_per_address:
                return self._tickets, Admission.REFUSED
            line.waiting.append(self._tickets)
            return self._tickets, Admission.QUEUED
        if self.inside >= self._limits.total:
            return self._tickets, Admission.REFUSED
        self._lines[address] = line
        line.inside += 1
        self.inside += 1
        return self._tickets, Admission.ADMITTED

    def leave(self, address: str) -> int | None:
        """An admitted request has proved itself or is over; its place goes to the ticket given."""
        line = self._lines[address]
        if line.waiting:
            return line.waiting.popleft()
        line.inside -= 1
        self.inside -= 1
        if not line.inside:
            del self._lines[address]
        return None

    def give_up(self, address: str, ticket: int) -> None:
        """A queued request does not wait any longer."""
        self._lines[address].waiting.remove(ticket)
