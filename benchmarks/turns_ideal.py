"""What `turns.py` is compared with: the vendors' latencies one after another, and nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec

from benchmarks.turns_phones import APART_S, SILENCE, speech
from openclaw_voice_call.interfaces.media import FRAME_MS

PAUSE_FRAMES: Final = 30
"""Between an answer and the next question."""
TURN_S: Final = 20.0


class _Final(msgspec.Struct):
    channel: Mapping[str, Sequence[Mapping[str, str]]]
    speech_final: bool = False

    @property
    def text(self) -> str:
        return self.channel["alternatives"][0]["transcript"]


class _Choice(msgspec.Struct):
    delta: Mapping[str, str]


class _Chunk(msgspec.Struct):
    choices: list[_Choice]


class Ideal:
    """People who speak to the recogniser themselves, and take its words on by hand."""

    def __init__(self, port: int, silence_ms: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1"
        self._silence_ms = silence_ms
        self._speech = speech()
        self.delays_s: list[float] = []

    async def hold(self, calls: int, turns: int) -> None:
        """That many conversations, all at a time, each with so many turns."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
            for number in range(calls):
                group.create_task(self._call(http, turns, number * APART_S))

    async def _call(self, http: aiohttp.ClientSession, turns: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        listen = f"{self._url}/listen?endpointing={self._silence_ms}"
        async with http.ws_connect(listen) as ears:
            for _ in range(turns):
                async with asyncio.timeout(TURN_S):
                    self.delays_s.append(await self._turn(http, ears))

    async def _turn(
        self, http: aiohttp.ClientSession, ears: aiohttp.ClientWebSocketResponse
    ) -> float:
        due = time.monotonic()
        for frame in (*[SILENCE] * PAUSE_FRAMES, *self._speech):
            due += FRAME_MS / 1000
            await asyncio.sleep(due - time.monotonic())
            await ears.send_bytes(frame)
        ended = time.monotonic()
        while True:
            words = msgspec.json.decode(str((await ears.receive()).data), type=_Final)
            if words.speech_final:
                break
        asked = {"messages": [{"role": "user", "content": words.text}], "stream": True}
        async with http.post(f"{self._url}/chat/completions", json=asked) as answer:
            sentence = await _first_sentence(answer)
            async with http.post(f"{self._url}/audio/speech", json={"input": sentence}) as sound:
                await sound.content.readany()
                took = time.monotonic() - ended
                # What is left is read, so that the connections can be used again.
                await sound.read()
            await answer.read()
        return took


async def _first_sentence(answer: aiohttp.ClientResponse) -> str:
    """Its end is certain when something comes after it."""
    text = ""
    async for line in answer.content:
        event = line.removeprefix(b"data: ").strip()
        if event and event != b"[DONE]":
            text += msgspec.json.decode(event, type=_Chunk).choices[0].delta.get("content", "")
        sentence, found, _ = text.partition(". ")
        if found:
            return json.dumps(sentence)
    return text
