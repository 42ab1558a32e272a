"""The way up from the telephone's sample rate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.audio.raiser import RATE_HZ, Raiser

SECOND = 8000


def tone(hz: float, rate_hz: int, count: int) -> NDArray[np.float64]:
    return 8000 * np.sin(2 * np.pi * hz * np.arange(count) / rate_hz)


def raised(audio: bytes) -> NDArray[np.float64]:
    return np.frombuffer(Raiser().feed(audio), "<i2").astype(np.float64)


@pytest.mark.parametrize("hz", [300, 1000, 2000, 3000, 3300])
def test_a_tone_stays_the_same_tone_at_the_same_time(hz: int) -> None:
    samples = tone(hz, 8000, SECOND).round().astype(np.int16)
    found = raised(mulaw.encode(samples))
    error = found[300:] - tone(hz, RATE_HZ, len(found))[300:]
    # What mu-law itself takes away is about 38 dB down.
    assert 20 * np.log10(np.sqrt(np.mean(error**2)) / (8000 / np.sqrt(2))) < -33


@pytest.mark.parametrize("hz", [500, 1500, 2500, 3300])
def test_no_image_is_heard_above_the_telephones_band(hz: int) -> None:
    samples = tone(hz, 8000, SECOND).round().astype(np.int16)
    found = raised(mulaw.encode(samples))
    spectrum = np.abs(np.fft.rfft(found * np.blackman(len(found))))
    frequencies = np.fft.rfftfreq(len(found), 1 / RATE_HZ)
    images = spectrum[frequencies > 8000 - 3400].max()
    assert 20 * np.log10(images / spectrum.max()) < -55


def test_a_constant_stays_that_constant_and_silence_is_silent() -> None:
    level = mulaw.decode(b"\x90")[0]
    assert set(raised(b"\x90" * 200)[100:]) == {level}
    assert not raised(mulaw.silence(100)).any()


@given(audio=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=6))
def test_the_cuts_between_chunks_make_no_difference(audio: bytes, cuts: list[int]) -> None:
    raiser, places = Raiser(), sorted({0, len(audio), *(min(cut, len(audio)) for cut in cuts)})
    pieces = [raiser.feed(audio[begin:end]) for begin, end in pairwise(places)]
    assert b"".join(pieces) == (Raiser().feed(audio) if audio else b"")
    assert len(b"".join(pieces)) == 2 * 3 * max(0, len(audio) - 12)
