"""OpenAI's Realtime transcription, as its server behaves.

Facts: https://platform.openai.com/docs/guides/realtime-transcription and the Realtime reference's
client and server events. The form without `OpenAI-Beta` takes `session.update`, the older one
`transcription_session.update`; the wrong one is answered by an error event.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Final, cast

from aiohttp import web

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.audio.decimator import Decimator
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.scripted.ear import Heard
from tests.emulators.speech.stt_server import Json, SttConnection, SttServer

TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"
_NEVER_MS: Final = 3_600_000


class OpenAiSttServer(SttServer):
    path = "/v1/realtime"

    def __init__(self, key: str, script: list[str] | None = None) -> None:
        super().__init__(key, script)
        self.holds_texts = False
        """Whether texts wait in `held` until `release` gives them."""
        self.held: list[tuple[SttConnection, str, str]] = []
        self.sessions: list[Json] = []
        """The settings that were taken."""
        self._items = 0
        self._previous: dict[SttConnection, str] = {}
        self._committed: dict[SttConnection, int] = {}
        self._decimators: dict[SttConnection, Decimator] = {}
        """Of connections that send PCM."""

    async def release(self, *places: int) -> None:
        """Give held texts in this order."""
        for place in places:
            await self._complete(*self.held[place])

    def refusal(self, request: web.Request) -> tuple[int, dict[str, str]] | None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {}
        return None if request.query.get("intent") == "transcription" else (400, {})

    async def greeting(self, connection: SttConnection) -> None:
        beta = "OpenAI-Beta" in connection.headers
        kind = "transcription_session.created" if beta else "session.created"
        await connection.send({"type": kind, "event_id": "event_0", "session": {}})

    async def text(self, connection: SttConnection, message: Json) -> None:
        match message.get("type"):
            case "session.update" | "transcription_session.update":
                await self._update(connection, message)
            case "input_audio_buffer.append":
                try:
                    audio = base64.b64decode(cast("str", message["audio"]), validate=True)
                except (KeyError, TypeError, binascii.Error):
                    await self._error(connection, "invalid_value", "audio is not base64")
                else:
                    await self.listen(connection, self._mulaw(connection, audio))
            case "input_audio_buffer.commit":
                since = self._committed.get(connection, 0)
                if len(connection.heard) - since < 100 * BYTES_PER_MS:
                    code = "input_audio_buffer_commit_empty"
                    await self._error(connection, code, "buffer too small")
                else:
                    await self.say_all(connection, connection.ear.finish())
            case _:
                await self._error(connection, "invalid_value", "unknown type")

    async def answer(self, connection: SttConnection, heard: Heard) -> None:
        match heard:
            case SpeechStarted():
                self._items += 1
                start = {"audio_start_ms": connection.heard_ms, "item_id": self._item}
                await connection.send({"type": "input_audio_buffer.speech_started", **start})
            case FinalText(text=text):
                await self._commit(connection)
                if self.holds_texts:
                    self.held.append((connection, self._item, text))
                    self.news.tell()
                else:
                    await asyncio.sleep(self.text_delay_s)
                    await self._complete(connection, self._item, text)
            case Partial() | TurnEnded():
                # The vendor tells words only when their speech is over, and no turns.
                return

    def _mulaw(self, connection: SttConnection, audio: bytes) -> bytes:
        decimator = self._decimators.get(connection)
        return audio if decimator is None else mulaw.encode(decimator.feed(audio))

    @property
    def _item(self) -> str:
        return f"item_{self._items}"

    async def _commit(self, connection: SttConnection) -> None:
        self._committed[connection] = len(connection.heard)
        end = {"audio_end_ms": int(connection.heard_ms), "item_id": self._item}
        await connection.send({"type": "input_audio_buffer.speech_stopped", **end})
        previous = self._previous.get(connection)
        self._previous[connection] = self._item
        place = {"item_id": self._item, "previous_item_id": previous}
        await connection.send({"type": "input_audio_buffer.committed", **place})

    async def _complete(self, connection: SttConnection, item: str, text: str) -> None:
        about = {"item_id": item, "content_index": 0}
        for word in _with_blanks(text):
            await connection.send({"type": f"{TRANSCRIPTION}.delta", **about, "delta": word})
        for _ in range(2 if self.doubles else 1):
            await connection.send(
                {"type": f"{TRANSCRIPTION}.completed", **about, "transcript": text}
            )

    async def _update(self, connection: SttConnection, message: Json) -> None:
        beta = "OpenAI-Beta" in connection.headers
        prefix = "transcription_session" if beta else "session"
        if message["type"] != f"{prefix}.update":
            await self._error(connection, "invalid_value", f"unknown type {message['type']}")
            return
        session = cast("Mapping[str, object]", message.get("session", {}))
        try:
            detection = _detection(session, beta=beta)
        except ValueError as error:
            await self._error(connection, "invalid_value", str(error))
            return
        silence = _NEVER_MS if detection is None else cast("int", detection["silence_duration_ms"])
        self.set_silence(connection, silence)
        if "pcm16" in session.values() or '"rate": 24000' in json.dumps(session):
            self._decimators[connection] = Decimator(24_000)
        self.sessions.append(session)
        await connection.send({"type": f"{prefix}.updated", "session": session})

    async def _error(self, connection: SttConnection, code: str, message: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message}
        await connection.send({"type": "error", "event_id": "event_1", "error": error})


def _detection(session: Mapping[str, object], *, beta: bool) -> Mapping[str, object] | None:
    """How turns are to be found. Raises ValueError for settings that the vendor refuses."""
    if beta:
        known = {
            *("input_audio_format", "input_audio_transcription", "turn_detection"),
            "input_audio_noise_reduction",
        }
        _refuse(session, known, "session")
        if session.get("input_audio_format") not in ("g711_ulaw", "pcm16"):
            raise ValueError("session.input_audio_format")
        return cast("Mapping[str, object] | None", session["turn_detection"])
    _refuse(session, {"type", "audio", "include"}, "session")
    if session.get("type") != "transcription":
        raise ValueError("session.type")
    audio = cast("Mapping[str, object]", session["audio"])
    heard = cast("Mapping[str, object]", audio["input"])
    known = {"format", "transcription", "turn_detection", "noise_reduction"}
    _refuse(heard, known, "session.audio.input")
    if heard.get("format") not in ({"type": "audio/pcmu"}, {"type": "audio/pcm", "rate": 24000}):
        raise ValueError("session.audio.input.format")
    return cast("Mapping[str, object] | None", heard["turn_detection"])


def _refuse(given: Mapping[str, object], known: set[str], where: str) -> None:
    unknown = given.keys() - known
    if unknown:
        raise ValueError(f"unknown parameter {where}.{unknown.pop()}")


def _with_blanks(text: str) -> Iterator[str]:
    for place, word in enumerate(text.split()):
        yield word if place == 0 else f" {word}"
