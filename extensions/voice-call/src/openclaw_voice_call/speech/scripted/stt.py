"""A recogniser without a network, that understands the tone code. For trials, tests and load.

It has the shape of the others, a protocol over a connection, so that a line to it is lost, opened
again and found mute in the same way. Here the connection's other end is an object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from openclaw.sdk import Clock
from openclaw_voice_call.config.streaming import ScriptedStt
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import ListenOrder, Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.scripted.ear import ScriptedEar
from openclaw_voice_call.speech.stt_protocol import (
    Message,
    Reading,
    Settled,
    SttProtocol,
    Trouble,
    Verdict,
    refusal,
)
from openclaw_voice_call.speech.stt_setup import SttSetup
from openclaw_voice_call.speech.stt_socket import SttSocket
from openclaw_voice_call.speech.stt_vendor import ConnectedVendor

_FINISH: Final = "finish"
_URL: Final = "ws://scripted.invalid/"
_MOST_UNREAD: Final = 256


def build(setup: SttSetup) -> ConnectedVendor:
    """The scripted recogniser."""
    section = setup.streaming.providers.scripted
    clock = setup.clock

    async def dial(protocol: SttProtocol) -> SttSocket | Trouble:
        assert isinstance(protocol, ScriptedSttProtocol)
        await clock.sleep(section.connect_delay_ms / 1000)
        if section.refuses:
            return refusal(401)
        return _Connection(section, protocol.end_silence_ms, clock)

    return ConnectedVendor("scripted", replace(setup, dial=dial), ScriptedSttProtocol)


class _Event(msgspec.Struct, array_like=True):
    kind: str
    text: str = ""


_read_event: Final = msgspec.json.Decoder(_Event).decode


class ScriptedSttProtocol:
    """Implements `SttProtocol`."""

    url: str = _URL
    headers: Mapping[str, str] = {}
    opening: Sequence[Message] = ()
    ready_when_open: bool = True
    keep_alive_s: float | None = None
    fresh_s: float | None = None

    def __init__(self, order: ListenOrder) -> None:
        self.end_silence_ms = order.end_silence_ms

    def refused(self, status: int, headers: Mapping[str, str]) -> Trouble:
        return refusal(status)

    def audio(self, mulaw: bytes) -> Message:
        return mulaw

    def keep_alive(self) -> Message:
        raise AssertionError("there is no such message")

    def finish_turn(self) -> Sequence[Message]:
        return (_FINISH,)

    def read(self, message: Message) -> Sequence[Reading]:
        try:
            event = _read_event(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (Trouble("malformed", "not an event of this protocol", Verdict.NOTED),)
        match event.kind:
            case "started":
                return (SpeechStarted(),)
            case "partial":
                return (Partial(event.text),)
            case "final" if event.text:
                return (FinalText(event.text), Settled(), TurnEnded())
            case _:
                return (Settled(),)


class _Connection:
    """Implements `SttSocket`: both the connection and the vendor behind it."""

    def __init__(self, section: ScriptedStt, end_silence_ms: int, clock: Clock) -> None:
        self._section = section
        self._clock = clock
        self._ear = ScriptedEar(end_silence_ms)
        self._audio_ms = 0.0
        self._answers: asyncio.Queue[tuple[float, Message | Trouble]] = asyncio.Queue(_MOST_UNREAD)

    async def send(self, message: Message) -> Trouble | None:
        limit = self._section.drops_after_ms
        if limit is not None and self._audio_ms >= limit:
            # The connection is lost already; that is heard by whoever receives.
            return None
        if isinstance(message, str):
            heard = self._ear.finish()
        else:
            self._audio_ms += len(message) / BYTES_PER_MS
            heard = self._ear.hear(message)
        now = self._clock.monotonic()
        for each in () if self._section.mute else heard:
            match each:
                case SpeechStarted():
                    await self._answers.put((now, _encoded("started")))
                case Partial(text=text):
                    await self._answers.put((now, _encoded("partial", text)))
                case FinalText(text=text):
                    due = now + self._section.final_delay_ms / 1000
                    await self._answers.put((due, _encoded("final", text)))
                case TurnEnded():
                    # The protocol tells it with the text.
                    continue
        if limit is not None and self._audio_ms >= limit:
            lost = Trouble("closed", "the connection was dropped, as configured")
            await self._answers.put((now, lost))
        return None

    async def receive(self) -> Message | Trouble:
        due, answer = await self._answers.get()
        late = due - self._clock.monotonic()
        if late > 0:
            await self._clock.sleep(late)
        return answer

    async def close(self) -> None:
        """Nothing is open."""


def _encoded(kind: str, text: str = "") -> str:
    return msgspec.json.encode(_Event(kind, text)).decode()
