"""Made sounds are what they are called: frequency, level, length; and a voice is heard as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pytest
import webrtcvad  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from openclaw_voice_call.audio import tones
from tests.voice_call.audio.spectra import loudness_db, sinad_db, strength_db


class VoiceActivity(Protocol):
    def is_speech(self, buf: bytes, sample_rate: int) -> bool: ...


def speech_share(samples: NDArray[np.int16]) -> float:
    """Of the frames of 20 ms that the detector, at its strictest, takes for speech."""
    detector: VoiceActivity = webrtcvad.Vad(3)
    pcm = tones.pcm(samples)
    frames = [pcm[at : at + 320] for at in range(0, len(pcm) - 319, 320)]
    return sum(detector.is_speech(frame, 8000) for frame in frames) / len(frames)


def _sine(rate_hz: int, level: float) -> NDArray[np.int16]:
    return tones.sine(440, 500, rate_hz=rate_hz, level_dbfs=level)


def _sweep(rate_hz: int, level: float) -> NDArray[np.int16]:
    return tones.sweep(300, 3400, 500, rate_hz=rate_hz, level_dbfs=level)


def _noise(rate_hz: int, level: float) -> NDArray[np.int16]:
    return tones.noise(500, rate_hz=rate_hz, level_dbfs=level)


def _voice(rate_hz: int, level: float) -> NDArray[np.int16]:
    return tones.voice(500, rate_hz=rate_hz, level_dbfs=level)


@pytest.mark.parametrize("make", [_sine, _sweep, _noise, _voice])
@pytest.mark.parametrize("level", [-40.0, -20.0])
@pytest.mark.parametrize("rate_hz", [8000, 24_000])
def test_length_and_level_are_as_asked(
    make: Callable[[int, float], NDArray[np.int16]], level: float, rate_hz: int
) -> None:
    sound = make(rate_hz, level)
    assert sound.size == rate_hz // 2
    assert loudness_db(sound) == pytest.approx(level, abs=0.3)


def test_a_sine_is_nothing_but_its_frequency() -> None:
    assert sinad_db(tones.sine(1000, 500), 1000) > 80.0


def test_a_sweep_goes_from_one_frequency_to_the_other() -> None:
    sound = tones.sweep(500, 3000, 1000)
    for at_ms, hz in ((0, 500), (480, 1750), (960, 3000)):
        part = sound[at_ms * 8 : at_ms * 8 + 320]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(320)))
        assert int(spectrum.argmax()) * 25 == pytest.approx(hz, abs=75)


@pytest.mark.parametrize(
    ("key", "low", "high"), [("1", 697, 1209), ("5", 770, 1336), ("#", 941, 1477), ("D", 941, 1633)]
)
def test_a_key_is_its_two_tones(key: str, low: int, high: int) -> None:
    sound = tones.dtmf(key, tone_ms=200, gap_ms=0)
    assert strength_db(sound, low) == pytest.approx(-15.0, abs=0.2)
    assert strength_db(sound, high) == pytest.approx(-15.0, abs=0.2)
    assert loudness_db(sound) == pytest.approx(-12.0, abs=0.2)


def test_keys_have_gaps_and_others_are_refused_by_name() -> None:
    assert tones.dtmf("12#", tone_ms=100, gap_ms=50).size == 3 * 150 * 8
    assert tones.dtmf("").size == 0
    with pytest.raises(ValueError, match=r"^'x' is no key of a telephone"):
        tones.dtmf("1x")


@pytest.mark.parametrize("seed", range(4))
def test_the_voice_is_taken_for_speech_and_quiet_noise_is_not(seed: int) -> None:
    assert speech_share(tones.voice(2000, seed=seed)) > 0.95
    assert speech_share(tones.noise(2000, level_dbfs=-60.0, seed=seed)) < 0.2


def test_a_seed_makes_the_sound() -> None:
    for make in (tones.voice, tones.noise):
        assert make(300, seed=1).tolist() == make(300, seed=1).tolist()
        assert make(300, seed=1).tolist() != make(300, seed=2).tolist()
