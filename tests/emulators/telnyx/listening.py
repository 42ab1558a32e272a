"""A transcription that is on: someone may speak or press keys, as often as they like."""

import asyncio
from typing import Protocol

from tests.emulators.clock import Clock
from tests.emulators.people import PersonOnCall, Reply, speaking_time
from tests.emulators.telnyx.calls import Json
from tests.emulators.telnyx.exchange import Exchange

KEY_SECONDS = 0.2


class Caller(Protocol):
    """What a transcription needs of its line."""

    @property
    def talk(self) -> PersonOnCall: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def exchange(self) -> Exchange: ...
    @property
    def speaking(self) -> bool: ...
    def tell(self, event_type: str, fields: Json, *, numbers: bool = True) -> None: ...
    def reply_ended(self) -> None: ...


class Listening:
    """From `transcription_start` to `transcription_stop`, or to the end of the call.

    Keys are always reported by Telnyx; people here only press some when they are listened to.
    """

    def __init__(self, line: Caller, *, interim: bool) -> None:
        self._line = line
        self._interim = interim
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    async def run(self) -> None:
        talk = self._line.talk
        if self._stopped:
            return
        scripted = talk.scripted()
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = [
                    group.create_task(self._scripted(scripted)),
                    group.create_task(self._live()),
                ]
        finally:
            talk.stop_listening()
            if scripted is None:
                talk.replied()

    def stop(self) -> None:
        """What is being said now is not reported."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def _scripted(self, reply: Reply | None) -> None:
        line, talk = self._line, self._line.talk
        if reply is None:
            return
        await self._quiet()
        if not talk.ready(reply):
            return
        await line.clock.sleep(reply.after)
        talk.replied()
        await self._act(reply)
        line.reply_ended()

    async def _live(self) -> None:
        while True:
            await self._act(await self._line.talk.acts())

    async def _quiet(self) -> None:
        """People wait until the voice is silent."""
        line = self._line
        while line.speaking:
            await line.clock.sleep(0.1)

    async def _act(self, reply: Reply) -> None:
        line = self._line
        for key in reply.digits:
            await line.clock.sleep(KEY_SECONDS)
            line.tell("call.dtmf.received", {"digit": key})
        if not reply.speech:
            return
        await line.clock.sleep(speaking_time(reply.speech))
        if self._interim:
            words = reply.speech.split()
            self._report(" ".join(words[: max(1, len(words) // 2)]), 0.5, final=False)
        await line.clock.sleep(line.exchange.endpoint_seconds)
        self._report(reply.speech, reply.confidence, final=True)

    def _report(self, text: str, confidence: float | None, *, final: bool) -> None:
        data: Json = {"transcript": text, "is_final": final, "transcription_track": "inbound"}
        if confidence is not None:
            data["confidence"] = confidence
        self._line.tell("call.transcription", {"transcription_data": data}, numbers=False)
