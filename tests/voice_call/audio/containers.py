"""Audio in the containers that vendors send, made here from samples."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.audio.formats import Encoding

GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
NUMBERS: Final[Mapping[Encoding, int]] = {
    Encoding.U8: 1,
    Encoding.S16: 1,
    Encoding.S24: 1,
    Encoding.S32: 1,
    Encoding.F32: 3,
    Encoding.F64: 3,
    Encoding.ALAW: 6,
    Encoding.MULAW: 7,
}


def _s24(samples: NDArray[np.int16]) -> bytes:
    return b"".join((int(sample) << 8).to_bytes(3, "little", signed=True) for sample in samples)


def _alaw(samples: NDArray[np.int16]) -> bytes:
    """By search, so that it does not share the decoder's arithmetic: G.711 table 1a, times 16."""
    steps = [16] * 32 + [size for size in (32, 64, 128, 256, 512, 1024) for _ in range(16)]
    ends = np.cumsum(steps)
    places = np.searchsorted(ends[:-1], np.abs(samples.astype(int)), side="right")
    codes = np.where(samples >= 0, 0x80 | places, places) ^ 0x55
    return codes.astype(np.uint8).tobytes()


ENCODERS: Final[Mapping[Encoding, Callable[[NDArray[np.int16]], bytes]]] = {
    Encoding.U8: lambda samples: (samples // 256 + 128).astype(np.uint8).tobytes(),
    Encoding.S16: lambda samples: samples.astype("<i2").tobytes(),
    Encoding.S24: _s24,
    Encoding.S32: lambda samples: (samples.astype("<i4") * 65_536).tobytes(),
    Encoding.F32: lambda samples: (samples / 32_767).astype("<f4").tobytes(),
    Encoding.F64: lambda samples: (samples / 32_767).astype("<f8").tobytes(),
    Encoding.MULAW: mulaw.encode,
    Encoding.ALAW: _alaw,
}


def raw(samples: NDArray[np.int16], encoding: Encoding, channels: int = 1) -> bytes:
    """The same on every channel."""
    return ENCODERS[encoding](np.repeat(samples, channels))


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A chunk of RIFF; `size` is what its header claims."""
    claimed = len(content) if size is None else size
    return name + struct.pack("<I", claimed) + content + b"\0" * (len(content) % 2)


def form(encoding: Encoding, rate_hz: int, channels: int = 1, *, extensible: bool = False) -> bytes:
    """The chunk `fmt `."""
    number, width = NUMBERS[encoding], encoding.width
    block = width * channels
    fields = (channels, rate_hz, rate_hz * block, block, 8 * width)
    if not extensible:
        return chunk(b"fmt ", struct.pack("<HHIIHH", number, *fields))
    tail = struct.pack("<HHIH", 22, 8 * width, 0, number) + GUID_TAIL
    return chunk(b"fmt ", struct.pack("<HHIIHH", 0xFFFE, *fields) + tail)


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(content) if size is None else size) + content


def wav(
    samples: NDArray[np.int16],
    rate_hz: int,
    encoding: Encoding = Encoding.S16,
    channels: int = 1,
    *,
    extensible: bool = False,
    size: int | None = None,
) -> bytes:
    """`size` is what the header claims of the samples, as streaming writers do it."""
    data = chunk(b"data", raw(samples, encoding, channels), size)
    return riff(form(encoding, rate_hz, channels, extensible=extensible), data, size=size)


def mp3(header: bytes, length: int, frames: int) -> bytes:
    """Frames of MPEG audio: the header's four bytes, then what is not audio here."""
    return (header + bytes(range(1, 251)) * (length // 250 + 1))[:length] * frames
