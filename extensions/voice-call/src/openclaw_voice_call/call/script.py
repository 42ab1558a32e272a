"""What the line should be doing now: one numbered, ordered list of carrier-neutral verbs.

A verb is performed when the one before it is done. The script's number is also the turn token: it
stands in every URL and command that is handed out, so what comes back names what it answers.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from openclaw_voice_call.call.types import EndReason, Speaker


class Say(msgspec.Struct, frozen=True, tag="say"):
    """Say `text` to the other party. `utterance` counts up from 1 in a call."""

    utterance: int
    text: str
    speaker: Speaker
    turn: int = 0
    """The turn that an agent's reply answers; 0 for all else."""
    operation: str | None = None
    """The owner's request that is settled when this has been played."""
    attempt: int = 1


class Listen(msgspec.Struct, frozen=True, tag="listen"):
    """Hear the other party's next words or digits, which close the turn."""

    turn: int


class Digits(msgspec.Struct, frozen=True, tag="digits"):
    """Send DTMF: `0-9 A-D * #`, `w` pauses half a second."""

    digits: str
    operation: str


class Wait(msgspec.Struct, frozen=True, tag="wait"):
    """Stay silent for `ms` milliseconds."""

    ms: int


class ConnectStream(msgspec.Struct, frozen=True, tag="connect-stream"):
    """Connect the call's live audio both ways, and keep it connected.

    `number` counts the streams of a call from 1: each is connected once.
    """

    number: int


class Reject(msgspec.Struct, frozen=True, tag="reject"):
    """Turn an unanswered inbound call away; `busy` or `rejected`."""

    reason: str


class HangUp(msgspec.Struct, frozen=True, tag="hang-up"):
    reason: EndReason


Verb: TypeAlias = Say | Listen | Digits | Wait | ConnectStream | Reject | HangUp


class Script(msgspec.Struct, frozen=True):
    """`position` is the verb being performed; past the end means: waiting for a newer script."""

    number: int = 0
    verbs: tuple[Verb, ...] = ()
    position: int = 0

    @property
    def current(self) -> Verb | None:
        """The verb being performed, or None when the line waits for a newer script."""
        return self.verbs[self.position] if self.position < len(self.verbs) else None

    @property
    def speaking(self) -> bool:
        """True while something is being played that must not be cut."""
        return isinstance(self.current, Say | Digits)

    @property
    def rest(self) -> Script:
        """What is left, under the next number: links and commands of the old one are over."""
        return Script(self.number + 1, self.verbs[self.position :])

    @property
    def pending(self) -> tuple[Say | Digits, ...]:
        """What is lined up to be played after the current verb."""
        later = self.verbs[self.position + 1 :]
        return tuple(verb for verb in later if isinstance(verb, Say | Digits))


class StepRef(msgspec.Struct, frozen=True):
    """A place in a script, as it stands in a URL that we hand out."""

    script: int
    step: int
