"""What this process knows of a call's line between its requests: what it was told last, whether it
is asking, and how long it has been quiet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final

from openclaw.sdk import Clock, TaskOwner, TimerHandle
from openclaw_voice_call.call.due import LineView
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Listen
from openclaw_voice_call.call.types import Phase

RETURN_S: Final = 6.0
"""A line that was told to wait a second is expected back within this time."""
SILENCE_S: Final = 10.0
"""A line that listens asks again every few seconds. One that has not asked for this long is looked
up at its carrier: it may be gone without a word, as an inbound call is whose number has no status
callback."""
QUIET_S: Final = 30.0
"""A line that is told by command asks for nothing, and while nobody speaks it is quiet. After this
long it is looked up: the one message of its end may be lost."""


class LineWatch:
    """One call's. `served` is the newest script number that the line was told."""

    def __init__(
        self,
        *,
        served: int,
        markup: bool,
        clock: Clock,
        tasks: TaskOwner,
        look_again: Callable[[], None],
        look_up: Callable[[], Awaitable[None]],
    ) -> None:
        """`look_again`: a line did not return in time. `look_up`: ask its carrier about it."""
        self.served = served
        self._patience_s = SILENCE_S if markup else QUIET_S
        self._clock = clock
        self._tasks = tasks
        self._look_again = look_again
        self._look_up = look_up
        self._record: CallRecord | None = None
        self._holds = 0
        self._returning_until = 0.0
        self._silence: TimerHandle | None = None
        self._stopped = False

    def told(self, script: int) -> None:
        """The line got something to do."""
        self.served = max(self.served, script)
        self._returning_until = 0.0

    @contextmanager
    def held(self) -> Generator[None]:
        """Meanwhile a request of the line waits for its answer."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def expect_return(self) -> None:
        """The line was told to come back in a moment."""
        self._returning_until = self._clock.monotonic() + RETURN_S
        self._clock.call_later(RETURN_S, self._look_again)

    def view(self) -> LineView:
        return LineView(self.served, self._is_asking())

    def expect_sign(self, record: CallRecord) -> None:
        """Begin to wait anew for a sign of a line that listens."""
        self._record = record
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        up = record.phase is Phase.UP and not record.closing and not self._stopped
        # Live audio is a sign itself, and when it is lost there is a deadline.
        if up and not record.speaks_live and isinstance(record.script.current, Listen):
            self._silence = self._clock.call_later(self._patience_s, self._quiet)

    def stop(self) -> None:
        self._stopped = True
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _is_asking(self) -> bool:
        """Whether the line asks, or will by itself; one that was given nothing yet is about to: a
        carrier tells us of the answer while it fetches the first document."""
        if not self.served or self._holds > 0:
            return True
        return self._clock.monotonic() < self._returning_until

    def _quiet(self) -> None:
        self._silence = None
        self._tasks.spawn("silent line", self._check())

    async def _check(self) -> None:
        await self._look_up()
        if self._record is not None:
            self.expect_sign(self._record)
