"""Whether the recogniser still writes. Pure; times in seconds."""

from __future__ import annotations

import math

from openclaw_voice_call.media.turns import NoText, TurnSettings


class MuteWatch:
    """A vendor may take all audio and give nothing, for example after a change of its protocol.

    Some write nothing before the caller pauses, so the time counts from the first pause.
    """

    __slots__ = (
        "_enough_ms",
        "_heard_at",
        "_pause_s",
        "_paused_at",
        "_since",
        "_speech_ms",
        "_told",
        "patience_s",
    )

    def __init__(self, settings: TurnSettings) -> None:
        self._enough_ms = max(1, settings.mute_speech_ms)
        self.patience_s = settings.mute_ms / 1000 if settings.mute_ms else math.inf
        self._pause_s = settings.end_silence_ms / 1000
        self._speech_ms = 0
        """Since the vendor last wrote anything."""
        self._since = 0.0
        self._heard_at = 0.0
        self._paused_at: float | None = None
        self._told = False

    def sound(self, new_ms: int, began: float, now: float) -> None:
        """There is this much more speech; its stretch began then."""
        if self._speech_ms == 0:
            self._since = began
        elif self._speech_ms >= self._enough_ms and self._paused_at is None:
            self._paused_at = self._heard_at if began - self._heard_at >= self._pause_s else None
        self._speech_ms += new_ms
        self._heard_at = now

    def written(self) -> None:
        """The vendor wrote something, were it nothing but an empty final; or it is known to be
        lost."""
        self._speech_ms = 0
        self._paused_at = None
        self._told = False

    def due(self) -> float:
        """When the vendor is mute."""
        if self._told or self._speech_ms < self._enough_ms:
            return math.inf
        return (self._heard_at if self._paused_at is None else self._paused_at) + self.patience_s

    def tell(self) -> NoText:
        self._told = True
        return NoText(self._since)
