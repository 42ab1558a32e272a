"""What a vendor sends, as the line carries it: in time, converted, and never nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from openclaw_voice_call.audio.formats import RawFormat, TelephonyStream
from openclaw_voice_call.errors import SpeechFailed, UnsupportedAudio
from openclaw_voice_call.interfaces.media import BYTES_PER_MS

CHUNK_BYTES: Final = 16_384
"""Of what a vendor sends, converted at once: a third of a second at 24 kHz."""
STALL_S: Final = 5.0
"""How long audio that has begun may fail to go on."""
LONGEST_AUDIO_S: Final = 600
"""What is longer is no sentence, nor several."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a vendor is waited for, in seconds."""

    first_audio_s: float
    """From the request to the first audio."""
    stall_s: float = STALL_S
    """For each further piece."""

    def deadline(self) -> float:
        """When the first audio of a request that is made now must be there."""
        return asyncio.get_running_loop().time() + self.first_audio_s

    def late(self, vendor: str) -> SpeechFailed:
        return failed(vendor, f"gave no audio within {self.first_audio_s:g} s", "timeout")


def failed(vendor: str, what: str, code: str, *, partial: bool = False) -> SpeechFailed:
    """A failure of which only we know the code."""
    return SpeechFailed(f"{vendor} {what}", vendor=vendor, vendor_code=code, partial=partial)


async def spoken(
    vendor: str,
    read: Callable[[], Awaitable[bytes]],
    declared: RawFormat,
    patience: Patience,
    deadline: float,
    *,
    broken: type[Exception] | tuple[type[Exception], ...] = (),
) -> AsyncGenerator[bytes, None]:
    """Mu-law of all that `read` gives, as soon as it is there.

    `read` gives the next bytes, empty ones at the end, and raises `broken` when it cannot.
    `deadline` is the loop's time by which there must be audio. Raises SpeechFailed.
    """
    audio = TelephonyStream(declared)
    left = LONGEST_AUDIO_S * 1000 * BYTES_PER_MS
    begun = complete = False
    while not complete:
        until = asyncio.get_running_loop().time() + patience.stall_s if begun else deadline
        try:
            async with asyncio.timeout_at(until):
                raw = await read()
            complete = not raw
            mulaw = audio.finish() if complete else audio.feed(raw)
        except TimeoutError:
            if not begun:
                raise patience.late(vendor) from None
            text = f"fell silent for {patience.stall_s:g} s"
            raise failed(vendor, text, "stalled", partial=True) from None
        except broken as exc:
            text = f"broke off ({type(exc).__name__})"
            raise failed(vendor, text, "broken", partial=begun) from None
        except UnsupportedAudio as exc:
            raise failed(vendor, f"gave {exc.found}", exc.code, partial=begun) from None
        left -= len(mulaw)
        if left < 0:
            raise failed(vendor, "does not stop speaking", "endless", partial=True)
        if mulaw:
            begun = True
            yield mulaw
    if not begun:
        raise failed(vendor, "gave no audio", "empty")
