"""One connection to a recogniser, from dialling to its end."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Final

from openclaw.sdk import Clock
from openclaw_voice_call.speech.backlog import Backlog
from openclaw_voice_call.speech.stt_protocol import (
    Message,
    Reading,
    Ready,
    SttProtocol,
    Trouble,
)
from openclaw_voice_call.speech.stt_socket import Dial, SttSocket

CHUNK_BYTES: Final = 320
"""40 ms: fewer messages, and words no later than a person would notice."""
CATCH_UP_BYTES: Final = 1600
"""What a message holds at most when there is more to send."""
_DEFECT: Final = Trouble("internal", "sending failed")
"""The event loop reports what it was."""
_EARLY_S: Final = 0.001
"""So much early, a sign of life is on time."""


class SttLink:
    """`ready` is done when audio may flow, `ended` when the connection is over, with the reason.

    Audio is sent from the backlog that `take_over` gives. Readings go to `hear` in their order, the
    link beside them, so that those of a link that is no longer in use can be told apart.
    """

    __slots__ = (
        "_backlog",
        "_clock",
        "_dial",
        "_hear",
        "_loop",
        "_orders",
        "_resting",
        "_sent_at",
        "_socket",
        "_stuck",
        "_woken",
        "ended",
        "protocol",
        "ready",
        "ready_at",
        "sending_since",
    )

    def __init__(
        self,
        protocol: SttProtocol,
        dial: Dial,
        clock: Clock,
        hear: Callable[[SttLink, Reading], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.protocol = protocol
        self.ready: Future[None] = loop.create_future()
        self.ended: Future[Trouble] = loop.create_future()
        self.ready_at = 0.0
        self.sending_since: float | None = None
        """Since when the network takes no more, None while it does."""
        self._loop = loop
        self._dial = dial
        self._clock = clock
        self._hear = hear
        self._backlog: Backlog | None = None
        self._socket: SttSocket | None = None
        self._stuck: _Begun | None = None
        """A message that waits for the network to take it; those after it wait for it."""
        self._sent_at = 0.0
        self._woken = False
        self._resting: Future[None] | None = None
        self._orders: deque[Message] = deque()

    async def run(self, ready_within_s: float) -> None:
        """Connect and work until the end, whoever brings it about."""
        late = Trouble("timeout", f"not ready within {ready_within_s:g} s")
        deadline = self._clock.call_later(
            ready_within_s, lambda: None if self.ready.done() else self.end(late)
        )
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._work(group))
                await asyncio.wait({self.ended})
                work.cancel()
        finally:
            deadline.cancel()
            self.end(Trouble("closed", "given up"))

    def take_over(self, backlog: Backlog) -> None:
        """Send this audio from now on."""
        self._backlog = backlog
        self.wake()

    def wake(self) -> None:
        """There is more to send.

        It is sent when the loop has heard all who have spoken: sockets are written to in a row,
        which disturbs those who wait for their turn less.
        """
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._send_all)

    def _send_all(self) -> None:
        self._woken = False
        sent = False
        try:
            self._send_waiting()
            sent = True
        finally:
            if not sent:
                self.end(_DEFECT)

    def _send_waiting(self) -> None:
        socket = self._socket
        if socket is None:
            return
        while self._stuck is None and not self.ended.done():
            message = self._next_message()
            if message is None:
                return
            self._begin(socket, message)

    def end(self, trouble: Trouble) -> None:
        """Be over, for this reason; only the first one counts."""
        if not self.ended.done():
            self._backlog = None
            self.ended.set_result(trouble)

    async def until_ready(self) -> Trouble | None:
        """None when it is ready."""
        await asyncio.wait({self.ready, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        return self.ended.result() if self.ended.done() else None

    async def _work(self, group: asyncio.TaskGroup) -> None:
        socket = await self._dial(self.protocol)
        if isinstance(socket, Trouble):
            self.end(socket)
            return
        self._orders.extend(self.protocol.opening)
        if self.protocol.ready_when_open:
            self._be_ready()
        writing = group.create_task(self._write(socket))
        try:
            while not isinstance(message := await socket.receive(), Trouble):
                for reading in self.protocol.read(message):
                    self._take(reading)
            self.end(message)
        finally:
            writing.cancel()
            await socket.close()

    def _take(self, reading: Reading) -> None:
        if self.ended.done():
            return
        if isinstance(reading, Ready):
            self._be_ready()
        else:
            self._hear(self, reading)

    def _be_ready(self) -> None:
        if not self.ready.done():
            self.ready_at = self._clock.monotonic()
            self.ready.set_result(None)

    async def _write(self, socket: SttSocket) -> None:
        """Wait where sending has to, and give signs of life. All else is sent by `wake`: a task
        that is woken for each message costs more than the message."""
        self._socket = socket
        self._sent_at = self._clock.monotonic()
        self._send_all()
        while not self.ended.done():
            await self._rest()
            stuck = self._stuck
            if stuck is None:
                self._begin(socket, self.protocol.keep_alive())
                continue
            trouble = await stuck
            self._stuck = self.sending_since = None
            self._sent_at = self._clock.monotonic()
            if trouble is not None:
                self.end(trouble)
            self._send_all()

    def _begin(self, socket: SttSocket, message: Message) -> None:
        self._sent_at = self._clock.monotonic()
        sending = socket.send(message)
        try:
            waits_for = sending.send(None)
        except StopIteration as sent:
            trouble: Trouble | None = sent.value
            if trouble is not None:
                self.end(trouble)
            return
        self.sending_since = self._sent_at
        self._stuck = _Begun(sending, waits_for)
        self._stir()

    def _next_message(self) -> Message | None:
        if self._orders:
            return self._orders.popleft()
        backlog = self._backlog
        if backlog is None:
            return None
        mulaw = backlog.take(CHUNK_BYTES, CATCH_UP_BYTES)
        if mulaw:
            return self.protocol.audio(mulaw)
        if backlog.finish_due():
            self._orders.extend(self.protocol.finish_turn())
            return self._orders.popleft() if self._orders else None
        return None

    async def _rest(self) -> None:
        """Until a message is stuck, or it is time for a sign of life."""
        within = self.protocol.keep_alive_s
        while self._stuck is None:
            resting: Future[None] = self._loop.create_future()
            self._resting = resting
            if within is None:
                await resting
                continue
            left = self._sent_at + within - self._clock.monotonic()
            if left < _EARLY_S:
                return
            timer = self._clock.call_later(left, self._stir)
            try:
                await resting
            finally:
                timer.cancel()

    def _stir(self) -> None:
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)


class _Begun:
    """Awaits the rest of a coroutine that was run until it waits for something."""

    def __init__(
        self, coroutine: Coroutine[object, None, Trouble | None], waits_for: object
    ) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[object, None, Trouble | None]:
        try:
            yield self._waits_for
        except BaseException:
            # Cancelled; the coroutine has nobody else to end it.
            self._coroutine.close()
            raise
        return (yield from self._coroutine.__await__())
