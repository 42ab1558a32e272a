"""Tells our own words, come back from the line, from the caller's. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

_WORD: Final = re.compile(
    # Scripts without blanks between words: each character is one.
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|[^\W_]+(?:['\u2019][^\W_]+)*"
)
_NEARLY: Final = 0.8
_LONGEST_HEARD: Final = 60
_LONGEST_SAID: Final = 300
_UTTERANCES: Final = 8


def words_of(text: str) -> list[str]:
    """The words without what recognisers write differently each time: case, marks, accents."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return _WORD.findall(plain)


def after(text: str, taken: Sequence[str]) -> str | None:
    """What follows these words in a text that begins with them; None: it does not."""
    said = list(_WORD.finditer(unicodedata.normalize("NFKC", text)))
    count = len(taken)
    if count == 0 or count > len(said):
        return None
    if any(words_of(match[0]) != [word] for match, word in zip(said, taken, strict=False)):
        return None
    return said[count].string[said[count].start() :] if count < len(said) else ""


class OwnWords:
    """What we have been saying lately. Times in seconds."""

    def __init__(self) -> None:
        self._said: deque[list[str]] = deque(maxlen=_UTTERANCES)

    def say(self, text: str) -> None:
        """We begin to say this."""
        words = words_of(text)[:_LONGEST_SAID]
        if words:
            self._said.append(words)

    def forget(self) -> None:
        """None of it can come back any more."""
        self._said.clear()

    def contain(self, heard: Sequence[str]) -> bool:
        """Whether these words, but for one in five, stand together in ours, in this order."""
        heard = heard[-_LONGEST_HEARD:]
        if not heard or not self._said:
            return False
        # The newest come back; joined, because a sentence may end within what was heard.
        said = [word for words in self._said for word in words][-_LONGEST_SAID:]
        matcher = SequenceMatcher(None, said, heard, autojunk=False)
        blocks = [block for block in matcher.get_matching_blocks() if block.size]
        matched = sum(block.size for block in blocks)
        if matched < _NEARLY * len(heard):
            return False
        width = blocks[-1].a + blocks[-1].size - blocks[0].a
        return width <= 1.5 * len(heard) + 2
