"""What is said on a call, line by line while it is said."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from openclaw_voice_call.call.facts import (
    Ended,
    Interrupted,
    Said,
    Saying,
    StoredFact,
    StreamUp,
    TurnHeard,
    TurnMeasured,
)
from openclaw_voice_call.store.reader import open_reader

LOOK_S: Final = 0.05
PATIENCE_S: Final = 5.0


class Show(Protocol):
    def __call__(self, line: str, *, aside: bool) -> None:
        """`aside`: it was not said, but is about what was said."""
        ...


@contextmanager
def transcript(journal: Path, caller: str, show: Show) -> Generator[None]:
    """Show the next call from its journal, until the end of the block."""
    ready, over = threading.Event(), threading.Event()

    def follow() -> None:
        with open_reader(journal) as reader:
            row, lines = reader.last_row(), Transcript(caller)
            ready.set()
            last_look = False
            while not last_look:
                # What was written before the end is still shown.
                last_look = over.wait(LOOK_S)
                for followed in reader.follow(row):
                    row = followed.row
                    for line, aside in lines.tell(followed.stored):
                        show(line, aside=aside)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    ready.wait(timeout=PATIENCE_S)
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=PATIENCE_S)


class Transcript:
    """Turns the facts of a call into lines. Pure. Times count from its media stream's opening."""

    def __init__(self, caller: str) -> None:
        self._caller = caller
        self._zero: float | None = None
        self._began: dict[int, float] = {}

    def tell(self, stored: StoredFact) -> Iterator[tuple[str, bool]]:
        """The lines that a fact adds, each with whether it is an aside."""
        at, fact = stored.at, stored.fact
        match fact:
            case StreamUp():
                self._zero = at
            case Saying(utterance=utterance):
                self._began[utterance] = at
            case Said(utterance=utterance, text=text):
                yield self._line(self._began.get(utterance, at), "agent", text), False
            case Interrupted(utterance=utterance, heard=heard):
                began = self._began.get(utterance, at)
                yield self._line(began, "agent", f"{heard} --"), False
                yield f"{'':16}interrupted", True
            case TurnHeard(text=text):
                yield self._line(at, self._caller, text), False
            case TurnMeasured(times=times):
                waited = f"answered {times.first_frame_ms} ms after the last sound"
                yield f"{'':16}{waited}", True
            case Ended(reason=reason):
                yield self._line(at, "", f"over: {reason}"), False
            case _:
                return

    def _line(self, at: float, who: str, text: str) -> str:
        since = at - (at if self._zero is None else self._zero)
        return f"{max(since, 0.0):5.1f} s  {who:<6} {text}"
