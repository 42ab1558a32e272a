"""A line's media stream: the network's end of the socket, and the person who talks on it.

Live audio takes its own time: 20 ms of sound take 20 ms, however fast the network is set to be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from openclaw.sdk import Clock
from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.call.types import CarrierCallId
from openclaw_voice_call.carriers.mock.live import Leave, PlayBuffer, Press, Speak, Talker
from openclaw_voice_call.carriers.mock.media import (
    Began,
    Clear,
    FromNetwork,
    Mark,
    Play,
    Pressed,
    Reached,
    Spoken,
    Stopped,
    read_order,
    to_gateway,
)
from openclaw_voice_call.carriers.mock.voice import Voice
from openclaw_voice_call.errors import MediaMalformed
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

CONNECT_S: Final = 5.0
CLOSE_S: Final = 1.0
LARGEST_MESSAGE: Final = 1 << 20
LATE_S: Final = 0.5
"""Later than this, what was missed is not made up for: the line was held up, as lines are."""

log = logging.getLogger("openclaw.plugins.voice-call")


class StreamUnconnected(Exception):
    """The gateway did not take the stream; the text says how."""


def local_stream_url(public_url: str, webhook_url: str) -> str:
    """Where this machine itself reaches a stream URL: its path, at the webhook server."""
    here, there = urlsplit(webhook_url), urlsplit(public_url)
    return here._replace(scheme="ws", path=there.path, query="", fragment="").geturl()


class MediaStream:
    """Made when the gateway asks for a stream; `run` is what happens on it until its end."""

    def __init__(
        self,
        *,
        leg: CarrierCallId,
        number: int,
        talker: Talker,
        voice: Voice,
        session: aiohttp.ClientSession,
        clock: Clock,
        leave: Callable[[], None],
    ) -> None:
        """`leave` is called when the person hangs up; whoever is called then stops the stream."""
        self.number = number
        self._leg = leg
        self._talker = talker
        self._voice = voice
        self._session = session
        self._clock = clock
        self._heard = PlayBuffer()
        self._mouth = bytearray()
        self._over = asyncio.Event()
        self._leave = leave

    @property
    def stopping(self) -> bool:
        return self._over.is_set()

    def stop(self) -> None:
        """End the stream; `run` then returns."""
        self._over.set()

    async def run(self, url: str) -> None:
        """Talk until one end has enough. Raises StreamUnconnected."""
        sounds = await asyncio.to_thread(self._rehearse)
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await self._session.ws_connect(
                    url,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),  # pyright: ignore[reportCallIssue]
                    max_msg_size=LARGEST_MESSAGE,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            status = getattr(error, "status", None)
            raise StreamUnconnected(f"{type(error).__name__} {status or ''}".strip()) from error
        async with socket:
            async with asyncio.TaskGroup() as ends:
                either = (
                    ends.create_task(self._obey(socket)),
                    ends.create_task(self._talk(socket, sounds)),
                    ends.create_task(self._over_now()),
                )
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                for end in either:
                    end.cancel()
            await _say(socket, Stopped())

    async def _over_now(self) -> None:
        await self._over.wait()

    def _rehearse(self) -> Mapping[str, bytes]:
        """All that the person may say, as sounds: speaking takes no time then."""
        return {text: self._voice(text) for text in set(self._talker.person.says) if text}

    async def _obey(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            try:
                order = read_order(message.data)
            except MediaMalformed as error:
                log.warning("mock stream: bad order", extra={"detail": str(error)})
                continue
            taken = True
            match order:
                case Play(audio=audio):
                    taken = self._heard.add(audio)
                case Mark(name=name):
                    taken = self._heard.mark(name)
                case Clear():
                    self._heard.clear()
            if not taken:
                log.warning("mock stream: too much at once", extra={"leg": self._leg})

    async def _talk(
        self, socket: aiohttp.ClientWebSocketResponse, sounds: Mapping[str, bytes]
    ) -> None:
        await _say(socket, Began(stream=f"{self._leg}:{self.number}", leg=self._leg))
        due = self._clock.monotonic()
        while not self.stopping:
            frame, reached = self._heard.frame()
            for name in reached:
                await _say(socket, Reached(name))
            await self._act(socket, frame, sounds)
            said = bytes(self._mouth[:FRAME_BYTES])
            del self._mouth[:FRAME_BYTES]
            await _say(socket, Spoken(said.ljust(FRAME_BYTES, mulaw.SILENCE)))
            due = max(due + FRAME_MS / 1000, self._clock.monotonic() - LATE_S)
            await self._clock.sleep(due - self._clock.monotonic())

    async def _act(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        frame: bytes,
        sounds: Mapping[str, bytes],
    ) -> None:
        match self._talker.hear(frame, speaking=bool(self._mouth)):
            case Speak(text=text):
                self._mouth += sounds[text]
            case Press(keys=keys):
                for key in keys:
                    await _say(socket, Pressed(key))
            case Leave():
                self._leave()
            case None:
                pass


async def _say(socket: aiohttp.ClientWebSocketResponse, message: FromNetwork) -> None:
    # A socket that is just closing ends the stream where it is read.
    with suppress(ConnectionError):
        await socket.send_str(to_gateway(message))
