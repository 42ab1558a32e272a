"""Phone numbers as they are compared: E.164, a plus and up to 15 digits."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

# The library finds numbers in any text and reads letters as keys. A caller's number is compared
# only when it is one as a whole, so its form is judged before the library sees it.
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PUNCTUATION: Final = str.maketrans("", "", " \t-.()/\u00a0\u2011\u2013")
_TRUNK: Final = "(0)"

_WITHHELD: Final = frozenset(
    {"", "anonymous", "restricted", "unavailable", "unknown", "private", "blocked"}
)


@lru_cache(maxsize=4096)
def normalise(number: str) -> str | None:
    """The number in E.164 with the punctuation that people write taken out, or None.

    Never guesses: without a plus and a country code a number is not comparable, and one whose
    country has no numbers of this length is none. The trunk zero is dropped where it is marked as
    one, as in +49 (0) 30. Digits are never dropped otherwise: a prefix makes another number.
    """
    bare = number.translate(_PUNCTUATION)
    if not _E164.fullmatch(bare):
        return None
    try:
        parsed = phonenumbers.parse(bare)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    whole = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    return whole if whole == bare or _TRUNK in number else None


def is_withheld(caller: str) -> bool:
    """Whether `caller` is no number but one of the words that stand in place of a withheld one."""
    return caller.strip().lower() in _WITHHELD
