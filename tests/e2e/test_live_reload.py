"""The configuration of live audio changes while a live call is up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from openclaw_voice_call.audio import tone_code
from tests.contract.network import OTHERS, THEIRS
from tests.e2e.live import END_SILENCE_S, live_phone
from tests.emulators.people import Person
from tests.emulators.speech.deepgram_stt import DeepgramSttServer
from tests.emulators.speech.elevenlabs_tts import ElevenLabsTtsEmulator
from tests.emulators.speech.tts_server import Give
from tests.secrecy import secret

KEY: Final = secret("live-reload")


@pytest.mark.scenario("F69", carrier="twilio")
async def test_another_voice_and_another_recogniser_serve_the_next_call(tmp_path: Path) -> None:
    """The call that is up keeps its own, to its end, and the change waits for it."""
    first, second = Person(), Person()
    async with (
        DeepgramSttServer(KEY, ["Heard by another."]) as ear,
        ElevenLabsTtsEmulator(key=KEY) as mouth,
        live_phone("twilio", tmp_path, {THEIRS: first, OTHERS: second}) as phone,
    ):
        mouth.will(Give(tone_code.encode("Said by another.")))
        gateway = phone.gateway
        process = gateway.pid
        await gateway.initiate(THEIRS, "Hello.")
        await phone.listens(first)
        phone.configure(
            streaming={
                "enabled": True,
                "provider": "deepgram",
                "silenceDurationMs": round(END_SILENCE_S * 1000),
                "maxLatenessMs": 0,
                "providers": {"deepgram": {"apiKey": KEY, "baseUrl": ear.base_url}},
            },
            tts={
                "provider": "elevenlabs",
                "providers": {"elevenlabs": {"apiKey": KEY, "baseUrl": mouth.url}},
            },
        )
        await gateway.wait_log("config change waits for the end of live calls: streaming, tts")
        await phone.answered(first, "one", "You said: one", within=2.0)
        await phone.listens(first)
        assert mouth.requests == []
        await gateway.end(phone.leg(first))
        await gateway.wait_log("config change taken up")

        call = await gateway.initiate(OTHERS, "Hello.")
        await second.wait_heard("Said by another.")
        await phone.listens(second)
        second.speak("two")
        await gateway.wait_call(call, lambda view: view.texts("user") == ["Heard by another."])
        assert second.texts() == ["Said by another."]
        assert first.texts() == ["Hello.", "You said: one"]
        assert len(phone.company.media.of(phone.leg(first))) == 1
        assert gateway.pid == process
