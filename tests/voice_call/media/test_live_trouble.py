"""A live voice when things go wrong, or come at the wrong moment."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator

import pytest

from openclaw_voice_call.call import events as ev
from openclaw_voice_call.call.types import VoicePathKind
from openclaw_voice_call.interfaces.speech import SpeechOrder
from tests.clock import settle
from tests.voice_call.media.live_rig import MS_PER_CHAR, FakeVoice, LiveRig, live_rig

GREETING = "Hello, this is a greeting that takes a while."


class BrokenVoice(FakeVoice):
    """Has a defect, where others have bad luck."""

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        self.asked.append(order.text)
        raise RuntimeError("a defect")
        yield b""


def sent_ms(rig: LiveRig) -> float:
    """How much audio has been sent on the newest stream."""
    media = [each["media"] for _, each in rig.wire.messages if each["event"] == "media"]
    return sum(len(base64.b64decode(each["payload"])) / 8 for each in media)  # pyright: ignore[reportIndexIssue, reportUnknownArgumentType, reportArgumentType]


@pytest.mark.scenario("F7", "F15")
async def test_a_voice_with_a_defect_is_replaced_by_the_carriers() -> None:
    async with live_rig(voice=BrokenVoice()) as rig:
        rig.open_stream()
        rig.happens(ev.SpeakRequested("op", "Say this."))
        await settle()
        assert rig.play.record.path is VoicePathKind.CARRIER
        assert rig.play.lined_up == ["Say this."]


async def test_what_is_dropped_while_it_begins_does_not_repeat_what_was_before_it() -> None:
    async with live_rig(GREETING) as rig:
        rig.open_stream()
        rig.happens(ev.Heard("Hello?", continuous=True))
        rig.happens(ev.ReplySentence(1, "Yes, hello."))
        greeting_ms = MS_PER_CHAR * len(GREETING)
        for _ in range(500):
            if sent_ms(rig) > greeting_ms + 20:
                break
            await rig.silence(20)
        # The first of the answer is on its way, and the mark of the greeting is not back.
        assert rig.play.lined_up == [GREETING, "Yes, hello."]
        rig.happens(ev.ContinueRequested("op", "Who is it?"))
        await rig.silence(3000)
        assert sent_ms(rig) <= greeting_ms + 200 + MS_PER_CHAR * len("Who is it?")
        assert rig.play.state == "listening"
