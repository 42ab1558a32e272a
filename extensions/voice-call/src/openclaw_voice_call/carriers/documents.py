"""What the documents of carriers that fetch XML have in common: text, keys, whole seconds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring
from xml.sax.saxutils import escape

from openclaw_voice_call.interfaces.instruction import LineSettings

DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'

_DIGIT_ALIASES: Final = str.maketrans({",": "w", "p": "w", "P": "w"})
_NOT_DIGITS: Final = re.compile(r"[^0-9A-D#*wW]")
# All that is not a Char of XML 1.0, and the C1 controls, which it discourages.
_NOT_XML: Final = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Where a long text may be parted, best first: after a sentence, else after a word.
_BREAKS: Final = (re.compile(r"[.!?。！？]\s+|\n"), re.compile(r"\s"))  # noqa: RUF001


def document(root: Element) -> bytes:
    """The document, as it is sent."""
    # To text and then to bytes: half the time of writing bytes through ElementTree's own stream.
    return DECLARATION + tostring(root, encoding="unicode").encode()


def whole_seconds(ms: int) -> int:
    """Milliseconds rounded up to the whole seconds that these carriers count in."""
    return -(-ms // 1000)


def dtmf(digits: str) -> str:
    """Keys, and pauses of half a second (`w`, and its aliases a comma and `p`) or one (`W`)."""
    return _NOT_DIGITS.sub("", digits.translate(_DIGIT_ALIASES))


def speakable(text: str) -> str:
    """`text` without the characters that XML cannot carry; line ends become a newline."""
    return _NOT_XML.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def add_speech(
    parent: Element, tag: str, text: str, line: LineSettings, *, limit: int, room: int
) -> None:
    """Add `text` to `parent` in elements named `tag`, parted as `parts` does."""
    for part in parts(speakable(text), limit=limit, room=room):
        said = SubElement(parent, tag)
        if line.voice:
            said.set("voice", speakable(line.voice))
        said.set("language", speakable(line.language))
        said.text = part


def parts(text: str, *, limit: int, room: int) -> Iterator[str]:
    """`text` in parts of at most `limit` characters that need at most `room` bytes of XML together.

    Joined they are the text, cut at a word where the room ends; blank parts are left out.
    """
    while text and room > 0:
        part = text if len(text) <= limit else text[: _break_before(text, limit)]
        text = text[len(part) :]
        size = len(escape(part).encode())
        if size > room:
            part, text = _fitting(part, room), ""
        room -= size
        if part.strip():
            yield part


def _break_before(text: str, limit: int) -> int:
    """Where to part `text`: after the last sentence, else word, of the first `limit` characters."""
    for pattern in _BREAKS:
        ends = [found.end() for found in pattern.finditer(text, 0, limit)]
        if ends:
            return ends[-1]
    return limit


def _fitting(part: str, room: int) -> str:
    """The longest beginning of `part` that needs at most `room` bytes, cut at a word."""
    used = 0
    for index, char in enumerate(part):
        used += len(escape(char).encode())
        if used > room:
            return part[: _break_before(part, index)] if index else ""
    return part
