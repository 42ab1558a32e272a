"""Takes the time of the stages between the end of somebody's words and our answer. Pure."""

from __future__ import annotations

import msgspec

from openclaw_voice_call.call.types import TurnTimes


class Stopwatch:
    """Of one call. Times are seconds of one monotonic clock; of a turn only the first of each
    stage counts. Only the newest turn is timed."""

    def __init__(self) -> None:
        self._turn = 0
        self._zero: float | None = None
        self._times = TurnTimes()
        self._done = False

    def turn_over(self, turn: int, speech_ended: float, final_at: float) -> None:
        """Somebody has finished speaking; `turn` is being answered."""
        self._turn, self._zero, self._done = turn, speech_ended, False
        self._times = TurnTimes(final_ms=_ms(final_at - speech_ended))

    def head_start(self, turn: int) -> None:
        """The answer had been begun before the words were final."""
        self._note(turn, "head_start", value=True)

    def first_token(self, turn: int, at: float) -> None:
        self._stage(turn, "first_token_ms", at)

    def first_sentence(self, turn: int, at: float) -> None:
        self._stage(turn, "first_sentence_ms", at)

    def first_audio(self, turn: int, at: float) -> None:
        self._stage(turn, "first_audio_ms", at)

    def first_frame(self, turn: int, at: float) -> TurnTimes | None:
        """Gives the times of the turn, once: the answer begins to be heard."""
        if turn != self._turn or turn == 0 or self._done or self._zero is None:
            return None
        self._stage(turn, "first_frame_ms", at)
        self._done = True
        return self._times

    def _stage(self, turn: int, name: str, at: float) -> None:
        if self._zero is not None:
            self._note(turn, name, value=_ms(at - self._zero))

    def _note(self, turn: int, name: str, *, value: int | bool) -> None:
        if turn and turn == self._turn and not getattr(self._times, name):
            self._times = msgspec.structs.replace(self._times, **{name: value})


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
