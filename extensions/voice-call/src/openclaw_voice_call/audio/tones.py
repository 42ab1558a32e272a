"""Sounds that are made rather than recorded: to measure with, to test with, to demonstrate. Pure.

All are 16-bit mono samples. Levels are as in `mulaw.level_dbfs`: root mean square against the
largest sample, so that a sine may have -3 and a louder one is clipped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio.mulaw import SAMPLE_RATE_HZ

_FULL_SCALE: Final = 32_768.0
_KEY_ROWS: Final = ("123A", "456B", "789C", "*0#D")
_ROW_HZ: Final = (697, 770, 852, 941)
_COLUMN_HZ: Final = (1209, 1336, 1477, 1633)
"""ITU-T Q.23."""
_VOWELS: Final = ((730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410))
"""Resonances in Hz of the vowels in "father", "see", "bed" and "law"."""
_VOICE_TOP_HZ: Final = 3800
_SYLLABLE_S: Final = 0.25
_VOICED_SHARE: Final = 0.85
"""Of a syllable; the rest is a pause."""


def sine(
    hz: float, ms: float, *, rate_hz: int = SAMPLE_RATE_HZ, level_dbfs: float = -12.0
) -> NDArray[np.int16]:
    wave = np.sin(2 * np.pi * hz * _times(ms, rate_hz))
    return _samples(wave * np.sqrt(2.0), level_dbfs)


def sweep(
    from_hz: float,
    to_hz: float,
    ms: float,
    *,
    rate_hz: int = SAMPLE_RATE_HZ,
    level_dbfs: float = -12.0,
) -> NDArray[np.int16]:
    """A sine whose frequency moves evenly from one to the other."""
    times = _times(ms, rate_hz)
    rise = (to_hz - from_hz) / (ms / 1000)
    wave = np.sin(2 * np.pi * (from_hz * times + rise * times**2 / 2))
    return _samples(wave * np.sqrt(2.0), level_dbfs)


def noise(
    ms: float, *, rate_hz: int = SAMPLE_RATE_HZ, level_dbfs: float = -30.0, seed: int = 0
) -> NDArray[np.int16]:
    """White, the same for the same seed."""
    return _samples(np.random.default_rng(seed).standard_normal(_count(ms, rate_hz)), level_dbfs)


def dtmf(
    keys: str,
    *,
    tone_ms: float = 100.0,
    gap_ms: float = 60.0,
    rate_hz: int = SAMPLE_RATE_HZ,
    level_dbfs: float = -12.0,
) -> NDArray[np.int16]:
    """Keys of a telephone, `0-9 A-D * #`, a gap after each. Raises ValueError for others."""
    gap = np.zeros(_count(gap_ms, rate_hz), np.int16)
    pieces = [np.empty(0, np.int16)]
    for key in keys:
        pieces += [_key(key, tone_ms, rate_hz, level_dbfs), gap]
    return np.concatenate(pieces)


def _key(key: str, ms: float, rate_hz: int, level_dbfs: float) -> NDArray[np.int16]:
    for row_hz, row in zip(_ROW_HZ, _KEY_ROWS, strict=True):
        if key in row:
            column_hz = _COLUMN_HZ[row.index(key)]
            angles = 2 * np.pi * _times(ms, rate_hz)
            return _samples(np.sin(angles * row_hz) + np.sin(angles * column_hz), level_dbfs)
    raise ValueError(f"{key!r} is no key of a telephone; the keys are 0-9 A-D * #")


def voice(
    ms: float,
    *,
    rate_hz: int = SAMPLE_RATE_HZ,
    level_dbfs: float = -20.0,
    pitch_hz: float = 120.0,
    seed: int = 0,
) -> NDArray[np.int16]:
    """What a voice-activity detector takes for speech: vowels, four syllables a second.

    The same for the same seed. Its level is that of the whole, pauses between syllables included.
    """
    wave = np.zeros(_count(ms, rate_hz))
    times = _times(ms, rate_hz)
    # A voice's pitch wanders; a constant one would be a chord.
    pitch = pitch_hz * (1 + 0.08 * np.sin(2 * np.pi * 0.7 * times))
    turns = np.cumsum(pitch) / rate_hz
    top_hz = min(_VOICE_TOP_HZ, 0.45 * rate_hz)
    harmonics = np.arange(1, int(top_hz / (1.08 * pitch_hz)) + 1)
    chance = np.random.default_rng(seed)
    length = _count(_SYLLABLE_S * 1000, rate_hz)
    voiced = int(length * _VOICED_SHARE)
    for begin in range(0, wave.size, length):
        vowel = np.array(_VOWELS[chance.integers(len(_VOWELS))])
        loudness = chance.uniform(0.6, 1.0)
        part = turns[begin : begin + voiced]
        distances = (harmonics[:, None] * pitch_hz - vowel) / np.array([80, 100, 140])
        gains = (np.array([1.0, 0.5, 0.25]) / (1 + distances**2)).sum(axis=1)
        tones = (np.sin(2 * np.pi * np.outer(part, harmonics)) * gains).sum(axis=1)
        hull = np.sin(np.pi * np.arange(part.size) / voiced) ** 0.7
        wave[begin : begin + part.size] = loudness * tones * hull
    level = np.sqrt(np.mean(wave**2)) if wave.any() else 1.0
    return _samples(wave / level, level_dbfs)


def pcm(samples: NDArray[np.int16]) -> bytes:
    """As vendors send it: 16 bit, little endian."""
    return samples.astype(np.dtype("<i2")).tobytes()


def _count(ms: float, rate_hz: int) -> int:
    return round(ms * rate_hz / 1000)


def _times(ms: float, rate_hz: int) -> NDArray[np.float64]:
    return np.arange(_count(ms, rate_hz)) / rate_hz


def _samples(wave: NDArray[np.float64], level_dbfs: float) -> NDArray[np.int16]:
    """A wave whose root mean square is 1, at this level."""
    loud = np.rint(wave * _FULL_SCALE * 10 ** (level_dbfs / 20))
    return np.clip(loud, -32_768, 32_767).astype(np.int16)
