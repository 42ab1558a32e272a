"""What is heard on a line: voices, noise, coughs, and our own voice come back. Waves of 8000 Hz,
as numbers from -1 to 1."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.audio.decimator import Decimator
from openclaw_voice_call.interfaces.media import FRAME_BYTES

Wave = NDArray[np.float64]
_WAV_HEADER_BYTES = 44
_ESPEAK_HZ = 22_050

HAS_ESPEAK = shutil.which("espeak-ng") is not None


@cache
def spoken(text: str, level_dbfs: float, voice: str = "en-us") -> Wave:
    """What espeak-ng makes of a text, from its first sound on. The level is that of its sounds,
    without the pauses."""
    command = ("espeak-ng", "-v", voice, "--stdout", text)
    wav = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
    decimator = Decimator(_ESPEAK_HZ)
    narrow = decimator.feed(wav[_WAV_HEADER_BYTES:])
    wave = np.concatenate((narrow, decimator.flush())) / 32_768
    loud = np.abs(wave) > 0.01
    wave = wave[int(np.argmax(loud)) :]
    return wave * _gain(level_dbfs - _level(wave[np.abs(wave) > 0.01]))


@cache
def voice(ms: float, level_dbfs: float, seed: int = 0) -> Wave:
    """A voice without words."""
    return tones.voice(ms, level_dbfs=level_dbfs, seed=seed) / 32_768


def noise(ms: float, level_dbfs: float, *, low: bool = False, seed: int = 0) -> Wave:
    """White, or `low` as in a car."""
    wave = tones.noise(ms, level_dbfs=-30, seed=seed) / 32_768
    if low:
        spectrum = np.fft.rfft(wave)
        hz = np.fft.rfftfreq(wave.size, 1 / 8000)
        wave = np.fft.irfft(spectrum / np.maximum(hz, 60), wave.size)
    return wave * _gain(level_dbfs - _level(wave))


def cough(ms: float, level_dbfs: float, seed: int = 0) -> Wave:
    """A burst that is loud at once and dies away; nothing of it is longer than `ms`."""
    wave = noise(ms, -30, seed=seed) * np.exp(-np.arange(round(ms * 8)) / (8 * ms / 3))
    return wave * _gain(level_dbfs - _level(wave))


def returned(ours: Wave, loss_db: float, delay_ms: float) -> Wave:
    """Our voice as it comes back."""
    return np.concatenate((np.zeros(round(delay_ms * 8)), ours)) * _gain(-loss_db)


def together(*waves: Wave) -> Wave:
    """All at once."""
    total = np.zeros(max(wave.size for wave in waves))
    for wave in waves:
        total[: wave.size] += wave
    return total


def at(ms: float, wave: Wave) -> Wave:
    """That much later."""
    return np.concatenate((np.zeros(round(ms * 8)), wave))


def frames(wave: Wave) -> Iterator[bytes]:
    """Mu-law, 20 ms each, the last one filled up."""
    samples = np.clip(np.rint(wave * 32_768), -32_768, 32_767).astype(np.int16)
    encoded = mulaw.encode(samples)
    for begin in range(0, len(encoded), FRAME_BYTES):
        yield encoded[begin : begin + FRAME_BYTES].ljust(FRAME_BYTES, mulaw.SILENCE)


def _level(wave: Wave) -> float:
    return float(10 * np.log10(np.mean(wave**2)))


def _gain(db: float) -> float:
    return 10 ** (db / 20)
