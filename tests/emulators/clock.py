"""Time and waiting in the emulator: one clock that runs fast, one way to wait for a change."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from time import monotonic


class Clock:
    """Carrier time: `speed` carrier seconds pass in one real second.

    Speech, pauses, ringing and time limits of calls are measured in carrier seconds. What the
    gateway under test can feel (webhook time limits, time stamps) stays in real time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        self.speed = speed
        self._start = monotonic()

    def now(self) -> float:
        """Carrier seconds since the clock was made."""
        return (monotonic() - self._start) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Let this many carrier seconds pass."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    @staticmethod
    def wall() -> datetime:
        """The date and time of day, in UTC."""
        return datetime.now(UTC)


class Changes:
    """Wakes those who wait for a condition whenever something may have changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def until(
        self, condition: Callable[[], bool], what: Callable[[], str], within: float
    ) -> None:
        """Return once `condition` holds.

        Raises:
            TimeoutError: it did not hold within this many real seconds; the text is `what()`.
        """
        try:
            async with asyncio.timeout(within):
                while not condition():
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiting.add(waiter)
                    await waiter
        except TimeoutError:
            raise TimeoutError(f"not within {within} s: {what()}") from None


class Tasks:
    """Owns the emulator's background tasks.

    An error in one of them is a fault of the emulator (or of a test's callback): it is kept and
    raised when the emulator closes, so that no test passes over it.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._running: set[asyncio.Task[None]] = set()
        self._errors: list[Exception] = []
        self._closed = False

    def __len__(self) -> int:
        """How many run, or are about to."""
        return len(self._running)

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._done)
        if self._closed:
            task.cancel()
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._changes.notify()
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            self._errors.append(error)

    async def close(self, within: float = 5.0) -> None:
        """Cancel what runs, wait for its end.

        Raises:
            ExceptionGroup: tasks failed, now or earlier.
        """
        self._closed = True
        while running := set(self._running):
            for task in running:
                task.cancel()
            _, late = await asyncio.wait(running, timeout=within)
            if late:
                self._errors.append(TimeoutError(f"{len(late)} tasks did not end when cancelled"))
                break
        if self._errors:
            raise ExceptionGroup("the emulator failed", self._errors)
