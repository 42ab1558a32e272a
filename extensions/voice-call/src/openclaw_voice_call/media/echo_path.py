"""How loud our own voice may come back from the line. Pure."""

from __future__ import annotations

import math
from array import array
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio.mulaw import QUIETEST_DBFS
from openclaw_voice_call.interfaces.media import FRAME_MS

LONGEST_DELAY_MS: Final = 500
"""What was played so long ago may still come back."""
_DELAYS: Final = LONGEST_DELAY_MS // FRAME_MS + 1
_ASSUMED_DB: Final = -14.0
_SOFTEST_DB: Final = -24.0
"""A line that returns next to nothing may become a hands-free telephone at any time."""
_LOUDEST_DB: Final = -4.0
"""Beyond, nobody could interrupt us."""
_MARGIN_DB: Final = 4.0
_WINDOW: Final = 100
"""Frames that are compared, 2 s."""
_ONES: Final = np.ones(_WINDOW)
_LN_PER_DB: Final = math.log(10.0) / 20.0
_REMEMBERED: Final = _WINDOW + _DELAYS - 1
_LAST: Final = 2 * _REMEMBERED - 1
_EVERY: Final = 25
_ALIKE: Final = 0.8
"""Correlation of the loudness of both ways; that of two people who both speak stays below."""
_AUDIBLE_DBFS: Final = -40.0
"""Quieter than this, we play nothing that could be learned from."""


class EchoPath:
    """Follows the loudness of both ways, frame by frame, and learns in two ways.

    Something returns if what is heard goes up and down as what was played did, some time before;
    the ratio tells how much. And where all that is heard while we play is much quieter than ours,
    no more than that returns.
    """

    __slots__ = (
        "_end",
        "_heard_dbfs",
        "_loudest_dbfs",
        "_loudest_for",
        "_played_dbfs",
        "_ratios_db",
        "_until_look",
        "coupling_db",
    )

    def __init__(self) -> None:
        self.coupling_db = _ASSUMED_DB
        """What returns is taken to be at most what is played, and this (negative) added."""
        self._loudest_dbfs = QUIETEST_DBFS
        """Of what was played in the last _DELAYS frames."""
        self._loudest_for = 1
        """After so many frames it is too long ago."""
        self._played_dbfs = array("d", bytes(8 * 2 * _REMEMBERED))
        self._heard_dbfs = array("d", self._played_dbfs)
        """Both ways, frame by frame, until `_end`; the last `_REMEMBERED` count. Arrays, because
        they are written all the time and looked at rarely, and then by numpy."""
        self._end = 0
        self._ratios_db: deque[float] = deque(maxlen=_WINDOW)
        self._until_look = _EVERY

    def frame(self, playing_dbfs: float | None, heard_dbfs: float) -> float:
        """The next 20 ms of both ways; None: we are silent. Gives the loudest that our echo can be
        now, in dBFS; QUIETEST_DBFS where there can be none."""
        playing = QUIETEST_DBFS if playing_dbfs is None else playing_dbfs
        loudest = self._loudest_dbfs
        if playing >= loudest:
            if playing <= QUIETEST_DBFS:
                return QUIETEST_DBFS
            self._loudest_dbfs = loudest = playing
            self._loudest_for = _DELAYS
        else:
            self._loudest_for -= 1
            if not self._loudest_for:
                loudest = self._find_loudest(playing)
                if loudest <= QUIETEST_DBFS:
                    return QUIETEST_DBFS
        end = self._end
        self._played_dbfs[end] = playing
        self._heard_dbfs[end] = heard_dbfs
        self._end = end + 1 if end < _LAST else self._begin_anew()
        if loudest > _AUDIBLE_DBFS:
            self._ratios_db.append(heard_dbfs - loudest)
        self._until_look -= 1
        if not self._until_look:
            self._until_look = _EVERY
            if self._end >= _REMEMBERED:
                self._look()
        return loudest + self.coupling_db

    def _find_loudest(self, playing: float) -> float:
        before = self._played_dbfs[max(0, self._end - _DELAYS + 1) : self._end]
        newest_first = [playing, *reversed(before)]
        loudest = self._loudest_dbfs = max(newest_first)
        self._loudest_for = _DELAYS - newest_first.index(loudest)
        return loudest

    def _begin_anew(self) -> int:
        for levels in (self._played_dbfs, self._heard_dbfs):
            levels[:_REMEMBERED] = levels[_REMEMBERED:]
        return _REMEMBERED

    def _look(self) -> None:
        returned_db = self._returned_db()
        if returned_db is None:
            loudest_db = max(self._ratios_db, default=0.0)
            learned_db = min(self.coupling_db, loudest_db + _MARGIN_DB)
        else:
            learned_db = returned_db + _MARGIN_DB
        self.coupling_db = min(max(learned_db, _SOFTEST_DB), _LOUDEST_DB)

    def _returned_db(self) -> float | None:
        """How much of what we play comes back; None: nothing that can be told from other sound."""
        heard = _amplitudes(self._heard_dbfs, self._end - _WINDOW, self._end)
        played = _amplitudes(self._played_dbfs, self._end - _REMEMBERED, self._end)
        heard -= heard.dot(_ONES) / _WINDOW
        # One figure for each delay, the longest first: of `played` in a window that slides over it.
        together = np.correlate(played, heard)
        sums, squares = np.correlate(played, _ONES), np.correlate(played * played, _ONES)
        alone = np.maximum(squares - sums * sums / _WINDOW, 0.0)
        scale = np.sqrt(alone * heard.dot(heard))
        alike = np.divide(together, scale, out=np.zeros_like(scale), where=scale > 1e-12)
        best = int(alike.argmax())
        if alike[best] < _ALIKE:
            return None
        return 20.0 * math.log10(together[best] / alone[best])


def _amplitudes(dbfs: array[float], begin: int, end: int) -> NDArray[np.float64]:
    return np.exp(np.frombuffer(dbfs)[begin:end] * _LN_PER_DB)
