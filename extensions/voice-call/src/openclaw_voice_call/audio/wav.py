"""WAV, read as it streams in and written as a recording grows. Pure.

A file is RIFF, its size, WAVE, then chunks of a name, a size and that many bytes, padded to an even
number: `fmt ` says what the samples are, `data` holds them, all others are skipped. A writer that
did not know its length leaves 0 or 0xFFFFFFFF as the size of `data`: the samples then go on to the
end. (Multimedia Programming Interface 1.0; Microsoft's WAVEFORMATEXTENSIBLE.)
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.audio.samples import Encoding, RawFormat
from openclaw_voice_call.errors import UnsupportedAudio

MAGICS: Final = (b"RIFF", b"RF64")
"""RF64 is RIFF whose true sizes stand in a chunk of their own (EBU Tech 3306)."""
HEADER_BYTES: Final = 44
"""Of the recordings that are written here."""

_UNKNOWN: Final = 0xFFFF_FFFF
_EXTENSIBLE: Final = 0xFFFE
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format's number in a sub-format that has a number."""
_FMT_BYTES: Final = 64
"""How much of `fmt ` is looked at; the extensible one has 40."""
_MOST_CHANNELS: Final = 32
_MOST_CHUNKS: Final = 64
"""Before the samples."""

_ENCODINGS: Final = {
    (1, 8): Encoding.U8,
    (1, 16): Encoding.S16,
    (1, 24): Encoding.S24,
    (1, 32): Encoding.S32,
    (3, 32): Encoding.F32,
    (3, 64): Encoding.F64,
    (6, 8): Encoding.ALAW,
    (7, 8): Encoding.MULAW,
}
"""By the format's number and the bits of a sample."""


class WavReader:
    """Takes the header off; `form` is known as soon as there can be samples."""

    def __init__(self) -> None:
        self.form: RawFormat | None = None
        self._waiting = b""
        """Of the header, as far as it came and was not read."""
        self._opened = False
        self._chunks = 0
        self._skip = 0
        """Bytes of an uninteresting chunk that are still to come."""
        self._left: int | None = None
        """Bytes of samples that are still to come; None before `data`."""
        self._endless = False

    def feed(self, chunk: bytes) -> bytes:
        """The samples in it. Raises UnsupportedAudio when it is no WAV, or of an unknown kind."""
        if self._left is None:
            self._waiting += chunk
            while self._left is None and self._step():
                pass
            if self._left is None:
                return b""
            chunk, self._waiting = self._waiting, b""
        if self._endless:
            return chunk
        samples = chunk[: self._left]
        self._left -= len(samples)
        return samples

    def _step(self) -> bool:
        """Read one thing of the header; False when more bytes are needed for it."""
        if self._skip:
            skipped = min(self._skip, len(self._waiting))
            self._waiting = self._waiting[skipped:]
            self._skip -= skipped
            return self._skip == 0
        if not self._opened:
            return self._open()
        if len(self._waiting) < 8:
            return False
        name, size = struct.unpack_from("<4sI", self._waiting)
        end = 8 + min(size, _FMT_BYTES) if name == b"fmt " else 8
        if len(self._waiting) < end:
            return False
        self._chunks += 1
        if self._chunks > _MOST_CHUNKS:
            raise UnsupportedAudio(f"WAV without samples in its first {_MOST_CHUNKS} chunks")
        start, self._waiting = self._waiting[8:end], self._waiting[end:]
        if name == b"fmt ":
            self.form = _read_format(start)
        if name != b"data":
            self._skip = size + size % 2 - len(start)
        elif self.form is None:
            raise UnsupportedAudio("WAV whose samples come before their format")
        else:
            self._left = size
            self._endless = size in (0, _UNKNOWN)
        return True

    def _open(self) -> bool:
        if len(self._waiting) < 12:
            return False
        magic, kind = self._waiting[:4], self._waiting[8:12]
        if magic not in MAGICS or kind != b"WAVE":
            raise UnsupportedAudio(f"RIFF of the kind {kind!r}")
        self._waiting = self._waiting[12:]
        self._opened = True
        return True


def _read_format(chunk: bytes) -> RawFormat:
    if len(chunk) < 16:
        raise UnsupportedAudio(f"WAV with a format of {len(chunk)} bytes")
    number, channels, rate_hz, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if number == _EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _GUID_TAIL:
        (number,) = struct.unpack_from("<H", chunk, 24)
    encoding = _ENCODINGS.get((number, bits))
    if encoding is None:
        raise UnsupportedAudio(f"WAV of format {number:#06x} with {bits} bits")
    if not 1 <= channels <= _MOST_CHANNELS or block != channels * encoding.width:
        raise UnsupportedAudio(f"WAV with {channels} channels in {block} bytes")
    return RawFormat(encoding, rate_hz, channels)


def recording_header(data_bytes: int | None = None) -> bytes:
    """The beginning of a recording: 16-bit stereo at 8000 Hz, HEADER_BYTES long.

    None while it is being written: players then read to the end of the file. When it is complete,
    the header with `data_bytes` replaces it; a size too large for WAV stays unknown.
    """
    size, whole = _UNKNOWN, _UNKNOWN
    if data_bytes is not None and data_bytes + HEADER_BYTES - 8 < _UNKNOWN:
        size, whole = data_bytes, data_bytes + HEADER_BYTES - 8
    rate_hz, channels, width = mulaw.SAMPLE_RATE_HZ, 2, 2
    block = channels * width
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", whole, b"WAVE"),
            struct.pack("<4sI", b"fmt ", 16),
            struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * block, block, 8 * width),
            struct.pack("<4sI", b"data", size),
        )
    )


def interleave(left: bytes, right: bytes) -> bytes:
    """Two legs of mu-law as the samples of a recording; the shorter one ends in silence."""
    both = np.zeros((max(len(left), len(right)), 2), np.dtype("<i2"))
    both[: len(left), 0] = mulaw.decode(left)
    both[: len(right), 1] = mulaw.decode(right)
    return both.tobytes()


def separate(stereo: bytes) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Left and right of a recording's samples; a cut one at the end is left out."""
    whole = len(stereo) // 4
    both = np.frombuffer(stereo, np.dtype("<i2"), whole * 2).reshape(-1, 2).astype(np.int16)
    return both[:, 0], both[:, 1]
