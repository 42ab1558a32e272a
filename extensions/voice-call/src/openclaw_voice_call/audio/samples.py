"""Samples without a container, in the kinds that speech vendors and WAV files have. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw


class Encoding(StrEnum):
    """Of one sample. Those of several bytes are little endian."""

    U8 = "u8"
    S16 = "s16"
    S24 = "s24"
    S32 = "s32"
    F32 = "f32"
    F64 = "f64"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return _WIDTHS[self]


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What headerless audio is. `channels` lie side by side, sample by sample."""

    encoding: Encoding
    rate_hz: int
    channels: int = 1

    @property
    def is_telephony(self) -> bool:
        """Whether it is what the line carries, so that nothing needs to be converted."""
        return self == TELEPHONY


TELEPHONY: Final = RawFormat(Encoding.MULAW, mulaw.SAMPLE_RATE_HZ)
"""Elsewhere called `ulaw_8000`, PCMU or g711_ulaw."""


class MonoReader:
    """Turns bytes of one RawFormat, cut anywhere, into 16-bit mono at the same rate."""

    def __init__(self, form: RawFormat) -> None:
        self._channels = form.channels
        self._block = form.encoding.width * form.channels
        self._convert = _CONVERTERS[form.encoding]
        self._cut = b""
        """The beginning of samples whose end has not come."""

    def feed(self, raw: bytes) -> bytes:
        """All samples that are complete, 16 bit, little endian. Channels are averaged."""
        raw = self._cut + raw
        whole = len(raw) - len(raw) % self._block
        self._cut = raw[whole:]
        samples = self._convert(raw[:whole])
        if self._channels > 1:
            across = samples.reshape(-1, self._channels)
            samples = np.rint(across.mean(axis=1)).astype(np.int16)
        return samples.astype(_S16, copy=False).tobytes()


_Converter: TypeAlias = Callable[[bytes], NDArray[np.int16]]
_S16: Final[np.dtype[np.int16]] = np.dtype("<i2")


def _from_u8(raw: bytes) -> NDArray[np.int16]:
    return ((np.frombuffer(raw, np.uint8).astype(np.int16) - 128) * 256).astype(np.int16)


def _from_s16(raw: bytes) -> NDArray[np.int16]:
    return np.frombuffer(raw, _S16).astype(np.int16)


def _from_s24(raw: bytes) -> NDArray[np.int16]:
    upper = np.frombuffer(raw, np.uint8).reshape(-1, 3)[:, 1:]
    return _from_s16(upper.tobytes())


def _from_s32(raw: bytes) -> NDArray[np.int16]:
    return (np.frombuffer(raw, np.dtype("<i4")) >> 16).astype(np.int16)


def _from_f32(raw: bytes) -> NDArray[np.int16]:
    return _from_float(np.frombuffer(raw, np.dtype("<f4")).astype(np.float64))


def _from_f64(raw: bytes) -> NDArray[np.int16]:
    return _from_float(np.frombuffer(raw, np.dtype("<f8")).astype(np.float64))


def _from_float(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """Full scale is 1. What is no number is silence."""
    audible = np.clip(np.nan_to_num(samples), -1.0, 1.0)
    return np.rint(audible * 32_767).astype(np.int16)


def _alaw_table() -> NDArray[np.int16]:
    """ITU-T G.711, tables 1a and 1b, in samples of 16 bits: even bits of a byte are inverted."""
    codes = np.arange(256) ^ 0x55
    segments = codes >> 4 & 0x07
    steps = (codes & 0x0F) * 16 + 8
    magnitudes = np.where(segments > 0, (steps + 256) << np.maximum(segments - 1, 0), steps)
    return np.where(codes & 0x80, magnitudes, -magnitudes).astype(np.int16)


_ALAW: Final = _alaw_table()


def _from_alaw(raw: bytes) -> NDArray[np.int16]:
    return _ALAW[np.frombuffer(raw, np.uint8)]


_CONVERTERS: Final[Mapping[Encoding, _Converter]] = {
    Encoding.U8: _from_u8,
    Encoding.S16: _from_s16,
    Encoding.S24: _from_s24,
    Encoding.S32: _from_s32,
    Encoding.F32: _from_f32,
    Encoding.F64: _from_f64,
    Encoding.MULAW: mulaw.decode,
    Encoding.ALAW: _from_alaw,
}
_WIDTHS: Final[Mapping[Encoding, int]] = {
    Encoding.U8: 1,
    Encoding.S16: 2,
    Encoding.S24: 3,
    Encoding.S32: 4,
    Encoding.F32: 4,
    Encoding.F64: 8,
    Encoding.MULAW: 1,
    Encoding.ALAW: 1,
}
