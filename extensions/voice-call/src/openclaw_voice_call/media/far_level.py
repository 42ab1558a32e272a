"""How loud what the other party hears of us is at this moment. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from openclaw_voice_call.audio.mulaw import level_dbfs
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

_FRAMES_PER_S: Final = 1000 / FRAME_MS
_MOST_AHEAD: Final = 16
"""More messages than the lead of the pace can hold."""


class FarLevel:
    """Remembers what is sent until it has been played. Times are monotonic seconds."""

    __slots__ = ("_soundings",)

    def __init__(self) -> None:
        self._soundings: deque[tuple[float, bytes]] = deque(maxlen=_MOST_AHEAD)
        """What is played, and from when on."""

    def add(self, plays_at: float, mulaw: bytes) -> None:
        """Whole frames, which are played from `plays_at` on, after those before them."""
        self._soundings.append((plays_at, mulaw))

    def clear(self) -> None:
        """Nothing is played any more."""
        self._soundings.clear()

    def dbfs(self, now: float) -> float | None:
        """The level of the frame that is being played, None in silence. `now` never goes back."""
        soundings = self._soundings
        while soundings:
            plays_at, mulaw = soundings[0]
            if now < plays_at:
                return None
            begin = int((now - plays_at) * _FRAMES_PER_S) * FRAME_BYTES
            if begin < len(mulaw):
                return level_dbfs(mulaw[begin : begin + FRAME_BYTES])
            soundings.popleft()
        return None
