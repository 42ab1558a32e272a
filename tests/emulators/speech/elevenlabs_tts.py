"""ElevenLabs' `POST /v1/text-to-speech/{voice_id}/stream` over a real socket.

Facts: ElevenLabs' API reference, "Stream speech", and its page of errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from aiohttp import web

from openclaw_voice_call.audio import mulaw
from tests.emulators.speech.tts_server import BadRequest, Refuse, TtsServer, length_s, tone

FIELDS = (
    *("text", "model_id", "language_code", "voice_settings", "seed", "apply_text_normalization"),
    *("previous_text", "next_text"),
)
ALL_FORMATS = ("ulaw_8000", "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "mp3_44100_128")


def error(status: int, code: str, message: str = "") -> Refuse:
    """A refusal as ElevenLabs writes it."""
    return Refuse(status, {"detail": {"status": code, "message": message}})


@dataclass
class ElevenLabsTtsEmulator(TtsServer):
    """Speaks in the form that the query asks for."""

    formats: tuple[str, ...] = ALL_FORMATS
    """What the account's plan includes."""
    voices: tuple[str, ...] = ("pMsXgVXv3BLzUgSXRplE", "voice-of-test")
    asked_for: list[str] = field(default_factory=list[str])
    """The forms of audio, in the order of requests."""

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/text-to-speech/{voice_id}/stream", self.answer)

    def check(self, http: web.Request, body: Mapping[str, object]) -> bytes:
        form = http.query.get("output_format", "mp3_44100_128")
        self.asked_for.append(form)
        if http.headers.get("xi-api-key") != self.key:
            _refuse(error(401, "invalid_api_key", "Invalid API key"))
        if http.match_info["voice_id"] not in self.voices:
            _refuse(error(404, "voice_not_found", "A voice with this id does not exist."))
        unknown = [key for key in body if key not in FIELDS]
        text = body.get("text")
        if unknown or not isinstance(text, str):
            where = unknown[0] if unknown else "text"
            finding = {"loc": ["body", where], "msg": "not permitted", "type": "value_error"}
            raise BadRequest(422, {"detail": [finding]})
        if "language_code" in body and not str(body["model_id"]).endswith("_v2_5"):
            _refuse(error(400, "unsupported_language", "Model does not support language_code"))
        if form not in ALL_FORMATS:
            finding = {"loc": ["query", "output_format"], "msg": "unexpected", "type": "enum"}
            raise BadRequest(422, {"detail": [finding]})
        if form not in self.formats:
            text = "Your plan does not allow this output_format."
            _refuse(error(403, "output_format_not_allowed", text))
        codec, _, rate = form.partition("_")
        if codec == "mp3":
            return (b"\xff\xfb\x90\x64" + bytes(413)) * 20
        samples = tone(int(rate), length_s(text))
        return mulaw.encode(samples) if codec == "ulaw" else samples.tobytes()


def _refuse(refusal: Refuse) -> NoReturn:
    raise BadRequest(refusal.status, refusal.body)
