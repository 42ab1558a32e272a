"""ElevenLabs' Scribe realtime, as its server behaves.

Facts: https://elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Final, cast

from aiohttp import web

from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.scripted.ear import Heard
from tests.emulators.speech.stt_server import Json, SttConnection, SttServer

_KNOWN: Final = {
    *("model_id", "audio_format", "commit_strategy", "vad_silence_threshold_secs"),
    *("vad_threshold", "min_speech_duration_ms", "min_silence_duration_ms", "language_code"),
}
_BOUNDS: Final = {
    "vad_silence_threshold_secs": (0.3, 3.0),
    "vad_threshold": (0.1, 0.9),
    "min_speech_duration_ms": (50, 2000),
    "min_silence_duration_ms": (50, 2000),
}
_NEVER_MS: Final = 3_600_000


class ElevenLabsSttServer(SttServer):
    path = "/v1/speech-to-text/realtime"

    def __init__(self, key: str, script: list[str] | None = None) -> None:
        super().__init__(key, script)
        self._committed: dict[SttConnection, int] = {}

    def refusal(self, request: web.Request) -> tuple[int, dict[str, str]] | None:
        if request.headers.get("xi-api-key") != self.key:
            return 403, {}
        query = request.query
        known = all(key in _KNOWN for key in query)
        bounded = all(
            low <= float(query[key]) <= high for key, (low, high) in _BOUNDS.items() if key in query
        )
        ulaw = query.get("audio_format") == "ulaw_8000"
        return None if known and bounded and ulaw and "model_id" in query else (422, {})

    async def greeting(self, connection: SttConnection) -> None:
        vad = connection.query.get("commit_strategy") == "vad"
        silence_s = float(connection.query.get("vad_silence_threshold_secs", "1.5"))
        self.set_silence(connection, round(silence_s * 1000) if vad else _NEVER_MS)
        await connection.send({"message_type": "session_started", "session_id": "s", "config": {}})

    async def text(self, connection: SttConnection, message: Json) -> None:
        wanted = {"message_type", "audio_base_64", "commit", "sample_rate"}
        if message.get("message_type") != "input_audio_chunk" or set(message) != wanted:
            await self.trouble(connection, "invalid_request")
            return
        try:
            mulaw = base64.b64decode(cast("str", message["audio_base_64"]), validate=True)
        except binascii.Error:
            await self.trouble(connection, "input_error")
            return
        if mulaw:
            await self.listen(connection, mulaw)
        if message["commit"]:
            since = self._committed.get(connection, 0)
            if len(connection.heard) - since < 300 * BYTES_PER_MS:
                await self.trouble(connection, "commit_throttled")
            else:
                await self.say_all(connection, connection.ear.finish())

    async def answer(self, connection: SttConnection, heard: Heard) -> None:
        match heard:
            case Partial(text=text):
                await connection.send({"message_type": "partial_transcript", "text": text})
            case FinalText(text=text):
                self._committed[connection] = len(connection.heard)
                await asyncio.sleep(self.text_delay_s)
                await connection.send({"message_type": "committed_transcript", "text": text})
                if self.doubles:
                    kind = "committed_transcript_with_timestamps"
                    await connection.send({"message_type": kind, "text": text, "words": []})
            case SpeechStarted() | TurnEnded():
                # The vendor tells neither.
                return

    async def trouble(self, connection: SttConnection, kind: str) -> None:
        """An error message of this kind."""
        await connection.send({"message_type": kind, "error": f"{kind} happened"})
