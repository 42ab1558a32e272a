"""How loud our own voice may come back from the line. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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

    def __init__(self) -> None:
        self.coupling_db = _ASSUMED_DB
        """What returns is taken to be at most what is played, and this (negative) added."""
        self._playing = deque([QUIETEST_DBFS], maxlen=_DELAYS)
        self._played: deque[float] = deque(maxlen=_WINDOW + _DELAYS - 1)
        self._heard: deque[float] = deque(maxlen=_WINDOW)
        self._ratios_db: deque[float] = deque(maxlen=_WINDOW)
        self._frames = 0

    def frame(self, playing_dbfs: float | None, heard_dbfs: float) -> float:
        """The next 20 ms of both ways; None: we are silent. Gives the loudest that our echo can be
        now, in dBFS; QUIETEST_DBFS where there can be none."""
        playing = QUIETEST_DBFS if playing_dbfs is None else playing_dbfs
        self._playing.append(playing)
        loudest = max(self._playing)
        if loudest <= QUIETEST_DBFS:
            return QUIETEST_DBFS
        self._played.append(10.0 ** (playing / 20.0))
        self._heard.append(10.0 ** (heard_dbfs / 20.0))
        if loudest > _AUDIBLE_DBFS:
            self._ratios_db.append(heard_dbfs - loudest)
        self._frames += 1
        if self._frames % _EVERY == 0 and len(self._played) == self._played.maxlen:
            self._look()
        return loudest + self.coupling_db

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
        heard = np.array(self._heard)
        # One row for each delay, the longest first.
        played = sliding_window_view(np.array(self._played), _WINDOW)
        heard = heard - heard.mean()
        played = played - played.mean(axis=1, keepdims=True)
        together = played @ heard
        alone = np.einsum("ij,ij->i", played, played)
        scale = np.sqrt(alone * np.dot(heard, heard))
        alike = np.divide(together, scale, out=np.zeros_like(scale), where=scale > 1e-12)
        best = int(np.argmax(alike))
        if alike[best] < _ALIKE:
            return None
        return float(20.0 * np.log10(together[best] / alone[best]))
