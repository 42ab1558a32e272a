"""The programs under test of `media.py`: `python -m benchmarks.media_server WHICH PORT EARS_PORT`.

`door` is ours: the webhook server with its stream door, and behind it for each call a session, the
ear with its voice activity detection, the turn taker, a recogniser's connection to EARS_PORT, and a
voice that never stops. `ends` is the same without the ear, the turn taker and the recogniser: audio
in, audio out. `plain` does as much as can be done without thinking: an aiohttp handler
that reads JSON, sends each frame's audio to EARS_PORT and a frame of its own back. `bare` is an
aiohttp handler that sends each message back, `floor` a TCP server that sends each byte back.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Final

import aiohttp
from aiohttp import web

from openclaw.clock import SystemClock
from openclaw.tasks import Supervisor
from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tones import voice
from openclaw_voice_call.carriers.twilio.media import TwilioMedia
from openclaw_voice_call.config.streaming import StreamingConfig
from openclaw_voice_call.errors import NotReady
from openclaw_voice_call.interfaces.carrier import WebhookReply, WebhookRequest
from openclaw_voice_call.interfaces.media import (
    FRAME_MS,
    MessageSink,
    StreamStart,
    StreamTicket,
    Wire,
)
from openclaw_voice_call.interfaces.speech import ListenOrder, Recognised
from openclaw_voice_call.interfaces.stream_links import StreamLinks
from openclaw_voice_call.media.session import MediaSession
from openclaw_voice_call.media.speech_gate import Ear
from openclaw_voice_call.media.turn_taker import TurnTaker
from openclaw_voice_call.media.turns import TurnSettings
from openclaw_voice_call.media.wheel import TimerWheel
from openclaw_voice_call.speech.deepgram.stt import DeepgramSttProtocol, DeepgramSttSettings
from openclaw_voice_call.speech.stt_setup import SttSetup
from openclaw_voice_call.speech.stt_socket import dial_with
from openclaw_voice_call.speech.stt_vendor import ConnectedVendor
from openclaw_voice_call.webhook.places import PlaceLimits
from openclaw_voice_call.webhook.server import ServerLimits, WebhookServer
from openclaw_voice_call.webhook.sockets import SocketLimits
from openclaw_voice_call.webhook.streams import StreamDoor, StreamLimits

STREAM_PATH: Final = "/voice/stream"
LINKS: Final = StreamLinks(f"wss://voice.example.com{STREAM_PATH}", b"benchmark" * 4)
MOST_CALLS: Final = 1000
UTTERANCE_MS: Final = 2000


class NoWebhooks:
    """Implements `webhook.server.Answers`."""

    signature_headers = ()

    async def handle(self, request: WebhookRequest, verified: Callable[[], None]) -> WebhookReply:
        raise NotReady("only streams are served")


class Voice:
    """A call that speaks without end and does not listen. Implements `StreamListener`."""

    def __init__(
        self, start: StreamStart, wire: Wire, wheel: TimerWheel, clock: SystemClock, speech: bytes
    ) -> None:
        self._speech = speech
        self.session = MediaSession(TwilioMedia(), start, wire, wheel, clock, self)
        self.over = asyncio.Event()
        self._say(1)

    def frame_heard(self, mulaw: bytes) -> None:
        """Nobody listens."""

    def key_pressed(self, key: str) -> None:
        """Nobody presses one."""

    def utterance_began(self, utterance: int) -> None:
        self._say(utterance + 1)

    def utterance_played(self, utterance: int) -> None:
        """The next one is lined up already."""

    def stream_lost(self, detail: str) -> None:
        self.over.set()

    def _say(self, utterance: int) -> None:
        self.session.begin(utterance, "Words that are said for two seconds.")
        self.session.add(utterance, self._speech)
        self.session.finish(utterance)


class Conversation(Voice):
    """A call that hears and speaks at once, without end."""

    def __init__(
        self,
        start: StreamStart,
        wire: Wire,
        wheel: TimerWheel,
        clock: SystemClock,
        speech: bytes,
        recogniser: ConnectedVendor,
    ) -> None:
        self._clock = clock
        self._ear = Ear()
        self._taker = TurnTaker(TurnSettings())
        self._recogniser = recogniser.listen(ListenOrder(), self._recognised)
        super().__init__(start, wire, wheel, clock, speech)

    def frame_heard(self, mulaw: bytes) -> None:
        speech, onward = self._ear.hear(mulaw, self.session.playing_dbfs)
        self._recogniser.send(onward)
        self._taker.frame(self._clock.monotonic(), speech)

    async def close(self) -> None:
        """Let go of the recogniser."""
        await self._recogniser.close()

    def _recognised(self, event: Recognised) -> None:
        self._taker.recognised(event, self._clock.monotonic())


class Desk:
    """Implements `StreamDesk`: every call is welcome, and is a conversation or a mere voice."""

    def __init__(
        self, tasks: Supervisor, http: aiohttp.ClientSession, ears_url: str | None
    ) -> None:
        """`ears_url` None: nobody listens."""
        self._tasks = tasks
        self._clock = SystemClock()
        self._wheel = TimerWheel(self._clock)
        self._ears_url = ears_url
        self._setup = SttSetup(StreamingConfig(), None, dial_with(http), self._clock, tasks)
        self._speech = encode(voice(UTTERANCE_MS))

    def expects(self, ticket: StreamTicket) -> bool:
        return True

    async def connect(self, ticket: StreamTicket, start: StreamStart, wire: Wire) -> MessageSink:
        common = (start, wire, self._wheel, self._clock, self._speech)
        if self._ears_url is None:
            return Voice(*common).session
        settings = DeepgramSttSettings(base_url=f"{self._ears_url}/{ticket.call_id}")
        recogniser = ConnectedVendor(
            "deepgram", self._setup, lambda order: DeepgramSttProtocol(settings, order)
        )
        call = Conversation(*common, recogniser)
        self._tasks.spawn("call", self._until_over(call))
        return call.session

    async def _until_over(self, call: Conversation) -> None:
        await call.over.wait()
        await call.close()


async def door(port: int, ears_port: int, stopping: asyncio.Event) -> None:
    await _open_door(port, f"http://127.0.0.1:{ears_port}", stopping)


async def ends(port: int, ears_port: int, stopping: asyncio.Event) -> None:
    await _open_door(port, None, stopping)


async def _open_door(port: int, ears_url: str | None, stopping: asyncio.Event) -> None:
    tasks = Supervisor("benchmark", logging.getLogger(__name__))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        desk = Desk(tasks, http, ears_url)
        limits = StreamLimits(places=PlaceLimits(open=MOST_CALLS))
        streams = StreamDoor(desk, LINKS, TwilioMedia(), path=STREAM_PATH, limits=limits)
        sockets = SocketLimits(connections=2 * MOST_CALLS, strangers_per_address=MOST_CALLS)
        server = WebhookServer(
            NoWebhooks(),
            path="/voice/webhook",
            port=port,
            limits=ServerLimits(sockets=sockets),
            streams=streams,
        )
        await server.start()
        gc.freeze()  # as the gateway does
        await stopping.wait()
        await server.stop()
        await tasks.close()


async def plain(port: int, ears_port: int, stopping: asyncio.Event) -> None:
    voice_frame = base64.b64encode(encode(voice(FRAME_MS))).decode()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def stream(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            ticket = LINKS.read(request.match_info["ticket"])
            assert ticket is not None
            url = f"http://127.0.0.1:{ears_port}/{ticket.call_id}/listen"
            async with http.ws_connect(url) as ears:
                async for message in socket:
                    said = json.loads(str(message.data))
                    if said["event"] == "media":
                        await ears.send_bytes(base64.b64decode(said["media"]["payload"]))
                        media = {"payload": voice_frame}
                        reply = {"event": "media", "streamSid": said["streamSid"], "media": media}
                        await socket.send_str(json.dumps(reply))
            return socket

        await _handle(stream, port, stopping)


async def bare(port: int, ears_port: int, stopping: asyncio.Event) -> None:
    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(str(message.data))
        return socket

    await _handle(stream, port, stopping)


async def _handle(
    stream: Callable[[web.Request], Coroutine[None, None, web.WebSocketResponse]],
    port: int,
    stopping: asyncio.Event,
) -> None:
    app = web.Application()
    app.router.add_get(STREAM_PATH + "/{ticket:.*}", stream)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await stopping.wait()
    await runner.cleanup()


async def floor(port: int, ears_port: int, stopping: asyncio.Event) -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=512)
    await stopping.wait()
    server.close()


PROGRAMS: Final[dict[str, Callable[[int, int, asyncio.Event], Coroutine[None, None, None]]]] = {
    "door": door,
    "ends": ends,
    "plain": plain,
    "bare": bare,
    "floor": floor,
}


async def serve(which: str, port: int, ears_port: int) -> None:
    """Until SIGTERM."""
    # As the gateway does when it has imported its agent: a full search for garbage among all that
    # was imported stops the process for some 80 ms.
    gc.freeze()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await PROGRAMS[which](port, ears_port, stopping)


def new_loop() -> asyncio.AbstractEventLoop:
    """The kind that the gateway takes: uvloop's where it is installed and not left out."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
