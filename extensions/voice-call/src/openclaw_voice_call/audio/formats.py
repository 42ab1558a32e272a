"""From what a vendor sends to what the line carries. Pure."""

from __future__ import annotations

from typing import Final

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.audio.containers import Container, recognise
from openclaw_voice_call.audio.decimator import Decimator
from openclaw_voice_call.audio.samples import TELEPHONY, Encoding, MonoReader, RawFormat
from openclaw_voice_call.audio.wav import WavReader

__all__ = ["PCM_24K", "TELEPHONY", "Encoding", "RawFormat", "TelephonyStream"]

PCM_24K: Final = RawFormat(Encoding.S16, 24_000)


class TelephonyStream:
    """One utterance, in whatever form it comes, as mu-law at 8000 Hz.

    WAV is known by its header and read by what that says. All else that has no container is taken
    for what was declared; mu-law at 8000 Hz stays as it is, byte by byte.
    """

    def __init__(self, declared: RawFormat) -> None:
        self._declared = declared
        self._head: bytes | None = b""
        """The first bytes, until it is clear what they are."""
        self._wav: WavReader | None = None
        self._conversion: _Conversion | None = None

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes, any number; the mu-law that they complete, perhaps none.

        Raises UnsupportedAudio when it is not audio, or is of a kind or rate that is not converted.
        """
        return self._take(chunk, complete=False)

    def finish(self) -> bytes:
        """There is no more; the rest of the mu-law. Raises UnsupportedAudio.

        A header without samples, like nothing at all, has given no mu-law in the end.
        """
        rest = self._take(b"", complete=True)
        return rest if self._conversion is None else rest + self._conversion.finish()

    def _take(self, chunk: bytes, *, complete: bool) -> bytes:
        if self._head is not None:
            chunk = self._head + chunk
            container = recognise(chunk, complete=complete)
            self._head = chunk if container is None else None
            if container is None:
                return b""
            if container is Container.WAV:
                self._wav = WavReader()
            else:
                self._conversion = _Conversion(self._declared)
        if self._wav is not None:
            chunk = self._wav.feed(chunk)
            if self._conversion is None and self._wav.form is not None:
                self._conversion = _Conversion(self._wav.form)
        return b"" if self._conversion is None else self._conversion.feed(chunk)


class _Conversion:
    """Samples of one format on their way to the line."""

    def __init__(self, form: RawFormat) -> None:
        self._as_is = form.is_telephony
        self._mono = MonoReader(form)
        self._decimator = Decimator(form.rate_hz)

    def feed(self, raw: bytes) -> bytes:
        if self._as_is:
            return raw
        return mulaw.encode(self._decimator.feed(self._mono.feed(raw)))

    def finish(self) -> bytes:
        return b"" if self._as_is else mulaw.encode(self._decimator.flush())
