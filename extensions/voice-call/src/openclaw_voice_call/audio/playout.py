"""What is to be said on a stream, how far it has been sent, and what of it was heard. Pure.

Utterances are played one after the other, each in whole frames of 20 ms; a mark follows each one,
which the carrier returns when it has played all before it. Until a mark is back, time tells: what
has been sent is played at 8 bytes a millisecond.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from openclaw_voice_call.audio.mulaw import BYTES_PER_MS, SILENCE
from openclaw_voice_call.audio.pacer import BYTES_PER_S, Pace, Pacer
from openclaw_voice_call.errors import PlayoutFull

_FRAME: Final = 20 * BYTES_PER_MS
_MARK_GRACE_S: Final = 1.5
"""How long a mark may be overdue before time decides that its utterance was played."""
_MOST_WAITING: Final = 256
"""Utterances at a time."""
_BYTES_PER_LETTER: Final = 70 * BYTES_PER_MS
"""At about 14 letters a second, to judge an utterance that is not all there yet."""
# A word; in scripts that put no blanks between words, a character.
_WORD: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    r"|[^\s\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


class PlayoutLimits(msgspec.Struct, frozen=True):
    most_ms: int = 60_000
    """Audio that may wait to be sent; as much again of the utterance that is being sent."""


class Message(msgspec.Struct, frozen=True):
    """What goes to the carrier next: audio in whole frames, then the mark, if there is one."""

    mulaw: bytes
    plays_at: float
    """When the far end plays its first byte."""
    begins: int | None = None
    """The utterance of which this is the first audio."""
    mark: str | None = None


class Cut(msgspec.Struct, frozen=True):
    """What became of an utterance that was taken out of the queue."""

    utterance: int
    heard: str
    """The words of it that can have been heard; empty if none."""
    complete: bool
    """All of it was heard."""
    begun: bool
    """Some of it had been sent."""


class _Utterance:
    __slots__ = ("audio", "ends_at", "finished", "number", "sent", "text")

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text
        self.audio = bytearray()
        """Not sent yet."""
        self.sent = 0
        self.ends_at = 0.0
        """When all that was sent of it has been played."""
        self.finished = False

    def ready(self) -> int:
        """Bytes that can be sent as whole frames."""
        return len(self.audio) - len(self.audio) % _FRAME

    def cut(self, now: float) -> Cut:
        ahead = max(0, round((self.ends_at - now) * BYTES_PER_S))
        played = max(0, self.sent - ahead)
        total = self.sent + len(self.audio)
        if not self.finished:
            total = max(total, len(self.text) * _BYTES_PER_LETTER)
        complete = self.finished and 0 < total <= played
        heard = self.text if complete else heard_part(self.text, played, total)
        return Cut(self.number, heard, complete, self.sent > 0)


class Playout:
    """One stream's utterances. Times are seconds of a clock that never goes back."""

    __slots__ = (
        "_marked",
        "_marks",
        "_most",
        "_pacer",
        "_queued",
        "_waiting",
        "underruns",
    )

    def __init__(self, limits: PlayoutLimits | None = None, pace: Pace | None = None) -> None:
        self._most = (limits or PlayoutLimits()).most_ms * BYTES_PER_MS
        self._pacer = Pacer(pace)
        self._waiting: deque[_Utterance] = deque()
        """The first of them is being sent."""
        self._marked: deque[tuple[str, _Utterance]] = deque()
        """Sent to their end, with the marks that are to come back."""
        self._queued = 0
        self._marks = 0
        self.underruns = 0
        """How often an utterance was begun, not over, and nothing of it was at the far end."""

    @property
    def idle(self) -> bool:
        """Nothing waits to be sent or to be confirmed."""
        return not self._waiting and not self._marked

    @property
    def ends_at(self) -> float:
        """When all that was sent will have been played."""
        return self._pacer.ends_at

    @property
    def queued_ms(self) -> int:
        """Audio that was added and not sent yet."""
        return self._queued // BYTES_PER_MS

    def room_ms(self, utterance: int) -> int:
        """How much audio of this utterance may be added now.

        The one that is being sent never waits for room that those after it have taken: they wait
        for its end.
        """
        ahead = self._waiting[0] if self._waiting else None
        used = len(ahead.audio) if ahead and ahead.number == utterance else self._queued
        return max(0, self._most - used) // BYTES_PER_MS

    def begin(self, utterance: int, text: str) -> None:
        """Line up an utterance; its audio follows. Raises PlayoutFull.

        `utterance` must not be one that is lined up or unconfirmed.
        """
        if any(each.number == utterance for each in self._everything()):
            raise ValueError(f"utterance {utterance} is being played")
        if len(self._waiting) >= _MOST_WAITING:
            raise PlayoutFull(f"{_MOST_WAITING} utterances wait to be spoken")
        self._waiting.append(_Utterance(utterance, text))

    def add(self, utterance: int, mulaw: bytes) -> bool:
        """Add audio, in pieces of any length. False: the utterance is not wanted any more.

        Raises PlayoutFull for more than `room_ms`.
        """
        found = self._unfinished(utterance)
        if found is None:
            return False
        if len(mulaw) > self.room_ms(utterance) * BYTES_PER_MS:
            raise PlayoutFull(f"more than {self._most // BYTES_PER_S} s of speech wait to be sent")
        found.audio += mulaw
        self._queued += len(mulaw)
        return True

    def finish(self, utterance: int) -> bool:
        """All of its audio has been added.

        False: it had none, or is not wanted any more; it is forgotten and will not count as played.
        """
        found = self._unfinished(utterance)
        if found is None:
            return False
        if not found.sent and not found.audio:
            self._waiting.remove(found)
            return False
        # A carrier may refuse less than a frame, so the last one is filled up.
        gap = -len(found.audio) % _FRAME
        found.audio += SILENCE * gap
        self._queued += gap
        found.finished = True
        return True

    def drop(self, utterance: int) -> bool:
        """Take out an utterance of which nothing has been sent; False if there is none such."""
        for each in self._waiting:
            if each.number == utterance and not each.sent:
                self._waiting.remove(each)
                self._queued -= len(each.audio)
                return True
        return False

    def take(self, now: float) -> Message | None:
        """What is to be sent now; to be asked until it gives None."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        ready = first.ready()
        size = self._pacer.due(now, ready)
        over = first.finished and size == len(first.audio)
        if not size and not over:
            return None
        begins = first.number if not first.sent else None
        plays_at = now
        mulaw = b""
        if size:
            if first.sent and now > self._pacer.ends_at:
                self.underruns += 1
            plays_at = self._pacer.sent(now, size)
            mulaw = bytes(first.audio[:size])
            del first.audio[:size]
            self._queued -= size
            first.sent += size
            first.ends_at = self._pacer.ends_at
        return Message(mulaw, plays_at, begins, self._mark() if over else None)

    def next_at(self) -> float | None:
        """When `take` or `confirmed_by` has something to give if nothing else happens."""
        confirm = self._marked[0][1].ends_at + _MARK_GRACE_S if self._marked else None
        ready = self._waiting[0].ready() if self._waiting else 0
        if not ready:
            return confirm
        send = self._pacer.next_at(ready)
        return send if confirm is None or send < confirm else confirm

    def reached(self, mark: str) -> list[int]:
        """The carrier returned this mark: the utterances that were played, in order.

        Marks from before the last `stop` are not known any more: they return when the carrier
        drops what it had, heard or not.
        """
        if not any(name == mark for name, _ in self._marked):
            return []
        played: list[int] = []
        while self._marked:
            name, utterance = self._marked.popleft()
            played.append(utterance.number)
            if name == mark:
                break
        return played

    def confirmed_by(self, now: float) -> list[int]:
        """The utterances that must have been played although their marks have not come back."""
        played: list[int] = []
        while self._marked and self._marked[0][1].ends_at + _MARK_GRACE_S <= now:
            played.append(self._marked.popleft()[1].number)
        return played

    def heard(self, now: float) -> Cut | None:
        """What was heard of the utterance that is being played now, None while all is silent."""
        for each in self._everything():
            if each.sent and now < each.ends_at:
                return each.cut(now)
        first = self._waiting[0] if self._waiting else None
        return first.cut(now) if first and first.sent else None

    def stop(self, now: float) -> tuple[Cut, ...]:
        """Empty all; gives what was heard of each, in order. The carrier is to be told to clear."""
        cuts = tuple(each.cut(now) for each in self._everything())
        self._waiting.clear()
        self._marked.clear()
        self._queued = 0
        self._pacer.cut(now)
        return cuts

    def _mark(self) -> str:
        self._marks += 1
        name = f"played-{self._marks}"
        self._marked.append((name, self._waiting.popleft()))
        return name

    def _everything(self) -> Sequence[_Utterance]:
        return [*(utterance for _, utterance in self._marked), *self._waiting]

    def _unfinished(self, utterance: int) -> _Utterance | None:
        for each in self._waiting:
            if each.number == utterance and not each.finished:
                return each
        return None


def heard_part(text: str, played: int, total: int) -> str:
    """The words of `text` that lie wholly within the first `played` of `total` bytes of audio."""
    if played <= 0 or total <= 0:
        return ""
    if played >= total:
        return text
    end = 0
    for word in _WORD.finditer(text):
        if word.end() * total > len(text) * played:
            break
        end = word.end()
    return text[:end]
