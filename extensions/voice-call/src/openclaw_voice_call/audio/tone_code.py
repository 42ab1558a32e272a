"""Words as tones that survive the telephone: the speech of tests and demonstrations. Pure.

Whoever speaks it is understood without a recogniser of real speech, by `decode`. Each word is a
burst of tones of 12.5 ms, 16 of which carry four bits each and two of which frame the burst:

    A B A | the word's bytes as UTF-8, high half first | B | CRC-8 of the bytes, high half first

Neighbouring tones are two cycles per symbol apart, so none is heard in another's place. A burst
that is cut off, covered or damaged is not a word, and the others are not touched by it. Where a
burst begins is found by its frame, so any amount of silence or noise may stand around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw

SYMBOL_MS: Final = 12.5
GAP_MS: Final = 60
"""Silence between two words: heard as one stretch of speech by whoever waits for its end."""
LEVEL_DBFS: Final = -18.0
"""Of a burst; telephone speech has about as much."""

_SYMBOL: Final = 100
_LOWEST_HZ: Final = 480
_STEP_HZ: Final = 160
_A: Final = 16
_B: Final = 17
_TONES: Final = 18
_OPENING: Final = (_A, _B, _A)
_RAMP: Final = 16
"""Samples in which a burst swells and fades, so that it does not click."""
_HOP: Final = 10
"""A burst's beginning is looked for in steps of so many samples; its symbols are ten of them."""
_HOPS: Final = _SYMBOL // _HOP
_PURE: Final = 0.6
"""The part of a symbol's energy that must be in its tone, with the opening's average above it."""
_QUIET: Final = 100.0
"""The amplitude under which nothing is looked for: about -53 dBFS."""

_HZ: Final = _LOWEST_HZ + _STEP_HZ * np.arange(_TONES)
_PHASES: Final = 2 * np.pi * np.outer(np.arange(_SYMBOL), _HZ) / mulaw.SAMPLE_RATE_HZ
_BASIS: Final = np.hstack([np.cos(_PHASES), np.sin(_PHASES)]).astype(np.float32)


def encode(text: str) -> bytes:
    """The words of `text` as mu-law; what is between two words becomes one gap. Empty for none."""
    bursts = [_burst(word.encode("utf-8", "replace")) for word in text.split()]
    return mulaw.silence(GAP_MS).join(bursts)


def decode(audio: bytes) -> str:
    """The words that can be heard in mu-law, wherever they begin, with one blank between them."""
    # Of the last symbol, too, a hop may begin a little late.
    padded = np.pad(mulaw.decode(audio), _SYMBOL)
    return " ".join(_words(_purity(padded.astype(np.float32))))


def _burst(word: bytes) -> bytes:
    symbols = [*_OPENING, *_halves(word), _B, *_halves(bytes((_crc8(word),)))]
    # Each tone has whole cycles in a symbol, so they join without a step.
    tones = np.sin(_PHASES[:, symbols]).T.reshape(-1)
    ramp = np.sin(np.linspace(0, np.pi / 2, _RAMP)) ** 2
    tones[:_RAMP] *= ramp
    tones[-_RAMP:] *= ramp[::-1]
    amplitude = 32_768 * np.sqrt(2) * 10 ** (LEVEL_DBFS / 20)
    return mulaw.encode(np.rint(amplitude * tones).astype(np.int16))


def _purity(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each hop, the part of the energy of the symbol beginning there that is in each tone."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _SYMBOL)[::_HOP]
    parts = windows @ _BASIS
    energy = parts[:, :_TONES] ** 2 + parts[:, _TONES:] ** 2
    whole = np.einsum("ij,ij->i", windows, windows)
    audible = whole > _SYMBOL * _QUIET**2 / 2
    scale = np.where(audible, 2 / (_SYMBOL * np.maximum(whole, 1.0)), 0.0)
    return (energy * scale[:, None]).astype(np.float32)


def _words(purity: NDArray[np.float32]) -> Iterator[str]:
    last = len(purity) - _HOPS * len(_OPENING)
    if last <= 0:
        return
    symbols = [
        purity[_HOPS * place : _HOPS * place + last, tone] for place, tone in enumerate(_OPENING)
    ]
    opening = np.mean(symbols, axis=0)
    likely = np.flatnonzero(opening > _PURE)
    end = 0
    for first in likely:
        # The hops around a beginning are all likely; the best of them is tried.
        if first < end:
            continue
        begin = int(first) + int(np.argmax(opening[first : first + _HOPS]))
        found = _word(purity, begin + _HOPS * len(_OPENING))
        if found is None:
            end = begin + 1
        else:
            word, end = found
            yield word


def _word(purity: NDArray[np.float32], begin: int) -> tuple[str, int] | None:
    """The word whose bytes begin at this hop, and the hop after its burst."""
    symbols = purity[begin::_HOPS]
    heard = np.argmax(symbols, axis=1)
    sure = np.max(symbols, axis=1) > _PURE / 2
    frames = np.flatnonzero((heard >= _A) | ~sure)
    if not frames.size:
        return None
    stop = int(frames[0])
    if stop == 0 or stop % 2 or stop + 2 >= len(heard) or heard[stop] != _B:
        return None
    word = _joined(heard[:stop])
    if not sure[stop + 1 : stop + 3].all() or _joined(heard[stop + 1 : stop + 3]) != bytes(
        (_crc8(word),)
    ):
        return None
    try:
        return word.decode("utf-8"), begin + _HOPS * (stop + 3)
    except UnicodeDecodeError:
        return None


def _halves(data: bytes) -> list[int]:
    return [half for byte in data for half in (byte >> 4, byte & 0x0F)]


def _joined(halves: NDArray[np.intp]) -> bytes:
    pairs = list(pairwise(halves.tolist()))[::2]
    return bytes((high << 4 | low) & 0xFF for high, low in pairs)


def _crc8(data: bytes) -> int:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1, begun so that no bytes do not check as 0."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x107 if crc & 0x80 else crc << 1
    return crc
