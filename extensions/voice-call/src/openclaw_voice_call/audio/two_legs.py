"""The two legs of a call side by side on one timeline. Pure.

The timeline begins with the first audio of either leg. Frames of the other party come when the
network brings them, so each run of them is placed by its frame that was the least late: silence
that was put in front of late frames is taken back while the frames after them catch up. Ours is
placed by when it is heard, and what is dropped before that was never there. Where a leg has
nothing, it has silence. All of this can still change in the newest seconds; what is older is given
out and forgotten.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from openclaw_voice_call.audio.mulaw import SAMPLE_RATE_HZ, SILENCE

WINDOW_S: Final = 4.0
"""A stall of the network of this length leaves no trace but its silence."""
PIECE_S: Final = 1.0
"""The shortest that `settled` gives."""

_GAP: Final = SAMPLE_RATE_HZ * 40 // 1000
"""Frames that are later than this come after a gap."""
_MOST_AHEAD: Final = SAMPLE_RATE_HZ // 2
"""Audio that arrives faster than it can have been spoken is left out from here on."""
_SNAP: Final = SAMPLE_RATE_HZ // 1000
"""Rounded times of adjoining messages differ by less."""


class Piece(NamedTuple):
    """As much of both legs, mu-law; a leg that is shorter ends in silence."""

    left: bytes
    """The other party."""
    right: bytes
    """Ours."""


class _Gap(NamedTuple):
    """Silence of the left leg that may be too much; in samples of the timeline."""

    end: int
    length: int


class TwoLegs:
    """One call's. All times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._origin: float | None = None
        self._given = 0
        """Samples that were given out; both legs go on from there."""
        self._left = bytearray()
        self._right = bytearray()
        self._gaps: list[_Gap] = []
        """What is left of the silences in front of late frames, the newest last."""

    def heard(self, at: float, mulaw: bytes) -> None:
        """Audio of the other party came at `at`, the next in order: it was spoken by then."""
        late = self._position(at - len(mulaw) / SAMPLE_RATE_HZ) - self._given - len(self._left)
        if late > _GAP:
            self._left += SILENCE * late
            self._gaps.append(_Gap(self._given + len(self._left), late))
        elif late < 0:
            late += self._take_back(-late)
            late += self._begin_earlier(-late)
        if late >= -_MOST_AHEAD:
            self._left += mulaw

    def said(self, at: float, mulaw: bytes) -> None:
        """Ours, of which the other party hears the first sample at `at`, soon."""
        wait = self._position(at) - self._given - len(self._right)
        if wait > _SNAP:
            self._right += SILENCE * wait
        self._right += mulaw

    def cleared(self, at: float) -> None:
        """Ours from `at` on is not heard."""
        if self._origin is not None:
            del self._right[max(0, self._position(at) - self._given) :]

    def settled(self, now: float) -> Piece | None:
        """What cannot change any more and was not given yet; None while that is short."""
        size = self._position(now - WINDOW_S) - self._given
        return self._give(size) if size >= PIECE_S * SAMPLE_RATE_HZ else None

    def rest(self) -> Piece | None:
        """All that was not given yet; None if that is nothing."""
        size = max(len(self._left), len(self._right))
        return self._give(size) if size else None

    def _give(self, size: int) -> Piece:
        # Where both legs had nothing, it is the left one that says for how long.
        piece = Piece(bytes(self._left[:size]).ljust(size, SILENCE), bytes(self._right[:size]))
        del self._left[:size], self._right[:size]
        self._given += size
        self._gaps = [gap for gap in self._gaps if gap.end > self._given]
        return piece

    def _take_back(self, size: int) -> int:
        """Remove up to so much of the newest gaps, as far as it was not given; gives how much.

        A gap that is gone joins the runs beside it, so the one before is that of both.
        """
        taken = 0
        while self._gaps and taken < size:
            end, length = self._gaps.pop()
            cut = min(size - taken, length, end - self._given)
            del self._left[end - cut - self._given : end - self._given]
            taken += cut
            if cut < length:
                self._gaps.append(_Gap(end - cut, length - cut))
                break
        return taken

    def _begin_earlier(self, size: int) -> int:
        """Move the beginning, because it is known only now that its frames were late, too; gives
        by how much: as long as all frames are of one run, and nothing was given."""
        if size == 0 or self._given or self._gaps or self._origin is None:
            return 0
        self._origin -= size / SAMPLE_RATE_HZ
        if self._right:
            self._right[:0] = SILENCE * size
        return size

    def _position(self, at: float) -> int:
        """The sample of the timeline that belongs to this time."""
        if self._origin is None:
            self._origin = at
        return round((at - self._origin) * SAMPLE_RATE_HZ)
