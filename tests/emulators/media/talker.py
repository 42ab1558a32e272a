"""A person on a line with live audio: hears 20 ms, says 20 ms.

They understand and speak the tone code, so that words go over any line that carries sound. What
they do is their script (`tests.emulators.people`), as on a line without live audio.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from openclaw_voice_call.audio import mulaw, tone_code
from tests.emulators.media.playout import FRAME_BYTES, FRAME_SECONDS, SILENCE
from tests.emulators.people import Heard, PersonOnCall, Reply

Voice: TypeAlias = Callable[[str], bytes]
"""From words to mu-law."""

LOUD_DBFS = -45.0
WORD_GAP_FRAMES = 2
"""A silence that stands between words, and not within one."""
SAID_FRAMES = 15
"""A silence after which something said is over."""
FIRST_WORDS_SECONDS = 1.5
"""So long somebody who hears nothing waits before speaking first."""
KEY_FRAMES = 10
"""Between two keys."""


class Talker:
    """A person's mouth and ear on one call, whatever streams it has.

    `leave` has them put the phone down after so many seconds of the company's clock.
    """

    def __init__(
        self,
        talk: PersonOnCall,
        leave: Callable[[float], None],
        voice: Voice = tone_code.encode,
    ) -> None:
        self._talk = talk
        self._leave = leave
        self._voice = voice
        self._mouth = bytearray()
        self._keys: deque[str] = deque()
        self._until_key = 0
        self._acting = False
        self._item: Heard | None = None
        self._item_frames = 0
        self._cut = False
        self._sound = bytearray()
        self._quiet = 0
        self._waited = 0
        self._addressed = False
        """Something was said to them since their last reply."""
        self._spoken_to = False
        self._gone = False

    # --- from outside

    def join(self) -> None:
        """A stream is up: from now on they can be heard."""
        self._talk.listening = True

    def part(self, now: float, *, cut: bool) -> None:
        """The stream is over; `cut`: in the middle of what was being said to them."""
        self._talk.stop_listening()
        self._mouth.clear()
        self._keys.clear()
        self._acting = False
        self._cut = self._cut or cut
        self._end_item(now)

    def say(self, sound: bytes) -> None:
        """Make this sound after what is being said."""
        self._mouth += sound

    def press(self, keys: str) -> None:
        self._keys += keys

    def cut_off(self) -> None:
        """What is being said to them will not be heard to its end."""
        self._cut = self._item is not None

    def frame(self, heard: bytes, now: float) -> tuple[bytes, str]:
        """20 ms pass in which this is heard; gives what is said in them, and a key or nothing."""
        self._listen(heard, now)
        if not self._gone:
            self._act()
        said = bytes(self._mouth[:FRAME_BYTES])
        del self._mouth[:FRAME_BYTES]
        return said.ljust(FRAME_BYTES, SILENCE), self._key()

    # --- the ear

    def _listen(self, frame: bytes, now: float) -> None:
        self._waited += 1
        self._item_frames += 1
        if mulaw.level_dbfs(frame) > LOUD_DBFS:
            self._quiet = 0
            self._spoken_to = True
            if self._item is None:
                self._begin_item(now)
            self._sound += frame
            return
        self._quiet += 1
        self._sound += frame
        if self._item is None:
            del self._sound[: -WORD_GAP_FRAMES * FRAME_BYTES]
        elif self._quiet == WORD_GAP_FRAMES:
            self._understand()
        elif self._quiet == SAID_FRAMES:
            self._end_item(now)

    def _begin_item(self, now: float) -> None:
        self._item = Heard(self._talk.call_id, "say", "", now)
        self._item_frames, self._cut = 0, False
        self._talk.begins_to_hear(self._item)

    def _understand(self) -> None:
        assert self._item is not None
        words = tone_code.decode(bytes(self._sound))
        del self._sound[: -WORD_GAP_FRAMES * FRAME_BYTES]
        self._item.text = f"{self._item.text} {words}".strip()
        habits = self._talk.person.hangs_up
        if habits.during and habits.during.lower() in self._item.text.lower():
            self._go(0.0)
        self._talk.person.changed()

    def _end_item(self, now: float) -> None:
        item, self._item = self._item, None
        if item is None:
            return
        if self._quiet < WORD_GAP_FRAMES:
            item.text = f"{item.text} {tone_code.decode(bytes(self._sound))}".strip()
        self._sound.clear()
        self._addressed = True
        self._talk.has_heard(item, now, item.text, complete=not self._cut)
        if self._talk.scripted() is None:
            self._talk.replied()
        habits = self._talk.person.hangs_up
        if habits.after_hearing and habits.after_hearing.lower() in item.text.lower():
            self._go(habits.delay)

    # --- the mouth

    def _act(self) -> None:
        if self._mouth or self._keys:
            return
        if self._acting:
            self._acting = False
            self._reply_ended()
        reply = self._talk.acts_now()
        if reply is None:
            reply = self._talk.scripted()
            if reply is None or not self._is_time(reply):
                return
            self._talk.replied()
        self._acting = True
        self._addressed = False
        self._mouth += self._voice(reply.speech)
        self._keys += reply.digits

    def _is_time(self, reply: Reply) -> bool:
        if reply.barges_in:
            item = self._item
            return (
                item is not None
                and self._item_frames * FRAME_SECONDS >= reply.after
                and self._talk.ready(reply, item.text)
            )
        if self._item is not None or not self._talk.ready(reply):
            return False
        if not self._spoken_to:
            return self._waited * FRAME_SECONDS >= FIRST_WORDS_SECONDS
        return self._addressed and self._quiet * FRAME_SECONDS >= reply.after

    def _reply_ended(self) -> None:
        self._talk.gathers += 1
        habits = self._talk.person.hangs_up
        if habits.after_gather == self._talk.gathers:
            self._go(habits.delay)

    def _key(self) -> str:
        self._until_key = max(0, self._until_key - 1)
        if not self._keys or self._until_key:
            return ""
        self._until_key = KEY_FRAMES
        return self._keys.popleft()

    def _go(self, delay: float) -> None:
        if not self._gone:
            self._gone = True
            self._leave(delay)
