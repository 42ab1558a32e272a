"""The simulated phone network: lines, the people at their ends, and the webhooks it sends."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import count
from typing import Final

import aiohttp
import msgspec

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.call.script import Digits, Listen, Say, Verb
from openclaw_voice_call.call.types import CallId, CarrierCallId, EndReason
from openclaw_voice_call.carriers.mock.live import Talker
from openclaw_voice_call.carriers.mock.people import Person, PhoneBook, Pickup, speaking_ms
from openclaw_voice_call.carriers.mock.signature import HEADER, sign
from openclaw_voice_call.carriers.mock.stream import (
    MediaStream,
    StreamUnconnected,
    local_stream_url,
)
from openclaw_voice_call.carriers.mock.voice import Voice
from openclaw_voice_call.carriers.mock.webhook import (
    Answered,
    HungUp,
    Keyed,
    Message,
    Offered,
    Played,
    Ringing,
    Spoke,
    Unconnected,
)
from openclaw_voice_call.errors import CarrierRefused, LineGone
from openclaw_voice_call.interfaces.instruction import DialOrder

RINGING_MS: Final = 100
THINKING_MS: Final = 400
RETRIES: Final = (0.2, 1.0, 3.0)
DELIVERY_TIMEOUT_S: Final = 10.0
QUEUED_VERBS: Final = 64
REMEMBERED: Final = 1000
"""Lines that are down and of which the network still knows why."""
CLOSE_S: Final = 2.0

log = logging.getLogger("openclaw.plugins.voice-call")


class Line:
    """A leg: one person's end of a call."""

    def __init__(self, leg: CarrierCallId, person: Person, call: CallId | None) -> None:
        self.leg = leg
        self.person = person
        self.call = call
        self.answered = asyncio.Event()
        self.verbs: asyncio.Queue[tuple[int, Verb]] = asyncio.Queue(QUEUED_VERBS)
        self.task: asyncio.Task[None] | None = None
        self.up = False
        self.over = False
        self.talker = Talker(person)
        self.stream: MediaStream | None = None


class PhoneNetwork:
    """Runs all lines in this process; `public_url` is signed, `deliver_to` is where posts go."""

    def __init__(
        self,
        *,
        book: PhoneBook,
        own_number: str,
        speed: float,
        public_url: str,
        deliver_to: Callable[[], str],
        secret: bytes,
        session: aiohttp.ClientSession,
        clock: Clock,
        tasks: TaskOwner,
        voice: Voice,
    ) -> None:
        self._voice = voice
        self._book = book
        self._own_number = own_number
        self._speed = speed
        self._public_url = public_url
        self._deliver_to = deliver_to
        self._secret = secret
        self._session = session
        self._clock = clock
        self._tasks = tasks
        self._lines: dict[CarrierCallId, Line] = {}
        self._ended: dict[CarrierCallId, EndReason] = {}
        self._messages = count(1)
        self._running: set[asyncio.Task[None]] = set()

    def dial(self, order: DialOrder) -> CarrierCallId:
        """Place a call to one of the people. Raises CarrierRefused for a bad number."""
        person = self._book.find(order.to_number)
        if person.pickup is Pickup.FAILS:
            raise CarrierRefused(f"the number ending in {order.to_number[-4:]} does not exist")
        line = Line(CarrierCallId(f"mock-{order.call_id}"), person, order.call_id)
        self._begin(line, self._callee(line, order.ring_timeout_ms))
        return line.leg

    def call_in(self, person: Person, shown_as: str) -> None:
        """This person calls us."""
        # The journal remembers legs for good, so their names do not begin again with a process.
        line = Line(CarrierCallId(f"mock-inbound-{uuid.uuid4()}"), person, None)
        self._begin(line, self._caller(line, shown_as))

    async def close(self) -> None:
        """All lines go dead; nothing is delivered any more."""
        tasks = tuple(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)

    def line(self, leg: CarrierCallId) -> Line:
        """Raises LineGone when there is no such live line."""
        line = self._lines.get(leg)
        if line is None or line.over:
            raise LineGone("no such line on the mock network")
        return line

    def ended(self, leg: CarrierCallId) -> EndReason | None:
        """Why a line is down; None for one that is up, or of which nothing is known any more."""
        return self._ended.get(leg)

    def answer(self, leg: CarrierCallId) -> None:
        self.line(leg).answered.set()

    def put(self, leg: CarrierCallId, script: int, verb: Verb) -> None:
        self.line(leg).verbs.put_nowait((script, verb))

    def open_stream(self, leg: CarrierCallId, number: int, url: str) -> None:
        """Connect the line's live audio to `url`; a stream that is open already stays.

        Raises CarrierRefused while one of another number is open.
        """
        line = self.line(leg)
        if line.stream is not None and not line.stream.stopping:
            if line.stream.number != number:
                raise CarrierRefused("a line of the mock network has one stream at a time")
            return
        line.stream = MediaStream(
            leg=leg,
            number=number,
            talker=line.talker,
            voice=self._voice,
            session=self._session,
            clock=self._clock,
            leave=partial(self._drop, line),
        )
        self._run("mock stream", self._stream(line, line.stream, url))

    def end_stream(self, leg: CarrierCallId, number: int) -> None:
        """End the stream of this number, if it is open."""
        stream = self.line(leg).stream
        if stream is not None and stream.number == number:
            stream.stop()

    def hang_up(self, leg: CarrierCallId) -> None:
        """We hang up, or refuse: the person hears the line go."""
        self._drop(self.line(leg))

    def _drop(self, line: Line) -> None:
        self._forget(line, EndReason.COMPLETED)
        if line.task is not None:
            line.task.cancel()
        self._run("mock hang-up", self._end(line, EndReason.COMPLETED))

    def _begin(self, line: Line, story: Coroutine[object, object, None]) -> None:
        self._lines[line.leg] = line
        line.task = self._run("mock line", story)

    def _run(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = self._tasks.spawn(name, work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _callee(self, line: Line, ring_timeout_ms: int) -> None:
        person = line.person
        await self._pass(RINGING_MS)
        if person.pickup is Pickup.BUSY:
            await self._end(line, EndReason.BUSY)
            return
        await self._send(Ringing(**self._names(line)))
        if person.pickup is Pickup.NO_ANSWER:
            await self._clock.sleep(ring_timeout_ms / 1000)
            await self._end(line, EndReason.NO_ANSWER)
            return
        await self._pass(person.answer_after_ms)
        if person.pickup is Pickup.DECLINES:
            await self._end(line, EndReason.BUSY)
            return
        await self._talk(line, machine=person.pickup is Pickup.VOICEMAIL)

    async def _caller(self, line: Line, shown_as: str) -> None:
        await self._send(
            Offered(**self._names(line), from_number=shown_as, to_number=self._own_number)
        )
        await line.answered.wait()
        await self._talk(line, machine=False)

    async def _talk(self, line: Line, *, machine: bool) -> None:
        line.up = True
        await self._send(Answered(**self._names(line), machine=machine))
        while not line.over:
            script, verb = await line.verbs.get()
            if isinstance(verb, Say):
                await self._hear(line, verb)
            elif isinstance(verb, Listen):
                await self._speak(line, script)
            elif isinstance(verb, Digits):
                await self._pass(100 * len(verb.digits))
                await self._send(Keyed(**self._names(line), operation=verb.operation))

    async def _hear(self, line: Line, verb: Say) -> None:
        await self._pass(speaking_ms(verb.text))
        await self._send(Played(**self._names(line), utterance=verb.utterance))
        if line.person.leaves(line.talker.turn, verb.text):
            await self._end(line, EndReason.COMPLETED)

    async def _speak(self, line: Line, script: int) -> None:
        keys, words = line.person.pressed(line.talker.turn), line.person.line(line.talker.turn)
        line.talker.turn += 1
        text = keys or words
        if text:
            await self._pass(THINKING_MS + speaking_ms(text))
            await self._send(Spoke(**self._names(line), script=script, text=text, keyed=bool(keys)))

    async def _stream(self, line: Line, stream: MediaStream, url: str) -> None:
        detail = None
        try:
            await stream.run(local_stream_url(url, self._deliver_to()))
        except StreamUnconnected as error:
            detail = str(error)
        if line.stream is stream:
            line.stream = None
        if detail is not None:
            log.warning("mock stream not connected", extra={"leg": line.leg, "detail": detail})
            await self._send(Unconnected(**self._names(line), stream=stream.number, detail=detail))

    async def _end(self, line: Line, reason: EndReason) -> None:
        self._forget(line, reason)
        await self._send(HungUp(**self._names(line), reason=reason))
        person = line.person
        if person.calls_back_after_ms is not None and line.call is not None:
            await self._pass(person.calls_back_after_ms)
            shown_as = person.calls_back_from
            self.call_in(person, person.number if shown_as is None else shown_as)

    def _forget(self, line: Line, reason: EndReason) -> None:
        """The line is down. Why is remembered for a while, for whoever asks before being told."""
        line.over = True
        if self._lines.pop(line.leg, None) is not None:
            self._ended[line.leg] = reason
        while len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]
        if line.stream is not None:
            line.stream.stop()

    async def _pass(self, ms: int) -> None:
        await self._clock.sleep(ms / 1000 / self._speed)

    def _names(self, line: Line) -> dict[str, str]:
        names = {"id": f"mock-event-{next(self._messages)}", "leg": line.leg}
        return names if line.call is None else {**names, "call": line.call}

    async def _send(self, message: Message) -> None:
        """Deliver a webhook; like a real network, try again when it is not taken."""
        body = msgspec.json.encode(message)
        for delay_s in (*RETRIES, None):
            stamp = sign(self._secret, self._public_url, body, int(self._clock.wall()))
            headers = {HEADER: stamp, "content-type": "application/json"}
            try:
                async with self._session.post(
                    self._deliver_to(),
                    data=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_S),
                ) as answer:
                    if answer.status < 500:
                        if answer.status >= 400:
                            log.warning("webhook refused", extra={"httpStatus": answer.status})
                        return
            except (aiohttp.ClientError, TimeoutError) as error:
                log.debug("webhook not delivered", extra={"error": type(error).__name__})
            if delay_s is not None:
                await self._clock.sleep(delay_s)
