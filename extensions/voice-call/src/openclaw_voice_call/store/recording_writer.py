"""Writes the recordings of all calls, in one thread, so that no disk ever holds up a call.

A file is complete at every moment but a short one: after each piece its header says how long it is,
so a process that is killed leaves a recording that lacks its last seconds and plays. What waits for
the disk is bounded. A recording that the disk does not take, or not in time, ends there, with a
warning and a fact; its call goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol

from openclaw_voice_call.audio.wav import interleave, recording_header
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.store.recordings import RecordingFolder

log = logging.getLogger(__name__)

MOST_WAITING_BYTES: Final = 8 * 1024 * 1024
"""Mu-law of both legs, all calls together: ten seconds of fifty calls."""
TOO_SLOW: Final = "the disk does not keep up"

Tell = Callable[[CallId, ev.CallEvent], None]


class RecordingWriter:
    """Everything that this process records. Its methods belong to the event loop's thread."""

    def __init__(
        self, folder: RecordingFolder, tell: Tell, *, most_waiting: int = MOST_WAITING_BYTES
    ) -> None:
        """`tell` is called on the event loop with what the call's journal is to know."""
        self._folder = folder
        self._tell = tell
        self._most_waiting = most_waiting
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
        # Each is counted by one thread only.
        self._taken = 0
        self._written = 0

    def open(self, call_id: CallId) -> CallRecording:
        """A recording of this call. Its file is made when there is audio."""
        return CallRecording(self, _File(self._folder, call_id, self._report))

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what was accepted. What is not written in time is lost."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, timeout_s)
            if self._thread.is_alive():
                log.warning("recordings were not written in time")

    def accepts(self, size: int) -> bool:
        """Whether so many bytes more may wait for the disk."""
        return not self._closed and self._taken - self._written + size <= self._most_waiting

    def submit(self, work: Callable[[], None], size: int = 0) -> None:
        """Have `work` done in the thread, in order."""
        if self._closed:
            return
        if self._thread is None:
            self._thread = Thread(target=self._run, name="call-recordings", daemon=True)
            self._thread.start()
        self._taken += size

        def counted() -> None:
            work()
            self._written += size

        self._jobs.put(counted)

    def give_up(self, call_id: CallId, detail: str) -> None:
        """Say that a recording has ended too early."""
        log.warning("recording ended", extra={"call": call_id, "reason": detail})
        # Not at once: this may be asked in the midst of what the call does with a frame.
        self._loop.call_soon(self._tell, call_id, ev.RecordingFailed(detail))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _report(self, call_id: CallId, outcome: str, *, failed: bool) -> None:
        """From the thread."""
        try:
            self._loop.call_soon_threadsafe(self._reported, call_id, outcome, failed)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            log.warning("recording not reported", extra={"call": call_id})

    def _reported(self, call_id: CallId, outcome: str, failed: bool) -> None:
        if failed:
            self.give_up(call_id, outcome)
        else:
            self._tell(call_id, ev.RecordingBegan(outcome))


class CallRecording:
    """One call's, as the event loop sees it. Implements `media.recorder.RecordingFile`."""

    def __init__(self, writer: RecordingWriter, file: _File) -> None:
        self._writer = writer
        self._file = file

    def begin(self) -> None:
        self._writer.submit(self._file.open)

    def write(self, left: bytes, right: bytes) -> bool:
        if self._file.broken:
            return False
        size = len(left) + len(right)
        if not self._writer.accepts(size):
            self._writer.submit(self._file.close)
            self._writer.give_up(self._file.call_id, TOO_SLOW)
            return False
        self._writer.submit(lambda: self._file.append(left, right), size)
        return True

    def close(self) -> None:
        self._writer.submit(self._file.close)


class _File:
    """One call's, as the writer's thread sees it."""

    def __init__(self, folder: RecordingFolder, call_id: CallId, report: _Report) -> None:
        self.call_id = call_id
        self.broken = False
        """Nothing more can be written; read by the event loop."""
        self._folder = folder
        self._report = report
        self._descriptor: int | None = None
        self._size = 0
        """Of the samples, in bytes."""

    def open(self) -> None:
        try:
            self._descriptor, name = self._folder.create(self.call_id)
            _write(self._descriptor, recording_header(0))
        except OSError as error:
            self._break(error)
        else:
            self._report(self.call_id, name, failed=False)

    def append(self, left: bytes, right: bytes) -> None:
        if self._descriptor is None:
            return
        samples = interleave(left, right)
        try:
            _write(self._descriptor, samples)
            self._size += len(samples)
            os.pwrite(self._descriptor, recording_header(self._size), 0)
        except OSError as error:
            self._break(error)

    def close(self) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._break(error)

    def _break(self, error: OSError) -> None:
        if self.broken:
            return
        self.broken = True
        self._report(self.call_id, error.strerror or type(error).__name__, failed=True)
        self.close()


class _Report(Protocol):
    def __call__(self, call_id: CallId, outcome: str, *, failed: bool) -> None: ...


def _write(descriptor: int, data: bytes) -> None:
    """All of it: a disk that fills up takes a part first."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
