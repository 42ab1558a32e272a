"""What hears and what speaks on a live call, whoever the vendor is. Pure.

Audio is G.711 mu-law, 8000 Hz, mono, without header, on both ways.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal, Protocol, TypeAlias

import msgspec


class SpeechStarted(msgspec.Struct, frozen=True):
    """The recogniser hears somebody begin to speak."""


class Partial(msgspec.Struct, frozen=True):
    """What the piece that is being spoken sounds like so far; replaces the partial before it."""

    text: str


class Final(msgspec.Struct, frozen=True):
    """A piece of speech that will not change any more. A turn may have several."""

    text: str


class TurnEnded(msgspec.Struct, frozen=True):
    """The vendor judges that the speaker has finished; all finals of the turn came before."""


class RecogniserUp(msgspec.Struct, frozen=True):
    """The vendor is ready, for the first time or again."""


class RecogniserDown(msgspec.Struct, frozen=True):
    """The vendor was lost. `final`: no more attempts are made, nothing will be recognised."""

    code: str
    detail: str
    final: bool = False


Recognised: TypeAlias = SpeechStarted | Partial | Final | TurnEnded | RecogniserUp | RecogniserDown


class ListenOrder(msgspec.Struct, frozen=True):
    """How a call is to be listened to. Times in ms."""

    language: str = "en-US"
    """BCP 47; vendors take the part that they understand."""
    end_silence_ms: int = 800
    vad_threshold: float = 0.5


class Recogniser(Protocol):
    """One call's ear. Nothing here blocks or raises."""

    def send(self, mulaw: bytes) -> None:
        """The other party's next audio, any length. Kept (bounded, newest) while not connected."""
        ...

    def finish_turn(self) -> None:
        """We judge that the speaker has finished: have the vendor finish what it has."""
        ...

    async def close(self) -> None:
        """Let go of the vendor, within 2 s. Nothing is reported afterwards."""
        ...


class SpeechToText(Protocol):
    """A vendor that recognises speech as it comes."""

    @property
    def name(self) -> str: ...

    def listen(self, order: ListenOrder, hear: Callable[[Recognised], None]) -> Recogniser:
        """Begin to connect at once. `hear` is called on the event loop, in order."""
        ...


class SpeechOrder(msgspec.Struct, frozen=True):
    """What is to be said. `voice` and `language` None: as configured."""

    text: str
    language: str | None = None
    voice: str | None = None


class NativeVoice(msgspec.Struct, frozen=True):
    """A carrier's own voice, described so that each carrier can find one of its own."""

    gender: Literal["female", "male"]
    language: str = "en-US"
    """BCP 47."""
    number: int = 0
    """Which of those that fit, so that two different voices stay different."""


class TextToSpeech(Protocol):
    """A vendor that speaks, or a chain of them."""

    @property
    def name(self) -> str: ...

    def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        """Mu-law as it is made, in pieces of any length, never empty ones. Closing it stops the
        vendor.

        Raises SpeechFailed when nothing, or not all, could be spoken; no audio at all is a failure.
        """
        ...

    async def warm_up(self) -> None:
        """Open what a first sentence will need. Does not fail."""
        ...

    async def close(self) -> None:
        """Release sockets and processes, within 2 s."""
        ...
