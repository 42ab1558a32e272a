"""Says what a call's script lists, in order, on whatever stream is open at the time.

Each utterance is synthesised once, while the one before it is still being played, and its audio is
kept until it has been heard: so a lost stream or a noise costs nobody a sentence. What the record
does not list any more is never played.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final, Protocol

import msgspec

from openclaw.sdk import TaskOwner
from openclaw_voice_call.call.script import Say
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import SpeechOrder, TextToSpeech
from openclaw_voice_call.media.session import MediaSession

PIECE_BYTES: Final = 1000 * BYTES_PER_MS
AHEAD_MS: Final = 20_000
"""How much audio may wait to be played before synthesis pauses."""


class MouthWatcher(Protocol):
    """Who is told what becomes of utterances."""

    def may_begin(self, say: Say) -> bool:
        """Whether this may be begun now; asked again when something has changed."""
        ...

    def first_audio(self, say: Say) -> None: ...

    def failed(self, say: Say, detail: str) -> None:
        """The current utterance could not be synthesised. Told once for each attempt."""
        ...

    def hushed(self, heard: Sequence[Say]) -> None:
        """What was being said is not wanted any more, and it fell silent. These came before it: of
        them at most the last moment was not heard."""
        ...


class _Line:
    """An utterance on its way to the ear."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.chunks: list[bytes] = []
        self.given = 0
        """Chunks that the session has."""
        self.begun = False
        self.finished = False
        self.complete = False
        self.failure: str | None = None

    def again(self) -> None:
        """The session has forgotten it."""
        self.begun = self.finished = False
        self.given = 0


class Mouth:
    """One call's. Synchronous but for the one task that synthesises."""

    def __init__(
        self,
        voice: TextToSpeech,
        tasks: TaskOwner,
        watcher: MouthWatcher,
        *,
        pieces: Callable[[str], Sequence[str]],
        language: str | None,
    ) -> None:
        """`pieces` parts a long text into what is synthesised at a time."""
        self._voice = voice
        self._tasks = tasks
        self._watcher = watcher
        self._pieces = pieces
        self._order = SpeechOrder("", language)
        self._lines: list[_Line] = []
        self._current: int | None = None
        self._session: MediaSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._working: _Line | None = None
        self._room = asyncio.Event()
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether something could be played that has not been given to the stream."""
        return any(not line.finished for line in self._lines)

    def has_begun(self, utterance: int) -> bool:
        """Whether the stream has some of it."""
        return any(line.begun and line.say.utterance == utterance for line in self._lines)

    def line(self, utterance: int) -> Say | None:
        """What an utterance says, while it is listed."""
        return next((each.say for each in self._lines if each.say.utterance == utterance), None)

    def follow(self, says: Sequence[Say], *, current: int | None) -> None:
        """Say these, in this order. `current` is the utterance that the script is at."""
        if self._closed:
            return
        self._current = current
        known = {_key(line.say) for line in self._lines}
        self.forget(says)
        self._lines += [_Line(say) for say in says if _key(say) not in known]
        self._report()
        self._work()
        self.pump()

    def forget(self, says: Sequence[Say]) -> None:
        """Play nothing any more that is not among these."""
        wanted = {_key(say) for say in says}
        gone = [line for line in self._lines if _key(line.say) not in wanted]
        if not gone:
            return
        self._lines = [line for line in self._lines if _key(line.say) in wanted]
        if self._working in gone:
            self._halt()
        session = self._session
        if session is not None and any(
            line.begun and not session.drop(line.say.utterance) for line in gone
        ):
            # It can be heard already: nothing but silence takes it back.
            self._hush(gone)
        self._room.set()

    def attach(self, session: MediaSession) -> None:
        """Speak on this stream from now on."""
        self._session = session
        self.pump()

    def detach(self) -> None:
        """The stream is gone; what it has not played is for the next one."""
        self._session = None
        for line in self._lines:
            line.again()

    def stop(self) -> Sequence[tuple[Say, str, bool]]:
        """Fall silent at once. Gives what had been given to the stream, the part of it that was
        heard, and whether that is all of it."""
        if self._session is None:
            return ()
        cuts = [
            (say, cut.heard, cut.complete)
            for cut in self._session.stop()
            if (say := self.line(cut.utterance)) is not None
        ]
        for line in self._lines:
            line.again()
        return cuts

    def played(self, utterance: int) -> None:
        """Heard to its end: its audio is not needed any more."""
        self._lines = [line for line in self._lines if line.say.utterance != utterance]
        self._room.set()
        self.pump()

    def pump(self) -> None:
        """Give the stream what it may have now."""
        session = self._session
        if session is None:
            return
        for line in self._lines:
            utterance = line.say.utterance
            if not line.begun:
                if not line.chunks or not self._watcher.may_begin(line.say):
                    return
                session.begin(utterance, line.say.text)
                line.begun = True
            while line.given < len(line.chunks):
                chunk = line.chunks[line.given]
                if session.room_ms(utterance) * BYTES_PER_MS < len(chunk):
                    return
                line.given += 1
                session.add(utterance, chunk)
                self._room.set()
            if line.complete and not line.finished:
                line.finished = True
                session.finish(utterance)
            if not line.finished:
                return

    async def close(self) -> None:
        """Stop synthesising. What the stream has is the stream's."""
        self._closed = True
        self._lines.clear()
        self._session = None
        task = self._task
        self._halt()
        if task is not None:
            await asyncio.wait([task], timeout=2.0)

    def _hush(self, gone: Sequence[_Line]) -> None:
        numbers = {line.say.utterance for line in gone}
        heard: list[Say] = []
        for cut in self._session.stop() if self._session is not None else ():
            if cut.utterance in numbers:
                break
            if (say := self.line(cut.utterance)) is not None:
                heard.append(say)
        for line in self._lines:
            line.again()
        self._watcher.hushed(heard)

    def _halt(self) -> None:
        self._working = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _work(self) -> None:
        if self._task is None and self._next() is not None:
            self._task = self._tasks.spawn("synthesis", self._synthesise())

    def _next(self) -> _Line | None:
        return next(
            (line for line in self._lines if not line.complete and line.failure is None), None
        )

    async def _synthesise(self) -> None:
        task = asyncio.current_task()
        # What is told may have another task begun in place of this one.
        while self._task is task and (line := self._next()) is not None:
            self._working = line
            try:
                await self._speak(line)
                line.complete = True
            except SpeechFailed as error:
                line.failure = str(error)
            except Exception:
                # A defect, which the task's owner logs. The call must not fall silent for it.
                line.failure = "the voice has a defect"
                if self._task is task:
                    self._working = self._task = None
                self._report()
                raise
            self._report()
            self.pump()
        if self._task is task:
            self._working = None
            self._task = None

    async def _speak(self, line: _Line) -> None:
        for piece in self._pieces(line.say.text):
            order = msgspec.structs.replace(self._order, text=piece)
            async with aclosing(self._voice.speak(order)) as audio:
                async for chunk in audio:
                    if not line.chunks:
                        self._watcher.first_audio(line.say)
                    # In pieces for which there is room as soon as the stream plays at all.
                    for begin in range(0, len(chunk), PIECE_BYTES):
                        line.chunks.append(chunk[begin : begin + PIECE_BYTES])
                    self.pump()
                    await self._wait_for_room()
        if not line.chunks:
            raise SpeechFailed("the voice gave no audio", vendor=self._voice.name)

    async def _wait_for_room(self) -> None:
        """Synthesis runs ahead of playing by a bounded amount (F29)."""
        while self._waiting_ms() > AHEAD_MS and not self._closed:
            self._room.clear()
            await self._room.wait()

    def _waiting_ms(self) -> float:
        queued = sum(len(c) for line in self._lines for c in line.chunks[line.given :])
        return queued / BYTES_PER_MS

    def _report(self) -> None:
        """Only the current utterance's failure is of interest yet: a later one has its time."""
        for line in self._lines:
            if line.failure is not None and line.say.utterance == self._current:
                failure, line.failure = line.failure, ""
                if failure:
                    self._watcher.failed(line.say, failure)
                return


def _key(say: Say) -> tuple[int, int]:
    return say.utterance, say.attempt
