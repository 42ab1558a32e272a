"""A call's line to a recogniser: it connects, connects again, and gives what is heard in order."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable
from typing import Final

import msgspec

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import (
    Partial,
    Recognised,
    RecogniserDown,
    RecogniserUp,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.speech.backlog import Backlog
from openclaw_voice_call.speech.mute_watch import MuteWatch
from openclaw_voice_call.speech.stt_link import CHUNK_BYTES, SttLink
from openclaw_voice_call.speech.stt_protocol import (
    Reading,
    Ready,
    Settled,
    SttProtocol,
    Trouble,
    Verdict,
)
from openclaw_voice_call.speech.stt_socket import Dial

log = logging.getLogger(__name__)

_MUTE: Final = Trouble("mute", "speech was sent and no text came back")
_STALLED: Final = Trouble("stalled", "the vendor takes no more audio")
_REPLACED: Final = Trouble("replaced", "a fresh connection took over")
_CLOSE_S: Final = 2.0


class Patience(msgspec.Struct, frozen=True):
    """How long a vendor is waited for, and how often it is tried. Seconds, unless named ms."""

    ready_s: float = 10.0
    """From dialling until the vendor takes audio."""
    delays_s: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """Before each new attempt. Their number is the cap: a connection that opens and drops counts
    as failed until it has given text or lived for `proven_s`."""
    proven_s: float = 60.0
    stalled_s: float = 5.0
    """How long the network may take nothing."""
    mute_s: float = 8.0
    """How long the vendor may owe a text for speech."""
    kept_ms: int = 10_000
    """Audio that is kept for a connection to come; the newest counts."""
    quiet_kept_ms: int = 2_000
    """Of audio that was sent and in which nobody speaks, what another connection is sent again."""
    silence_s: float = 60.0
    """How long a fresh connection waits for a pause in speech before it takes over anyway."""
    fresh_retry_s: float = 30.0
    """After a fresh connection could not be opened while the old one still works."""


class ListeningLine:
    """Implements `interfaces.speech.Recogniser` over one vendor's protocol.

    The vendor is called at once. Audio waits in a backlog until it is ready, and again whenever the
    connection is lost; what a lost connection had not answered is sent to the next one.
    """

    __slots__ = (
        "_backlog",
        "_clock",
        "_current",
        "_dial",
        "_failures",
        "_mutes",
        "_new_protocol",
        "_over",
        "_patience",
        "_piece",
        "_quiet",
        "_report",
        "_task",
        "_up",
        "_vendor",
        "_watch",
    )

    def __init__(
        self,
        vendor: str,
        new_protocol: Callable[[], SttProtocol],
        hear: Callable[[Recognised], None],
        *,
        dial: Dial,
        clock: Clock,
        tasks: TaskOwner,
        patience: Patience | None = None,
    ) -> None:
        """`vendor` is for the log; `hear` is called on the event loop, in order."""
        self._vendor = vendor
        self._new_protocol = new_protocol
        self._report = hear
        self._dial = dial
        self._clock = clock
        self._patience = patience = patience or Patience()
        self._backlog = Backlog(patience.kept_ms, patience.quiet_kept_ms)
        self._piece = b""
        """Audio that comes into the backlog with what follows it."""
        self._watch = MuteWatch(patience.mute_s)
        self._current: SttLink | None = None
        self._up: bool | None = None
        """What was reported last; None before anything was."""
        self._over = False
        self._failures = 0
        self._mutes = 0
        self._quiet: Future[None] = asyncio.get_running_loop().create_future()
        self._quiet.set_result(None)
        """Done while nobody speaks."""
        self._task = tasks.spawn(f"listen {vendor}", self._listen())

    def send(self, mulaw: bytes) -> None:
        """The other party's next audio, any length."""
        if self._over:
            return
        # What is too little for a message is not worth a look, unless a text is waited for.
        mulaw = self._piece + mulaw
        if len(mulaw) < CHUNK_BYTES and not self._watch.owed:
            self._piece = mulaw
            return
        self._piece = b""
        self._backlog.add(mulaw)
        link = self._current
        if link is None:
            return
        now = self._clock.monotonic()
        self._watch.audio(mulaw, now)
        if self._watch.owed:
            self._backlog.in_speech = True
        since = link.sending_since
        if since is not None and now - since > self._patience.stalled_s:
            link.end(_STALLED)
        elif self._watch.is_mute(now):
            self._mutes += 1
            link.end(_MUTE)
        else:
            link.wake()

    def finish_turn(self) -> None:
        """We judge that the speaker has finished: have the vendor finish what it has."""
        if not self._over:
            self._backlog.add(self._piece)
            self._piece = b""
            self._backlog.finish()
            if self._current is not None:
                self._current.wake()

    async def close(self) -> None:
        """Let go of the vendor, within 2 s. Nothing is reported afterwards."""
        self._over = True
        self._current = None
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CLOSE_S)

    async def _listen(self) -> None:
        """Ends when the vendor is given up, or by cancellation."""
        try:
            async with asyncio.TaskGroup() as group:
                trouble = await self._keep_listening(group)
        except BaseExceptionGroup:
            # A defect of ours. The task's owner logs it; the call must know that nobody listens.
            self._over = True
            self._tell(RecogniserDown("internal", "the recogniser failed", final=True))
            raise
        self._over = True
        self._tell(RecogniserDown(trouble.code, trouble.detail, final=True))
        log.error("recogniser given up", extra=self._fields(trouble))

    async def _keep_listening(self, group: asyncio.TaskGroup) -> Trouble:
        delays = self._patience.delays_s
        while True:
            link = self._begin(group)
            trouble = await link.until_ready()
            if trouble is None:
                self._tell_up()
                trouble = await self._serve(link, group)
            self._lose()
            if trouble.verdict is Verdict.REFUSED or self._failures >= len(delays):
                return trouble
            if self._mutes > 1:
                # A vendor that stays mute over a second connection will over a third.
                return trouble
            self._tell_down(trouble)
            delay = delays[self._failures]
            self._failures += 1
            await self._clock.sleep(delay)

    def _begin(self, group: asyncio.TaskGroup) -> SttLink:
        link = SttLink(self._new_protocol(), self._dial, self._clock, self._hear)
        group.create_task(link.run(self._patience.ready_s))
        return link

    async def _serve(self, link: SttLink, group: asyncio.TaskGroup) -> Trouble:
        """Listen over this link and its successors; gives how the last of them was lost."""
        while True:
            self._use(link)
            successor = await self._successor(link, group)
            if successor is None:
                return link.ended.result()
            link.end(_REPLACED)
            link = successor

    def _use(self, link: SttLink) -> None:
        self._backlog.rewind()
        self._watch.connected(self._clock.monotonic())
        self._current = link
        link.take_over(self._backlog)

    async def _successor(self, link: SttLink, group: asyncio.TaskGroup) -> SttLink | None:
        """A link that is to take over from this one; None when this one is lost without any."""
        within = link.protocol.fresh_s
        while not await self._ends(link, within):
            fresh = self._begin(group)
            trouble = await fresh.until_ready()
            if trouble is None:
                trouble = await self._until_quiet(link, fresh)
            if trouble is None:
                return fresh
            log.warning("no fresh connection to the recogniser", extra=self._fields(trouble))
            within = self._patience.fresh_retry_s
        return None

    async def _ends(self, link: SttLink, within_s: float | None) -> bool:
        """Whether the link ends within this time."""
        return link.ended in await self._first(within_s, link.ended)

    async def _until_quiet(self, link: SttLink, fresh: SttLink) -> Trouble | None:
        """Wait for a pause in which `fresh` can take over; gives its trouble if it has ended."""
        await self._first(self._patience.silence_s, self._quiet, link.ended, fresh.ended)
        return fresh.ended.result() if fresh.ended.done() else None

    async def _first(
        self, within_s: float | None, *events: Future[None] | Future[Trouble]
    ) -> set[Future[None] | Future[Trouble]]:
        """Which of these have come, when the first one has, or time is up."""
        over: Future[None] = asyncio.get_running_loop().create_future()
        timer = (
            None
            if within_s is None
            else self._clock.call_later(
                within_s, lambda: None if over.done() else over.set_result(None)
            )
        )
        try:
            await asyncio.wait({over, *events}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
        return {event for event in events if event.done()}

    def _hear(self, link: SttLink, reading: Reading) -> None:
        if isinstance(reading, Trouble) and reading.verdict is not Verdict.NOTED:
            link.end(reading)
        elif isinstance(reading, Trouble):
            log.warning("recogniser complains", extra=self._fields(reading))
        elif link is self._current:
            self._understand(reading)

    def _understand(self, reading: Recognised | Ready | Settled) -> None:
        match reading:
            case Settled(until_ms=until_ms):
                self._backlog.settle(until_ms)
                self._watch.answered()
                return
            case SpeechStarted():
                self._watch.speech_started(self._clock.monotonic())
                self._speech_goes_on()
            case Partial():
                self._has_text()
                self._speech_goes_on()
            case FinalText():
                self._has_text()
            case TurnEnded():
                self._speech_is_over()
            case _:
                return
        self._tell(reading)

    def _has_text(self) -> None:
        self._watch.answered()
        self._failures = self._mutes = 0

    def _speech_goes_on(self) -> None:
        self._backlog.in_speech = True
        if self._quiet.done():
            self._quiet = asyncio.get_running_loop().create_future()

    def _speech_is_over(self) -> None:
        self._backlog.in_speech = False
        if not self._quiet.done():
            self._quiet.set_result(None)

    def _lose(self) -> None:
        """The current link is gone: what it has not answered waits for the next one."""
        link, self._current = self._current, None
        self._speech_is_over()
        self._backlog.rewind()
        if link is not None and self._clock.monotonic() - link.ready_at >= self._patience.proven_s:
            self._failures = 0

    def _tell_up(self) -> None:
        if self._up is not True:
            self._up = True
            self._tell(RecogniserUp())
            if self._backlog.lost_ms:
                extra = {"vendor": self._vendor, "lost_ms": self._backlog.lost_ms}
                log.warning("audio was lost while no recogniser listened", extra=extra)
                self._backlog.lost_ms = 0

    def _tell_down(self, trouble: Trouble) -> None:
        if self._up is not False:
            self._up = False
            self._tell(RecogniserDown(trouble.code, trouble.detail))
            log.warning("recogniser lost, connecting again", extra=self._fields(trouble))

    def _tell(self, recognised: Recognised) -> None:
        self._report(recognised)

    def _fields(self, trouble: Trouble) -> dict[str, object]:
        return {"vendor": self._vendor, "code": trouble.code, "detail": trouble.detail}
