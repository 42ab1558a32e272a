"""The recogniser of the demonstration: what it writes down was on the line, and nothing else."""

from __future__ import annotations

import json
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from examples.demo.people import ANSWERS, BOB_SAYS, OPENING
from examples.demo.phrases import PhraseEar
from examples.demo.recogniser import recogniser
from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.carriers.mock.voice import Voice, espeak, espeak_program
from openclaw_voice_call.interfaces.speech import (
    Final,
    ListenOrder,
    Partial,
    SpeechStarted,
    TurnEnded,
)
from openclaw_voice_call.speech.deepgram.stt import DeepgramSttProtocol, DeepgramSttSettings
from openclaw_voice_call.speech.stt_protocol import Reading

END_MS = 300


def babble(text: str) -> bytes:
    """A voice without meaning: each word is vowels of its own, as long as it has letters."""
    words = [
        tones.voice(
            80 + 40 * len(word),
            pitch_hz=100 + 60 * (crc32(word.encode()) % 2),
            seed=crc32(word.encode()),
        )
        for word in text.split()
    ]
    return mulaw.silence(60).join(map(mulaw.encode, words))


SOUNDS = {text: babble(text) for text in BOB_SAYS}
PAUSE = mulaw.silence(END_MS + 40)
PROGRAM = espeak_program()
VOICES = [
    pytest.param(babble, id="babble"),
    pytest.param(
        espeak(PROGRAM or ""),
        id="espeak",
        marks=pytest.mark.skipif(PROGRAM is None, reason="espeak is not installed"),
    ),
]


def on_the_line(sound: bytes, shift: int, gain: float, noise: float, seed: int) -> bytes:
    """The sound beginning anywhere within a frame, softer, with noise (amplitude) around it."""
    samples = np.concatenate([np.zeros(800 + shift), mulaw.decode(sound) * gain, np.zeros(4000)])
    samples += np.random.default_rng(seed).normal(0, 1, samples.size) * noise
    return mulaw.encode(np.clip(samples, -32_000, 32_000).astype(np.int16))


@settings(deadline=None, max_examples=40)
@given(
    text=st.sampled_from(BOB_SAYS),
    shift=st.integers(0, 159),
    gain=st.floats(0.3, 1.0),
    noise=st.floats(0, 60),
    seed=st.integers(0, 1000),
    chunk=st.integers(1, 999),
)
def test_a_sentence_is_known_wherever_and_however_it_comes(
    text: str, shift: int, gain: float, noise: float, seed: int, chunk: int
) -> None:
    line = on_the_line(SOUNDS[text], shift, gain, noise, seed)
    ear = PhraseEar(SOUNDS, END_MS)
    heard = [each for at in range(0, len(line), chunk) for each in ear.hear(line[at : at + chunk])]
    assert heard == [SpeechStarted(), Partial(text), Final(text)]


@pytest.mark.parametrize("voice", VOICES)
def test_sentences_of_one_voice_are_told_apart(voice: Voice) -> None:
    sounds = {text: voice(text) for text in BOB_SAYS}
    for text, sound in sounds.items():
        heard = PhraseEar(sounds, END_MS).hear(on_the_line(sound, 80, 0.7, 20, 1))
        assert heard == [SpeechStarted(), Partial(text), Final(text)]
    for text in (OPENING, *(str(answer["reply"]) for answer in ANSWERS)):
        heard = PhraseEar(sounds, END_MS).hear(on_the_line(voice(text), 0, 1, 0, 1))
        assert not [each for each in heard if isinstance(each, Partial)], text
        assert heard[-1] == Final("")


def test_two_sentences_without_a_pause_are_one_turn() -> None:
    first, second, _ = BOB_SAYS
    line = SOUNDS[first] + mulaw.silence(100) + SOUNDS[second] + PAUSE
    both = f"{first} {second}"
    assert PhraseEar(SOUNDS, END_MS).hear(line) == [
        SpeechStarted(),
        Partial(first),
        Partial(both),
        Final(both),
    ]


def test_a_sentence_that_is_cut_off_is_not_guessed() -> None:
    sound = SOUNDS[BOB_SAYS[0]]
    heard = PhraseEar(SOUNDS, END_MS).hear(sound[: len(sound) * 2 // 3] + PAUSE)
    assert heard == [SpeechStarted(), Final("")]


def test_a_silent_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="without a sound"):
        PhraseEar({"Hm.": PAUSE}, END_MS)


def test_the_gateways_own_client_understands_the_service() -> None:
    order = ListenOrder(end_silence_ms=END_MS)
    with recogniser(SOUNDS) as url:
        protocol = DeepgramSttProtocol(DeepgramSttSettings(base_url=url), order)
        with connect(protocol.url) as socket:
            for text in BOB_SAYS[:2]:
                line = SOUNDS[text] + PAUSE
                for at in range(0, len(line), 320):
                    socket.send(protocol.audio(line[at : at + 320]))
                heard: list[Reading] = []
                while TurnEnded() not in heard:
                    heard += protocol.read(socket.recv(timeout=5))
                words = [each for each in heard if isinstance(each, Partial | Final)]
                assert words == [Partial(text), Final(text)]
            # A turn that is to end at once does.
            socket.send(SOUNDS[BOB_SAYS[2]])
            assert protocol.read(socket.recv(timeout=5)) == (SpeechStarted(),)
            assert json.loads(socket.recv(timeout=5))["is_final"] is False
            for message in protocol.finish_turn():
                socket.send(message)
            assert Final(BOB_SAYS[2]) in protocol.read(socket.recv(timeout=5))
