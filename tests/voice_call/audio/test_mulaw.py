"""G.711 against its tables, which are built here in another way than in the codec."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.audio.mulaw import QUIETEST_DBFS

ALL_CODES = bytes(range(256))
_STEPS = [4] + [8] * 15 + [size for size in (16, 32, 64, 128, 256, 512, 1024) for _ in range(16)]
DECISIONS = np.cumsum(_STEPS)
"""Where the next value begins, in samples of 16 bits (table 2a, column 3, times 4)."""
VALUES = [0, *((DECISIONS[:-1] + DECISIONS[1:]) // 2)]
"""What each interval is decoded to (column 8, times 4)."""


def test_all_codes_have_the_values_of_the_table() -> None:
    decoded = mulaw.decode(ALL_CODES).tolist()
    assert decoded[0xFF:0x7F:-1] == VALUES
    assert decoded[0x7F::-1] == [-value for value in VALUES]


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        (0, 0xFF),
        (3, 0xFF),
        (4, 0xFE),
        (-1, 0x7F),
        (-4, 0x7E),
        (8, 0xFE),
        (1000, 0xCE),
        (-1000, 0x4E),
        (32_124, 0x80),
        (32_767, 0x80),
        (-32_124, 0x00),
        (-32_768, 0x00),
    ],
)
def test_known_samples(sample: int, code: int) -> None:
    assert mulaw.encode(np.array([sample], np.int16)) == bytes([code])


def test_every_sample_falls_into_the_interval_of_the_table() -> None:
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    magnitudes = np.minimum(np.abs(samples.astype(int)), DECISIONS[-1] - 1)
    intervals = np.searchsorted(DECISIONS, magnitudes, side="right")
    expected = np.where(samples < 0, 0x7F - intervals, 0xFF - intervals)
    assert list(mulaw.encode(samples)) == expected.tolist()


def test_decoded_and_encoded_again_is_the_same_but_for_the_two_zeros() -> None:
    again = mulaw.encode(mulaw.decode(ALL_CODES))
    assert again == ALL_CODES.replace(b"\x7f", b"\xff")


def test_silence_is_silent_and_as_long_as_asked() -> None:
    assert mulaw.silence(20) == b"\xff" * 160
    assert not mulaw.decode(mulaw.silence(20)).any()
    assert mulaw.silence(0) == b""


@pytest.mark.parametrize("audio", [b"", mulaw.silence(20), b"\x7f" * 160])
def test_silence_and_nothing_have_the_lowest_level(audio: bytes) -> None:
    assert mulaw.level_dbfs(audio) == QUIETEST_DBFS


@given(st.binary(max_size=400))
def test_a_frame_is_decoded_like_anything_else(audio: bytes) -> None:
    assert mulaw.decode_frame(audio) == mulaw.decode(audio).tobytes()


@given(st.binary(min_size=1, max_size=1000))
def test_a_level_is_the_root_mean_square_of_the_samples(audio: bytes) -> None:
    samples = mulaw.decode(audio) / 32_768.0
    energy = float(np.mean(samples**2))
    expected = max(10.0 * np.log10(energy), QUIETEST_DBFS) if energy else QUIETEST_DBFS
    assert mulaw.level_dbfs(audio) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("level", [-50.0, -30.0, -20.0, -10.0, -3.01])
def test_a_sine_has_the_level_that_it_was_made_with(level: float) -> None:
    frame = mulaw.encode(tones.sine(500, 20, level_dbfs=level))
    assert mulaw.level_dbfs(frame) == pytest.approx(level, abs=0.2)


def test_the_loudest_square_has_almost_full_scale_and_one_step_is_above_silence() -> None:
    assert mulaw.level_dbfs(b"\x80\x00" * 80) == pytest.approx(-0.17, abs=0.01)
    assert mulaw.level_dbfs(mulaw.silence(19.875) + b"\xfe") > QUIETEST_DBFS


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_mixing_adds_and_does_not_mind_the_order(one: bytes, other: bytes) -> None:
    mixed = mulaw.mix(one, other)
    assert mixed == mulaw.mix(other, one)
    length = max(len(one), len(other))
    parts = [mulaw.decode(leg + b"\xff" * (length - len(leg))).astype(int) for leg in (one, other)]
    total = np.clip(sum(parts), -32_768, 32_767)
    assert mixed == mulaw.encode(total.astype(np.int16))


@given(st.binary(min_size=1, max_size=400))
def test_mixed_with_silence_it_stays_what_it_was(audio: bytes) -> None:
    assert mulaw.mix(audio, mulaw.silence(0.125)) == audio.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize("gain_db", [-40.0, -6.0, 0.0, 6.0])
def test_gain_moves_the_level_by_as_much(gain_db: float) -> None:
    speech = mulaw.encode(tones.voice(1000, level_dbfs=-24.0))
    moved = mulaw.level_dbfs(mulaw.amplify(speech, gain_db)) - mulaw.level_dbfs(speech)
    assert moved == pytest.approx(gain_db, abs=0.3)


def test_too_much_gain_clips_and_does_not_turn_over() -> None:
    loud = mulaw.amplify(mulaw.encode(tones.sine(500, 20, level_dbfs=-3.1)), 40.0)
    quiet = mulaw.decode(mulaw.encode(tones.sine(500, 20, level_dbfs=-3.1)))
    assert (np.sign(mulaw.decode(loud)) == np.sign(quiet)).all()
    assert set(loud) <= {0x00, 0x80, 0xFF}
