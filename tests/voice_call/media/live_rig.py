"""A live voice on a wire that tests hold in their hands: no sockets, and time moved by hand."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from openclaw.tasks import Supervisor
from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tones import voice
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.types import CarrierCallId, Mode
from openclaw_voice_call.carriers.twilio.media import TwilioMedia
from openclaw_voice_call.conversation.sentences import sentences
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.media import FRAME_BYTES, MULAW_SILENCE, StreamStart
from openclaw_voice_call.interfaces.speech import (
    Final,
    ListenOrder,
    Partial,
    Recognised,
    SpeechOrder,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.media.live_voice import LiveParts, LiveVoice
from openclaw_voice_call.media.turns import TurnSettings
from openclaw_voice_call.media.wheel import TimerWheel
from tests.clock import FakeClock, settle
from tests.voice_call.call.playbook import LEG, Playbook

SILENT_FRAME = bytes([MULAW_SILENCE]) * FRAME_BYTES
MS_PER_CHAR = 50


def speech(ms: int, level_dbfs: float = -18.0) -> bytes:
    """A sound that voice activity detection takes for a voice."""
    return encode(voice(ms, level_dbfs=level_dbfs))


class FakeVoice:
    """Says a character in 50 ms of a voice-like sound, at once, in chunks of 100 ms."""

    name = "fake"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: set[str] = set()
        """Texts that it cannot say."""
        self.gate = asyncio.Event()
        self.gate.set()

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        self.asked.append(order.text)
        await self.gate.wait()
        if order.text in self.fails:
            raise SpeechFailed("cannot say that", vendor="fake")
        sound = speech(MS_PER_CHAR * len(order.text))
        for begin in range(0, len(sound), 800):
            yield sound[begin : begin + 800]

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass


class FakeRecogniser:
    """Recognises what the test says it does. One for all calls of a test, which has one."""

    name = "fake"

    def __init__(self) -> None:
        self.orders: list[ListenOrder] = []
        self.sent = bytearray()
        self.finished = 0
        self.closed = False
        self.hear: Callable[[Recognised], None] = lambda _: None

    def listen(self, order: ListenOrder, hear: Callable[[Recognised], None]) -> FakeRecogniser:
        self.orders.append(order)
        self.hear = hear
        return self

    def send(self, mulaw: bytes) -> None:
        self.sent += mulaw

    def finish_turn(self) -> None:
        self.finished += 1

    async def close(self) -> None:
        self.closed = True

    def words(self, text: str) -> None:
        """The words of a turn that is over."""
        self.hear(SpeechStarted())
        self.hear(Partial(text))
        self.hear(Final(text))
        self.hear(TurnEnded())


class FakeWire:
    """The carrier's end of the socket: keeps what was sent, with the time, and plays it."""

    def __init__(self, clock: FakeClock, answer: Callable[[str], None]) -> None:
        self._clock = clock
        self._answer = answer
        self._plays_until = 0.0
        self.messages: list[tuple[float, dict[str, object]]] = []
        self.closed: int | None = None
        self.unsent = 0

    def send(self, message: str) -> None:
        now = self._clock.monotonic()
        sent = json.loads(message)
        self.messages.append((now, sent))
        if sent["event"] == "media":
            seconds = len(base64.b64decode(sent["media"]["payload"])) / 8000
            self._plays_until = max(now, self._plays_until) + seconds
        elif sent["event"] == "clear":
            self._plays_until = now
        else:
            self._clock.call_later(self._plays_until - now, lambda: self._answer(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = code

    def kinds(self) -> list[object]:
        return [message["event"] for _, message in self.messages]

    def first(self, kind: str) -> float | None:
        """When the first message of this kind was sent."""
        return next((at for at, each in self.messages if each["event"] == kind), None)


class LiveRig:
    """One call's record, its live voice, and the wire. Implements `CallDoor`."""

    def __init__(
        self, play: Playbook, clock: FakeClock, tasks: Supervisor, voice: FakeVoice
    ) -> None:
        self.play = play
        self.clock = clock
        self.voice = voice
        self.recogniser = FakeRecogniser()
        self.told: list[ev.CallEvent] = []
        self.likelies: list[str] = []
        self.dialect = TwilioMedia()
        self.parts = LiveParts(
            recogniser=self.recogniser,
            voice=self.voice,
            dialect=self.dialect,
            wheel=TimerWheel(clock),
            clock=clock,
            tasks=tasks,
            turns=TurnSettings(),
            pieces=sentences,
            taps=lambda _: (),
        )
        self.live = LiveVoice(play.record, self.parts, self)
        self.live.follow(play.record, play.record)
        self.wire = FakeWire(clock, lambda _: None)
        self.streams = 0

    def tell(self, event: ev.CallEvent) -> CallRecord:
        self.told.append(event)
        return self.happens(event)

    def likely(self, text: str) -> None:
        self.likelies.append(text)

    def happens(self, event: ev.CallEvent) -> CallRecord:
        """Decided, stored and followed, all at once."""
        self.play.at(self.clock.monotonic() - 1000.0, event)
        self.live.forget(self.play.record)
        self.live.follow(self.play.record, self.play.record)
        return self.play.record

    def open_stream(self) -> FakeWire:
        self.streams += 1
        wire = self.wire = FakeWire(self.clock, lambda message: self.answer(wire, message))
        start = StreamStart(f"MZ{self.streams}", CarrierCallId(LEG))
        self.happens(ev.StreamOpened(self.streams, start.stream_id))
        self.sink = self.live.attach(self.streams, start, self.wire)
        return self.wire

    def answer(self, wire: FakeWire, message: str) -> None:
        """The carrier returns a mark."""
        if wire is self.wire and wire.closed is None:
            self.sink.feed(message)

    async def hear(self, mulaw: bytes) -> None:
        """The other party's sound, in real time of the clock; marks come back when played."""
        for begin in range(0, len(mulaw), FRAME_BYTES):
            self.frame(mulaw[begin : begin + FRAME_BYTES])
            await self.clock.advance(0.02)

    async def silence(self, ms: int) -> None:
        await self.hear(SILENT_FRAME * (ms // 20))

    def frame(self, mulaw: bytes) -> None:
        payload = base64.b64encode(mulaw).decode()
        media = {"track": "inbound", "payload": payload}
        message = {"event": "media", "streamSid": f"MZ{self.streams}", "media": media}
        self.sink.feed(json.dumps(message))

    def of(self, kind: type[ev.CallEvent]) -> list[ev.CallEvent]:
        return [each for each in self.told if isinstance(each, kind)]


@asynccontextmanager
async def live_rig(
    opening: str | None = None,
    mode: Mode = Mode.CONVERSATION,
    *,
    voice: FakeVoice | None = None,
    **settings: object,
) -> AsyncGenerator[LiveRig]:
    """A call that rings; nobody has answered yet."""
    clock = FakeClock()
    tasks = Supervisor("live rig", logging.getLogger("live rig"))
    play = Playbook.outbound(opening, mode, live=True, **settings)
    play.at(0.0, ev.DialAccepted(LEG))
    rig = LiveRig(play, clock, tasks, voice or FakeVoice())
    await settle()
    try:
        yield rig
    finally:
        await rig.live.close()
        await tasks.close()
