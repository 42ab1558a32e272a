"""`<Gather>`: a prompt, and someone who may speak or press keys during or after it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urljoin

from tests.emulators.clock import Clock
from tests.emulators.people import PersonOnCall, Reply, speaking_time
from tests.emulators.twilio.calls import Form
from tests.emulators.twilio.twiml import Gather, Verb

KEY_SECONDS = 0.2
AUTO_SPEECH_TIMEOUT = 1.0
"""Silence after which the recogniser itself takes speech to be over."""


class Caller(Protocol):
    """What a Gather needs of its line."""

    @property
    def talk(self) -> PersonOnCall: ...
    @property
    def clock(self) -> Clock: ...
    async def perform(self, verbs: Sequence[Verb]) -> None: ...
    def gather_ended(self) -> None: ...
    def tell_partial(self, url: str, method: str, fields: Form) -> None: ...


class Gathering:
    """One execution of a Gather on a line."""

    def __init__(self, line: Caller, gather: Gather, base: str) -> None:
        self._line = line
        self._base = base
        self._gather = gather
        self._talk = line.talk
        self._clock = line.clock

    async def run(self) -> Form | None:
        """The fields for the action, or None: no input, so the document goes on."""
        gather, talk = self._gather, self._talk
        talk.gathers += 1
        scripted = talk.scripted()
        reply = await self._listen(scripted)
        # A reply that could be heard, or not understood, is used up; one that waits for words
        # that were not said yet stays, and so does the script when a test made the person act.
        if reply is scripted or (reply is None and talk.ready(scripted)):
            talk.replied()
        result = None if reply is None else await self._recognise(reply)
        self._line.gather_ended()
        if result is None and gather.action_on_empty_result:
            return (
                *((("SpeechResult", ""),) if gather.speech else ()),
                *((("Digits", ""),) if gather.dtmf else ()),
            )
        return result

    async def _listen(self, scripted: Reply | None) -> Reply | None:
        """What the person begins to do before the time is over; it ends the prompt."""
        gather, talk = self._gather, self._talk
        talk.listening = True
        try:
            async with asyncio.TaskGroup() as group:
                prompt = group.create_task(self._line.perform(gather.prompts))
                onsets = {
                    group.create_task(self._scripted(scripted, prompt)),
                    group.create_task(self._live(prompt)),
                }
                done, _ = await asyncio.wait({prompt, *onsets}, return_when=asyncio.FIRST_COMPLETED)
                if not done & onsets:
                    done, _ = await asyncio.wait(
                        onsets,
                        timeout=gather.timeout / self._clock.speed,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                for task in (prompt, *onsets):
                    task.cancel()
        finally:
            talk.stop_listening()
        return next((task.result() for task in onsets if task in done), None)

    async def _scripted(self, reply: Reply | None, prompt: asyncio.Task[None]) -> Reply:
        if reply is not None:
            if not reply.barges_in:
                await asyncio.wait({prompt})
            if reply.barges_in or self._talk.ready(reply):
                await self._clock.sleep(reply.after)
                if self._talk.ready(reply) and self._hears(reply, prompt):
                    return reply
        return await _silence()

    async def _live(self, prompt: asyncio.Task[None]) -> Reply:
        while True:
            reply = await self._talk.acts()
            if self._hears(reply, prompt):
                return reply

    def _hears(self, reply: Reply, prompt: asyncio.Task[None]) -> bool:
        if reply.digits and self._gather.dtmf:
            return True
        audible = prompt.done() or self._gather.barge_in
        return bool(reply.speech) and self._gather.speech and audible

    async def _recognise(self, reply: Reply) -> Form | None:
        gather = self._gather
        if reply.digits and gather.dtmf:
            digits = await self._keys(reply.digits)
            return (("Digits", digits),) if digits else None
        if gather.partial_result_callback:
            words = reply.speech.split()
            fields = (
                ("UnstableSpeechResult", " ".join(words[: max(1, len(words) // 2)])),
                ("StableSpeechResult", ""),
                ("Stability", "0.5"),
                ("SequenceNumber", "0"),
            )
            self._line.tell_partial(
                urljoin(self._base, gather.partial_result_callback),
                gather.partial_result_method,
                fields,
            )
        await self._clock.sleep(speaking_time(reply.speech))
        timeout = gather.speech_timeout
        await self._clock.sleep(AUTO_SPEECH_TIMEOUT if timeout is None else timeout)
        result = [("SpeechResult", reply.speech)]
        if reply.confidence is not None:
            result.append(("Confidence", str(reply.confidence)))
        return tuple(result)

    async def _keys(self, pressed: str) -> str:
        """The keys that count: up to the one that finishes, or to the wanted number."""
        gather, entered = self._gather, ""
        for key in pressed:
            await self._clock.sleep(KEY_SECONDS)
            if gather.finish_on_key and key in gather.finish_on_key:
                return entered
            entered += key
            if len(entered) == gather.num_digits:
                return entered
        await self._clock.sleep(gather.timeout)
        return entered


async def _silence() -> Reply:
    return await asyncio.get_running_loop().create_future()
