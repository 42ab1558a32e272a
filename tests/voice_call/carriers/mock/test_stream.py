"""The mock network's live audio over a real socket, with a gateway that only knows its dialect."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from openclaw.clock import TimerHandle
from openclaw.tasks import Supervisor
from openclaw_voice_call.audio import mulaw, tone_code
from openclaw_voice_call.call.events import CallEvent, LineAnswered, LineEnded, StreamFailed
from openclaw_voice_call.call.script import ConnectStream, StepRef
from openclaw_voice_call.call.types import CallId, CarrierCallId, EndReason
from openclaw_voice_call.carriers.mock.carrier import MockCarrier
from openclaw_voice_call.carriers.mock.network import PhoneNetwork
from openclaw_voice_call.carriers.mock.people import Person, PhoneBook
from openclaw_voice_call.carriers.mock.voice import espeak, espeak_program
from openclaw_voice_call.carriers.mock.webhook import decode, read
from openclaw_voice_call.errors import CarrierRefused, NotSupported
from openclaw_voice_call.interfaces.carrier import LegState
from openclaw_voice_call.interfaces.instruction import DialOrder, LegOrder, LineSettings, Perform
from openclaw_voice_call.interfaces.links import CallLinks
from openclaw_voice_call.interfaces.media import (
    AudioIn,
    KeyIn,
    MarkReached,
    MediaMessage,
    StreamStart,
    StreamStopped,
    StreamTicket,
)
from openclaw_voice_call.interfaces.stream_links import StreamLinks

ANN = "+15550001234"
CALL = CallId("call-1")
SPEED = 10.0


class QuickClock:
    """Ten seconds pass in one."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s / SPEED, callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s) / SPEED)


@dataclass
class Gateway:
    """Takes webhooks and streams, and remembers what they say."""

    carrier: MockCarrier
    links: CallLinks
    told: asyncio.Queue[CallEvent] = field(default_factory=asyncio.Queue[CallEvent])
    said: asyncio.Queue[MediaMessage] = field(default_factory=asyncio.Queue[MediaMessage])
    socket: web.WebSocketResponse | None = None
    legs: list[CarrierCallId] = field(default_factory=list[CarrierCallId])
    refuses: bool = False
    paths: list[str] = field(default_factory=list[str])

    async def webhook(self, request: web.Request) -> web.Response:
        for envelope in read(decode(await request.read())).envelopes:
            if envelope.event is not None:
                self.told.put_nowait(envelope.event)
        return web.Response(status=204)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path_qs)
        if self.refuses:
            return web.Response(status=404)
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        async for message in self.socket:
            self.said.put_nowait(self.carrier.media.read(message.data))
        return self.socket

    async def call(self) -> None:
        """Be connected with somebody, without live audio yet."""
        order = DialOrder(CALL, "+15550005678", ANN, 30_000, 300_000, 0.0, StepRef(1, 0))
        self.legs.append(await self.carrier.dial(order))
        await self.until(lambda event: isinstance(event, LineAnswered))

    async def connect(self, number: int = 1) -> None:
        order = Perform(CALL, ConnectStream(number), StepRef(1, 0), StepRef(1, 1), LineSettings())
        await self.carrier.perform(self.order(), order)

    def order(self) -> LegOrder:
        return LegOrder(CALL, self.legs[-1])

    async def until(self, wanted: Callable[[CallEvent], bool]) -> CallEvent:
        async with asyncio.timeout(10):
            while not wanted(event := await self.told.get()):
                pass
            return event

    async def hears(self, wanted: type[MediaMessage]) -> MediaMessage:
        """The next message of this kind; what the person says meanwhile is passed over."""
        async with asyncio.timeout(10):
            while not isinstance(message := await self.said.get(), wanted):
                pass
            return message

    async def understands(self) -> str:
        """The person's next words."""
        heard = b""
        async with asyncio.timeout(10):
            while not (words := tone_code.decode(heard[-80_000:])) or any(
                byte != 0xFF for byte in heard[-3200:]
            ):
                message = await self.said.get()
                assert isinstance(message, AudioIn), message
                assert len(message.mulaw) == 160
                heard += message.mulaw
        return words

    async def says(self, text: str, mark: str | None = None) -> None:
        await self.plays(tone_code.encode(text))
        if mark is not None:
            await self.sends(self.carrier.media.mark("", mark))

    async def plays(self, audio: bytes) -> None:
        await self.sends(self.carrier.media.audio("", audio))

    async def sends(self, message: str) -> None:
        assert self.socket is not None
        await self.socket.send_str(message)


@asynccontextmanager
async def gateway(*, live_audio: bool = True, **person: object) -> AsyncGenerator[Gateway]:
    somebody = Person(**{"number": ANN, "answer_after_ms": 0, **person})  # pyright: ignore[reportArgumentType]
    streams = StreamLinks("wss://voice.example.org/voice/stream", b"k" * 32)
    links = CallLinks("https://voice.example.org/hook", streams if live_audio else None)
    tasks = Supervisor("network", logging.getLogger("network"))
    app = web.Application()
    runner = web.AppRunner(app)
    async with aiohttp.ClientSession() as session:
        port = 0
        network = PhoneNetwork(
            book=PhoneBook((somebody,)),
            own_number="+15550005678",
            speed=50.0,
            public_url=links.base_url,
            deliver_to=lambda: f"http://127.0.0.1:{port}/hook",
            secret=b"s" * 32,
            session=session,
            clock=QuickClock(),
            tasks=tasks,
            voice=tone_code.encode,
        )
        house = Gateway(MockCarrier(network, b"s" * 32, links), links)
        app.router.add_post("/hook", house.webhook)
        app.router.add_get("/voice/stream/{tail:.*}", house.stream)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            yield house
        finally:
            await house.carrier.close()
            await tasks.close()
            await runner.cleanup()


async def test_a_conversation_with_sound_in_both_ears() -> None:
    async with gateway(says=("Hello?", "Nine is fine."), hang_up_after=2) as house:
        await house.call()
        await house.connect()
        start = await house.hears(StreamStart)
        assert isinstance(start, StreamStart)
        assert (start.carrier_call_id, start.is_mulaw) == (house.legs[-1], True)
        assert house.paths == [f"/voice/stream/{house.links.stream_pass(StreamTicket(CALL, 1))}"]
        await house.says("Good morning.", mark="say:1")
        assert await house.hears(MarkReached) == MarkReached("say:1")
        assert await house.understands() == "Hello?"
        await house.says("Shall we meet at nine?")
        assert await house.understands() == "Nine is fine."
        await house.says("Good-bye.")
        assert await house.hears(StreamStopped) == StreamStopped()
        status = await house.carrier.status(house.order())
        assert (status.state, status.reason) == (LegState.ENDED, EndReason.COMPLETED)
        ended = await house.until(lambda event: isinstance(event, LineEnded))
        assert isinstance(ended, LineEnded)
        assert ended.reason is EndReason.COMPLETED


async def test_an_interruption_comes_while_we_speak_and_what_is_cleared_is_not_heard() -> None:
    async with gateway(says=("Stop!",), interrupts_after_ms=(500,)) as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        await house.plays(tone_code.encode("one two three four five six seven") * 3)
        await house.sends(house.carrier.media.mark("", "say:1"))
        assert await house.understands() == "Stop!"
        await house.sends(house.carrier.media.clear(""))
        assert await house.hears(MarkReached) == MarkReached("say:1")


async def test_frames_come_at_the_pace_of_speech_with_silence_between() -> None:
    async with gateway() as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        began = time.monotonic()
        for _ in range(100):
            message = await house.hears(AudioIn)
            assert message == AudioIn(mulaw.silence(20))
        taken_s = (time.monotonic() - began) * SPEED
        assert taken_s > 1.5


async def test_keys_go_through_the_stream() -> None:
    async with gateway(keys=("4#",)) as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        await house.says("Your code?")
        assert [await house.hears(KeyIn), await house.hears(KeyIn)] == [KeyIn("4"), KeyIn("#")]


async def test_a_stream_that_is_not_taken_is_told() -> None:
    async with gateway() as house:
        house.refuses = True
        await house.call()
        await house.connect(2)
        failed = await house.until(lambda event: isinstance(event, StreamFailed))
        assert isinstance(failed, StreamFailed)
        assert failed.number == 2
        assert "404" in failed.detail
        house.refuses = False
        await house.connect(3)
        await house.hears(StreamStart)


async def test_a_stream_is_opened_once_and_one_at_a_time() -> None:
    async with gateway() as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        await house.connect()
        with pytest.raises(CarrierRefused, match="one stream at a time"):
            await house.connect(2)
        assert len(house.paths) == 1


async def test_a_stream_that_we_end_leaves_the_line_up_for_another() -> None:
    async with gateway(says=("Hello?", "Again?")) as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        await house.says("Hello.")
        assert await house.understands() == "Hello?"
        await house.carrier.end_stream(house.order(), 7)
        await house.carrier.end_stream(house.order(), 1)
        assert await house.hears(StreamStopped) == StreamStopped()
        assert (await house.carrier.status(house.order())).answered
        await house.connect(2)
        await house.hears(StreamStart)
        await house.says("Are you still there?")
        assert await house.understands() == "Again?"


async def test_hanging_up_ends_the_stream() -> None:
    async with gateway() as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        await house.carrier.hang_up(house.order(), answered=True)
        assert await house.hears(StreamStopped) == StreamStopped()


async def test_bad_orders_are_passed_over() -> None:
    async with gateway(says=("Hello?",)) as house:
        await house.call()
        await house.connect()
        await house.hears(StreamStart)
        await house.sends("no order")
        await house.sends('{"event":"dance"}')
        await house.says("Hello.")
        assert await house.understands() == "Hello?"


async def test_live_audio_that_is_switched_off_is_refused() -> None:
    async with gateway(live_audio=False) as house:
        await house.call()
        with pytest.raises(NotSupported, match="Live audio"):
            await house.connect()


def test_a_voice_that_fails_speaks_in_tones() -> None:
    assert tone_code.decode(espeak("/nonexistent/espeak")("Hello there.")) == "Hello there."


@pytest.mark.skipif(espeak_program() is None, reason="espeak is not installed")
def test_espeak_speaks_as_long_and_as_loud_as_people_do() -> None:
    said = espeak(espeak_program() or "")("-v is no option here, it is a sentence.")
    assert 1500 < len(said) / 8 < 6000
    assert -30 < mulaw.level_dbfs(said) < -8
    assert tone_code.decode(said) == ""
