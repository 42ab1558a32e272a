"""The speech and model vendors of `turns.py`: `python -m benchmarks.turns_vendors PORT`.

They take as long as they say, whoever asks: a recogniser in Deepgram's protocol whose last words
come when the silence it was asked for (`endpointing`) is over, a model in OpenAI's that writes its
first token after 300 ms and then 40 a second, a voice in OpenAI's whose audio begins after 200 ms.
Times are kept by deadlines, so that one late wake-up does not move what follows.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from itertools import count
from typing import Final

from aiohttp import WSMsgType, web

from openclaw_voice_call.audio.tones import pcm, voice
from openclaw_voice_call.interfaces.media import FRAME_MS

SPEECH_MS: Final = 1460
"""What a caller says at a time: six syllables, with the pause after the last one left out."""
INTERIM_MS: Final = 100
"""From the end of a word until the recogniser gives it, as not yet final."""
FIRST_TOKEN_MS: Final = 300
TOKEN_MS: Final = 25
FIRST_CHUNK_MS: Final = 200
CHUNK_MS: Final = 100
CHUNKS_PER_S: Final = 40
"""Four times as fast as it is played."""
SAID_MS: Final = 1000
"""How long each sentence sounds."""
VOICE_HZ: Final = 24_000
QUESTION: Final = ("And", "what", "about", "number", "{}", "of", "the", "list")
SENTENCES: Final = (
    "For number {} there is still something free on Tuesday.",
    "Shall I put your name down for number {} then?",
)
"""Ten tokens each. The number makes each answer one of its own, so that no memory of what was said
before can stand in for the vendor."""
SENTENCE_MS: Final = FIRST_TOKEN_MS + len(SENTENCES[0].split()) * TOKEN_MS
"""Until a model has written what shows the first sentence to be over: the next token."""
SILENCE: Final = b"\xff"


class Ear:
    """One connection to the recogniser: hears when somebody speaks, and knows what they say."""

    def __init__(self, socket: web.WebSocketResponse, tasks: asyncio.TaskGroup, end_ms: int):
        """`end_ms`: how long after the last sound its words are final."""
        self._socket = socket
        self._tasks = tasks
        self._end_s = end_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._heard_s = 0.0
        self._final_s = 0.0
        self._began: float | None = None
        self._words = 0
        self._turn = 1
        self._end: asyncio.TimerHandle | None = None

    def hear(self, mulaw: bytes) -> None:
        self._heard_s += len(mulaw) / 8000
        if not mulaw.strip(SILENCE):
            return
        now = self._loop.time()
        if self._began is None:
            self._began = now - FRAME_MS / 1000
        words = int((now - self._began) / (SPEECH_MS / 1000) * len(self._question) + 0.1)
        if self._words < words <= len(self._question):
            self._words = words
            text = " ".join(self._question[:words])
            self._loop.call_at(now + INTERIM_MS / 1000, self._say, self._turn, text, False)
        if self._end is not None:
            self._end.cancel()
        text = " ".join(self._question)
        self._end = self._loop.call_at(now + self._end_s, self._say, self._turn, text, True)

    @property
    def _question(self) -> list[str]:
        return [word.format(self._turn) for word in QUESTION]

    def _say(self, turn: int, text: str, final: bool) -> None:
        if turn != self._turn:
            return
        results = {
            "type": "Results",
            "start": self._final_s,
            "duration": self._heard_s - self._final_s,
            "is_final": final,
            "speech_final": final,
            "channel": {"alternatives": [{"transcript": text}]},
        }
        self._tasks.create_task(self._socket.send_str(json.dumps(results)))
        if final:
            self._final_s = self._heard_s
            self._began, self._words, self._turn = None, 0, turn + 1


async def listen(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async with asyncio.TaskGroup() as tasks:
        ear = Ear(socket, tasks, int(request.query["endpointing"]))
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                ear.hear(message.data)
    return socket


class Model:
    """Answers everything with two sentences."""

    def __init__(self) -> None:
        self._numbers = count(1)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        at = loop.time() + FIRST_TOKEN_MS / 1000
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for token in _tokens(next(self._numbers)):
            await asyncio.sleep(at - loop.time())
            await response.write(_event({"content": token}))
            at += TOKEN_MS / 1000
        await response.write(_event({}, "stop") + b"data: [DONE]\n\n")
        return response


def _tokens(number: int) -> Iterator[str]:
    words = " ".join(SENTENCES).format(number, number).split()
    yield words[0]
    yield from (f" {word}" for word in words[1:])


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "benchmark",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


class Voice:
    """Says everything alike, as 16-bit PCM."""

    def __init__(self) -> None:
        self._said = pcm(voice(SAID_MS, rate_hz=VOICE_HZ))

    async def speak(self, request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        at = loop.time() + FIRST_CHUNK_MS / 1000
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        size = VOICE_HZ * 2 * CHUNK_MS // 1000
        await asyncio.sleep(at - loop.time())
        await response.prepare(request)
        for begin in range(0, len(self._said), size):
            await asyncio.sleep(at - loop.time())
            await response.write(self._said[begin : begin + size])
            at += 1 / CHUNKS_PER_S
        return response


async def serve(port: int) -> None:
    """Until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    app = web.Application()
    app.router.add_get("/v1/listen", listen)
    app.router.add_post("/v1/chat/completions", Model().complete)
    app.router.add_post("/v1/audio/speech", Voice().speak)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=512).start()
    await stopping.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
