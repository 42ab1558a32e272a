"""Audio that is not recognised yet: what still has to be sent, and what may have to be sent again.

Pure. One backlog belongs to one call and outlives its connections. A new connection is given all
that the one before it had not answered, so a sentence in which a socket was lost is recognised as a
whole.
"""

from __future__ import annotations

from openclaw_voice_call.interfaces.media import BYTES_PER_MS


class Backlog:
    """Mu-law, bounded: the newest `most_ms`, and of what was sent in silence `quiet_ms`."""

    __slots__ = (
        "_base",
        "_finish_at",
        "_held",
        "_most",
        "_quiet",
        "_sent",
        "_start",
        "in_speech",
        "lost_ms",
    )

    def __init__(self, most_ms: int, quiet_ms: int) -> None:
        self._most = most_ms * BYTES_PER_MS
        self._quiet = quiet_ms * BYTES_PER_MS
        self._held = bytearray()
        self._start = 0
        """Where `_held` begins. All positions are bytes since the call's first audio."""
        self._sent = 0
        self._base = 0
        """Where the audio of this connection began."""
        self._finish_at: int | None = None
        self.in_speech = False
        """Whether somebody speaks and is not answered: then all is kept, for another connection."""
        self.lost_ms = 0
        """Audio that was given up before it could be sent."""

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return self._start + len(self._held) - self._sent

    def add(self, mulaw: bytes) -> None:
        """The other party's next audio."""
        self._held += mulaw
        end = self._start + len(self._held)
        oldest = end - self._most
        if not self.in_speech:
            oldest = max(oldest, min(self._sent, end) - self._quiet)
        if oldest > self._start:
            self._drop_to(oldest)

    def take(self, at_least: int, at_most: int) -> bytes:
        """The next bytes to send; none while there are fewer than `at_least`, unless a turn is to
        be finished."""
        waiting = self.unsent
        if not waiting or (waiting < at_least and self._finish_at is None):
            return b""
        begin = self._sent - self._start
        taken = bytes(self._held[begin : begin + at_most])
        self._sent += len(taken)
        return taken

    def finish(self) -> None:
        """Let the turn be finished after the audio that is here now."""
        self._finish_at = self._start + len(self._held)

    def finish_due(self) -> bool:
        """Whether all before a `finish` has been sent; true once."""
        if self._finish_at is None or self._sent < self._finish_at:
            return False
        self._finish_at = None
        return True

    def settle(self, until_ms: int | None = None) -> None:
        """The connection has answered its audio up to `until_ms`, or all that was sent."""
        until = self._sent if until_ms is None else self._base + until_ms * BYTES_PER_MS
        self._drop_to(min(until, self._sent))

    def rewind(self) -> None:
        """Another connection: it is sent all that was not answered."""
        self._sent = self._base = self._start
        self.in_speech = False

    def _drop_to(self, position: int) -> None:
        surplus = position - self._start
        if surplus <= 0:
            return
        del self._held[:surplus]
        self._start = position
        if self._sent < position:
            self.lost_ms += (position - self._sent) // BYTES_PER_MS
            self._sent = position
