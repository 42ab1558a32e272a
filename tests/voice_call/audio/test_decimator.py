"""The way down to 8000 Hz, measured: what passes, what does not, and that chunks do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from openclaw_voice_call.audio import tones
from openclaw_voice_call.audio.decimator import Decimator
from openclaw_voice_call.errors import UnsupportedAudio
from tests.voice_call.audio.spectra import (
    cut,
    cut_at,
    inner,
    loudness_db,
    sinad_db,
    strength_db,
)

RATES_HZ = (24_000, 22_050, 16_000, 44_100, 48_000, 32_000, 11_025, 12_000)


def lowered(rate_hz: int, *chunks: bytes) -> NDArray[np.int16]:
    decimator = Decimator(rate_hz)
    return np.concatenate([*map(decimator.feed, chunks), decimator.flush()])


@pytest.mark.scenario("F26")
@pytest.mark.parametrize(("tone_hz", "alias_hz"), [(5000, 3000), (6000, 2000), (7000, 1000)])
def test_tones_above_the_line_leave_no_alias(tone_hz: int, alias_hz: int) -> None:
    tone = tones.sine(tone_hz, 500, rate_hz=24_000, level_dbfs=-6.0)
    every_third = inner(tone[::3])
    assert strength_db(every_third, alias_hz) == pytest.approx(-6.0, abs=0.1)
    assert strength_db(inner(lowered(24_000, tones.pcm(tone))), alias_hz) < -76.0


@pytest.mark.scenario("F26")
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_all_above_4600_hz_is_70_db_down(rate_hz: int) -> None:
    for tone_hz in range(4600, min(rate_hz // 2, 11_000) + 1, 200):
        tone = tones.sine(tone_hz, 200, rate_hz=rate_hz, level_dbfs=-6.0)
        left = inner(lowered(rate_hz, tones.pcm(tone)))
        assert loudness_db(left) < -76.0, tone_hz


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_telephone_band_passes_unchanged(rate_hz: int) -> None:
    for tone_hz in range(100, 3401, 300):
        tone = tones.sine(tone_hz, 200, rate_hz=rate_hz, level_dbfs=-6.0)
        through = inner(lowered(rate_hz, tones.pcm(tone)))
        assert loudness_db(through) == pytest.approx(-6.0, abs=0.05), tone_hz
        assert sinad_db(through, tone_hz) > 75.0, tone_hz


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_nothing_is_moved_in_time(rate_hz: int) -> None:
    """What comes out is the tone at 8000 Hz, sample by sample, ends excepted."""
    through = lowered(rate_hz, tones.pcm(tones.sine(1000, 400, rate_hz=rate_hz)))
    expected = tones.sine(1000, 400)
    assert through.size == expected.size
    assert np.abs(inner(through).astype(int) - inner(expected)).max() <= 2


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_delay_is_short_and_is_what_it_says(rate_hz: int) -> None:
    decimator = Decimator(rate_hz)
    fed = rate_hz // 10
    got = decimator.feed(bytes(2 * fed)).size
    held_ms = fed * 1000 / rate_hz - got * 1000 / 8000
    assert decimator.lookahead_ms < 2.6
    assert decimator.lookahead_ms - 0.2 <= held_ms <= decimator.lookahead_ms + 0.2


@pytest.mark.scenario("F27")
@pytest.mark.parametrize("rate_hz", [*RATES_HZ, 8000])
@pytest.mark.parametrize("size", [1, 7, 333])
def test_chunks_of_any_size_give_the_same_bytes(rate_hz: int, size: int) -> None:
    speech = tones.pcm(tones.voice(150, rate_hz=rate_hz))
    assert lowered(rate_hz, *cut(speech, size)).tobytes() == lowered(rate_hz, speech).tobytes()


@pytest.mark.scenario("F27")
@given(
    st.sampled_from((*RATES_HZ, 8000)),
    st.binary(max_size=6000),
    st.lists(st.integers(0, 6000), max_size=20),
)
def test_any_cutting_gives_the_same_bytes(rate_hz: int, pcm: bytes, places: list[int]) -> None:
    whole = lowered(rate_hz, pcm)
    assert lowered(rate_hz, *cut_at(pcm, places)).tobytes() == whole.tobytes()
    assert whole.size == -(-(len(pcm) // 2) * 8000 // rate_hz)


@pytest.mark.scenario("F27")
@pytest.mark.parametrize("size", [1, 7, 333])
def test_there_is_no_click_where_chunks_join(size: int) -> None:
    """A sine bends by no more than its frequency allows, at a joint as anywhere."""
    tone = tones.sine(440, 300, rate_hz=24_000, level_dbfs=-6.0)
    through = inner(lowered(24_000, *cut(tones.pcm(tone), size))).astype(int)
    peak = 32_768 * 10 ** (-6 / 20) * np.sqrt(2)
    bend = peak * (2 * np.sin(np.pi * 440 / 8000)) ** 2
    assert np.abs(np.diff(through, 2)).max() <= bend + 4


def test_a_large_chunk_is_worked_off_in_pieces_with_the_same_result() -> None:
    speech = tones.pcm(tones.voice(3000, rate_hz=22_050))
    assert lowered(22_050, speech).tobytes() == lowered(22_050, *cut(speech, 4096)).tobytes()


def test_a_constant_stays_the_same_constant() -> None:
    for rate_hz in RATES_HZ:
        steady = np.full(rate_hz // 5, 12_345, np.int16)
        assert set(inner(lowered(rate_hz, tones.pcm(steady))).tolist()) == {12_345}


def test_the_loudest_square_wave_is_clipped_and_does_not_turn_over() -> None:
    square = np.where(np.arange(4800) // 60 % 2, 32_767, -32_768).astype(np.int16)
    through = lowered(24_000, tones.pcm(square))
    middles = through[10::20]
    assert (np.sign(middles) == np.sign(square[30::60])).all()
    assert through.max() == 32_767
    assert through.min() == -32_768


def test_eight_kilohertz_is_left_alone() -> None:
    noise = tones.noise(100, level_dbfs=-10.0)
    assert lowered(8000, tones.pcm(noise)).tolist() == noise.tolist()


def test_after_the_flush_a_new_stream_begins() -> None:
    decimator = Decimator(24_000)
    first = tones.pcm(tones.voice(100, rate_hz=24_000, seed=1)) + b"\x01"
    second = tones.pcm(tones.voice(100, rate_hz=24_000, seed=2))
    np.concatenate([decimator.feed(first), decimator.flush()])
    again = np.concatenate([decimator.feed(second), decimator.flush()])
    assert again.tobytes() == lowered(24_000, second).tobytes()


def test_nothing_in_gives_nothing_out() -> None:
    assert lowered(24_000).size == 0
    assert lowered(24_000, b"", b"\x01").size == 0


@pytest.mark.parametrize("rate_hz", [-1, 0, 1, 7999, 22_051, 192_001, 400_000])
def test_other_rates_are_refused_by_name(rate_hz: int) -> None:
    with pytest.raises(UnsupportedAudio, match=f"^audio at {rate_hz} Hz cannot be played"):
        Decimator(rate_hz)
