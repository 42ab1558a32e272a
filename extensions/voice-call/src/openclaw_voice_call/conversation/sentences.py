"""Parts words into sentences that a voice can begin to speak while the next ones are written. Pure.

A cut is made only where nothing that follows can change it, so the same words give the same
sentences however they arrive.
"""

import re
from collections.abc import Iterator
from typing import Final

LONGEST_SENTENCE: Final = 400
"""Characters; what is longer is parted at a clause or a word."""
LONGEST_FIRST: Final = 200
"""As above for the first sentence, for which somebody waits in silence."""
CLAUSE_AFTER: Final = 60
"""From here on the first sentence may end with a clause."""
WIDE_CLAUSE_AFTER: Final = 20
"""As above in scripts that write a syllable or a word as one character."""
SHORTEST_FIRST: Final = 8
SHORTEST: Final = 12
"""Shorter sentences are spoken together with the next, for a voice gives single words no melody;
in scripts as above a quarter of it."""

_CLOSERS: Final = r"[\"'”’»«›‹)\]}）」』】》*_]*"  # noqa: RUF001
_BREAK = re.compile(
    rf"(?P<wide>[。！？｡।॥]+{_CLOSERS})"  # noqa: RUF001
    rf"|(?P<stop>[.!?…؟۔]+)(?P<closers>{_CLOSERS})(?=\s|\Z)"  # noqa: RUF001
    r"|(?P<clause>(?:[,;:،؛]|(?<=\s)[-–—])(?=\s)|—)"  # noqa: RUF001
    r"|(?P<wide_clause>[，、；：])",  # noqa: RUF001
)
_CLAUSE_END = re.compile(r".*(?:[,;:،؛](?=\s)|[，、；：])", re.DOTALL)  # noqa: RUF001
_DANDAS: Final = "।॥"
_LAST_TOKEN = re.compile(r"\S*\Z")
_OPENERS: Final = "\"'“‘„«»([{¿¡*_"  # noqa: RUF001
_CLOSING: Final = "”’»)]}）」』】》"  # noqa: RUF001
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_LONGEST_ABBREVIATION: Final = 4
"""Letters of an unknown word that may be an abbreviation when small letters follow its stop."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER_LAST: Final = _set(
    # en
    "mr mrs ms dr prof rev hon gen sen rep gov capt lt col sgt cmdr st mt vs approx cf dept est ft"
    # de
    " hr fr dipl ing bzw ca evtl ggf inkl exkl sog str tel vgl zb"
    # fr es it pt nl
    " mme mlle mm sra srta dra srs sras ud uds vd vds sig sigg dott avv arch geom exmo exma dhr"
    " mevr mw drs bijv ong env"
)
"""What has a full stop and, except by chance, goes on."""
_BEFORE_NUMBERS: Final = _set(
    "no nr núm nº art p pp s vol fig ch sec jan feb mar apr jun jul aug sep sept oct okt nov dec"
    " dez déc janv févr avr juil ene ago dic gen mag giu lug set ott mei mrt"
)
"""Abbreviations in front of a number; without one they are words."""
_MAYBE_LAST: Final = _set("a.m p.m u.s u.k e.u d.c")
"""Dotted abbreviations that a capital letter shows to be the last word."""


class SentenceSplitter:
    """Takes words as they come and gives whole sentences, each on one line."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """Add text; give the sentences that are complete now."""
        self._text += text
        return list(self._cut(ended=False))

    def finish(self) -> list[str]:
        """The text has ended; give the rest."""
        return list(self._cut(ended=True))

    def _cut(self, *, ended: bool) -> Iterator[str]:
        while (end := sentence_end(self._text, first=self._first, ended=ended)) is not None:
            sentence = one_line(self._text[:end])
            self._text = self._text[end:]
            if sentence:
                self._first = False
                yield sentence


def sentences(text: str) -> list[str]:
    """Part a whole text."""
    splitter = SentenceSplitter()
    return splitter.feed(text) + splitter.finish()


def one_line(text: str) -> str:
    return " ".join(text.split())


def sentence_end(text: str, start: int = 0, *, first: bool, ended: bool) -> int | None:
    """Where the sentence that begins at `start` ends; None while that is not known.

    `first`: nothing was spoken before, so an early end is worth more than a good one. `ended`:
    nothing follows `text`.
    """
    start += len(text) - start - len(text[start:].lstrip())
    if start == len(text):
        return None
    shortest, longest = (SHORTEST_FIRST, LONGEST_FIRST) if first else (SHORTEST, LONGEST_SENTENCE)
    for found in _BREAK.finditer(text, start):
        length = found.end() - start
        if length > longest:
            break
        if found["clause"] or found["wide_clause"]:
            if first and length >= (CLAUSE_AFTER if found["clause"] else WIDE_CLAUSE_AFTER):
                return found.end()
            continue
        ends = _ends_sentence(text, start, found, ended=ended)
        if ends is None:
            return None
        wide = (found["wide"] or "").strip(_DANDAS)
        if ends and length >= (shortest // 4 if wide else shortest):
            return found.end()
    if len(text) - start > longest:
        return start + _forced(text[start : start + longest + 1])
    return len(text) if ended else None


def _ends_sentence(text: str, start: int, found: re.Match[str], *, ended: bool) -> bool | None:
    """Whether the punctuation ends a sentence; None while that depends on what follows."""
    rest = text[found.end() :]
    if not rest:
        return True if ended else None
    if found["wide"]:
        return True
    following = rest.lstrip()
    same_line = "\n" not in rest[: len(rest) - len(following)]
    before = text[start : found.start()]
    token = _token(before)
    if not same_line:
        return found["stop"] != "." or token.casefold() not in _NEVER_LAST
    if not following and not ended:
        return None
    if following[:1] and following[0] in _CLOSING:
        # "« Oui ! » dit-il": the quotation mark still belongs to what is before it; in »Ja. »Nein«
        # it begins what comes next.
        if len(following) == 1:
            return True if ended else None
        if not following[1].isalnum():
            return False
    # Who begins sentences with small letters does so with the next one too.
    goes_on = following[:1].islower() and not before[:1].islower()
    return _ends_before(token, following[:1], found["stop"], bool(found["closers"]), goes_on)


def _ends_before(token: str, following: str, stop: str, quoted: bool, goes_on: bool) -> bool:
    """Whether `token` with `stop` is the last of a sentence. `following`: the next letter;
    `goes_on`: it looks like one within a sentence."""
    if "!" in stop or "?" in stop or "؟" in stop:
        return not (quoted and goes_on)
    if len(stop) > 1 or "…" in stop:
        return not goes_on
    word = token.casefold()
    if len(word) == 1 or (word.isdigit() and len(word) < 3) or word in _NEVER_LAST:
        # An initial, an ordinal ("3. Oktober"), a title.
        return False
    if word in _BEFORE_NUMBERS and following.isdigit():
        return False
    if _DOTTED.fullmatch(word):
        return word in _MAYBE_LAST and following.isupper()
    return not goes_on or len(word) > _LONGEST_ABBREVIATION


def _token(text: str) -> str:
    found = _LAST_TOKEN.search(text)
    return found[0].lstrip(_OPENERS) if found else ""


def _forced(window: str) -> int:
    """Where to part words without an end: after a clause if one ends in their second half, else
    after a word. The window is one character longer than what may be spoken."""
    longest = len(window) - 1
    clause = _CLAUSE_END.match(window, 0, longest)
    if clause and clause.end() > longest // 2:
        return clause.end()
    return max(window.rfind(" "), window.rfind("\n"), 0) or longest
