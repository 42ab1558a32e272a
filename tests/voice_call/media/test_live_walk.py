"""A live voice under any order of what can happen: what is heard on the line is what the call's
record lists at that moment, nothing is heard twice, and nobody is left in silence."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.errors import AlreadyWaiting
from openclaw_voice_call.interfaces.media import MULAW_SILENCE
from openclaw_voice_call.interfaces.speech import Partial, SpeechOrder, SpeechStarted
from tests.clock import settle
from tests.voice_call.media.live_rig import FakeVoice, FakeWire, LiveRig, live_rig, speech

LENGTH_MS = 600
LEAD_MS = 140


class NumberedVoice(FakeVoice):
    """Says each text in 0.6 s of a sample of its own, so that it is known again on the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        self.asked.append(order.text)
        if order.text not in self.texts:
            self.texts.append(order.text)
        sample = bytes([0x20 + self.texts.index(order.text)])
        for _ in range(6):
            yield sample * (LENGTH_MS // 6 * 8)


class Line:
    """Everything that is heard, beside the record that it must agree with."""

    def __init__(self, rig: LiveRig, voice: NumberedVoice) -> None:
        self.rig = rig
        self.voice = voice
        self.unstored: list[CallRecord] = []
        self.sent_ms: Counter[tuple[int, str]] = Counter()
        """By piece of a text, and how often it was lawfully begun anew."""
        self.faults: list[str] = []
        self.newest = ""
        """The piece that was sent last."""
        self.said = 0
        rig.happens = self.decided  # pyright: ignore[reportAttributeAccessIssue]

    def decided(self, event: ev.CallEvent) -> CallRecord:
        """Decided now, stored later."""
        before = self.rig.play.record
        self.rig.play.at(self.rig.clock.monotonic() - 1000.0, event)
        if self.rig.play.record is not before:
            self.unstored.append(self.rig.play.record)
            self.rig.live.forget(self.rig.play.record)
        return self.rig.play.record

    def store(self) -> None:
        while self.unstored:
            self.rig.live.follow(self.unstored.pop(0), self.rig.play.record)

    def open_stream(self) -> None:
        wire = self.rig.open_stream()
        send = wire.send

        def watched(message: str) -> None:
            before = len(wire.messages)
            send(message)
            self.check(wire, wire.messages[before][1])

        wire.send = watched  # pyright: ignore[reportAttributeAccessIssue]
        self.store()

    def check(self, wire: FakeWire, message: dict[str, object]) -> None:
        media = message.get("media")
        if not isinstance(media, dict):
            return
        audio = base64.b64decode(str(media["payload"]))  # pyright: ignore[reportUnknownArgumentType]
        for sample, count in Counter(audio).items():
            if sample != MULAW_SILENCE:
                self.heard(self.voice.texts[sample - 0x20], count // 8)

    def heard(self, piece: str, ms: int) -> None:
        # What an interruption has cut off may be said again.
        begun = self.rig.streams + len(self.rig.of(ev.UtteranceInterrupted))
        self.newest = piece
        self.sent_ms[begun, piece] += ms
        sent_ms = self.sent_ms[begun, piece]
        listed = self.rig.play.lined_up
        if not any(piece in text for text in listed):
            self.faults.append(f"{piece!r} is heard, and only {listed} is wanted")
        elif piece not in listed[0] and sent_ms > LEAD_MS:
            self.faults.append(f"{piece!r} is heard before {listed[0]!r} is over")
        if sent_ms > LENGTH_MS + LEAD_MS + 20:
            self.faults.append(f"{piece!r} is heard twice")

    def text(self) -> str:
        self.said += 1
        return f"Number {self.said}."

    async def does(self, action: str) -> None:
        match action.split():
            case ["wait", ms]:
                for _ in range(int(ms) // 60):
                    await self.rig.clock.advance(0.06)
                    self.store()
            case ["border"]:
                await self.wait_for_a_border()
            case ["sound", ms]:
                await self.rig.hear(speech(int(ms)))
            case ["lose"]:
                self.rig.sink.closed()
                if self.rig.play.record.speaks_live and not self.rig.play.record.closing:
                    self.store()
                    self.open_stream()
            case _:
                self.says(action)
        await settle()

    async def wait_for_a_border(self) -> None:
        """Until the next words have begun to be sent and those before are not over, if ever."""
        for _ in range(40):
            listed = self.rig.play.lined_up
            if len(listed) > 1 and self.newest in listed[1]:
                return
            await self.rig.clock.advance(0.02)
            self.store()

    def says(self, action: str) -> None:
        """The other party, the agent or the owner says something."""
        rig = self.rig
        reply = rig.play.record.reply
        match action:
            case "store":
                self.store()
            case "partial":
                rig.recogniser.hear(SpeechStarted())
                rig.recogniser.hear(Partial("well"))
            case "words":
                self.said += 1
                rig.recogniser.words(f"well then {'abcdefghijklmnopqrst'[self.said % 20] * 3}")
            case "sentence" if reply is not None:
                rig.happens(ev.ReplySentence(reply.turn, self.text()))
            case "answer" if reply is None:
                rig.recogniser.words("tell me")
                self.store()
                self.says("sentence")
                self.says("sentence")
            case "finish" if reply is not None and reply.begun:
                rig.happens(ev.ReplyFinished(reply.turn))
            case "speak":
                rig.happens(ev.SpeakRequested(f"op{self.said}", self.text()))
            case "continue":
                try:
                    rig.happens(ev.ContinueRequested(f"op{self.said}", self.text()))
                except AlreadyWaiting:
                    pass
            case _:
                pass

    async def ends_well(self) -> None:
        """Left alone, all that is lined up is said, and the other party is listened to."""
        for _ in range(120):
            reply = self.rig.play.record.reply
            if reply is not None:
                self.rig.happens(ev.ReplySentence(reply.turn, self.text()))
                self.rig.happens(ev.ReplyFinished(reply.turn))
            self.store()
            await self.rig.clock.advance(0.3)
            if self.rig.play.state == "listening" and self.rig.play.record.reply is None:
                break
        assert self.rig.play.state == "listening"
        assert self.rig.play.lined_up == []


ACTIONS = (
    *("wait 60", "wait 180", "wait 420", "wait 600", "border", "border", "store"),
    *("sound 100", "sound 300", "partial", "words", "words", "lose"),
    *("answer", "answer", "sentence", "finish", "speak", "continue", "continue"),
)


async def walk(actions: Sequence[str]) -> None:
    voice = NumberedVoice()
    async with live_rig("Number 0.", voice=voice) as rig:
        line = Line(rig, voice)
        line.open_stream()
        for action in actions:
            if rig.play.record.speaks_live and not rig.play.record.closing:
                await line.does(action)
        if rig.play.record.speaks_live and not rig.play.record.closing:
            await line.ends_well()
        assert line.faults == []


@pytest.mark.scenario("F41", "F42")
@example(["wait 600", "wait 600", "answer", "store", "border", "continue", "wait 600"])
@example(["wait 600", "wait 600", "answer", "words", "wait 600"])
@example(["wait 600", "wait 600", "answer", "wait 420", "sound 300", "speak", "wait 600"])
@given(st.lists(st.sampled_from(ACTIONS), min_size=4, max_size=25))
@hypothesis_settings(max_examples=25, deadline=None, derandomize=True)
def test_only_what_the_record_lists_is_heard_and_nothing_twice(actions: Sequence[str]) -> None:
    asyncio.run(walk(actions))
