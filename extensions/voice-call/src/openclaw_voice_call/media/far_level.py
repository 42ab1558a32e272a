"""How loud what the other party hears of us is at this moment. Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from openclaw_voice_call.audio.mulaw import levels_dbfs
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

_MOST_AHEAD: Final = 16
"""More messages than the lead of the pace can hold."""


class _Sounding:
    __slots__ = ("levels", "mulaw", "plays_at")

    def __init__(self, plays_at: float, mulaw: bytes) -> None:
        self.plays_at = plays_at
        self.mulaw = mulaw
        self.levels: list[float] | None = None
        """Of its frames; reckoned when somebody asks, all at once."""


class FarLevel:
    """Remembers what is sent until it has been played. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._soundings: deque[_Sounding] = deque(maxlen=_MOST_AHEAD)

    def add(self, plays_at: float, mulaw: bytes) -> None:
        """Whole frames, which are played from `plays_at` on, after those before them."""
        self._soundings.append(_Sounding(plays_at, mulaw))

    def clear(self) -> None:
        """Nothing is played any more."""
        self._soundings.clear()

    def dbfs(self, now: float) -> float | None:
        """The level of the frame that is being played, None in silence. `now` never goes back."""
        soundings = self._soundings
        while soundings:
            first = soundings[0]
            frame = math.floor((now - first.plays_at) * 1000 / FRAME_MS)
            if frame < 0:
                return None
            if first.levels is None:
                first.levels = levels_dbfs(first.mulaw, FRAME_BYTES)
            if frame < len(first.levels):
                return first.levels[frame]
            soundings.popleft()
        return None
