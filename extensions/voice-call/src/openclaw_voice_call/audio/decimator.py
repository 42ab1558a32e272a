"""From the sample rates of speech vendors down to the telephone's. Pure.

Taking every third sample of 24 kHz speech folds all that lies above 4 kHz down into the band that
the caller hears. A linear-phase low-pass filter removes it first: flat to 3.5 kHz, which is more
than the line carries, and 80 dB down from 4.5 kHz on. Rates that are no multiple of 8 kHz are
raised by L and lowered by M in one step (22,050 Hz: 160 and 441), so that only the samples which
are kept are computed.

The filter's coefficients are whole numbers. Products and sums of them with 16-bit samples stay far
below 2^53, so double precision holds them exactly and no order of adding changes the result: the
same audio gives the same bytes however it is cut into chunks, on every machine.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd, pi
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from openclaw_voice_call.audio.mulaw import SAMPLE_RATE_HZ
from openclaw_voice_call.errors import UnsupportedAudio

_CUTOFF_HZ: Final = 4000
_TRANSITION_HZ: Final = 1000
_ATTENUATION_DB: Final = 80.0
_KAISER_BETA: Final = 0.1102 * (_ATTENUATION_DB - 8.7)
LOOKAHEAD_S: Final = (_ATTENUATION_DB - 7.95) / (2 * 2.285 * 2 * pi * _TRANSITION_HZ)
"""How much later audio a sample depends on: the filter's delay. Half its length (Kaiser's rule)."""

_UNITY: Final = 2**24
"""The whole number that stands for the gain 1."""
_LARGEST_L: Final = 320
_HIGHEST_RATE_HZ: Final = 192_000
_S16: Final[np.dtype[np.int16]] = np.dtype("<i2")
_PIECE_BYTES: Final = 8192
"""Chunks are worked off in pieces, so that a large one needs no more memory than a small one."""


class Decimator:
    """One stream of 16-bit mono samples, on its way down to 8000 Hz.

    Output sample k belongs to the moment of input k * from_hz / 8000: nothing is shifted, and n
    samples give ceil(n * 8000 / from_hz). Up to `lookahead_ms` are held back until more comes.
    """

    def __init__(self, from_hz: int) -> None:
        """Raises UnsupportedAudio for a rate under 8000 Hz, over 192 kHz, or no multiple of 25."""
        self.lookahead_ms = 0.0
        self._bank = _filter_bank(from_hz)
        self._rise: int = self._bank.shape[0]
        self._taps: int = self._bank.shape[1]
        self._fall = from_hz * self._rise // SAMPLE_RATE_HZ
        self._reach = self._taps // 2
        if from_hz != SAMPLE_RATE_HZ:
            self.lookahead_ms = self._reach * 1000 / from_hz
        self._begin()

    def _begin(self) -> None:
        self._odd = b""
        """The first byte of a sample whose second has not come."""
        self._kept = np.zeros(self._reach)
        """The samples that are still needed, in front of the first of all as if it were silent."""
        self._next = 0
        """Where in `_kept` the next output's first tap lies, in steps of 1/L sample."""

    def feed(self, pcm: bytes) -> NDArray[np.int16]:
        """The next bytes (16 bit, little endian), any number; all output that they complete."""
        pcm = self._odd + pcm
        whole = len(pcm) & ~1
        pcm, self._odd = pcm[:whole], pcm[whole:]
        if self._rise == self._fall:
            return np.frombuffer(pcm, _S16).astype(np.int16)
        pieces = [
            self._advance(np.frombuffer(pcm[at : at + _PIECE_BYTES], _S16))
            for at in range(0, whole, _PIECE_BYTES)
        ]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int16)

    def flush(self) -> NDArray[np.int16]:
        """What was held back. Half a sample is none. Afterwards a new stream may be fed."""
        rest = self._advance(np.zeros(self._reach, np.int16))
        self._begin()
        return rest

    def _advance(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        kept = np.concatenate((self._kept, samples.astype(np.float64)))
        rise, taps = self._rise, self._taps
        # The last window may begin at len(kept) - taps; `_next` moves by M for each output.
        count = max(0, ceil(((len(kept) - taps + 1) * rise - self._next) / self._fall))
        if count == 0:
            self._kept = kept
            return np.empty(0, np.int16)
        if rise == 1:
            # Also what is then left out, which is still much cheaper than to pick windows.
            sums = np.correlate(kept, self._bank[0], "valid")[self._next :: self._fall]
        else:
            positions = self._next + self._fall * np.arange(count)
            windows = sliding_window_view(kept, taps)[positions // rise]
            sums = np.einsum("ij,ij->i", windows, self._bank[positions % rise])
        used, self._next = divmod(self._next + self._fall * count, rise)
        self._kept = kept[used:].copy()
        return np.clip(np.rint(sums / _UNITY), -32_768, 32_767).astype(np.int16)


@lru_cache(maxsize=16)
def _filter_bank(from_hz: int) -> NDArray[np.float64]:
    """Whole numbers in L rows: row p is the filter for an output p/L samples after an input.

    Each row adds up to exactly 1, so that a constant stays that constant.
    """
    shared = gcd(from_hz, SAMPLE_RATE_HZ)
    rise = SAMPLE_RATE_HZ // shared
    if not SAMPLE_RATE_HZ <= from_hz <= _HIGHEST_RATE_HZ or rise > _LARGEST_L:
        raise UnsupportedAudio(f"audio at {from_hz} Hz")
    if from_hz == SAMPLE_RATE_HZ:
        return np.full((1, 1), float(_UNITY))
    reach = ceil(LOOKAHEAD_S * from_hz)
    offsets = np.arange(rise)[:, None] / rise + reach - np.arange(2 * reach + 1)
    inside = np.clip(1.0 - (offsets / reach) ** 2, 0.0, None)
    window = np.where(np.abs(offsets) <= reach, np.i0(_KAISER_BETA * np.sqrt(inside)), 0.0)
    ideal = np.sinc(2 * _CUTOFF_HZ / from_hz * offsets) * window
    bank = np.rint(ideal / ideal.sum(axis=1, keepdims=True) * _UNITY)
    bank[:, reach] += _UNITY - bank.sum(axis=1)
    bank.flags.writeable = False
    return bank
