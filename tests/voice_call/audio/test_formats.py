"""What a vendor sends, recognised by what it is and brought to the line's form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.audio.containers import ENOUGH_BYTES
from openclaw_voice_call.audio.formats import (
    PCM_24K,
    TELEPHONY,
    Encoding,
    RawFormat,
    TelephonyStream,
)
from openclaw_voice_call.errors import UnsupportedAudio
from tests.voice_call.audio import containers as made
from tests.voice_call.audio.spectra import cut, cut_at, inner, loudness_db, sinad_db

MP3_HEADERS = [
    pytest.param(b"\xff\xfb\x90\xc4", 417, id="MPEG-1, 128 kbit/s, 44.1 kHz"),
    pytest.param(b"\xff\xfb\x92\xc4", 418, id="the same, padded"),
    pytest.param(b"\xff\xfb\xe4\xc4", 960, id="MPEG-1, 320 kbit/s, 48 kHz"),
    pytest.param(b"\xff\xf3\x84\xc4", 192, id="MPEG-2, 64 kbit/s, 24 kHz"),
    pytest.param(b"\xff\xe3\x48\xc4", 288, id="MPEG-2.5, 32 kbit/s, 8 kHz"),
]
ADTS = b"\xff\xf1\x50\x80\x28\x1f\xfc"
"""AAC, 44.1 kHz, one channel, 320 bytes."""


def converted(declared: RawFormat, *chunks: bytes) -> bytes:
    stream = TelephonyStream(declared)
    return b"".join([*map(stream.feed, chunks), stream.finish()])


def refused(declared: RawFormat, *chunks: bytes) -> str:
    """What it was found to be."""
    with pytest.raises(UnsupportedAudio) as caught:
        converted(declared, *chunks)
    return caught.value.found


def is_the_tone(line: bytes, *, ms: float, worst_sinad_db: float = 33.0) -> bool:
    """The 1000 Hz at -12 dB that every test here sends."""
    samples = mulaw.decode(line)
    return (
        abs(len(line) - ms * 8) <= 8
        and abs(loudness_db(inner(samples)) + 12.0) < 0.2
        and sinad_db(inner(samples), 1000) > worst_sinad_db
    )


def tone(rate_hz: int, ms: float = 300) -> NDArray[np.int16]:
    return tones.sine(1000, ms, rate_hz=rate_hz)


@pytest.mark.scenario("F25")
@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 24_000, 48_000])
@pytest.mark.parametrize("encoding", Encoding)
def test_raw_audio_is_taken_for_what_was_declared(encoding: Encoding, rate_hz: int) -> None:
    audio = made.raw(tone(rate_hz), encoding)
    assert is_the_tone(converted(RawFormat(encoding, rate_hz), audio), ms=300)


@pytest.mark.scenario("F25")
@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("encoding", Encoding)
def test_wav_is_read_by_its_header_whatever_was_declared(
    encoding: Encoding, channels: int, extensible: bool
) -> None:
    audio = made.wav(tone(22_050), 22_050, encoding, channels, extensible=extensible)
    for declared in (PCM_24K, TELEPHONY):
        assert is_the_tone(converted(declared, audio), ms=300)


@pytest.mark.scenario("F25")
@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_F000])
def test_wav_of_unknown_length_goes_on_to_the_end(size: int) -> None:
    audio = made.wav(tone(24_000), 24_000, size=size)
    assert is_the_tone(converted(PCM_24K, audio), ms=300)


@pytest.mark.scenario("F25")
def test_no_byte_of_a_wav_header_or_trailer_becomes_sound() -> None:
    silence = np.zeros(2400, np.int16)
    audio = made.riff(
        made.chunk(b"LIST", b"INFO and an odd number of bytes"),
        made.form(Encoding.S16, 24_000),
        made.chunk(b"fact", b"\x60\x09\0\0"),
        made.chunk(b"data", tones.pcm(silence)),
        made.chunk(b"id3 ", b"loud" * 500),
    )
    for size in (len(audio), 1, 7, 333):
        assert converted(PCM_24K, *cut(audio, size)) == mulaw.silence(100)


@pytest.mark.scenario("F25")
@given(st.binary(max_size=500), st.lists(st.integers(0, 500), max_size=10))
def test_mulaw_is_passed_on_untouched(audio: bytes, places: list[int]) -> None:
    audio = mulaw.silence(2) + audio
    assert converted(TELEPHONY, *cut_at(audio, places)) == audio


@pytest.mark.scenario("F25")
def test_mulaw_in_wav_is_not_encoded_twice() -> None:
    speech = mulaw.encode(tones.voice(300))
    header = made.riff(made.form(Encoding.MULAW, 8000), made.chunk(b"data", b"", 0), size=0)
    assert converted(PCM_24K, header + speech) == speech


@pytest.mark.scenario("F25")
@pytest.mark.parametrize("declared", [PCM_24K, TELEPHONY])
@pytest.mark.parametrize("size", [1, 7, 333, 10_000])
@pytest.mark.parametrize(("header", "length"), MP3_HEADERS)
def test_mp3_is_known_by_two_frames_and_refused(
    declared: RawFormat, size: int, header: bytes, length: int
) -> None:
    for frames in (1, 2, 5):
        assert refused(declared, *cut(made.mp3(header, length, frames), size)) == "MP3"


@pytest.mark.scenario("F25")
@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"ID3\x04\x00\x00\x00\x00\x02\x0c", "MP3"),
        (made.mp3(b"\xff\xfd\x84\xc4", 384, 2), "MP2"),
        (made.mp3(ADTS, 320, 2), "AAC"),
        (b"OggS\x00\x02", "Ogg"),
        (b"fLaC\x00\x00\x00\x22", "FLAC"),
        (b"\x1aE\xdf\xa3\x9f", "WebM"),
        (b"\x00\x00\x00\x20ftypisom", "MP4"),
        (b"FORM\x00\x00\x10\x00AIFF", "AIFF"),
        (b".snd\x00\x00\x00\x18", "AU"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", "RIFF of the kind b'AVI '"),
        (b'{"error": {"message": "You exceeded your quota", "code": 429}}', "JSON"),
        (b'{\n        \n        "detail": "invalid_api_key", "status": "quota"}', "JSON"),
        (b'[{"loc": ["body"]}]', "JSON"),
        ('{"fehler": "für diese Stimme nicht verfügbar"}'.encode(), "JSON"),
        (b"{}", "JSON"),
        (b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>", "HTML or XML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "HTML or XML"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_is_no_playable_audio_is_refused_by_name(
    beginning: bytes, name: str, size: int
) -> None:
    for after in (b"", b" " * 1000):
        for declared in (PCM_24K, TELEPHONY):
            assert refused(declared, *cut(beginning + after, size)) == name


def test_the_refusal_says_what_to_do_and_shows_nothing_of_the_content() -> None:
    with pytest.raises(UnsupportedAudio) as caught:
        converted(PCM_24K, b'{"error": "key sk-12345 is not valid for this organisation"}')
    assert str(caught.value) == "JSON cannot be played on a telephone line"
    assert caught.value.remedy == "Ask for uncompressed audio, raw or WAV, at 8 kHz or more."
    assert caught.value.code == "unsupported_audio"


@pytest.mark.parametrize(
    "beginning",
    [
        b"\xff" * 40,  # mu-law silence
        b"\xff\xfb\x90\xc4" + b"\x01\x02" * 1000,  # a frame's header without a second one
        b"\xff\xfb\x90\xc4" + bytes(413) + b"\xff\xfb\x94\xc4" + bytes(800),  # of another rate
        b"\xff\xf1\x50\x80\x28\x1f\xfc" + bytes(900),
        b"{}" + bytes(range(128, 256)),  # not UTF-8
        b"<a" + b"\x01" * 100,  # control characters
        b"ID3\x04\x00\x00\xff\xff\xff\xff" + bytes(80),  # no tag's size
    ],
)
def test_samples_that_begin_like_something_else_are_samples(beginning: bytes) -> None:
    for size in (1, 7, 10_000):
        assert converted(TELEPHONY, *cut(beginning, size)) == beginning


def test_it_is_decided_after_a_few_bytes_and_nothing_is_held_back_then() -> None:
    stream = TelephonyStream(TELEPHONY)
    assert stream.feed(mulaw.silence(1)) == b""
    assert stream.feed(mulaw.silence(1)) == mulaw.silence(2)
    assert stream.feed(b"\x12") == b"\x12"


@given(st.binary(max_size=40))
def test_it_is_always_decided_within_the_bound(beginning: bytes) -> None:
    stream = TelephonyStream(TELEPHONY)
    audio = beginning + mulaw.silence(ENOUGH_BYTES / 8)
    try:
        assert stream.feed(audio) == audio
    except UnsupportedAudio:
        pass
    else:
        assert stream.finish() == b""


@pytest.mark.scenario("F27")
@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("rate_hz", [8000, 22_050, 24_000])
def test_chunks_do_not_matter(encoding: Encoding, rate_hz: int) -> None:
    speech = tones.voice(40, rate_hz=rate_hz)
    raw = made.raw(speech, encoding)
    in_wav = made.wav(speech, rate_hz, encoding, 2)
    for audio, declared in ((raw, RawFormat(encoding, rate_hz)), (in_wav, PCM_24K)):
        whole = converted(declared, audio)
        for sizes in ([1], [7], [333], [44, 1], [0, 5, 1000]):
            assert converted(declared, *cut(audio, *sizes)) == whole


@pytest.mark.scenario("F27")
@given(st.lists(st.integers(0, 3000), max_size=12))
def test_a_header_may_be_cut_anywhere(places: list[int]) -> None:
    audio = made.riff(
        made.chunk(b"LIST", b"x" * 77),
        made.form(Encoding.S16, 16_000, 2, extensible=True),
        made.chunk(b"data", made.raw(tones.voice(40, rate_hz=16_000), Encoding.S16, 2)),
        made.chunk(b"LIST", b"y" * 50),
    )
    whole = converted(PCM_24K, audio)
    assert len(whole) == 320
    assert converted(PCM_24K, *cut_at(audio, places)) == whole


@pytest.mark.scenario("F25")
@pytest.mark.parametrize(
    "audio",
    [
        b"",
        b"\x01",
        made.wav(np.empty(0, np.int16), 24_000),
        made.wav(np.empty(0, np.int16), 24_000, size=0xFFFF_FFFF),
        made.wav(np.empty(0, np.int16), 24_000)[:30],
        b"RIFF",
    ],
)
def test_a_header_without_samples_gives_nothing(audio: bytes) -> None:
    assert converted(PCM_24K, audio) == b""


def test_channels_are_averaged() -> None:
    left, right = tone(8000), np.zeros(2400, np.int16)
    both = np.stack([left, right], axis=1).ravel()
    line = converted(RawFormat(Encoding.S16, 8000, 2), tones.pcm(both))
    assert loudness_db(mulaw.decode(line)) == pytest.approx(-18.0, abs=0.2)


def test_floats_beyond_full_scale_are_clipped_and_what_is_no_number_is_silent() -> None:
    audio = np.array([9.0, -9.0, np.inf, -np.inf, np.nan, 0.0], np.dtype("<f4")).tobytes()
    line = converted(RawFormat(Encoding.F32, 8000), audio)
    assert mulaw.decode(line).tolist() == [32_124, -32_124, 32_124, -32_124, 0, 0]


def test_all_codes_of_alaw_have_the_values_of_the_table() -> None:
    """Of G.711 table 1a: 0x55 and 0xD5 are the values next to 0, 0x2A and 0xAA the largest."""
    line = converted(RawFormat(Encoding.ALAW, 8000), b"\xd5\x55\xd4\xc5\xf5\xaa\x2a" + b"\xd5" * 9)
    expected = np.array([8, -8, 24, 264, 528, 32_256, -32_256], np.int16)
    assert line[:7] == mulaw.encode(expected)


@pytest.mark.parametrize(
    ("audio", "found"),
    [
        (made.riff(made.chunk(b"data", b"\0" * 8)), "WAV whose samples come before their format"),
        (made.riff(made.chunk(b"fmt ", b"\x01\0" * 4)), "WAV with a format of 8 bytes"),
        (
            made.riff(made.chunk(b"fmt ", b"\x55\0\x01\0" + b"\0" * 12)),
            "WAV of format 0x0055 with 0 bits",
        ),
        (made.riff(made.form(Encoding.S16, 24_000, 0)), "WAV with 0 channels in 0 bytes"),
        (made.riff(made.form(Encoding.S16, 24_000, 33)), "WAV with 33 channels in 66 bytes"),
        (made.wav(tone(8000), 4000), "audio at 4000 Hz"),
        (made.wav(tone(8000), 0), "audio at 0 Hz"),
        (
            made.riff(*[made.chunk(b"JUNK", b"")] * 65),
            "WAV without samples in its first 64 chunks",
        ),
    ],
)
def test_a_wav_that_cannot_be_read_is_refused_by_name(audio: bytes, found: str) -> None:
    for size in (1, 7, 10_000):
        assert refused(PCM_24K, *cut(audio, size)) == found


@given(
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b"\xff\xfb", b"{", b"ID3"]),
    st.binary(max_size=300),
    st.lists(st.integers(0, 300), max_size=5),
    st.sampled_from([PCM_24K, TELEPHONY, RawFormat(Encoding.F32, 44_100, 2)]),
)
def test_any_bytes_are_converted_or_refused(
    beginning: bytes, rest: bytes, places: list[int], declared: RawFormat
) -> None:
    audio = beginning + rest

    def outcome(*chunks: bytes) -> bytes | str:
        try:
            return converted(declared, *chunks)
        except UnsupportedAudio as exc:
            return exc.found

    assert outcome(*cut_at(audio, places)) == outcome(audio)
