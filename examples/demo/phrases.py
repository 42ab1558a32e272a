"""Speech recognition for a handful of sentences: each is known by its sound. Pure.

The sound is cut into frames of 20 ms, each frame becomes the loudness of a few bands, and the
newest stretch of them is laid over every sentence that is known. Words reach it in no other way, so
what it writes down was on the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted

Heard: TypeAlias = SpeechStarted | Partial | FinalText

LOUD_DBFS: Final = -45.0
LIKE_DB: Final = 2.5
"""How far the bands of a stretch may be, on average, from those of the sentence that it is. Another
sentence of the same voice is 4 dB away or more, the same one up to 1.4 dB wherever frames begin."""
STARTED_MS: Final = 60
_EDGES_HZ: Final = (200, 350, 500, 700, 900, 1150, 1400, 1700, 2050, 2450, 2900, 3400)
_DEEPEST_DB: Final = 30.0
"""Bands count down to so far under the loudest one; what is softer is noise."""
_SPECTRUM: Final = 256
_BINS: Final = np.searchsorted(np.fft.rfftfreq(_SPECTRUM, 1 / mulaw.SAMPLE_RATE_HZ), _EDGES_HZ)
_WINDOW: Final = np.hanning(FRAME_BYTES)


class PhraseEar:
    """Fed with mu-law of any length; time is that of the audio."""

    def __init__(self, sounds: Mapping[str, bytes], end_silence_ms: int) -> None:
        """`sounds`: each sentence as mu-law. A turn ends with so much silence."""
        self._known = {text: _bands(_trimmed(sound)) for text, sound in sounds.items()}
        self._longest = max((len(bands) for bands in self._known.values()), default=0)
        self._end_frames = max(1, end_silence_ms // FRAME_MS)
        self._rest = b""
        self._recent = np.empty((0, len(_EDGES_HZ) - 1))
        self._said: list[str] = []
        self._loud = 0
        self._quiet = 0

    def hear(self, audio: bytes) -> list[Heard]:
        """The next audio, and what is known by now."""
        audio = self._rest + audio
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._rest = audio[whole:]
        frames = (audio[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES))
        return [heard for frame in frames for heard in self._frame(frame)]

    def finish(self) -> list[Heard]:
        """The turn ends here."""
        text = " ".join(self._said)
        self._said.clear()
        self._loud = self._quiet = 0
        return [FinalText(text)]

    def _frame(self, frame: bytes) -> Iterator[Heard]:
        self._recent = np.concatenate([self._recent, _bands(frame)])[-self._longest :]
        if mulaw.level_dbfs(frame) > LOUD_DBFS:
            self._loud += 1
            self._quiet = 0
            if self._loud == STARTED_MS // FRAME_MS:
                yield SpeechStarted()
        else:
            self._quiet += 1
        text = self._recognised() if self._loud else None
        if text is not None:
            self._recent = self._recent[:0]
            self._said.append(text)
            yield Partial(" ".join(self._said))
        if self._loud and self._quiet >= self._end_frames:
            yield from self.finish()

    def _recognised(self) -> str | None:
        """The sentence that ends here; the longest, where one is the end of another."""
        like = [
            (len(bands), text)
            for text, bands in self._known.items()
            if len(bands) <= len(self._recent)
            and _distance_db(self._recent[-len(bands) :], bands) < LIKE_DB
        ]
        return max(like)[1] if like else None


def _trimmed(sound: bytes) -> bytes:
    """Without the silence around it, in whole frames."""
    whole = len(sound) - len(sound) % FRAME_BYTES
    frames = [sound[at : at + FRAME_BYTES] for at in range(0, whole, FRAME_BYTES)]
    loud = [at for at, frame in enumerate(frames) if mulaw.level_dbfs(frame) > LOUD_DBFS]
    if not loud:
        raise ValueError("a sentence without a sound cannot be recognised")
    return b"".join(frames[loud[0] : loud[-1] + 1])


def _bands(audio: bytes) -> NDArray[np.float64]:
    """For each frame the loudness of each band, in dB."""
    frames = mulaw.decode(audio).reshape(-1, FRAME_BYTES) * _WINDOW
    power = np.abs(np.fft.rfft(frames, _SPECTRUM)) ** 2
    sums = np.add.reduceat(power, _BINS, axis=1)[:, :-1]
    return 10 * np.log10(sums + 1.0)


def _distance_db(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Between two sounds of a length, whatever their levels."""
    return float(np.mean(np.abs(_levelled(one) - _levelled(other))))


def _levelled(bands: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(bands - np.max(bands), -_DEEPEST_DB)
