"""`<GetInput>`: a prompt, and someone who may speak or press keys during or after it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from tests.emulators.clock import Clock
from tests.emulators.people import PersonOnCall, Reply, speaking_time
from tests.emulators.plivo.calls import Form
from tests.emulators.plivo.markup import GetInput, Prompt

KEY_SECONDS = 0.2
AUTOMATIC_SECONDS = 2.0
"""The end timeouts where the document leaves them to Plivo."""


class Caller(Protocol):
    """What listening needs of its line."""

    @property
    def talk(self) -> PersonOnCall: ...
    @property
    def clock(self) -> Clock: ...
    async def perform(self, prompts: Sequence[Prompt]) -> None: ...
    def listened(self) -> None: ...


class Listening:
    """One execution of a GetInput on a line."""

    def __init__(self, line: Caller, element: GetInput) -> None:
        self._line = line
        self._element = element
        self._talk = line.talk
        self._clock = line.clock

    async def run(self) -> Form | None:
        """The fields for the action, or None: nothing was understood, so the document goes on."""
        element, talk = self._element, self._talk
        talk.gathers += 1
        scripted = talk.scripted()
        reply, left = await self._listen(scripted)
        # A reply that could be heard, or not understood, is used up; one that waits for words
        # that were not said yet stays, and so does the script when a test made the person act.
        if reply is scripted or (reply is None and talk.ready(scripted)):
            talk.replied()
        result: Form | None = None
        if reply is not None:
            try:
                async with asyncio.timeout(left / self._clock.speed):
                    pressed = bool(reply.digits) and element.dtmf
                    result = await (self._keys(reply) if pressed else self._speech(reply))
            except TimeoutError:
                # What becomes of words that go on beyond the time is not documented: here they
                # are lost.
                result = None
        self._line.listened()
        return result

    async def _listen(self, scripted: Reply | None) -> tuple[Reply | None, float]:
        """What the person begins to do before the time is over (it ends the prompt), and the
        seconds that are left then."""
        element, talk, clock = self._element, self._talk, self._clock
        talk.listening = True
        talk.person.changed()
        whole = element.execution_timeout
        began = clock.now()
        try:
            async with asyncio.TaskGroup() as group:
                prompt = group.create_task(self._line.perform(element.prompts))
                onsets = {
                    group.create_task(self._scripted(scripted, prompt)),
                    group.create_task(self._live()),
                }
                done, _ = await asyncio.wait({prompt, *onsets}, return_when=asyncio.FIRST_COMPLETED)
                began = clock.now()
                if not done & onsets:
                    done, _ = await asyncio.wait(
                        onsets, timeout=whole / clock.speed, return_when=asyncio.FIRST_COMPLETED
                    )
                for task in (prompt, *onsets):
                    task.cancel()
        finally:
            talk.stop_listening()
        reply = next((task.result() for task in onsets if task in done), None)
        return reply, max(0.0, whole - (clock.now() - began))

    async def _scripted(self, reply: Reply | None, prompt: asyncio.Task[None]) -> Reply:
        if reply is not None:
            if not reply.barges_in:
                await asyncio.wait({prompt})
            if reply.barges_in or self._talk.ready(reply):
                await self._clock.sleep(reply.after)
                if self._talk.ready(reply) and self._hears(reply):
                    return reply
        return await asyncio.get_running_loop().create_future()

    async def _live(self) -> Reply:
        while True:
            reply = await self._talk.acts()
            if self._hears(reply):
                return reply

    def _hears(self, reply: Reply) -> bool:
        element = self._element
        return bool((reply.digits and element.dtmf) or (reply.speech and element.speech))

    async def _speech(self, reply: Reply) -> Form:
        await self._clock.sleep(speaking_time(reply.speech))
        await self._clock.sleep(self._element.speech_end_timeout or AUTOMATIC_SECONDS)
        fields = [("InputType", "speech"), ("Speech", reply.speech), ("Digits", "")]
        if reply.confidence is not None:
            fields.append(("SpeechConfidenceScore", str(reply.confidence)))
        return (*fields, ("BilledAmount", "0.02"))

    async def _keys(self, reply: Reply) -> Form | None:
        digits = await self._entered(reply.digits)
        return (("InputType", "dtmf"), ("Digits", digits), ("Speech", "")) if digits else None

    async def _entered(self, pressed: str) -> str:
        """The keys that count: up to the one that finishes, or to the wanted number."""
        element, entered = self._element, ""
        for key in pressed:
            await self._clock.sleep(KEY_SECONDS)
            if key == element.finish_on_key:
                return entered
            entered += key
            if len(entered) == element.num_digits:
                return entered
        await self._clock.sleep(element.digit_end_timeout or AUTOMATIC_SECONDS)
        return entered
