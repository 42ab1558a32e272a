"""Whether a vendor hears speech and gives no text. Pure; time is in seconds, monotonic."""

from __future__ import annotations

from typing import Final

from openclaw_voice_call.interfaces.media import BYTES_PER_MS

SPEECH_MS: Final = 1500
"""So much loud audio is speech, and no cough."""
STARTED_MS: Final = 700
"""What the vendor's own "somebody speaks" is worth."""
_FADING: Final = 0.1
"""Of quiet time; so that noises minutes apart do not add up to speech."""
_LOUD_PART: Final = 0.2
_LOUD_CODE: Final = 0x30
"""Mu-law magnitudes from here on are amplitudes of 924 and more, above -31 dBFS."""
_LOUD: Final = bytes((~code & 0x7F) >= _LOUD_CODE for code in range(256))


def is_loud(mulaw: bytes) -> bool:
    """Whether a piece of 20 ms or more is as loud as speech on a telephone."""
    return mulaw.translate(_LOUD).count(1) > _LOUD_PART * len(mulaw)


class MuteWatch:
    """Told what is heard and what is answered; asked whether the vendor has fallen mute."""

    __slots__ = (
        "_patience_s",
        "_since",
        "_speech_ms",
    )

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._speech_ms = 0.0
        self._since: float | None = None
        """When there had been enough speech for a text."""

    def audio(self, mulaw: bytes, now: float) -> None:
        """The next audio, as it comes from the line."""
        ms = len(mulaw) / BYTES_PER_MS
        self._count(ms if is_loud(mulaw) else -ms * _FADING, now)

    def speech_started(self, now: float) -> None:
        self._count(STARTED_MS, now)

    def answered(self) -> None:
        """The vendor gave a text, or said that there is none in what it heard."""
        self._speech_ms = 0.0
        self._since = None

    def connected(self, now: float) -> None:
        """Another connection is sent the speech that was not answered, and has time of its own."""
        if self._since is not None:
            self._since = now

    @property
    def owed(self) -> bool:
        """Whether there was enough speech for a text."""
        return self._since is not None

    def is_mute(self, now: float) -> bool:
        return self._since is not None and now - self._since >= self._patience_s

    def _count(self, ms: float, now: float) -> None:
        if self._since is None:
            self._speech_ms = max(0.0, self._speech_ms + ms)
            if self._speech_ms >= SPEECH_MS:
                self._since = now
