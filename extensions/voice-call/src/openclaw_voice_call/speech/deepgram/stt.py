"""Deepgram's live recognition: https://developers.deepgram.com/reference/speech-to-text/listen-streaming.

Audio goes as binary messages, all else as JSON. A turn has as many finals as the vendor likes; it
ends with `speech_final`, or, where noise hides the silence, with `UtteranceEnd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from openclaw_voice_call.interfaces.speech import Final as FinalText
from openclaw_voice_call.interfaces.speech import ListenOrder, Partial, SpeechStarted, TurnEnded
from openclaw_voice_call.speech.stt_protocol import (
    Message,
    Reading,
    Settled,
    Trouble,
    Verdict,
    endpoint,
    refusal,
    shortened,
    spoken_language,
)
from openclaw_voice_call.speech.stt_setup import SttSetup
from openclaw_voice_call.speech.stt_vendor import ConnectedVendor

BASE_URL: Final = "https://api.deepgram.com/v1"
MODEL: Final = "nova-3"

_KEEP_ALIVE_S: Final = 4.0
"""After 10 s without audio the vendor closes (NET-0001)."""
_LEAST_ENDPOINTING_MS: Final = 10
_LEAST_UTTERANCE_END_MS: Final = 1000


class DeepgramSttSettings(msgspec.Struct, frozen=True):
    """What stands in the configuration. Durations in ms; None: the order's, or the vendor's."""

    key: str | None = None
    """None only for a server that asks for none."""
    base_url: str = BASE_URL
    model: str = MODEL
    language: str | None = None
    end_silence_ms: int | None = None
    interim: bool = True
    keyterms: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"DeepgramSttSettings({self.base_url!r}, {self.model!r})"


def build(setup: SttSetup) -> ConnectedVendor:
    """Deepgram as a recogniser."""
    section = setup.streaming.providers.deepgram
    settings = DeepgramSttSettings(
        key=setup.secret(),
        base_url=section.base_url or BASE_URL,
        model=section.model or setup.streaming.model_for("deepgram") or MODEL,
        language=section.language,
        end_silence_ms=section.endpointing_ms,
        interim=section.interim_results,
        keyterms=section.keyterms,
    )
    return ConnectedVendor("deepgram", setup, lambda order: DeepgramSttProtocol(settings, order))


class _Alternative(msgspec.Struct):
    transcript: str = ""


class _Channel(msgspec.Struct):
    alternatives: list[_Alternative] = []


class _Results(msgspec.Struct):
    channel: _Channel
    start: float = 0.0
    duration: float = 0.0
    is_final: bool = False
    speech_final: bool = False
    from_finalize: bool = False


class _Other(msgspec.Struct):
    type: str
    description: str | None = None
    message: str | None = None
    variant: str | None = None


_read_other: Final = msgspec.json.Decoder(_Other).decode
_read_results: Final = msgspec.json.Decoder(_Results).decode


class DeepgramSttProtocol:
    """Implements `SttProtocol`."""

    keep_alive_s: float | None = _KEEP_ALIVE_S
    fresh_s: float | None = None
    ready_when_open: bool = True
    opening: Sequence[Message] = ()

    def __init__(self, settings: DeepgramSttSettings, order: ListenOrder) -> None:
        self._settings = settings
        self._order = order
        self._settled_s = 0.0
        """Where the last final ended: what ends there again is a duplicate."""
        self._said = False
        """Whether there was a final since the last end of a turn."""

    @property
    def url(self) -> str:
        settings, order = self._settings, self._order
        written = settings.end_silence_ms
        silence = order.end_silence_ms if written is None else written
        query = [
            ("model", settings.model),
            ("encoding", "mulaw"),
            ("sample_rate", "8000"),
            ("channels", "1"),
            ("endpointing", str(max(silence, _LEAST_ENDPOINTING_MS))),
            ("vad_events", "true"),
            ("punctuate", "true"),
            ("smart_format", "true"),
            ("interim_results", "true" if settings.interim else "false"),
            # Without a language the vendor assumes English.
            ("language", spoken_language(order.language, settings.language) or "multi"),
            *(("keyterm", term) for term in settings.keyterms),
        ]
        if settings.interim:
            query.append(("utterance_end_ms", str(max(silence, _LEAST_UTTERANCE_END_MS))))
        return endpoint(settings.base_url, "/listen", query)

    @property
    def headers(self) -> Mapping[str, str]:
        key = self._settings.key
        return {} if key is None else {"Authorization": f"Token {key}"}

    def refused(self, status: int, headers: Mapping[str, str]) -> Trouble:
        trouble = refusal(status)
        said = headers.get("dg-error")
        if said is None or status in (401, 403):
            return trouble
        return msgspec.structs.replace(trouble, detail=f"{trouble.detail}: {shortened(said)}")

    def audio(self, mulaw: bytes) -> Message:
        return mulaw

    def keep_alive(self) -> Message:
        return '{"type":"KeepAlive"}'

    def finish_turn(self) -> Sequence[Message]:
        return ('{"type":"Finalize"}',)

    def read(self, message: Message) -> Sequence[Reading]:
        try:
            other = _read_other(message)
            if other.type == "Results":
                return tuple(self._results(_read_results(message)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (Trouble("malformed", "not a message of this protocol", Verdict.NOTED),)
        return tuple(self._other(other))

    def _results(self, results: _Results) -> Iterator[Reading]:
        alternatives = results.channel.alternatives
        text = alternatives[0].transcript.strip() if alternatives else ""
        if not results.is_final:
            if text:
                yield Partial(text)
            return
        end_s = results.start + results.duration
        if results.duration > 0 and end_s <= self._settled_s:
            return
        self._settled_s = max(self._settled_s, end_s)
        if text:
            self._said = True
            yield FinalText(text)
            yield Settled(int(end_s * 1000))
        if results.speech_final or results.from_finalize:
            yield from self._turn_over()

    def _other(self, other: _Other) -> Iterator[Reading]:
        match other.type:
            case "SpeechStarted":
                yield SpeechStarted()
            case "UtteranceEnd":
                yield from self._turn_over()
            case "Error":
                said = other.description or other.message or "no reason given"
                yield Trouble(other.variant or "error", shortened(said), Verdict.NOTED)
            case _:
                return

    def _turn_over(self) -> Iterator[Reading]:
        if self._said:
            self._said = False
            yield TurnEnded()
