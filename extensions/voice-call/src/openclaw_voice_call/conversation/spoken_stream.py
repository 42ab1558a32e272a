"""The words of an answer, sentence by sentence, while a model still writes it. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from openclaw_voice_call.conversation.sentences import one_line, sentence_end
from openclaw_voice_call.conversation.spoken import LONGEST, spoken_flow

_NEWS = re.compile(r"[^\w\s](?:\s+\S|\n)|[。！？｡।॥，、；：]")  # noqa: RUF001
"""What may have completed a sentence; looking for one costs more than looking for this."""
_UNNOTICED: Final = 200
"""Characters after which a sentence may have become too long to be spoken as one."""
_LONG: Final = 2000
"""Characters; shorter answers are looked through whenever there is news."""
_COMPLETE = re.compile(r"[.!?…؟۔。！？｡।॥][\"'”’»)\]}）」』】》]*\s*\Z")  # noqa: RUF001


class SpokenStream:
    """Gives the words that `spoken_text` finds in the whole answer, as soon as they are certain.

    What cannot be foreseen is an answer whose prose turns out, after whole sentences, not to have
    been meant for speech (the contract's field, a final answer or the end of a reasoning follows):
    what was given stays given, and from there on only what is meant comes, nothing of it twice.
    """

    def __init__(self) -> None:
        self._answer = ""
        self._seen = 0
        """How much of the answer was looked through for news."""
        self._examined = 0
        """How long the answer was when its words were last worked out."""
        self._flow = ""
        """The words as far as they have been given."""
        self._given: list[str] = []
        self._repeats: frozenset[str] = frozenset()
        """What was given before the words turned out to be others."""
        self._chars = 0

    @property
    def full(self) -> bool:
        """As much was given as is spoken at most; nothing will follow."""
        return self._chars > LONGEST

    def feed(self, delta: str) -> list[str]:
        """Add what the model wrote; give the sentences that are certain and complete now."""
        self._answer += delta
        if not self._has_news():
            return []
        self._examined = len(self._answer)
        return list(self._sentences(spoken_flow(self._answer, whole=False), ended=False))

    def finish(self) -> list[str]:
        """The answer has ended; give the rest."""
        return list(self._sentences(spoken_flow(self._answer), ended=True))

    def break_off(self) -> list[str]:
        """The answer broke off; give what is left of whole sentences."""
        rest = self.finish()
        return rest if rest and _COMPLETE.search(rest[-1]) else rest[:-1]

    def _has_news(self) -> bool:
        length = len(self._answer)
        if self._examined > _LONG and length - self._examined < self._examined // 16:
            # The longer the answer, the rarer, so that the work stays in proportion to its length.
            return False
        news = _NEWS.search(self._answer, self._seen) is not None
        # White space and what stood before it may still become news with the next word.
        self._seen = max(0, len(self._answer.rstrip()) - 1)
        return news or length - self._examined >= _UNNOTICED

    def _sentences(self, flow: str, *, ended: bool) -> Iterator[str]:
        if not flow.startswith(self._flow):
            if _after_same_words(self._flow, flow) is not None:
                # Less than was given: what came last put the end of it in doubt again.
                return
            resumed = _after_same_words(flow, self._flow)
            if resumed is None:
                self._repeats = frozenset(self._given)
            self._flow = flow[: resumed or 0]
        while not self.full:
            start = len(self._flow)
            end = sentence_end(flow, start, first=not self._given, ended=ended)
            if end is None:
                return
            sentence = one_line(flow[start:end])
            self._flow = flow[:end]
            self._chars += end - start
            if self.full or sentence in self._repeats or not any(c.isalnum() for c in sentence):
                continue
            self._given.append(sentence)
            yield sentence


def _after_same_words(flow: str, given: str) -> int | None:
    """Where `flow` goes on after the words of `given`, which differs from its beginning only in
    punctuation (a block ends with a stop only if another follows); None where it has others."""
    position = 0
    for wanted in filter(str.isalnum, given):
        while position < len(flow) and not flow[position].isalnum():
            position += 1
        if flow[position : position + 1] != wanted:
            return None
        position += 1
    while position < len(flow) and not (flow[position].isspace() or flow[position].isalnum()):
        position += 1
    return position
