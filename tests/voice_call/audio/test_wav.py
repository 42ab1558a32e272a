"""Recordings: both legs as a stereo WAV that any player reads, finished or not."""

from __future__ import annotations

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.audio.samples import Encoding, RawFormat
from openclaw_voice_call.audio.wav import (
    HEADER_BYTES,
    WavReader,
    interleave,
    recording_header,
    separate,
)


def test_a_finished_recording_is_read_by_others() -> None:
    caller, agent = mulaw.encode(tones.sine(300, 500)), mulaw.encode(tones.voice(500))
    data = interleave(caller, agent)
    with wave.open(io.BytesIO(recording_header(len(data)) + data)) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 4000)
        left, right = separate(file.readframes(4000))
    assert left.tolist() == mulaw.decode(caller).tolist()
    assert right.tolist() == mulaw.decode(agent).tolist()


@pytest.mark.parametrize("size", [None, 0xFFFF_FFFF, 4_294_967_260])
def test_an_unfinished_or_endless_recording_is_read_to_its_end(size: int | None) -> None:
    data = interleave(mulaw.silence(40), mulaw.encode(tones.sine(440, 40)))
    reader = WavReader()
    assert reader.feed(recording_header(size) + data) == data
    assert reader.form == RawFormat(Encoding.S16, 8000, 2)


@pytest.mark.parametrize("size", [None, 0, 4, 2**40])
def test_the_header_has_always_the_same_length_so_that_it_can_be_replaced(
    size: int | None,
) -> None:
    assert len(recording_header(size)) == HEADER_BYTES


def test_what_follows_the_samples_is_left_out() -> None:
    reader = WavReader()
    data = interleave(mulaw.silence(10), b"")
    assert reader.feed(recording_header(len(data)) + data + b"LIST\x04\0\0\0more") == data
    assert reader.feed(b"and more") == b""


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_shorter_leg_ends_in_silence(left: bytes, right: bytes) -> None:
    data = interleave(left, right)
    length = max(len(left), len(right))
    assert len(data) == 4 * length
    heard = separate(data)
    for leg, samples in zip((left, right), heard, strict=True):
        assert samples.tolist() == mulaw.decode(leg).tolist() + [0] * (length - len(leg))


def test_of_a_recording_that_was_cut_off_the_whole_samples_are_read() -> None:
    left, right = separate(interleave(b"\x10\x20", b"\x30\x40")[:-1])
    assert left.tolist() == mulaw.decode(b"\x10").tolist()
    assert right.tolist() == mulaw.decode(b"\x30").tolist()
