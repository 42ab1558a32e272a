"""G.711 mu-law at 8000 Hz, what every telephone call is made of here. Pure.

One byte is one sample, eight are a millisecond. The byte says sign, segment and step of a sample of
14 bits, all bits inverted; samples here have 16 bits, so the two lowest never count. Positive and
negative zero (0xFF and 0x7F) both mean 0 (ITU-T G.711, tables 2a and 2b).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final
from zlib import adler32

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 8000
BYTES_PER_MS: Final = 8
SILENCE: Final = b"\xff"
"""The sample 0."""
QUIETEST_DBFS: Final = -100.0
"""What `level_dbfs` says of digital silence. A single smallest step in a frame is about -94."""

_BIAS: Final = 132
"""Added to a magnitude, it makes each segment begin at a power of two."""
_CLIP: Final = 32_635
_FULL_SCALE: Final = 32_768.0


def _decode_table() -> NDArray[np.int16]:
    codes = 255 - np.arange(256)
    magnitudes = (((codes & 0x0F) * 8 + _BIAS) << (codes >> 4 & 0x07)) - _BIAS
    return np.where(codes & 0x80, -magnitudes, magnitudes).astype(np.int16)


def _encode_table() -> NDArray[np.uint8]:
    """Indexed by a sample's 16 bits read as an unsigned number."""
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitudes = np.minimum(np.abs(samples), _CLIP) + _BIAS
    segments = np.frexp(magnitudes)[1] - 8
    steps = magnitudes >> (segments + 3) & 0x0F
    codes = np.where(samples < 0, 0x80, 0) | segments << 4 | steps
    return (255 - codes).astype(np.uint8)


_DECODED: Final = _decode_table()
_ENCODED: Final = _encode_table()

# A frame is so short that numpy spends more on its calls than on the samples. What is done with
# every frame of a call is done with `bytes.translate`, whose tables give one byte for each code.
_FIRST_BYTE: Final = _DECODED.tobytes()[0::2]
_SECOND_BYTE: Final = _DECODED.tobytes()[1::2]
_ENERGIES: Final = np.rint((_DECODED / 8.0) ** 2).astype(np.uint32)
"""In units of the smallest step's, of which the largest is under 2^24."""
_FULL_SCALE_ENERGY: Final = (_FULL_SCALE / 8.0) ** 2
_LOW_ENERGY, _MIDDLE_ENERGY, _HIGH_ENERGY = (
    (_ENERGIES >> shift & 0xFF).astype(np.uint8).tobytes() for shift in (0, 8, 16)
)
_MOST_SUMMED: Final = 256
"""Bytes whose sum is under 65,521, where Adler-32 begins anew."""


def encode(samples: NDArray[np.int16]) -> bytes:
    """Mu-law of 16-bit samples in the machine's byte order; what is too loud is clipped."""
    return _ENCODED[samples.view(np.uint16)].tobytes()


def decode(mulaw: bytes) -> NDArray[np.int16]:
    """16-bit samples of mu-law; `encode` gives the same bytes again, but 0xFF for 0x7F."""
    return _DECODED.take(np.frombuffer(mulaw, np.uint8))


def decode_frame(mulaw: bytes) -> bytes:
    """The bytes of `decode`, sooner where they are few."""
    samples = bytearray(2 * len(mulaw))
    samples[0::2] = mulaw.translate(_FIRST_BYTE)
    samples[1::2] = mulaw.translate(_SECOND_BYTE)
    return bytes(samples)


def silence(ms: float) -> bytes:
    return SILENCE * round(ms * BYTES_PER_MS)


def level_dbfs(mulaw: bytes) -> float:
    """Root mean square in decibels against the largest sample: a full-scale sine has -3.0.

    Never under QUIETEST_DBFS, which is also the level of no audio at all.
    """
    count = len(mulaw)
    if count <= _MOST_SUMMED:
        energy = _energy(mulaw)
    else:
        starts = range(0, count, _MOST_SUMMED)
        energy = sum(_energy(mulaw[start : start + _MOST_SUMMED]) for start in starts)
    if not energy:
        return QUIETEST_DBFS
    return max(10.0 * math.log10(energy / (count * _FULL_SCALE_ENERGY)), QUIETEST_DBFS)


def _energy(mulaw: bytes) -> int:
    """Sum of the squares of at most `_MOST_SUMMED` samples.

    The lower half of an Adler-32 (RFC 1950, 8.2) is one more than the sum of the bytes.
    """
    low = adler32(mulaw.translate(_LOW_ENERGY)) & 0xFFFF
    middle = adler32(mulaw.translate(_MIDDLE_ENERGY)) & 0xFFFF
    high = adler32(mulaw.translate(_HIGH_ENERGY)) & 0xFFFF
    return low - 1 + (middle - 1 << 8) + (high - 1 << 16)


def mix(one: bytes, other: bytes) -> bytes:
    """Both at once; where one ends, the other goes on alone. What is too loud is clipped."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    total = decode(longer).astype(np.int32)
    total[: len(shorter)] += decode(shorter)
    return encode(_clipped(total))


def amplify(mulaw: bytes, gain_db: float) -> bytes:
    """Louder, or with a negative gain quieter. What is too loud is clipped."""
    return mulaw.translate(_gain_table(gain_db))


@lru_cache(maxsize=64)
def _gain_table(gain_db: float) -> bytes:
    """The new byte for each byte."""
    return encode(_clipped(np.rint(_DECODED * 10.0 ** (gain_db / 20.0))))


def _clipped(samples: NDArray[np.int32] | NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(samples, -32_768, 32_767).astype(np.int16)
