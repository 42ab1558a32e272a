"""The callers of `turns.py`: each rings, hears and speaks in real time on Twilio's protocols.

What they measure is what a person would notice: from the end of their last sound until the first
sound of the answer arrives.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from benchmarks.media_lines import AUDIO_SENT, MARK_SENT, Frames, masked
from benchmarks.traffic import (
    PUBLIC_URL,
    REDIRECT,
    STREAM,
    Connection,
    UnexpectedAnswer,
    Webhook,
    connections,
    ended,
    link,
    new_form,
)
from benchmarks.turns_vendors import SPEECH_MS
from openclaw_voice_call.audio.mulaw import encode
from openclaw_voice_call.audio.tones import voice
from openclaw_voice_call.interfaces.media import FRAME_BYTES, FRAME_MS

SILENCE: Final = b"\xff" * FRAME_BYTES
PAUSE_S: Final = 0.6
"""Silence after which somebody takes what is said to them to be over, and speaks."""
ANSWER_S: Final = 20.0
GREETING_S: Final = 20.0
APART_S: Final = 0.11
"""From one call to the next one."""
SLOTS: Final = 10
"""Into so many parts the callers are divided, so that they do not all send at one moment."""


def speech() -> list[bytes]:
    """What every caller says at a time, as frames."""
    spoken = encode(voice(SPEECH_MS))
    return [spoken[n : n + FRAME_BYTES] for n in range(0, len(spoken), FRAME_BYTES)]


class Phone(asyncio.Protocol):
    """The line of one caller. `tick` is called every 20 ms."""

    def __init__(self, path: str, call_sid: str) -> None:
        self._path = path
        self._call_sid = call_sid
        self._sid = f"MZ{call_sid[2:]}"
        self._frames = Frames()
        self._head = bytearray()
        self._open = False
        self._to_say: list[bytes] = []
        self._sounds = False
        self._plays_until = 0.0
        self._answer: asyncio.Future[float] | None = None
        self._news = asyncio.Event()
        self.up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over = False
        self.ended_at = 0.0
        """When the last frame with speech was sent."""
        self.cut = 0
        """How often we were told to forget what was said to us."""
        self.gaps = 0
        """How often the voice stopped within 300 ms of something said, and went on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        head = (
            f"GET {self._path} HTTP/1.1\r\nHost: voice.example.com\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.up.set_exception(UnexpectedAnswer(head.decode("latin-1")))
                return
            self._open = True
            self._send(
                '{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1",'
                f'"streamSid":"{self._sid}","callSid":"{self._call_sid}","tracks":["inbound"],'
                '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
                f'"customParameters":{{}}}},"streamSid":"{self._sid}"}}'
            )
            self.up.set_result(None)
        for opcode, payload in self._frames.feed(data):
            if opcode == 1:
                self._message(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        lost = UnexpectedAnswer("the stream was closed")
        for waiting in (self.up, self._answer):
            if waiting is not None and not waiting.done():
                waiting.set_exception(lost)
        self._news.set()

    def tick(self) -> None:
        """The next 20 ms of the caller's side."""
        if self.over:
            return
        frame = self._to_say.pop(0) if self._to_say else SILENCE
        self._send(
            '{"event":"media","sequenceNumber":"1","media":{"track":"inbound","chunk":"1",'
            f'"timestamp":"1","payload":"{base64.b64encode(frame).decode()}"}},'
            f'"streamSid":"{self._sid}"}}'
        )
        if frame is not SILENCE and not self._to_say:
            self.ended_at = time.monotonic()
            self._news.set()

    async def quiet(self, within_s: float) -> None:
        """Wait until something was said to us and is over.

        Raises TimeoutError, UnexpectedAnswer.
        """
        async with asyncio.timeout(within_s):
            while not self._sounds or time.monotonic() < self._plays_until + PAUSE_S:
                self._live()
                self._news.clear()
                left = self._plays_until + PAUSE_S - time.monotonic()
                await (asyncio.sleep(left) if self._sounds and left > 0 else self._news.wait())
        self._live()

    async def ask(self, frames: Sequence[bytes]) -> float:
        """Say this and wait for the answer: seconds from the end of the one to the beginning of
        the other. Raises TimeoutError, UnexpectedAnswer."""
        self._sounds = False
        self._to_say = list(frames)
        self._answer = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(ANSWER_S):
            came = await self._answer
        if self._to_say:
            raise UnexpectedAnswer("the caller was answered before they had finished")
        return came - self.ended_at

    def hang_up(self) -> None:
        if not self.over:
            self._send(
                '{"event":"stop","sequenceNumber":"2","stop":{"accountSid":"AC1",'
                f'"callSid":"{self._call_sid}"}},"streamSid":"{self._sid}"}}'
            )
            self._transport.close()

    def _send(self, message: str) -> None:
        self._transport.write(masked(message.encode()))

    def _live(self) -> None:
        if self.over:
            raise UnexpectedAnswer("the stream was closed")

    def _message(self, message: bytes) -> None:
        now = time.monotonic()
        if message.startswith(AUDIO_SENT):
            begin = message.index(b'"payload":"') + 11
            letters = message.index(b'"', begin) - begin
            if now - self._plays_until < 0.3 and now > self._plays_until and self._sounds:
                self.gaps += 1
            self._sounds = True
            self._plays_until = max(now, self._plays_until) + letters * 3 // 4 / 8000
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(now)
            self._news.set()
        elif message.startswith(MARK_SENT):
            delay = max(0.0, self._plays_until - now)
            asyncio.get_running_loop().call_later(delay, self._echo, message)
        else:
            self.cut += 1
            self._plays_until = now

    def _echo(self, message: bytes) -> None:
        if not self.over:
            self._transport.write(masked(message))


class Room:
    """All callers of one run, on one gateway."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._phones: list[Phone] = []
        self.delays_s: list[float] = []
        """Of each turn."""
        self.late_s: list[float] = []
        """How late the callers' own frames were."""
        self.cut = 0
        self.gaps = 0

    async def hold(self, calls: int, turns: int) -> None:
        """That many calls, all at a time, each with so many turns.

        Raises an ExceptionGroup of UnexpectedAnswer, TimeoutError or OSError.
        """
        spoken = speech()
        async with asyncio.TaskGroup() as ticking:
            ticker = ticking.create_task(self._tick())
            async with asyncio.TaskGroup() as group:
                for number in range(calls):
                    group.create_task(self._call(spoken, turns, number * APART_S))
            ticker.cancel()
        self.cut = sum(phone.cut for phone in self._phones)
        self.gaps = sum(phone.gaps for phone in self._phones)

    async def _tick(self) -> None:
        began = time.monotonic()
        for slot in count():
            due = began + slot * FRAME_MS / 1000 / SLOTS
            await asyncio.sleep(due - time.monotonic())
            self.late_s.append(time.monotonic() - due)
            for phone in self._phones[slot % SLOTS :: SLOTS]:
                phone.tick()

    async def _call(self, spoken: Sequence[bytes], turns: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        form = new_form()
        async with connections(self._port, 1) as (door,):
            path = await _dial(door, form)
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_connection(
            lambda: Phone(path, form["CallSid"]), "127.0.0.1", self._port
        )
        await phone.up
        self._phones.append(phone)
        await phone.quiet(GREETING_S)
        for _ in range(turns):
            self.delays_s.append(await phone.ask(spoken))
            await phone.quiet(ANSWER_S)
        phone.hang_up()
        async with connections(self._port, 1) as (door,):
            await _tell(door, ended(form))


async def _dial(door: Connection, form: dict[str, str]) -> str:
    """Ring; gives the path of the stream that the gateway wants."""
    document = await _tell(door, Webhook(PUBLIC_URL, form | {"CallStatus": "ringing"}))
    for _ in range(5):
        if STREAM.search(document) is not None:
            return urlsplit(link(STREAM, document)).path
        up = form | {"CallStatus": "in-progress"}
        document = await _tell(door, Webhook(link(REDIRECT, document), up))
    raise UnexpectedAnswer(f"no stream in {document!r}")


async def _tell(door: Connection, webhook: Webhook) -> str:
    status, document = await door.send(webhook.encoded())
    if status not in (200, 204):
        raise UnexpectedAnswer(f"status {status} for {webhook.url}: {document!r}")
    return document
