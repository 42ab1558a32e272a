"""Audio looked at as audio: what a tone is, and what is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LINE_HZ: Final = 8000


def cut(data: bytes, *sizes: int) -> list[bytes]:
    """In pieces of these sizes, over and over."""
    pieces: list[bytes] = []
    while data:
        size = max(1, sizes[len(pieces) % len(sizes)])
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def cut_at(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut at each place; empty pieces included."""
    ends = sorted(min(place, len(data)) for place in places)
    return [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def strength(samples: NDArray[np.int16], hz: float, rate_hz: int = LINE_HZ) -> float:
    """RMS of the part that is a sine of `hz`, whatever its phase."""
    angles = 2 * np.pi * hz * np.arange(samples.size) / rate_hz
    window = np.hanning(samples.size)
    seen = np.sum(samples * window * np.exp(-1j * angles)) / np.sum(window)
    return float(abs(seen)) * np.sqrt(2)


def strength_db(samples: NDArray[np.int16], hz: float, rate_hz: int = LINE_HZ) -> float:
    """The same against the largest sample."""
    return 20 * np.log10(strength(samples, hz, rate_hz) / 32_768 + 1e-12)


def loudness_db(samples: NDArray[np.int16]) -> float:
    """RMS of all of it, against the largest sample."""
    return 10 * np.log10(float(np.mean(samples.astype(np.float64) ** 2)) / 32_768**2 + 1e-24)


def sinad_db(samples: NDArray[np.int16], hz: float, rate_hz: int = LINE_HZ) -> float:
    """The whole against all that is no sine of `hz`: noise, distortion, clicks, aliases."""
    angles = 2 * np.pi * hz * np.arange(samples.size) / rate_hz
    shape = np.stack([np.sin(angles), np.cos(angles), np.ones(samples.size)], axis=1)
    found = samples.astype(np.float64)
    fitted, *_ = np.linalg.lstsq(shape, found, rcond=None)
    rest = found - shape @ fitted
    return 10 * np.log10(float(np.sum(found**2)) / (float(np.sum(rest**2)) + 1e-12))


def inner(samples: NDArray[np.int16], ms: float = 20.0) -> NDArray[np.int16]:
    """Without the beginning and the end, where a tone rises and falls."""
    edge = round(ms * LINE_HZ / 1000)
    return samples[edge : samples.size - edge]
