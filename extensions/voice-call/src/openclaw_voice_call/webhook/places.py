"""How many stream sockets may be there: open ones, and those that have not told who they are. Pure.

Whoever presents a pass that we made is no stranger, and strangers can never take its place: behind
a tunnel the carrier and everybody else have the same address.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from openclaw_voice_call.interfaces.media import StreamTicket


class PlaceLimits(msgspec.Struct, frozen=True):
    pending_per_address: int = 4
    """Sockets of one address, or with one pass, that have not started."""
    pending: int = 32
    """Strangers' sockets that have not started, all addresses together."""
    open: int = 128
    """Sockets, all together. Strangers leave them to those with a pass."""


class Place:
    """One socket's place. `pending` until it has started."""

    __slots__ = ("key", "pending", "stranger")

    def __init__(self, key: str | StreamTicket) -> None:
        self.key = key
        self.stranger = isinstance(key, str)
        self.pending = True


class Places:
    """Keeps the count. Whoever was given a place must `leave` once."""

    def __init__(self, limits: PlaceLimits | None = None) -> None:
        self._limits = limits or PlaceLimits()
        self._pending: Counter[str | StreamTicket] = Counter()
        self._strangers = 0
        self._guests = 0

    @property
    def open(self) -> int:
        """All sockets."""
        return self._strangers + self._guests

    @property
    def pending(self) -> int:
        """Of these, the ones that have not started."""
        return self._pending.total()

    def take(self, address: str, ticket: StreamTicket | None) -> Place | None:
        """A place for a socket from `address`, which presents the ticket or is a stranger."""
        limits = self._limits
        key = address if ticket is None else ticket
        if self._pending[key] >= limits.pending_per_address:
            return None
        if ticket is None:
            if self._strangers >= limits.pending or self.open >= limits.open:
                return None
            self._strangers += 1
        else:
            if self._guests >= limits.open:
                return None
            self._guests += 1
        self._pending[key] += 1
        return Place(key)

    def start(self, place: Place) -> bool:
        """The socket is no stranger (any more) and starts; False when the house is full."""
        if place.stranger:
            if self._guests >= self._limits.open:
                return False
            self._strangers -= 1
            self._guests += 1
            place.stranger = False
        self._settle(place)
        return True

    def leave(self, place: Place) -> None:
        """The socket is gone."""
        self._settle(place)
        if place.stranger:
            self._strangers -= 1
        else:
            self._guests -= 1

    def _settle(self, place: Place) -> None:
        if place.pending:
            place.pending = False
            self._pending[place.key] -= 1
            if not self._pending[place.key]:
                del self._pending[place.key]
