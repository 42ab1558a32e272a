"""Puts audio back in order where the carrier does not promise it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_MOST_HELD: Final = 3
"""Messages that wait for one before them: 60 ms at 20 ms each."""
_FAR_BEHIND: Final = 50
"""A chunk number so far back is no late message but a count that began anew."""


class Reorder:
    """A jitter buffer that costs nothing while all is in order.

    A message that is missing is waited for until three later ones are there, then given up. What
    comes later than that, or twice, is dropped.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, bytes] = {}
        self.lost = 0
        """Messages that never came in time."""

    def add(self, chunk: int, mulaw: bytes) -> Sequence[bytes]:
        """The audio that is in order now, oldest first."""
        expected = self._next
        if chunk == expected and not self._held:
            self._next = chunk + 1
            return (mulaw,)
        if expected is None or chunk < expected - _FAR_BEHIND:
            self._held.clear()
            self._next = chunk + 1
            return (mulaw,)
        if chunk < expected:
            return ()
        self._held.setdefault(chunk, mulaw)
        if chunk != expected and len(self._held) < _MOST_HELD:
            return ()
        return self._release()

    def _release(self) -> Sequence[bytes]:
        first = min(self._held)
        if self._next is not None:
            self.lost += min(first - self._next, _FAR_BEHIND)
        self._next = first
        released: list[bytes] = []
        while self._next in self._held:
            released.append(self._held.pop(self._next))
            self._next += 1
        return released
