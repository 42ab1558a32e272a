"""A voice over HTTP: one request a sentence, its audio as it comes, every wait with an end."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import aiohttp
import msgspec

from openclaw_voice_call.audio.formats import Encoding, RawFormat
from openclaw_voice_call.errors import SpeechFailed
from openclaw_voice_call.interfaces.speech import SpeechOrder
from openclaw_voice_call.speech.spoken import CHUNK_BYTES, Patience, failed, spoken
from openclaw_voice_call.speech.voice_setup import VoiceParts

log = logging.getLogger(__name__)

ERROR_BYTES: Final = 16_384
"""Of a refusal's body, all that is read."""
WARM_UP_S: Final = 3.0
WARM_FOR_S: Final = 10.0
"""A connection that was used so lately is still open; aiohttp keeps idle ones for 15 s."""

_PCM_RATE: Final = re.compile(r"(?i)audio/(?:x-)?(?:l16|pcm)\s*;(?:.*;)?\s*rate=(\d{4,6})\b")


class AudioForm(NamedTuple):
    """A form of audio that a vendor can be asked for."""

    name: str
    declared: RawFormat
    """What its bytes are, where they have no header."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A POST that is answered with audio."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    json: Mapping[str, object] = field(repr=False)


class Told(NamedTuple):
    """What the body of a refusal says."""

    text: str = ""
    code: str | None = None
    about: str = ""
    """The parameter that was refused."""


class SpeechDialect(Protocol):
    """In what one vendor's API differs from the others'. Pure."""

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> str:
        """The URL of the API."""
        ...

    @property
    def forms(self) -> Sequence[AudioForm]:
        """The one to ask for first, and what to ask for when that is refused."""
        ...

    @property
    def hidden(self) -> Sequence[str]:
        """Texts that no error may show."""
        ...

    def request(self, order: SpeechOrder, form: AudioForm) -> SpeechRequest: ...

    def told(self, body: bytes) -> Told:
        """Read the body of a refusal; an empty `Told` for what is none, a proxy's page say."""
        ...

    def refuses_form(self, status: int, told: Told) -> bool:
        """Whether only the form of the audio was refused."""
        ...


@dataclass(frozen=True, slots=True)
class HttpVoiceMaker:
    """Implements `VoiceMaker`."""

    dialect: SpeechDialect
    patience: Patience

    @property
    def name(self) -> str:
        return self.dialect.name

    def build(self, parts: VoiceParts) -> HttpVoice:
        return HttpVoice(self.dialect, parts, self.patience)


class HttpVoice:
    """Implements `TextToSpeech`. Keeps which form of audio the vendor gives, and nothing else."""

    def __init__(self, dialect: SpeechDialect, parts: VoiceParts, patience: Patience) -> None:
        self._dialect = dialect
        self._session = parts.session
        self._clock = parts.clock
        self._patience = patience
        self._form = 0
        self._used_at = float("-inf")

    @property
    def name(self) -> str:
        return self._dialect.name

    async def speak(self, order: SpeechOrder) -> AsyncGenerator[bytes, None]:
        """One request. Its first audio must come in time, and so must what follows."""
        deadline = self._patience.deadline()
        response, form = await self._answer(order, deadline)
        audio = spoken(
            self.name,
            lambda: response.content.read(CHUNK_BYTES),
            _declared(response, form),
            self._patience,
            deadline,
            broken=aiohttp.ClientError,
        )
        try:
            async with aclosing(audio):
                async for mulaw in audio:
                    yield mulaw
        finally:
            # Before its end, this is how a vendor learns that nobody listens any more.
            response.close()
            self._used_at = self._clock.monotonic()

    async def warm_up(self) -> None:
        """Have a connection ready. What the vendor answers does not matter."""
        now = self._clock.monotonic()
        if now - self._used_at < WARM_FOR_S:
            return
        self._used_at = now
        try:
            async with (
                asyncio.timeout(WARM_UP_S),
                self._session.get(self._dialect.root, allow_redirects=False) as response,
            ):
                await _beginning(response)
        except (aiohttp.ClientError, TimeoutError) as exc:
            log.debug("voice not warm", extra={"vendor": self.name, "error": type(exc).__name__})

    async def close(self) -> None:
        """The connections belong to the session."""

    async def _answer(
        self, order: SpeechOrder, deadline: float
    ) -> tuple[aiohttp.ClientResponse, AudioForm]:
        """An answer that may be audio. Raises SpeechFailed."""
        forms = self._dialect.forms
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    asked = self._form
                    response = await self._post(self._dialect.request(order, forms[asked]))
                    if response.status // 100 == 2:
                        return response, forms[asked]
                    try:
                        told = self._dialect.told(await _beginning(response))
                    finally:
                        response.close()
                    refused = self._dialect.refuses_form(response.status, told)
                    if not refused or asked + 1 == len(forms):
                        raise self._refused(response.status, told, order)
                    # Other sentences may have learned the same meanwhile.
                    self._form = max(self._form, asked + 1)
        except TimeoutError:
            raise self._patience.late(self.name) from None
        except aiohttp.ClientError as exc:
            text = f"cannot be reached ({type(exc).__name__})"
            raise failed(self.name, text, "unreachable") from None

    async def _post(self, request: SpeechRequest) -> aiohttp.ClientResponse:
        try:
            return await self._post_once(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # The vendor closed a kept connection just when it was used again.
            return await self._post_once(request)

    async def _post_once(self, request: SpeechRequest) -> aiohttp.ClientResponse:
        return await self._session.post(
            request.url,
            data=msgspec.json.encode(request.json),
            headers={**request.headers, "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),
            allow_redirects=False,
        )

    def _refused(self, status: int, told: Told, order: SpeechOrder) -> SpeechFailed:
        # Vendors repeat what they were sent: parts of a key in these two, text in the others.
        text = "" if status in (401, 403) else told.text
        for secret in filter(None, (order.text, *self._dialect.hidden)):
            text = text.replace(secret, "...")
        said = ", ".join(filter(None, (f"HTTP {status}", told.code, text[:200])))
        return SpeechFailed(
            f"{self.name} refused: {said}",
            vendor=self.name,
            vendor_code=(told.code or str(status))[:64],
            status=status,
        )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) < ERROR_BYTES and (more := await response.content.read(ERROR_BYTES)):
        body += more
    return bytes(body[:ERROR_BYTES])


def _declared(response: aiohttp.ClientResponse, form: AudioForm) -> RawFormat:
    """What the answer's raw bytes are. A compatible server may tell another rate; its samples are
    little endian all the same, also where it says L16, which by RFC 2586 is not."""
    told = _PCM_RATE.match(response.headers.get("Content-Type", ""))
    if told is None or form.declared.encoding is not Encoding.S16:
        return form.declared
    return RawFormat(Encoding.S16, int(told[1]))
