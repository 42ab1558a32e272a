"""The tone code: what is said is understood, whatever the line does around it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pytest
import webrtcvad  # pyright: ignore[reportMissingTypeStubs]
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.audio.tone_code import GAP_MS, LEVEL_DBFS, decode, encode


class VoiceActivity(Protocol):
    def is_speech(self, buf: bytes, sample_rate: int) -> bool: ...


def voice_activity(mode: int) -> VoiceActivity:
    return webrtcvad.Vad(mode)


_WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
        lambda word: word.split() == [word]
    ),
    max_size=5,
)


@given(_WORDS)
def test_every_text_is_understood_with_its_blanks_made_one(words: list[str]) -> None:
    assert decode(encode("  ".join(words))) == " ".join(words)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(-30.0, 3.0))
def test_it_may_begin_anywhere_and_be_loud_or_quiet(lead: int, trail: int, gain: float) -> None:
    said = mulaw.amplify(encode("Good morning, Grüße, 你好."), gain)
    heard = mulaw.SILENCE * lead + said + mulaw.SILENCE * trail
    assert decode(heard) == "Good morning, Grüße, 你好."


@given(st.integers(0, 4000))
def test_of_audio_that_is_cut_off_the_whole_words_are_understood(length: int) -> None:
    text = "one two three four"
    understood = decode(encode(text)[:length]).split()
    assert understood == text.split()[: len(understood)]
    ends = [len(encode(" ".join(text.split()[: count + 1]))) for count in range(4)]
    # Of the last tone most is enough.
    assert sum(end <= length for end in ends) <= len(understood)
    assert len(understood) <= sum(end - 100 <= length for end in ends)


def test_a_missing_beginning_costs_one_word() -> None:
    assert decode(encode("one two three")[200:]) == "two three"


@pytest.mark.parametrize("snr_db", [12.0, 30.0])
def test_noise_of_the_line_does_not_matter(snr_db: float) -> None:
    said = mulaw.decode(encode("The parcel arrives on Friday.")).astype(float)
    rng = np.random.default_rng(7)
    loudness = float(np.sqrt(np.mean(said**2))) * 10 ** (-snr_db / 20)
    noisy = np.clip(said + rng.normal(0, loudness, said.size), -32_768, 32_767)
    assert decode(mulaw.encode(noisy.astype(np.int16))) == "The parcel arrives on Friday."


def test_noise_and_silence_have_no_words() -> None:
    noise = np.random.default_rng(3).normal(0, 5000, 80_000)
    heard = mulaw.encode(np.clip(noise, -32_768, 32_767).astype(np.int16))
    assert [decode(heard), decode(mulaw.silence(1000)), decode(b""), decode(b"\xff")] == [""] * 4


@given(st.binary(max_size=4000))
def test_any_audio_is_borne(audio: bytes) -> None:
    assert isinstance(decode(audio), str)


def test_it_is_as_loud_and_as_quick_as_speech() -> None:
    said = encode("Could you tell me when the parcel will arrive on Friday?")
    assert mulaw.level_dbfs(said) == pytest.approx(LEVEL_DBFS, abs=2.0)
    words_per_minute = 11 / (len(said) / mulaw.SAMPLE_RATE_HZ / 60)
    assert 120 < words_per_minute < 360


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_voice_activity_takes_it_for_speech(mode: int) -> None:
    vad = voice_activity(mode)
    said = encode("Could you tell me when it arrives?")
    lead = mulaw.silence(400)
    pcm = mulaw.decode(lead + said).tobytes()
    frames = [pcm[at : at + 320] for at in range(0, len(pcm) - 319, 320)]
    speech = [vad.is_speech(frame, mulaw.SAMPLE_RATE_HZ) for frame in frames]
    assert not any(speech[:19])
    assert sum(speech[20:]) >= 0.95 * len(speech[20:])
    assert GAP_MS < 200
