"""Deepgram's live recognition, as its server behaves.

Facts: https://developers.deepgram.com/reference/speech-to-text/listen-streaming, its messages, and
https://developers.deepgram.com/docs/understand-endpointing-interim-results.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.scripted.ear import Heard
from tests.emulators.speech.stt_server import Json, SttConnection, SttServer

_KNOWN: Final = {
    *("model", "encoding", "sample_rate", "channels", "endpointing", "utterance_end_ms"),
    *("vad_events", "punctuate", "smart_format", "interim_results", "language", "keyterm"),
}


class DeepgramSttServer(SttServer):
    path = "/v1/listen"

    def __init__(self, key: str, script: list[str] | None = None) -> None:
        super().__init__(key, script)
        self.noisy = False
        """Whether no silence is found, so that only `UtteranceEnd` tells the end of a turn."""
        self._starts: dict[SttConnection, float] = {}
        self._finalizing = False

    def refusal(self, request: web.Request) -> tuple[int, dict[str, str]] | None:
        query = request.query
        if request.headers.get("Authorization") != f"Token {self.key}":
            return 401, {"dg-error": f"Invalid credentials {self.key}", "dg-request-id": "r"}
        for key in query:
            if key not in _KNOWN:
                return 400, {"dg-error": f"Bad Request: unknown parameter {key}"}
        if (query.get("encoding"), query.get("sample_rate")) != ("mulaw", "8000"):
            return 400, {"dg-error": "Bad Request: encoding"}
        late = int(query.get("utterance_end_ms", "1000"))
        if late < 1000 or ("utterance_end_ms" in query and query["interim_results"] != "true"):
            return 400, {"dg-error": "Bad Request: utterance_end_ms"}
        return None

    async def greeting(self, connection: SttConnection) -> None:
        self.set_silence(connection, int(connection.query["endpointing"]))

    async def binary(self, connection: SttConnection, data: bytes) -> None:
        if data:
            await self.listen(connection, data)
        else:
            await connection.socket.close()

    async def text(self, connection: SttConnection, message: Json) -> None:
        match message.get("type"):
            case "KeepAlive":
                return
            case "Finalize":
                self._finalizing = True
                await self.say_all(connection, connection.ear.finish())
                self._finalizing = False
            case "CloseStream":
                await connection.send({"type": "Metadata", "duration": connection.heard_ms / 1000})
                await connection.socket.close()
            case _:
                await connection.socket.close(code=1008, message=b"DATA-0000")

    async def answer(self, connection: SttConnection, heard: Heard) -> None:
        match heard:
            case SpeechStarted():
                about = {"channel": [0, 1], "timestamp": connection.heard_ms / 1000}
                await connection.send({"type": "SpeechStarted", **about})
            case Partial(text=text):
                if connection.query["interim_results"] == "true":
                    await connection.send(self.results(connection, text))
            case FinalText(text=text):
                await asyncio.sleep(self.text_delay_s)
                # A final over all that the interim results were about, then one over the silence.
                final = self.results(connection, text, is_final=True)
                last = self.results(connection, "", is_final=True, end_ms=20)
                for _ in range(2 if self.doubles else 1):
                    await connection.send(final)
                self._starts[connection] = connection.heard_ms / 1000
                await connection.send({**last, "speech_final": not self.noisy})
            case TurnEnded():
                if self.noisy:
                    about = {"channel": [0, 1], "last_word_end": -1}
                    await connection.send({"type": "UtteranceEnd", **about})

    def results(
        self, connection: SttConnection, text: str, *, is_final: bool = False, end_ms: int = 0
    ) -> dict[str, object]:
        """A message about the audio since the last final."""
        start = self._starts.get(connection, 0.0)
        words = [{"word": word, "punctuated_word": word} for word in text.split()]
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start,
            "duration": (connection.heard_ms + end_ms) / 1000 - start,
            "is_final": is_final,
            "speech_final": False,
            "from_finalize": is_final and self._finalizing,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": words}]},
            "metadata": {"request_id": "r"},
        }
