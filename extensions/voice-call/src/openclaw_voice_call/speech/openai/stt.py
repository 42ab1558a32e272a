"""OpenAI's Realtime transcription: https://platform.openai.com/docs/guides/realtime-transcription.

Two forms of one protocol. `ga` sends `session.update` and is ready with `session.updated`; `beta`,
which older servers speak, has `transcription_session.*` and a header of its own. Servers that
speak like OpenAI's differ from it: they want the model in the URL, complain of settings that they
do not have and go on, count time anew for each item, tell partial texts whole, or take PCM alone.

The vendor cuts speech into items. An item is committed when its speech is over, and its text comes
later, sometimes after that of the item behind it: the chain of `committed` events has the order.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from openclaw_voice_call.audio.raiser import RATE_HZ, Raiser
from openclaw_voice_call.config.streaming import OpenAiStt
from openclaw_voice_call.interfaces.media import BYTES_PER_MS
from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import ListenOrder, Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.openai.items import ItemChain
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

BASE_URL: Final = "https://api.openai.com/v1"
MODEL: Final = "gpt-4o-transcribe"

_FRESH_S: Final = 900.0
"""Sessions end after 60 minutes, and have ended after 30 and 15 in earlier versions."""
_PREFIX_MS: Final = 300
_LEAST_COMMIT_BYTES: Final = 100 * BYTES_PER_MS
"""The vendor refuses to commit less."""
_APPEND: Final = '{"type":"input_audio_buffer.append","audio":"'
_MULAW: Final = {"type": "audio/pcmu"}
_PCM: Final = {"type": "audio/pcm", "rate": RATE_HZ}
_COMMIT: Final = '{"type":"input_audio_buffer.commit"}'
_UNCUT_MODELS: Final = ("gpt-realtime-whisper",)
"""They take no turn detection: we commit."""
_FOR_GOOD: Final = frozenset(
    {"invalid_api_key", "insufficient_quota", "account_deactivated", "model_not_found"}
)


class OpenAiSttSettings(msgspec.Struct, frozen=True):
    """What stands in the configuration. Durations in ms; None: the order's, or the vendor's."""

    key: str | None = None
    """None only for a server that asks for none."""
    base_url: str = BASE_URL
    model: str = MODEL
    language: str | None = None
    prompt: str | None = None
    end_silence_ms: int | None = None
    vad_threshold: float | None = None
    noise_reduction: str | None = None
    beta: bool = False
    pcm: bool = False
    """Whether audio is sent as 16-bit samples at 24 kHz instead of mu-law."""

    @property
    def official(self) -> bool:
        """Whether this is OpenAI itself."""
        return self.base_url == BASE_URL

    def __repr__(self) -> str:
        return f"OpenAiSttSettings({self.base_url!r}, {self.model!r})"


def build(setup: SttSetup) -> ConnectedVendor:
    """OpenAI as a recogniser."""
    section: OpenAiStt = setup.streaming.providers.openai
    settings = OpenAiSttSettings(
        key=setup.secret(),
        base_url=section.base_url or BASE_URL,
        model=section.model or setup.streaming.model_for("openai") or MODEL,
        language=section.language,
        prompt=section.prompt,
        end_silence_ms=section.silence_duration_ms,
        vad_threshold=section.vad_threshold,
        noise_reduction=section.noise_reduction,
        beta=section.api == "beta",
        pcm=section.audio_format == "pcm16",
    )
    return ConnectedVendor("openai", setup, lambda order: OpenAiSttProtocol(settings, order))


class _Error(msgspec.Struct):
    code: str | None = None
    type: str | None = None
    message: str | None = None


class _Event(msgspec.Struct):
    type: str
    item_id: str | None = None
    previous_item_id: str | None = None
    delta: str = ""
    transcript: str = ""
    audio_end_ms: float | None = None
    error: _Error | None = None


_read_event: Final = msgspec.json.Decoder(_Event).decode


class OpenAiSttProtocol:
    """Implements `SttProtocol`."""

    keep_alive_s: float | None = None
    fresh_s: float | None = _FRESH_S
    ready_when_open: bool = False

    def __init__(self, settings: OpenAiSttSettings, order: ListenOrder) -> None:
        self._settings = settings
        self._order = order
        self._uncut = settings.model.startswith(_UNCUT_MODELS)
        self._ready = False
        self._speaking = False
        self._uncommitted = 0
        self._said = False
        """Whether there was a text since the last end of a turn."""
        self._chain = ItemChain()
        self._raiser = Raiser() if settings.pcm else None

    @property
    def url(self) -> str:
        query = [("intent", "transcription")]
        if not self._settings.official:
            # The vendor itself takes the model in the session alone, other servers only here.
            query.append(("model", self._settings.model))
        return endpoint(self._settings.base_url, "/realtime", query)

    @property
    def headers(self) -> Mapping[str, str]:
        headers = {"OpenAI-Beta": "realtime=v1"} if self._settings.beta else {}
        if self._settings.key is not None:
            headers["Authorization"] = f"Bearer {self._settings.key}"
        return headers

    @property
    def opening(self) -> Sequence[Message]:
        return (msgspec.json.encode(self._session_update()).decode(),)

    def refused(self, status: int, headers: Mapping[str, str]) -> Trouble:
        return refusal(status)

    def audio(self, mulaw: bytes) -> Message:
        self._uncommitted += len(mulaw)
        sent = mulaw if self._raiser is None else self._raiser.feed(mulaw)
        return f'{_APPEND}{base64.b64encode(sent).decode()}"}}'

    def keep_alive(self) -> Message:
        raise AssertionError("there is no such message")

    def finish_turn(self) -> Sequence[Message]:
        # A commit of mere silence would be recognised as words that nobody said.
        heard = self._uncut or self._speaking
        if not heard or self._uncommitted < _LEAST_COMMIT_BYTES:
            return ()
        self._uncommitted = 0
        return (_COMMIT,)

    def read(self, message: Message) -> Sequence[Reading]:
        try:
            event = _read_event(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (Trouble("malformed", "not an event of this protocol", Verdict.NOTED),)
        return tuple(self._read(event))

    def _read(self, event: _Event) -> Iterator[Reading]:
        item = event.item_id or ""
        match event.type:
            case "session.updated" | "transcription_session.updated":
                self._ready = True
                yield Ready()
            case "input_audio_buffer.speech_started":
                self._speaking = True
                yield SpeechStarted()
            case "input_audio_buffer.speech_stopped":
                self._speaking = False
                if self._settings.official:
                    self._chain.stopped(item, event.audio_end_ms)
            case "input_audio_buffer.committed":
                self._speaking = False
                self._uncommitted = 0
                self._chain.committed(item, event.previous_item_id)
            case (
                "conversation.item.input_audio_transcription.delta"
                | "input_audio_buffer.partial_transcription"
            ):
                whole = event.type == "input_audio_buffer.partial_transcription"
                said = event.transcript if whole else event.delta
                text = self._chain.heard(item, said, anew=whole)
                if text:
                    yield Partial(text)
            case "conversation.item.input_audio_transcription.completed":
                yield from self._finished(item, event.transcript)
            case "conversation.item.input_audio_transcription.failed":
                yield self._trouble(event.error)
                yield from self._finished(item, None)
            case "error":
                yield self._trouble(event.error)
            case _:
                return

    def _finished(self, item: str, transcript: str | None) -> Iterator[Reading]:
        for text, end_ms in self._chain.finished(item, transcript):
            if text:
                self._said = True
                yield FinalText(text)
            yield Settled(end_ms)
        if self._said and not self._speaking and not self._chain.owes:
            self._said = False
            yield TurnEnded()

    def _trouble(self, error: _Error | None) -> Trouble:
        code = (error and (error.code or error.type)) or "error"
        said = shortened((error and error.message) or "no reason given")
        if code in _FOR_GOOD:
            return Trouble(code, "the account or its key cannot be used", Verdict.REFUSED)
        if code == "session_expired":
            return Trouble(code, said, Verdict.LOST)
        if self._ready or not self._settings.official:
            return Trouble(code, said, Verdict.NOTED)
        # Until the settings are taken, an error is the answer to them.
        ours = error is not None and error.type == "invalid_request_error"
        return Trouble(code, said, Verdict.REFUSED if ours else Verdict.LOST)

    def _session_update(self) -> Mapping[str, object]:
        settings = self._settings
        language = primary(spoken_language(self._order.language, settings.language))
        transcription: dict[str, object] = {"model": settings.model}
        if language is not None:
            transcription["language"] = language
        if settings.prompt:
            transcription["prompt"] = settings.prompt
        noise = {"type": settings.noise_reduction} if settings.noise_reduction else None
        if settings.beta:
            session: dict[str, object] = {
                "input_audio_format": "pcm16" if settings.pcm else "g711_ulaw",
                "input_audio_transcription": transcription,
                "turn_detection": self._turn_detection(),
            }
            if noise:
                session["input_audio_noise_reduction"] = noise
            return {"type": "transcription_session.update", "session": session}
        audio: dict[str, object] = {
            "format": _PCM if settings.pcm else _MULAW,
            "transcription": transcription,
            "turn_detection": self._turn_detection(),
        }
        if noise:
            audio["noise_reduction"] = noise
        session = {"type": "transcription", "audio": {"input": audio}}
        return {"type": "session.update", "session": session}

    def _turn_detection(self) -> Mapping[str, object] | None:
        if self._uncut:
            return None
        settings, order = self._settings, self._order
        silence, threshold = settings.end_silence_ms, settings.vad_threshold
        return {
            "type": "server_vad",
            "threshold": order.vad_threshold if threshold is None else threshold,
            "prefix_padding_ms": _PREFIX_MS,
            "silence_duration_ms": order.end_silence_ms if silence is None else silence,
        }
