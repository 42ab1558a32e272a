"""Whether somebody speaks on the line, and what of it the recogniser is to hear. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

import webrtcvad

from openclaw_voice_call.audio.mulaw import (
    QUIETEST_DBFS,
    SAMPLE_RATE_HZ,
    decode_frame,
    level_dbfs,
)
from openclaw_voice_call.audio.mulaw import SILENCE as SILENT_SAMPLE
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS
from openclaw_voice_call.media.echo_path import EchoPath

_SILENCE: Final = SILENT_SAMPLE * FRAME_BYTES
_QUIETEST_SPEECH_DBFS: Final = -42.0
"""Telephone speech is at -30 to -15; what is quieter than this is not meant for us."""
_LOUDEST_NOISE_DBFS: Final = -33.0
"""Noise is not taken to be louder, so that speech at a normal level is always above it."""
_ABOVE_NOISE_DB: Final = 9.0
_NOISE_BLOCK: Final = 25
_NOISE_BLOCKS: Final = 6
"""The noise is the quietest frame of the last 3 s: nobody speaks so long without a gap."""

_PRE_ROLL_FRAMES: Final = 300 // FRAME_MS
_RECENT: Final = (1 << _PRE_ROLL_FRAMES) - 1
_HOLD_FRAMES: Final = 500 // FRAME_MS
"""The recogniser hears the caller until so long after the last speech, while we play."""
_SURE_OF: Final = (1 << 5) - 1
_SURE: Final = 3
"""Of the last 5 frames, 3 must be speech before the recogniser hears them while we play."""


class NoiseFloor:
    """How loud the line is when nobody speaks."""

    __slots__ = (
        "_block",
        "_blocks",
        "_frames",
        "speech_dbfs",
    )

    def __init__(self) -> None:
        self._blocks: deque[float] = deque(maxlen=_NOISE_BLOCKS)
        self._block = 0.0
        self._frames = 0
        self.speech_dbfs = _QUIETEST_SPEECH_DBFS
        """What is not louder is no speech."""

    def frame(self, heard_dbfs: float) -> None:
        """Another 20 ms without our own voice in it."""
        if heard_dbfs < self._block:
            self._block = heard_dbfs
        self._frames += 1
        if self._frames == _NOISE_BLOCK:
            self._blocks.append(self._block)
            self._block, self._frames = 0.0, 0
            noise_dbfs = min(_LOUDEST_NOISE_DBFS, *self._blocks)
            self.speech_dbfs = max(_QUIETEST_SPEECH_DBFS, noise_dbfs + _ABOVE_NOISE_DB)


class SpeechGate:
    """Of one stream: whether each frame has speech of the other party in it."""

    __slots__ = (
        "_echo",
        "_noise",
        "_vad",
        "echoing",
    )

    def __init__(self, vad_threshold: float = 0.5) -> None:
        """`vad_threshold` from 0, takes much for speech, to 1, takes little."""
        self._vad = webrtcvad.Vad(min(3, max(0, round(3 * vad_threshold))))
        self._echo = EchoPath()
        self._noise = NoiseFloor()
        self.echoing = False
        """Whether the newest frame may have our own voice in it."""

    def frame(self, mulaw: bytes, playing_dbfs: float | None) -> bool:
        """The next 20 ms, 160 bytes, and the level of what is being played; None: nothing.

        Raises ValueError for another length.
        """
        if len(mulaw) != FRAME_BYTES:
            raise ValueError(f"a frame has {FRAME_BYTES} bytes, not {len(mulaw)}")
        level = level_dbfs(mulaw)
        echo = self._echo.frame(playing_dbfs, level)
        self.echoing = echo > QUIETEST_DBFS
        if not self.echoing:
            self._noise.frame(level)
        # The detector learns from every frame, so it is asked even where the level decides.
        voice = self._vad.is_speech(decode_frame(mulaw), SAMPLE_RATE_HZ, FRAME_BYTES)
        return voice and level > self._noise.speech_dbfs and level > echo


class Ear:
    """Of one stream: the gate, and the recogniser's share of what is heard.

    While we play and nobody speaks, the recogniser hears silence instead of our echo. When somebody
    begins, it gets the last 300 ms after all, so that no first syllable is lost.
    """

    __slots__ = (
        "_gate",
        "_held",
        "_hold",
        "_recent",
    )

    def __init__(self, vad_threshold: float = 0.5) -> None:
        self._gate = SpeechGate(vad_threshold)
        self._recent = 0
        """One bit a frame, the newest lowest: where there was speech."""
        self._hold = 0
        self._held: deque[bytes] = deque(maxlen=_PRE_ROLL_FRAMES)

    def hear(self, mulaw: bytes, playing_dbfs: float | None) -> tuple[bool, bytes]:
        """The next 20 ms, as `SpeechGate.frame` takes them. Gives whether they have speech, and
        what the recogniser is to be sent: never less than a frame."""
        speech = self._gate.frame(mulaw, playing_dbfs)
        self._recent = recent = (self._recent << 1 | speech) & _RECENT
        if (recent & _SURE_OF).bit_count() >= _SURE:
            self._hold = _HOLD_FRAMES
        elif self._hold:
            self._hold -= 1
        if self._gate.echoing and not self._hold:
            self._held.append(mulaw)
            return speech, _SILENCE
        if not self._held:
            return speech, mulaw
        # Our voice may have ended before the speech in what was held back had lasted long enough.
        onward = b"".join((*self._held, mulaw)) if recent else mulaw
        self._held.clear()
        return speech, onward
