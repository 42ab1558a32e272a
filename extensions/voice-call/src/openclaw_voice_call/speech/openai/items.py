"""The pieces into which OpenAI cuts speech, put in order. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

_REMEMBERED: Final = 64
"""Items whose text was given; a second text of theirs is a duplicate."""
_BEHIND: Final = 3
"""When so many items behind one have their text, the text of that one is not waited for."""
_MOST: Final = 32


class _Item(msgspec.Struct):
    id: str
    heard: str = ""
    """What the deltas have said so far."""
    text: str | None = None
    """The text that counts; None while it is owed."""


class ItemChain:
    """Items in the order in which they were spoken, each given once, when those before it are."""

    def __init__(self) -> None:
        self._items: list[_Item] = []
        self._given: deque[str] = deque(maxlen=_REMEMBERED)
        self._ends: dict[str, int] = {}
        """Where the speech of items ended, also of such as never become one."""

    @property
    def owes(self) -> bool:
        """Whether speech is over whose text has not come."""
        return bool(self._items)

    def stopped(self, item_id: str, end_ms: float | None) -> None:
        """The item's speech ended so many ms after the connection's first audio."""
        if end_ms is not None:
            self._ends[item_id] = int(end_ms)
            if len(self._ends) > _MOST:
                del self._ends[next(iter(self._ends))]

    def committed(self, item_id: str, previous_id: str | None) -> None:
        """The item follows the one before it."""
        item = self._item(item_id)
        if item is None:
            return
        before = next((each for each in self._items if each.id == previous_id), None)
        if before is not None and before is not item:
            self._items.remove(item)
            self._items.insert(self._items.index(before) + 1, item)

    def heard(self, item_id: str, text: str, *, anew: bool = False) -> str:
        """More of an item's text, or, `anew`, all of it so far; gives what all owed items sound
        like, in order."""
        item = self._item(item_id)
        if item is None or item.text is not None:
            return ""
        item.heard = text if anew else item.heard + text
        return _joined(each.heard if each.text is None else each.text for each in self._items)

    def finished(self, item_id: str, text: str | None) -> list[tuple[str, int | None]]:
        """An item's text is there, or, for None, will never be: then what was heard counts.

        Gives the texts that are due now, each with the place where its speech ended.
        """
        item = self._item(item_id)
        if item is None:
            return []
        if item.text is None:
            item.text = (item.heard if text is None else text).strip()
        return list(self._due())

    def _due(self) -> list[tuple[str, int | None]]:
        due: list[tuple[str, int | None]] = []
        while self._items:
            first = self._items[0]
            if first.text is None:
                if sum(each.text is not None for each in self._items) < _BEHIND:
                    break
                first.text = first.heard.strip()
            self._items.pop(0)
            if first.id:
                self._given.append(first.id)
            due.append((first.text, self._ends.pop(first.id, None)))
        return due

    def _item(self, item_id: str) -> _Item | None:
        """The item, a new one at the end if need be; None for one whose text was given."""
        if item_id in self._given:
            return None
        found = next((each for each in self._items if each.id == item_id), None)
        if found is None:
            found = _Item(item_id)
            self._items.append(found)
            # A vendor that never finishes its items must not make them pile up.
            del self._items[:-_MOST]
        return found


def _joined(texts: Iterable[str]) -> str:
    return " ".join(text for each in texts if (text := each.strip()))
