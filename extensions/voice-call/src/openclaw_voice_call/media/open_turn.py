"""The words of the turn that the caller is in the middle of. Pure."""

from __future__ import annotations

from typing import Final

from openclaw_voice_call.media.turns import TurnOver

LONGEST: Final = 8000
"""Characters of a turn; what is more is not kept."""
_APART_S: Final = 2.0
"""A sound without words so long before others is a noise."""


class OpenTurn:
    """Empty until the first words come. Times in seconds."""

    __slots__ = (
        "_began",
        "_ended",
        "_finals",
        "_first_at",
        "_partial",
        "_text_at",
        "_told",
        "changed_at",
        "text",
        "vendor_ended",
    )

    def __init__(self) -> None:
        self._finals: list[str] = []
        self._partial = ""
        self.text = ""
        """All of it so far, the partial included."""
        self.changed_at = 0.0
        """When the text changed last."""
        self.vendor_ended = False
        """The vendor has ended it already; its words are still to come."""
        self._told: set[str] = set()
        self._began: float | None = None
        self._ended: float | None = None
        self._first_at = 0.0
        self._text_at = 0.0

    @property
    def finals(self) -> int:
        """How many pieces of it are final."""
        return len(self._finals)

    @property
    def open_piece(self) -> str:
        """The partial."""
        return self._partial

    @property
    def began(self) -> float | None:
        """When speech was heard in it first; None: only words came."""
        return self._began

    def sound(self, now: float, began: float) -> None:
        """Speech, in a stretch that began then."""
        if self._began is None or (
            not self.text and self._ended is not None and began - self._ended > _APART_S
        ):
            self._began = began
        self._ended = now

    def partial(self, words: str, now: float) -> None:
        """These replace the partial before."""
        self._partial = words
        self._grow(now)

    def final(self, words: str, now: float) -> None:
        """These are certain, and the partial is gone."""
        self._partial = ""
        if words and len(self.text) < LONGEST:
            self._finals.append(words)
        self._grow(now)

    @property
    def has_untold(self) -> bool:
        """Whether the text was not given by `told`."""
        return bool(self.text) and self.text not in self._told

    def told(self) -> str:
        """The text, which is told now."""
        self._told.add(self.text)
        return self.text

    def without_partial(self) -> str:
        """Leave the partial out, and give it."""
        partial, self._partial = self._partial, ""
        self.text = " ".join(self._finals)[:LONGEST]
        return partial

    def over(self, now: float) -> TurnOver:
        """What the caller has said; a partial becomes certain now."""
        final_at = now if self._partial else self._text_at
        ended = self._text_at if self._ended is None else min(self._ended, final_at)
        began = self._first_at if self._began is None else self._began
        return TurnOver(self.text, min(began, ended), ended, final_at)

    def _grow(self, now: float) -> None:
        text = " ".join((*self._finals, self._partial)).strip()[:LONGEST]
        if not self.text:
            self._first_at = now
        if text != self.text:
            self.changed_at = now
        self.text = text
        self._text_at = now
