"""The program espeak-ng, or espeak, as a voice: one process a sentence, its text through stdin."""

from __future__ import annotations

import asyncio
import logging
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Literal

from openclaw_voice_call.audio.formats import Encoding, RawFormat
from openclaw_voice_call.config.speech import EspeakTts
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.spoken import CHUNK_BYTES, Patience, failed, spoken
from openclaw_voice_call.speech.voice_setup import (
    Unusable,
    VoiceParts,
    VoiceSources,
    read_settings,
)

log = logging.getLogger(__name__)

PROGRAMS: Final = ("espeak-ng", "espeak")
WORDS_PER_MINUTE: Final = 165
LANGUAGE: Final = "en-US"
DECLARED: Final = RawFormat(Encoding.S16, 22_050)
"""It writes WAV, which says what it is."""
END_S: Final = 1.0
"""How long a killed process may take to be gone."""

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "ESPEAK_DATA_PATH")
"""All that the program gets of our environment: the keys of vendors are not for it."""
_COMMANDS: Final = re.compile(r"[\x00-\x1f\x7f]+|(?<=\[)(?=\[)")
"""What espeak takes for commands: control characters, and `[[` before phonemes."""
_VOICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+./-]*")


@dataclass(frozen=True, slots=True)
class EspeakSettings:
    """Implements `VoiceMaker`."""

    program: str
    """Its path."""
    environ: Mapping[str, str] = field(repr=False)
    patience: Patience
    voice: str | None = None
    words_per_minute: int = WORDS_PER_MINUTE
    name: Literal["espeak"] = "espeak"

    def build(self, parts: VoiceParts) -> EspeakVoice:
        return EspeakVoice(self)

    def voices(self, order: SpeechOrder) -> Sequence[str | None]:
        """Those to try in turn; None is the program's own choice."""
        if self.voice is not None:
            return (self.voice,)
        language = (order.language or LANGUAGE).lower()
        wanted = dict.fromkeys((language, language.partition("-")[0]))
        return (*filter(_VOICE.fullmatch, wanted), None)

    def command(self, voice: str | None) -> Sequence[str]:
        named = () if voice is None else ("-v", voice)
        speed = str(self.words_per_minute)
        return (self.program, "--stdin", "--stdout", "-b", "1", "-s", speed, *named)


class EspeakVoices:
    """Implements `VoiceVendor`."""

    id: Literal["espeak"] = "espeak"
    stands_in = True

    def set_up(self, raw: Mapping[str, object], sources: VoiceSources) -> EspeakSettings | Unusable:
        settings = read_settings(EspeakTts, raw)
        if isinstance(settings, Unusable):
            return settings
        wanted = (settings.program,) if settings.program else PROGRAMS
        path = next(filter(None, map(sources.find_program, wanted)), None)
        if path is None:
            reason = f"no program {' or '.join(wanted)} is installed"
            return Unusable(reason, wanted=settings.program is not None)
        environ = {key: sources.environ[key] for key in _PASSED_ON if key in sources.environ}
        speed = WORDS_PER_MINUTE if settings.speed is None else settings.speed
        return EspeakSettings(path, environ, sources.patience, settings.voice, speed)


class EspeakVoice:
    """Implements `TextToSpeech`. No process outlives the sentence that it speaks."""

    def __init__(self, settings: EspeakSettings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        return self._settings.name

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        deadline = self._settings.patience.deadline()
        text = _COMMANDS.sub(" ", order.text).encode("utf-8", "replace")
        failure: SpeechFailed | None = None
        for voice in self._settings.voices(order):
            try:
                async with aclosing(self._run(voice, text, deadline)) as audio:
                    async for mulaw in audio:
                        yield mulaw
                return
            except SpeechFailed as exc:
                # A voice that is not installed gives nothing, and is only then replaced.
                if exc.vendor_code != "empty":
                    raise
                failure = exc
        assert failure is not None
        raise failure

    async def warm_up(self) -> None:
        """Nothing is kept from sentence to sentence."""

    async def close(self) -> None:
        """Each process ends with its sentence."""

    async def _run(
        self, voice: str | None, text: bytes, deadline: float
    ) -> AsyncGenerator[bytes, None]:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._settings.command(voice),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=dict(self._settings.environ),
                limit=CHUNK_BYTES,
            )
        except OSError as exc:
            text_ = f"cannot be started ({type(exc).__name__})"
            raise failed(self.name, text_, "unreachable") from None
        assert process.stdin is not None
        assert process.stdout is not None
        stdout = process.stdout
        try:
            # A pipe takes at least as much as a request has, so this does not wait.
            process.stdin.write(text)
            process.stdin.close()
            audio = spoken(
                self.name,
                lambda: stdout.read(CHUNK_BYTES),
                DECLARED,
                self._settings.patience,
                deadline,
            )
            async with aclosing(audio):
                async for mulaw in audio:
                    yield mulaw
        finally:
            await _end(process, stdout)


async def _end(process: Process, stdout: asyncio.StreamReader) -> None:
    """Have it gone, with its pipe."""
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            pass
    try:
        async with asyncio.timeout(END_S):
            while await stdout.read(CHUNK_BYTES):
                pass
            await process.wait()
    except TimeoutError:
        log.error("espeak does not end", extra={"pid": process.pid})
