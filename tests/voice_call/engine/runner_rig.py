"""One call's runner with a live voice: the journal, the carrier, the agent and time are in the
test's hands. No sockets and no files."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from openclaw.sdk import ReplyRequest, ReplyRun
from openclaw.tasks import Supervisor
from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.facts import Fact, StoredFact
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.script import Say, StepRef, Verb
from openclaw_voice_call.call.types import CallId, CarrierCallId, Mode
from openclaw_voice_call.carriers.twilio.media import TwilioMedia
from openclaw_voice_call.conversation.responder import Responder
from openclaw_voice_call.conversation.sentences import sentences
from openclaw_voice_call.errors import Conflict, JournalRefused
from openclaw_voice_call.interfaces.carrier import (
    CarrierFeatures,
    LegState,
    LegStatus,
    Reading,
    VerifiedWebhook,
    WebhookReply,
    WebhookRequest,
)
from openclaw_voice_call.interfaces.instruction import DialOrder, Instruction, LegOrder, Perform
from openclaw_voice_call.interfaces.media import MediaDialect, MessageSink, StreamStart
from openclaw_voice_call.interfaces.speech import NativeVoice
from openclaw_voice_call.media.live_voice import LiveParts
from openclaw_voice_call.media.turns import TurnSettings
from openclaw_voice_call.media.wheel import TimerWheel
from openclaw_voice_call.runner import CallParts, CallRunner
from tests.clock import FakeClock, settle
from tests.voice_call.call.playbook import LEG, Playbook
from tests.voice_call.media.live_rig import FakeRecogniser, FakeVoice, FakeWire
from tests.voice_call.rig import FakeAgents


class HeldStore:
    """A journal of one call that refuses what is out of order; `release` lets writes happen."""

    def __init__(self, record: CallRecord) -> None:
        self.record = record
        self.facts_stored: list[Fact] = []
        self.held = False
        self.refuses = 0
        """So many writes fail."""
        self._waiting: list[tuple[CallRecord, Sequence[Fact], asyncio.Future[None]]] = []

    def commit(
        self,
        record: CallRecord,
        facts: Sequence[Fact],
        *,
        at: float,
        occurrence: str | None = None,
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, facts, done))
        if not self.held:
            self.release()
        return done

    def release(self) -> None:
        """Write what waits, in the order in which it was given."""
        waiting, self._waiting = self._waiting, []
        for record, facts, done in waiting:
            if self.refuses:
                self.refuses -= 1
                done.set_exception(JournalRefused("the disk is full"))
            elif record.version == self.record.version + 1:
                self.record = record
                self.facts_stored += facts
                done.set_result(None)
            else:
                done.set_exception(Conflict("out of order"))

    def open(
        self, record: CallRecord, facts: Sequence[Fact], *, at: float, max_live: int | None
    ) -> asyncio.Future[None]:
        raise AssertionError("the call is open already")

    async def load(self, call_id: CallId) -> CallRecord | None:
        return self.record

    async def find(self, carrier: str, carrier_call_id: CarrierCallId) -> CallId | None:
        return self.record.call_id

    async def live(self) -> Sequence[CallRecord]:
        return [self.record]

    async def recent(self, limit: int) -> Sequence[CallRecord]:
        return [self.record]

    async def facts(self, call_id: CallId) -> Sequence[StoredFact]:
        return [StoredFact(seq, 0.0, fact) for seq, fact in enumerate(self.facts_stored)]

    async def prune(self, before: float) -> int:
        return 0

    async def close(self) -> None:
        """Nothing is open."""


class QuietCarrier:
    """A command carrier that does what it is told and never says a word."""

    name = "quiet"
    features = CarrierFeatures(markup=False)
    media: MediaDialect = TwilioMedia()

    def __init__(self) -> None:
        self.performed: list[Verb] = []
        self.hung_up = False

    @property
    def said(self) -> list[str]:
        """What its own voice was told to say."""
        return [verb.text for verb in self.performed if isinstance(verb, Say)]

    async def perform(self, leg: LegOrder, order: Perform) -> float | None:
        self.performed.append(order.verb)

    async def hang_up(self, leg: LegOrder, *, answered: bool) -> None:
        self.hung_up = True

    async def status(self, leg: LegOrder) -> LegStatus:
        return LegStatus(LegState.LIVE, answered=True)

    async def dial(self, order: DialOrder) -> CarrierCallId:
        return LEG

    async def find(self, order: DialOrder) -> CarrierCallId | None:
        return None

    async def answer(self, leg: LegOrder) -> None:
        """Picked up."""

    async def refuse(self, leg: LegOrder, reason: str) -> None:
        """Turned away."""

    async def nudge(self, leg: LegOrder, step: StepRef) -> None:
        raise AssertionError("a command carrier is not nudged")

    async def end_stream(self, leg: LegOrder, number: int) -> None:
        """Ended."""

    async def close(self) -> None:
        """Nothing is open."""

    def voice_name(self, voice: NativeVoice) -> str | None:
        return None

    def notices(self) -> Sequence[str]:
        return ()

    def signature_headers(self) -> Sequence[str]:
        return ()

    def verify(self, request: WebhookRequest, urls: Sequence[str], now: float) -> VerifiedWebhook:
        raise AssertionError("no webhooks here")

    def trust(self, request: WebhookRequest) -> VerifiedWebhook:
        raise AssertionError("no webhooks here")

    def read(self, webhook: VerifiedWebhook) -> Reading:
        raise AssertionError("no webhooks here")

    def reply(self, webhook: VerifiedWebhook, instruction: Instruction | None) -> WebhookReply:
        raise AssertionError("no webhooks here")


class WrittenRun:
    """A reply that the test writes piece by piece; a second reader gets it from the beginning."""

    def __init__(self, request: ReplyRequest) -> None:
        self.request = request
        self.cancelled = False
        self._pieces: list[str] = []
        self._ended = False
        self._news = asyncio.Event()

    def write(self, *pieces: str) -> None:
        self._pieces += pieces
        self._tell()

    def end(self) -> None:
        self._ended = True
        self._tell()

    def cancel(self) -> None:
        self.cancelled = True
        self.end()

    async def text(self) -> str:
        return "".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[str]:
        read = 0
        while True:
            while read < len(self._pieces):
                yield self._pieces[read]
                read += 1
            if self._ended:
                return
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@dataclass
class WaitingAgents(FakeAgents):
    """Each reply waits for the test to write it."""

    runs: list[WrittenRun] = field(default_factory=list[WrittenRun])

    def reply(self, request: ReplyRequest) -> ReplyRun:
        self.asked.append(request)
        self.runs.append(WrittenRun(request))
        return self.runs[-1]


class RunnerRig:
    """One call on the line."""

    def __init__(self, play: Playbook, clock: FakeClock, tasks: Supervisor) -> None:
        self.clock = clock
        self.agents = WaitingAgents()
        self.carrier = QuietCarrier()
        self.voice = FakeVoice()
        self.recogniser = FakeRecogniser()
        self.store = HeldStore(play.record)
        live = LiveParts(
            recogniser=self.recogniser,
            voice=self.voice,
            dialect=TwilioMedia(),
            wheel=TimerWheel(clock),
            clock=clock,
            tasks=tasks,
            turns=TurnSettings(),
            pieces=sentences,
            taps=lambda _: (),
        )
        responder = Responder(self.agents, tasks, monotonic=clock.monotonic)
        parts = CallParts(
            self.store, self.carrier, clock, tasks, responder, lambda _, __: None, live
        )
        self.runner = CallRunner(play.record, parts)
        self.runner.start()
        self.streams = 0

    @property
    def record(self) -> CallRecord:
        """As it is stored."""
        return self.runner.record

    async def open_stream(self) -> FakeWire:
        """The carrier connects the stream that is wanted."""
        self.streams += 1
        sinks: list[MessageSink] = []

        def answer(message: str) -> None:
            sinks[0].feed(message)

        self.wire = FakeWire(self.clock, answer)
        start = StreamStart(f"MZ{self.streams}", LEG)
        self.sink = await self.runner.open_stream(self.streams, start, self.wire)
        sinks.append(self.sink)
        await settle()
        return self.wire

    def frame(self, mulaw: bytes) -> None:
        """The other party's next 20 ms."""
        media = {"track": "inbound", "payload": base64.b64encode(mulaw).decode()}
        stream_id = f"MZ{self.streams}"
        message = {"event": "media", "streamSid": stream_id, "media": media}
        self.sink.feed(json.dumps(message))

    async def hears(self, words: str) -> None:
        """The other party has said this."""
        self.recogniser.words(words)
        await settle()

    def of(self, *kinds: type[Fact]) -> list[Fact]:
        """What was stored, of these kinds."""
        return [fact for fact in self.store.facts_stored if isinstance(fact, kinds)]


@asynccontextmanager
async def runner_rig(opening: str | None = None, **settings: object) -> AsyncGenerator[RunnerRig]:
    """A live conversation that has been answered; its stream is not open yet."""
    clock = FakeClock(wall=1_800_000_001.0)
    tasks = Supervisor("runner rig", logging.getLogger("runner rig"))
    play = Playbook.outbound(opening, Mode.CONVERSATION, live=True, **settings)
    play.at(0.5, ev.DialAccepted(LEG)).at(1.0, ev.LineAnswered(LEG))
    rig = RunnerRig(play, clock, tasks)
    await settle()
    try:
        yield rig
    finally:
        rig.runner.stop()
        await settle()
        await tasks.close()
