"""ElevenLabs' Scribe, the realtime kind: https://elevenlabs.io/docs/api-reference/speech-to-text.

Every message is JSON with a `message_type`. Speech is committed, by the vendor's own voice activity
detection or by us, and each commit is answered by one text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from openclaw_voice_call.interfaces.media import BYTES_PER_MS, MULAW_SILENCE
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import ListenOrder, Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.stt_protocol import (
    Message,
    Reading,
    Ready,
    Settled,
    Trouble,
    Verdict,
    endpoint,
    primary,
    refusal,
    shortened,
    spoken_language,
)
from openclaw_voice_call.speech.stt_setup import SttSetup
from openclaw_voice_call.speech.stt_vendor import ConnectedVendor

BASE_URL: Final = "https://api.elevenlabs.io/v1"
MODEL: Final = "scribe_v2_realtime"

_FRESH_S: Final = 600.0
"""Sessions are limited in time; the limit is not published."""
_KEEP_ALIVE_S: Final = 10.0
_SIGN_OF_LIFE: Final = bytes((MULAW_SILENCE,)) * (100 * BYTES_PER_MS)
_LEAST_COMMIT_BYTES: Final = 300 * BYTES_PER_MS
"""The vendor throttles commits of less."""
_SILENCE_S: Final = (0.3, 3.0)
_THRESHOLD: Final = (0.1, 0.9)
_CHUNK: Final = '{"message_type":"input_audio_chunk","audio_base_64":"'
_PLAIN: Final = '","commit":false,"sample_rate":8000}'
_COMMIT: Final = f'{_CHUNK}","commit":true,"sample_rate":8000}}'

_VERDICTS: Final[Mapping[str, Verdict]] = {
    "auth_error": Verdict.REFUSED,
    "quota_exceeded": Verdict.REFUSED,
    "unaccepted_terms": Verdict.REFUSED,
    "invalid_request": Verdict.REFUSED,
    "rate_limited": Verdict.LOST,
    "transcriber_error": Verdict.LOST,
    "queue_overflow": Verdict.LOST,
    "resource_exhausted": Verdict.LOST,
    "session_time_limit_exceeded": Verdict.LOST,
    "error": Verdict.NOTED,
    "input_error": Verdict.NOTED,
    "commit_throttled": Verdict.NOTED,
    "chunk_size_exceeded": Verdict.NOTED,
    "insufficient_audio_activity": Verdict.NOTED,
}


class ElevenLabsSttSettings(msgspec.Struct, frozen=True):
    """What stands in the configuration. None: the order's, or the vendor's own."""

    key: str | None = None
    """None only for a server that asks for none."""
    base_url: str = BASE_URL
    model: str = MODEL
    language: str | None = None
    manual: bool = False
    """Whether we end turns, not the vendor."""
    end_silence_s: float | None = None
    vad_threshold: float | None = None
    min_speech_ms: int | None = None
    min_silence_ms: int | None = None

    def __repr__(self) -> str:
        return f"ElevenLabsSttSettings({self.base_url!r}, {self.model!r})"


def build(setup: SttSetup) -> ConnectedVendor:
    """ElevenLabs as a recogniser."""
    section = setup.streaming.providers.elevenlabs
    older = setup.streaming.model_for("elevenlabs")
    settings = ElevenLabsSttSettings(
        key=setup.secret(),
        base_url=section.base_url or BASE_URL,
        model=section.model_id or section.model or older or MODEL,
        language=section.language_code or section.language,
        manual=section.commit_strategy == "manual",
        end_silence_s=section.vad_silence_threshold_secs,
        vad_threshold=section.vad_threshold,
        min_speech_ms=section.min_speech_duration_ms,
        min_silence_ms=section.min_silence_duration_ms,
    )
    return ConnectedVendor(
        "elevenlabs", setup, lambda order: ElevenLabsSttProtocol(settings, order)
    )


class _Event(msgspec.Struct):
    message_type: str
    text: str = ""
    error: str | None = None
    message: str | None = None


_read_event: Final = msgspec.json.Decoder(_Event).decode


class ElevenLabsSttProtocol:
    """Implements `SttProtocol`."""

    keep_alive_s: float | None = _KEEP_ALIVE_S
    fresh_s: float | None = _FRESH_S
    ready_when_open: bool = False
    opening: Sequence[Message] = ()

    def __init__(self, settings: ElevenLabsSttSettings, order: ListenOrder) -> None:
        self._settings = settings
        self._order = order
        self._speaking = False
        """Whether something was heard since the last commit."""
        self._uncommitted = 0
        self._last: str | None = None
        """The text of the last commit, while nothing new has been heard."""

    @property
    def url(self) -> str:
        settings = self._settings
        query = [
            ("model_id", settings.model),
            ("audio_format", "ulaw_8000"),
            ("commit_strategy", "manual" if settings.manual else "vad"),
        ]
        if not settings.manual:
            query += self._detection()
        language = primary(spoken_language(self._order.language, settings.language))
        if language is not None:
            query.append(("language_code", language))
        return endpoint(settings.base_url, "/speech-to-text/realtime", query)

    @property
    def headers(self) -> Mapping[str, str]:
        key = self._settings.key
        return {} if key is None else {"xi-api-key": key}

    def refused(self, status: int, headers: Mapping[str, str]) -> Trouble:
        return refusal(status)

    def audio(self, mulaw: bytes) -> Message:
        self._uncommitted += len(mulaw)
        return f"{_CHUNK}{base64.b64encode(mulaw).decode()}{_PLAIN}"

    def keep_alive(self) -> Message:
        return self.audio(_SIGN_OF_LIFE)

    def finish_turn(self) -> Sequence[Message]:
        heard = self._settings.manual or self._speaking
        if not heard or self._uncommitted < _LEAST_COMMIT_BYTES:
            return ()
        self._uncommitted = 0
        return (_COMMIT,)

    def read(self, message: Message) -> Sequence[Reading]:
        try:
            event = _read_event(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (Trouble("malformed", "not a message of this protocol", Verdict.NOTED),)
        return tuple(self._read(event))

    def _read(self, event: _Event) -> Iterator[Reading]:
        text = event.text.strip()
        match event.message_type:
            case "session_started":
                yield Ready()
            case "partial_transcript":
                if text:
                    if not self._speaking:
                        self._speaking = True
                        yield SpeechStarted()
                    self._last = None
                    yield Partial(text)
            case "committed_transcript" | "committed_transcript_with_timestamps":
                yield from self._committed(text)
            case kind if kind in _VERDICTS or kind.endswith("_error"):
                verdict = _VERDICTS.get(kind, Verdict.NOTED)
                said = "" if kind == "auth_error" else event.error or event.message or ""
                yield Trouble(kind, shortened(said) or "no reason given", verdict)
            case _:
                return

    def _committed(self, text: str) -> Iterator[Reading]:
        # With timestamps asked for, a commit is told twice.
        repeated = text == self._last
        self._speaking = False
        self._uncommitted = 0
        if text and not repeated:
            self._last = text
            yield FinalText(text)
            yield Settled()
            yield TurnEnded()

    def _detection(self) -> list[tuple[str, str]]:
        settings, order = self._settings, self._order
        silence, threshold = settings.end_silence_s, settings.vad_threshold
        if silence is None:
            silence = _within(order.end_silence_ms / 1000, _SILENCE_S)
        if threshold is None:
            threshold = _within(order.vad_threshold, _THRESHOLD)
        least = {
            "min_speech_duration_ms": settings.min_speech_ms,
            "min_silence_duration_ms": settings.min_silence_ms,
        }
        return [
            ("vad_silence_threshold_secs", f"{silence:g}"),
            ("vad_threshold", f"{threshold:g}"),
            *((name, str(value)) for name, value in least.items() if value is not None),
        ]


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
