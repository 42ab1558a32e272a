"""When how much audio is to be sent, so that the far end neither runs dry nor gets far ahead. Pure.

The far end plays what it gets at 8 bytes a millisecond. All is reckoned from one instant, when it
began to play, and from the bytes sent since, so nothing drifts, however late a timer fires. What is
sent stays a little ahead of what is played: enough for a timer that is late, little enough to be
forgotten quickly when the other party interrupts.
"""

from __future__ import annotations

from typing import Final

import msgspec

from openclaw_voice_call.audio.mulaw import BYTES_PER_MS

BYTES_PER_S: Final = 1000 * BYTES_PER_MS
_SLACK: Final = BYTES_PER_MS
"""A timer that fires a little early finds the message due."""


class Pace(msgspec.Struct, frozen=True):
    """How audio is divided into messages; all in ms, in steps of a frame (20 ms)."""

    first_ms: int = 20
    """The first message after a silence, so that something is on its way at once."""
    message_ms: int = 60
    lead_ms: int = 140
    """How far what was sent may be ahead of what is played."""


class Pacer:
    """The schedule of one stream. Times are seconds of a clock that never goes back."""

    __slots__ = (
        "_began",
        "_ends_at",
        "_first",
        "_lead",
        "_message",
        "_sent",
    )

    def __init__(self, pace: Pace | None = None) -> None:
        pace = pace or Pace()
        self._first = pace.first_ms * BYTES_PER_MS
        self._message = pace.message_ms * BYTES_PER_MS
        self._lead = pace.lead_ms * BYTES_PER_MS
        self._began = 0.0
        self._sent = 0
        self._ends_at = 0.0

    @property
    def ends_at(self) -> float:
        """When the far end will have played all that was sent; 0 before anything was."""
        return self._ends_at

    def ahead(self, now: float) -> int:
        """Bytes that were sent and cannot have been played by `now`."""
        return max(0, round((self._ends_at - now) * BYTES_PER_S))

    def due(self, now: float, waiting: int) -> int:
        """How many of the `waiting` bytes to send in one message now; 0 while it is too early."""
        if now >= self._ends_at:
            return min(waiting, self._first)
        size = min(waiting, self._message)
        return size if self.ahead(now) + size <= self._lead + _SLACK else 0

    def next_at(self, waiting: int) -> float:
        """When `due` will allow a message, if so many bytes wait."""
        early = self._lead - min(waiting, self._message)
        return self._ends_at - early / BYTES_PER_S

    def sent(self, now: float, count: int) -> float:
        """Note that `count` bytes are sent; gives when the far end plays the first of them."""
        if now >= self._ends_at:
            self._began, self._sent, self._ends_at = now, 0, now
        plays_at = self._ends_at
        self._sent += count
        self._ends_at = self._began + self._sent / BYTES_PER_S
        return plays_at

    def cut(self, now: float) -> None:
        """The far end was told to drop what it has not played."""
        self._ends_at = min(self._ends_at, now)
