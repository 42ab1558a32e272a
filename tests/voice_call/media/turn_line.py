"""A line whose two sides are played by hand: sound frame by frame, words when the test says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from openclaw_voice_call.interfaces import speech
from openclaw_voice_call.media.turn_taker import TurnTaker
from openclaw_voice_call.media.turns import BargeIn, TurnAction, TurnOver, TurnSettings

FRAME_S: Final = 0.02
Action = TypeVar("Action")


class TurnLine:
    """Time moves only by frames; what the taker asks for is kept with the time."""

    def __init__(self, settings: TurnSettings | None = None) -> None:
        self.taker = TurnTaker(settings or TurnSettings())
        self.now = 1000.0
        self.noted: list[tuple[float, TurnAction]] = []

    def frame(self, speech: bool) -> None:
        self.now += FRAME_S
        self._note(self.taker.frame(self.now, speech))

    def talk(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.frame(True)

    def quiet(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.frame(False)

    def nothing(self, seconds: float) -> None:
        """The carrier sends no frames; the timer looks."""
        until = self.now + seconds
        while (due := self.taker.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            self._note(self.taker.tick(self.now))
        self.now = until

    def hears(self) -> None:
        self._tell(speech.SpeechStarted())

    def partial(self, text: str) -> None:
        self._tell(speech.Partial(text))

    def final(self, text: str) -> None:
        self._tell(speech.Final(text))

    def vendor_ends(self) -> None:
        self._tell(speech.TurnEnded())

    def lost(self) -> None:
        self._tell(speech.RecogniserDown("dropped", "the socket was closed"))

    def we_say(self, text: str = "", *, utterance: int = 1, interruptible: bool = True) -> None:
        self.taker.speaking(self.now, utterance, interruptible=interruptible, text=text)

    def we_stop(self) -> None:
        self.taker.speaking(self.now, None)

    def of(self, kind: type[Action]) -> list[Action]:
        return [action for _, action in self.noted if isinstance(action, kind)]

    @property
    def turns(self) -> list[str]:
        return [over.text for over in self.of(TurnOver)]

    @property
    def cuts(self) -> list[float]:
        return [at for at, action in self.noted if isinstance(action, BargeIn)]

    def _tell(self, event: speech.Recognised) -> None:
        self._note(self.taker.recognised(event, self.now))

    def _note(self, actions: Sequence[TurnAction]) -> None:
        self.noted += [(self.now, action) for action in actions]
