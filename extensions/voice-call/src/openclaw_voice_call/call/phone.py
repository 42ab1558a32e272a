"""Phone numbers as they are compared: E.164, a plus and up to 15 digits."""

from __future__ import annotations

import re
from typing import Final

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PUNCTUATION: Final = str.maketrans("", "", " \t-.()/\u00a0\u2011\u2013")

_WITHHELD: Final = frozenset(
    {"", "anonymous", "restricted", "unavailable", "unknown", "private", "blocked"}
)


def normalise(number: str) -> str | None:
    """The number in E.164 with the punctuation that people write taken out, or None.

    Never guesses: without a plus and a country code a number is not comparable.
    """
    bare = number.translate(_PUNCTUATION)
    return bare if _E164.fullmatch(bare) else None


def is_withheld(caller: str) -> bool:
    """Whether `caller` is no number but one of the words that stand in place of a withheld one."""
    return caller.strip().lower() in _WITHHELD
