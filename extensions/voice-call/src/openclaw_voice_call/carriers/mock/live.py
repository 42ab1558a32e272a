"""How a person behaves on a line with live audio: a mouth, an ear and patience. Pure.

Everything is counted in frames of 20 ms, so time is how often `hear` is called.
"""

from __future__ import annotations

from collections import deque
from typing import Final, TypeAlias

import msgspec

from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.carriers.mock.people import Person
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

LOUD_DBFS: Final = -45.0
"""From this level on a frame is speech to a person."""
FIRST_WORD_MS: Final = 3000
"""So long somebody who hears nothing waits before saying something."""
MEMORY_MS: Final = 60_000
"""Of what was said to them at once, they remember the last minute."""
LONGEST_QUEUE: Final = 60_000 * mulaw.BYTES_PER_MS
"""Bytes that a line takes ahead of what is played; carriers take about a minute."""
MOST_MARKS: Final = 1000


class PlayBuffer:
    """What the gateway has sent and the person has not heard yet, played 20 ms at a time."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._played = 0
        self._marks: deque[tuple[int, str]] = deque()

    def add(self, audio: bytes) -> bool:
        """False when there is no room, so that it will not be heard."""
        if len(self._audio) + len(audio) > LONGEST_QUEUE:
            return False
        self._audio += audio
        return True

    def mark(self, name: str) -> bool:
        """Give `name` back when all before it was played. False when there are too many."""
        if len(self._marks) >= MOST_MARKS:
            return False
        self._marks.append((self._played + len(self._audio), name))
        return True

    def clear(self) -> None:
        """What was not heard will not be; its marks come back with the next frame."""
        self._audio.clear()
        self._marks = deque((self._played, name) for _, name in self._marks)

    def frame(self) -> tuple[bytes, list[str]]:
        """What is heard in the next 20 ms, and the marks that it reaches."""
        frame = bytes(self._audio[:FRAME_BYTES])
        del self._audio[:FRAME_BYTES]
        self._played += len(frame)
        reached: list[str] = []
        while self._marks and self._marks[0][0] <= self._played:
            reached.append(self._marks.popleft()[1])
        return frame.ljust(FRAME_BYTES, mulaw.SILENCE), reached


class Speak(msgspec.Struct, frozen=True):
    text: str


class Press(msgspec.Struct, frozen=True):
    keys: str


class Leave(msgspec.Struct, frozen=True):
    pass


Act: TypeAlias = Speak | Press | Leave


class Talker:
    """A person on one call: what they do next, with live audio or without.

    Words said to them are known to them only when they are in the tone code.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        self.turn = 0
        """How often they have had their say, or have let it pass."""
        self._heard = bytearray()
        self._waited_ms = 0
        self._addressed_ms = 0
        """Since we have begun to speak to them; 0 when we have not since their last line."""
        self._quiet_ms = 0

    def hear(self, frame: bytes, *, speaking: bool) -> Act | None:
        """20 ms have passed in which this was heard. `speaking`: they are in a line of theirs."""
        if speaking:
            self._listen_anew()
            return None
        self._waited_ms += FRAME_MS
        loud = mulaw.level_dbfs(frame) > LOUD_DBFS
        self._quiet_ms = 0 if loud else self._quiet_ms + FRAME_MS
        if loud or self._addressed_ms:
            self._addressed_ms += FRAME_MS
            self._heard += frame
            del self._heard[: -MEMORY_MS * mulaw.BYTES_PER_MS]
        return self._act()

    def _act(self) -> Act | None:
        if not self._addressed_ms:
            first = self.turn == 0 and self._waited_ms >= FIRST_WORD_MS
            return self._next_line() if first else None
        interrupts_ms = self.person.interruption(self.turn)
        if interrupts_ms is not None and self._addressed_ms >= interrupts_ms:
            return self._next_line()
        if self._quiet_ms < self.person.replies_after_ms:
            return None
        if self.person.leaves(self.turn, self._understood()):
            self._listen_anew()
            return Leave()
        return self._next_line()

    def _next_line(self) -> Act | None:
        keys, words = self.person.pressed(self.turn), self.person.line(self.turn)
        self.turn += 1
        self._listen_anew()
        if keys:
            return Press(keys)
        return Speak(words) if words else None

    def _understood(self) -> str:
        wants_words = self.person.hang_up_when_hearing is not None
        return tone_code.decode(bytes(self._heard)) if wants_words else ""

    def _listen_anew(self) -> None:
        self._heard.clear()
        self._waited_ms = self._addressed_ms = self._quiet_ms = 0
