"""People on the phone: what they do is a script, what they hear is recorded.

All times are carrier seconds. A `Person` may take several calls; each call follows the script
from its beginning.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.emulators.clock import Changes, Clock

SECONDS_PER_WORD = 0.4
"""150 words a minute, the pace of carrier voices and of people."""


def speaking_time(text: str) -> float:
    """How long it takes to say a text, in carrier seconds."""
    return max(1, len(text.split())) * SECONDS_PER_WORD


@dataclass(frozen=True)
class Reply:
    """What a person does when the line listens: speak, press keys, or both unheard (nothing)."""

    speech: str = ""
    digits: str = ""
    """Keys 0-9 A-D # *, pressed one after the other."""
    after: float = 0.5
    """Seconds from the end of the prompt; from its beginning when `barges_in`."""
    barges_in: bool = False
    """Begins during the prompt. Where the prompt may not be interrupted, the speech is lost."""
    when: str = ""
    """Only once these words were heard since the reply before; until then the person is silent."""
    confidence: float | None = 0.93
    """As reported by the recogniser; None leaves the field out."""


@dataclass(frozen=True)
class HangsUp:
    """When a person puts the phone down: at the first condition that is met."""

    after_hearing: str = ""
    """Something said that contains these words has ended."""
    during: str = ""
    """In the middle of something said that contains these words."""
    after_gather: int = 0
    """The n-th listening (counted from 1) has ended, with or without input."""
    after_seconds: float | None = None
    """Seconds since the person joined: the answer, or the dialling of an inbound call."""
    delay: float = 0.0
    """Seconds to wait once `after_hearing` or `after_gather` is met."""


@dataclass
class Heard:
    """Something that reached a person's ear."""

    call_id: str
    kind: Literal["say", "play", "digits", "error"]
    """`play` gives the URL as text; `error` is the carrier's own apology."""
    text: str
    started: float
    voice: str = ""
    language: str = ""
    finished: float | None = None
    complete: bool = False
    words: str = ""
    """The part of `text` that was heard: all of it when complete."""


class Person:
    """Whoever is at the other end of a number.

    Args:
        says: what the person does each time the line listens, one item per listening;
            None is silence. At the end of the list the person stays silent.
        answers_after: seconds of ringing; None never answers.
        outcome: `declines` and `busy` end the call as busy, `failed` means that no such phone
            can be reached.
        machine: an answering machine: machine detection reports it, the first item of `says` is
            its greeting.
    """

    def __init__(
        self,
        says: Sequence[Reply | str | None] = (),
        *,
        answers_after: float | None = 1.0,
        outcome: Literal["answers", "busy", "declines", "failed"] = "answers",
        hangs_up: HangsUp | None = None,
        machine: bool = False,
    ) -> None:
        self.says = tuple(Reply(item) if isinstance(item, str) else item for item in says)
        self.answers_after = answers_after
        self.outcome = outcome
        self.hangs_up = hangs_up or HangsUp()
        self.machine = machine
        self.heard: list[Heard] = []
        self.calls: list[PersonOnCall] = []
        self._changes = Changes()

    @classmethod
    def voicemail(
        cls, greeting: str, *, answers_after: float = 2.0, records: float = 60.0
    ) -> "Person":
        """A mailbox: greets, then records in silence and hangs up after `records` seconds."""
        return cls(
            [greeting],
            answers_after=answers_after,
            hangs_up=HangsUp(after_seconds=records),
            machine=True,
        )

    def join(self, call_id: str) -> "PersonOnCall":
        """A new call reaches this person."""
        talk = PersonOnCall(self, call_id)
        self.calls.append(talk)
        return talk

    def texts(self, *, complete: bool = True) -> list[str]:
        """What was said to the person, in order; with `complete=False` also what was cut."""
        return [
            item.text
            for item in self.heard
            if item.kind == "say" and (item.complete or not complete)
        ]

    async def wait_heard(self, text: str, *, complete: bool = True, within: float = 10.0) -> Heard:
        """Wait until something containing `text` was heard (or only begun, if not `complete`).

        Raises:
            TimeoutError: not within this many real seconds; names what was heard instead.
        """

        def found() -> Heard | None:
            for item in self.heard:
                if text.lower() in item.text.lower() and (item.complete or not complete):
                    return item
            return None

        await self._changes.until(
            lambda: found() is not None,
            lambda: f"{text!r} heard; heard instead: {[item.text for item in self.heard]}",
            within,
        )
        item = found()
        assert item is not None
        return item

    def speak(self, text: str) -> None:
        """Say something now, on the newest call; it is lost if the line does not listen."""
        self.calls[-1].act(Reply(text, after=0.0))

    def press(self, digits: str) -> None:
        """Press keys now, on the newest call; they are lost if the line does not listen."""
        self.calls[-1].act(Reply(digits=digits, after=0.0))

    def changed(self) -> None:
        self._changes.notify()


@dataclass
class PersonOnCall:
    """A person during one call: the place in the script, and the ear."""

    person: Person
    call_id: str
    listening: bool = False
    gathers: int = 0
    _script: deque[Reply | None] = field(init=False)
    _live: asyncio.Queue[Reply] = field(default_factory=lambda: asyncio.Queue(maxsize=16))
    _since_reply: str = ""

    def __post_init__(self) -> None:
        self._script = deque(self.person.says)

    async def hear(
        self, item: Heard, seconds: float, clock: Clock, hang_up: Callable[[], None]
    ) -> bool:
        """Hear `item`, which lasts `seconds`; in its middle the person may `hang_up`.

        True: these are the words after which the person leaves.
        """
        habits = self.person.hangs_up
        item.started = clock.now()
        self.begins_to_hear(item)
        heard = 0.0
        try:
            if habits.during and habits.during.lower() in item.text.lower():
                await clock.sleep(seconds / 2)
                hang_up()
            await clock.sleep(seconds)
            heard = 1.0
        finally:
            heard = heard or min(0.99, (clock.now() - item.started) / max(seconds, 0.001))
            words = item.text.split()
            part = " ".join(words[: int(len(words) * heard)])
            self.has_heard(item, clock.now(), part, complete=heard >= 1.0)
        return bool(habits.after_hearing) and habits.after_hearing.lower() in item.text.lower()

    def begins_to_hear(self, item: Heard) -> None:
        self.person.heard.append(item)
        self.person.changed()

    def has_heard(self, item: Heard, now: float, words: str, *, complete: bool) -> None:
        """The item is over; `words` of it were heard, all of them when it is complete."""
        item.finished = now
        item.complete = complete
        item.words = item.text if complete else words
        self._since_reply += " " + item.words
        self.person.changed()

    def scripted(self) -> Reply | None:
        """The reply at the head of the script (or silence), as this listening begins."""
        return self._script[0] if self._script else None

    def ready(self, reply: Reply | None, hearing: str = "") -> bool:
        """Whether the words that the reply waits for have been heard; silence waits for none.

        Args:
            hearing: what is being heard now.
        """
        return reply is None or reply.when.lower() in f"{self._since_reply} {hearing}".lower()

    def replied(self) -> None:
        """The head of the script was used, be it words or silence."""
        if self._script and self._script.popleft() is not None:
            self._since_reply = ""

    def act(self, reply: Reply) -> None:
        if self.listening:
            self._live.put_nowait(reply)

    def stop_listening(self) -> None:
        """What was done and not heard until now is lost."""
        self.listening = False
        while not self._live.empty():
            self._live.get_nowait()

    async def acts(self) -> Reply:
        """The next thing that a test makes the person do."""
        return await self._live.get()

    def acts_now(self) -> Reply | None:
        """The same, if there is something already."""
        return None if self._live.empty() else self._live.get_nowait()
