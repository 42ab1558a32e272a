"""What audio is, told by its first bytes, whatever was declared. Pure.

Compressed audio played as samples is loud noise in somebody's ear, and so is an error text. A name
in the first bytes is proof enough. MPEG audio has none, only frames that begin with eleven bits of
1, which samples have too: there, a second frame must begin where the first one ends.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from openclaw_voice_call.audio import wav
from openclaw_voice_call.errors import UnsupportedAudio

ENOUGH_BYTES: Final = 4096
"""With so many bytes it is always clear what they are."""


class Container(Enum):
    """What the bytes are in, of those that can be played."""

    NONE = "raw"
    WAV = "wav"


_FIRST_BYTES: Final = 12
_TEXT_BYTES: Final = 64
_NAMES: Final = (
    (0, b"OggS\0", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"caff", "CAF"),
    (0, b"FORM", "AIFF"),
    (0, b".snd", "AU"),
    (4, b"ftyp", "MP4"),
)
_TEXT: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*(?:
        (?P<json> \{\s*(?:["}]|\Z) | \[\s*(?:[\[{"\]]|\Z) ) | <[!?]?[A-Za-z] )""",
    re.VERBOSE,
)
"""How JSON and markup begin, perhaps after a byte order mark; or may begin, as far as it came."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def recognise(head: bytes, *, complete: bool = False) -> Container | None:
    """What a stream that begins so is; None when more is needed, at most ENOUGH_BYTES.

    `complete`: there is no more. Raises UnsupportedAudio, with a name, for what cannot be played.
    """
    if len(head) < _FIRST_BYTES and not complete:
        return None
    if head.startswith(wav.MAGICS):
        return Container.WAV
    for at, name, found in _NAMES:
        if head.startswith(name, at):
            raise UnsupportedAudio(found)
    if _is_id3(head):
        raise UnsupportedAudio("MP3")
    if (text := _TEXT.match(head)) is not None:
        return _recognise_text(text, head[:_TEXT_BYTES], complete=complete)
    if (frame := _mpeg_frame(head)) is not None:
        return _recognise_mpeg(frame, head, complete=complete)
    return Container.NONE


def _recognise_text(match: re.Match[bytes], head: bytes, *, complete: bool) -> Container | None:
    """Samples may begin like a text, but they do not go on as UTF-8 without control characters."""
    try:
        # The last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return Container.NONE
    if _CONTROL.search(text):
        return Container.NONE
    if len(head) < _TEXT_BYTES and not complete:
        return None
    raise UnsupportedAudio("JSON" if match["json"] else "HTML or XML")


def _is_id3(head: bytes) -> bool:
    """A tag before MP3: its version, flags and a size of seven bits a byte (id3.org, ID3v2.4)."""
    return (
        len(head) >= 10
        and head.startswith(b"ID3")
        and head[3] in (2, 3, 4)
        and all(byte < 0x80 for byte in head[6:10])
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """An MPEG audio frame. `kind` does not change within a stream, but for the bit rate."""

    name: str
    kind: bytes
    length: int


def _recognise_mpeg(frame: _Frame, head: bytes, *, complete: bool) -> Container | None:
    following = head[frame.length :]
    if len(following) < _LONGEST_HEADER and not complete:
        return None
    second = _mpeg_frame(following)
    if second is not None and second.kind == frame.kind:
        raise UnsupportedAudio(frame.name)
    if complete and len(head) == frame.length:
        raise UnsupportedAudio(frame.name)
    return Container.NONE


_KBPS: Final = {
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by (MPEG-1, layer); index 0 is the rate with the number 1 (ISO 11172-3, 13818-3)."""
_RATES_HZ: Final = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
"""By the version's number: MPEG-1, 2, 2.5."""


_LONGEST_HEADER: Final = 7
"""Of a frame, in bytes."""


def _mpeg_frame(head: bytes) -> _Frame | None:
    """The frame whose header begins here, as far as such a header is possible."""
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    if layer == 4:
        return _adts_frame(head)
    rates = _RATES_HZ.get(version)
    number, rate = head[2] >> 4, head[2] >> 2 & 3
    kbps = _KBPS.get((version == 3, layer))
    if rates is None or kbps is None or rate == 3 or not 1 <= number <= len(kbps):
        return None
    samples = 576 if layer == 3 and version != 3 else 1152
    length = samples // 8 * kbps[number - 1] * 1000 // rates[rate] + (head[2] >> 1 & 1)
    name = "MP3" if layer == 3 else "MP2"
    return _Frame(name, bytes((head[1] & 0xFE, head[2] & 0x0C)), length)


def _adts_frame(head: bytes) -> _Frame | None:
    """AAC in ADTS (ISO 13818-7): layer bits 0, and the length written in the header."""
    if len(head) < 6 or head[1] < 0xF0 or head[2] >> 2 & 0x0F > 12:
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if not _LONGEST_HEADER <= length <= ENOUGH_BYTES - _LONGEST_HEADER:
        return None
    return _Frame("AAC", bytes((head[1], head[2] & 0xFD)), length)
