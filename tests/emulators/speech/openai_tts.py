"""OpenAI's `POST /v1/audio/speech` over a real socket.

Facts: OpenAI's API reference, "Create speech"; error bodies as in its guide to error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from aiohttp import web

from tests.emulators.speech.tts_server import BadRequest, Refuse, TtsServer, length_s, tone, wav

RATE_HZ = 24_000
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage"),
    *("shimmer", "verse", "marin", "cedar"),
)
MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)
"""128 kbit/s at 44.1 kHz."""


def error(status: int, code: str | None, message: str = "", **rest: object) -> Refuse:
    """A refusal as OpenAI writes it."""
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Refuse(status, {"error": {**body, **rest}})


@dataclass
class OpenAiTtsEmulator(TtsServer):
    """Speaks 16-bit PCM at 24 kHz."""

    formats: tuple[str, ...] = FORMATS
    """What is not refused; compatible servers have fewer."""
    needs_key: bool = True
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/audio/speech", self.answer)

    def check(self, http: web.Request, body: Mapping[str, object]) -> bytes:
        self.headers.append(dict(http.headers))
        if self.needs_key and http.headers.get("Authorization") != f"Bearer {self.key}":
            told = http.headers.get("Authorization", "")
            _refuse(error(401, "invalid_api_key", f"Incorrect API key provided: {told}"))
        if unknown := body.keys() - {
            *("model", "input", "voice", "response_format", "speed", "instructions")
        }:
            _refuse(error(400, "unknown_parameter", f"Unknown parameter: {unknown}"))
        text, voice = body.get("input"), body.get("voice")
        if not isinstance(text, str) or not 1 <= len(text) <= 4096:
            _refuse(error(400, "string_above_max_length", "Invalid 'input'", param="input"))
        if voice not in VOICES:
            _refuse(error(400, "invalid_value", f"Invalid value: '{voice}'", param="voice"))
        wanted = body.get("response_format", "mp3")
        if wanted not in self.formats:
            text = f"Invalid value: '{wanted}'. Supported: {', '.join(self.formats)}"
            _refuse(error(400, "invalid_value", text, param="response_format"))
        if str(body.get("model")).startswith("tts-1") and "instructions" in body:
            _refuse(error(400, None, "Instructions are not supported", param="instructions"))
        speed = body.get("speed", 1)
        if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
            _refuse(error(400, "invalid_value", "Invalid 'speed'", param="speed"))
        assert isinstance(text, str)
        samples = tone(RATE_HZ, length_s(text)).tobytes()
        if wanted == "wav":
            # The length is not known when the header is sent.
            return wav(samples, RATE_HZ, declared_bytes=0xFFFFFFFF)
        return samples if wanted == "pcm" else MP3_FRAME * 20


def _refuse(refusal: Refuse) -> NoReturn:
    raise BadRequest(refusal.status, refusal.body)
