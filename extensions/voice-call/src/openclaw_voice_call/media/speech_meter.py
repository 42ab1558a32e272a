"""How much speech there was lately, and where it began and ended. Pure."""

from __future__ import annotations

from typing import Final

from openclaw_voice_call.interfaces.media import FRAME_MS

_WINDOW_MS: Final = 300
"""Speech this close together is one stretch."""
_ONSET_MS: Final = 60
"""Less than this within the window is a click."""
_WINDOW_S: Final = _WINDOW_MS / 1000
_ONSET_MASK: Final = (1 << _WINDOW_MS // FRAME_MS) - 1


class SpeechMeter:
    """Counts frames, so that frames that come late and together count like any others."""

    __slots__ = (
        "_frame_at",
        "_history",
        "_memory",
        "began",
        "ended",
        "stretch_ms",
    )

    def __init__(self) -> None:
        self._history = 0
        """One bit a frame, the newest lowest."""
        self._memory = _ONSET_MASK
        self._frame_at: float | None = None
        self.began: float | None = None
        """When the newest stretch of speech began."""
        self.ended: float | None = None
        """When its newest frame came."""
        self.stretch_ms = 0
        """How much speech is in it."""

    def remember(self, window_ms: int) -> None:
        """Have `within` answer for this long a window."""
        self._memory |= (1 << -(-window_ms // FRAME_MS)) - 1

    def frame(self, now: float, speech: bool) -> int:
        """Another 20 ms. Gives the speech that is new by it, in ms: none, a frame, or all frames of
        a beginning, which are known to be more than a click only now."""
        if self._frame_at is None or now - self._frame_at > _WINDOW_S:
            # Some carriers send nothing while the line is silent.
            self._history = 0
        self._frame_at = now
        if not speech:
            self._history = self._history << 1 & self._memory
            return 0
        self._history = (self._history << 1 | 1) & self._memory
        near_ms = (self._history & _ONSET_MASK).bit_count() * FRAME_MS
        if near_ms < _ONSET_MS:
            return 0
        new_ms = FRAME_MS
        if not self.sounding(now):
            oldest = (self._history & _ONSET_MASK).bit_length() - 1
            self.began = now - oldest * FRAME_MS / 1000
            self.stretch_ms = 0
            new_ms = near_ms
        self.ended = now
        self.stretch_ms += new_ms
        return new_ms

    def sounding(self, now: float) -> bool:
        """Whether there is speech, short pauses included."""
        return self.ended is not None and now - self.ended <= _WINDOW_S

    def within(self, window_ms: int) -> int:
        """The speech of the last so many ms of frames, in ms."""
        mask = (1 << -(-window_ms // FRAME_MS)) - 1
        return (self._history & mask).bit_count() * FRAME_MS
