"""From the telephone's sample rate up to 24 kHz, for recognisers that take no mu-law. Pure.

Repeating each sample three times would add images of the speech above 4 kHz. A linear-phase filter
leaves them 60 dB down. As in `decimator`, its coefficients are whole numbers, so the same audio
gives the same samples however it is cut into chunks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw

RATE_HZ: Final = 24_000
RISE: Final = RATE_HZ // mulaw.SAMPLE_RATE_HZ
_REACH: Final = 12
"""Input samples on each side of an output; so much is held back until more comes (1.5 ms)."""
_KAISER_BETA: Final = 5.65
_UNITY: Final = 2**24


class Raiser:
    """One stream of mu-law, on its way up to 16-bit samples at 24 kHz.

    Output sample k belongs to the moment of input k / 3: nothing is shifted.
    """

    def __init__(self) -> None:
        self._kept = np.zeros(_REACH)
        """The samples that are still needed, in front of the first of all as if it were silent."""

    def feed(self, audio: bytes) -> bytes:
        """The next mu-law; all samples that it completes, little endian."""
        kept = np.concatenate((self._kept, mulaw.decode(audio).astype(np.float64)))
        count = len(kept) - 2 * _REACH
        if count <= 0:
            self._kept = kept
            return b""
        windows = sliding_window_view(kept, _BANK.shape[1])[:count]
        sums = (windows @ _BANK.T).reshape(-1)
        self._kept = kept[count:].copy()
        return np.clip(np.rint(sums / _UNITY), -32_768, 32_767).astype("<i2").tobytes()


def _filter_bank() -> NDArray[np.float64]:
    """Whole numbers in three rows: row p is the filter for an output p/3 samples after an input.

    Each row adds up to exactly 1, so that a constant stays that constant.
    """
    offsets = np.arange(RISE)[:, None] / RISE + _REACH - np.arange(2 * _REACH + 1)
    inside = np.clip(1.0 - (offsets / _REACH) ** 2, 0.0, None)
    window = np.where(np.abs(offsets) <= _REACH, np.i0(_KAISER_BETA * np.sqrt(inside)), 0.0)
    ideal = np.sinc(offsets) * window
    bank = np.rint(ideal / ideal.sum(axis=1, keepdims=True) * _UNITY)
    bank[:, _REACH] += _UNITY - bank.sum(axis=1)
    bank.flags.writeable = False
    return bank


_BANK: Final = _filter_bank()
