"""Who is heard on the line: the caller, not our echo, not noise. With sounds, not with flags."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.media.speech_gate import Ear, SpeechGate
from openclaw_voice_call.media.turn_taker import TurnTaker
from openclaw_voice_call.media.turns import BargeIn, TurnSettings
from tests.voice_call.media import line_sounds as sounds
from tests.voice_call.media.line_sounds import Wave

PROMPT = (
    "I can help you with your balance, a transfer, or a new card. Please tell me what you would "
    "like to do today, and say stop if you want me to stop."
)
SILENCE = mulaw.SILENCE * 160
needs_espeak = pytest.mark.skipif(not sounds.HAS_ESPEAK, reason="espeak-ng is not installed")


@pytest.fixture(params=[pytest.param("espeak", marks=needs_espeak), "synthetic"])
def prompt(request: pytest.FixtureRequest) -> Wave:
    """Our own voice, about 8 s, as loud as voices of vendors are."""
    if request.param == "espeak":
        return sounds.spoken(PROMPT, -18)
    return sounds.voice(8000, -18)


class Call:
    """A line on which we play `ours` while `heard` comes in."""

    def __init__(self, ours: Wave, heard: Wave) -> None:
        ear, taker = Ear(), TurnTaker(TurnSettings())
        playing = [mulaw.level_dbfs(frame) for frame in sounds.frames(ours)]
        taker.speaking(0.0, 1)
        self.speech: list[bool] = []
        self.onward: list[bytes] = []
        self.cut_ms: int | None = None
        for n, frame in enumerate(sounds.frames(heard)):
            speech, onward = ear.hear(frame, playing[n] if n < len(playing) else None)
            if BargeIn() in taker.frame((n + 1) / 50, speech):
                self.cut_ms = 20 * (n + 1)
            self.speech.append(speech)
            self.onward.append(onward)

    def longest_run_ms(self) -> int:
        runs = (len(list(run)) for speech, run in itertools.groupby(self.speech) if speech)
        return 20 * max(runs, default=0)

    def first_ms(self) -> int:
        """When speech was heard first."""
        return 20 * (self.speech.index(True) + 1)


@pytest.mark.scenario("F39")
@pytest.mark.parametrize("delay_ms", [0, 50, 110, 200, 300])
@pytest.mark.parametrize("loss_db", [30, 20, 15])
def test_our_own_voice_is_no_speech(prompt: Wave, loss_db: float, delay_ms: float):
    echo = sounds.returned(prompt, loss_db, delay_ms)
    call = Call(prompt, sounds.together(echo, sounds.noise(9000, -60)))
    assert call.longest_run_ms() < 100
    assert call.cut_ms is None
    assert b"".join(call.onward[: len(prompt) // 160]).strip(mulaw.SILENCE) == b""


@pytest.mark.scenario("F39", "F41")
@pytest.mark.parametrize("level_dbfs", [-20, -15, -10])
@pytest.mark.parametrize(
    "caller",
    [
        "synthetic",
        pytest.param("Wait a moment please, I have another question.", marks=needs_espeak),
        pytest.param("Hold on, that is not the one I mean.", marks=needs_espeak),
    ],
)
def test_real_speech_over_our_voice_interrupts_us(prompt: Wave, caller: str, level_dbfs: float):
    words = (
        sounds.voice(2000, level_dbfs, seed=3)
        if caller == "synthetic"
        else sounds.spoken(caller, level_dbfs, "en-gb")
    )
    for began_ms in (2000, 3330, 4810):
        heard = sounds.together(
            sounds.returned(prompt, 20, 120),
            sounds.at(began_ms, words),
            sounds.noise(9000, -60),
        )
        call = Call(prompt, heard)
        assert call.first_ms() - began_ms <= 200
        assert call.cut_ms is not None
        assert 180 <= call.cut_ms - began_ms <= 300


@pytest.mark.scenario("F39")
@pytest.mark.parametrize("ms", [80, 120, 145])
def test_coughs_over_our_voice_do_not_interrupt_us(prompt: Wave, ms: float):
    coughs = [sounds.at(800 * n + 7 * n, sounds.cough(ms, -10, seed=n)) for n in range(1, 9)]
    heard = sounds.together(*coughs, sounds.returned(prompt, 20, 120), sounds.noise(8000, -55))
    assert Call(prompt, heard).cut_ms is None


@pytest.mark.parametrize("loss_db", [10, 8])
def test_a_louder_echo_is_learned_and_speech_over_it_is_still_heard(prompt: Wave, loss_db: float):
    echo = sounds.returned(prompt, loss_db, 160)
    learned = Call(prompt, echo).speech[150:]
    assert sum(learned) < len(learned) / 20
    words = sounds.voice(2000, -10, seed=5)
    call = Call(prompt, sounds.together(echo, sounds.at(5000, words)))
    assert sum(call.speech[250:350]) > 25


def test_an_echo_that_comes_up_in_the_middle_of_a_call_is_learned(prompt: Wave):
    """For example because the caller has laid the telephone down and switched its speaker on."""
    ours = np.concatenate((prompt, prompt))
    heard = sounds.together(
        sounds.noise(ours.size / 8, -60),
        np.concatenate((np.zeros(prompt.size), sounds.returned(prompt, 15, 160))),
    )
    speech = Call(ours, heard).speech
    second = prompt.size // 160
    assert not any(speech[:second])
    assert sum(speech[second + 200 :]) < 10


def test_a_quiet_caller_is_heard_over_our_voice_where_nothing_returns(prompt: Wave):
    words = sounds.at(5000, sounds.voice(2000, -28, seed=4))
    call = Call(prompt, sounds.together(words, sounds.noise(8000, -60)))
    assert call.cut_ms is not None
    assert 5000 < call.cut_ms <= 5500


@pytest.mark.parametrize("low", [False, True])
def test_quiet_noise_is_no_speech(low: bool):
    gate = SpeechGate()
    wave = sounds.noise(10_000, -45, low=low)
    assert not any(gate.frame(frame, None) for frame in sounds.frames(wave))


@pytest.mark.parametrize("low", [False, True])
def test_loud_noise_is_no_speech_once_it_is_known_and_a_voice_is_heard_above_it(low: bool):
    gate = SpeechGate()
    wave = sounds.noise(10_000, -33, low=low)
    heard = [gate.frame(frame, None) for frame in sounds.frames(wave)]
    assert sum(heard[50:]) < 10
    over = sounds.together(wave[:16_000], sounds.voice(2000, -18))
    assert sum(gate.frame(frame, None) for frame in sounds.frames(over)) > 40


def test_what_returns_of_us_is_not_taken_for_the_noise_of_the_line():
    ours = tones.sine(440, 5000, level_dbfs=-10) / 32_768
    words = sounds.at(5600, sounds.voice(1000, -28))
    heard = sounds.together(sounds.returned(ours, 16, 100), words)
    assert sum(Call(ours, heard).speech[280:330]) > 25


@needs_espeak
def test_two_who_speak_at_once_are_not_taken_for_an_echo():
    ours = sounds.spoken(PROMPT + PROMPT, -18)
    theirs = sounds.spoken(PROMPT[60:] + PROMPT, -15, "en-gb+f3")
    speech = Call(ours, theirs).speech
    assert sum(speech) > len(theirs) / 160 / 2


@pytest.mark.parametrize("level_dbfs", [-32, -20, -10])
def test_a_voice_is_speech_from_its_beginning(level_dbfs: float):
    gate = SpeechGate()
    wave = sounds.at(1000, sounds.voice(3000, level_dbfs))
    heard = [gate.frame(frame, None) for frame in sounds.frames(wave)]
    assert not any(heard[:50])
    assert any(heard[50:54])
    assert sum(heard) > 90


def test_a_higher_threshold_takes_less_for_speech():
    wave = sounds.together(sounds.voice(5000, -36), sounds.noise(5000, -44))
    taken = [
        sum(gate.frame(frame, None) for frame in sounds.frames(wave))
        for gate in (SpeechGate(0.0), SpeechGate(0.5), SpeechGate(1.0))
    ]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] > taken[-1]


def test_while_we_are_silent_the_recogniser_hears_everything():
    ear = Ear()
    wave = sounds.together(sounds.voice(2000, -50), sounds.noise(3000, -60))
    for frame in sounds.frames(wave):
        assert ear.hear(frame, None)[1] == frame


def test_no_first_syllable_is_lost_to_the_recogniser(prompt: Wave):
    words = sounds.voice(1500, -12, seed=2)
    heard = sounds.together(sounds.returned(prompt, 20, 100), sounds.at(3000, words))
    call = Call(prompt, heard)
    sent = b"".join(call.onward)
    spoken = b"".join(list(sounds.frames(heard))[150 - 4 : 225])
    assert spoken in sent
    before = sent[: sent.index(spoken)]
    # The pre-roll reaches 300 ms back from where speech was certain; before it, nothing.
    assert before[:-2400].strip(mulaw.SILENCE) == b""
    assert all(len(onward) >= 160 for onward in call.onward)


def test_the_recogniser_hears_silence_again_when_the_caller_has_finished(prompt: Wave):
    words = sounds.voice(1000, -12, seed=2)
    heard = sounds.together(sounds.returned(prompt, 20, 100), sounds.at(2000, words))
    onward = Call(prompt, heard).onward
    assert onward[160:200] != [SILENCE] * 40
    assert onward[190:250] == [SILENCE] * 60


def test_the_echo_that_is_still_on_its_way_when_we_fall_silent_is_kept_back(prompt: Wave):
    ours = prompt[: 8000 * 2]
    heard = sounds.together(sounds.returned(ours, 20, 300), sounds.noise(4000, -60))
    call = Call(ours, heard)
    assert call.onward[100:120] == [SILENCE] * 20
    assert SILENCE not in call.onward[130:]
    assert {len(onward) for onward in call.onward} == {160}


def test_words_that_began_when_we_had_just_fallen_silent_reach_the_recogniser_whole():
    ours = sounds.voice(2000, -18)
    heard = sounds.together(sounds.noise(4000, -60), sounds.at(2440, sounds.voice(1000, -15)))
    sent = b"".join(Call(ours, heard).onward)
    assert b"".join(list(sounds.frames(heard))[120:170]) in sent


_frame = st.one_of(
    st.binary(min_size=160, max_size=160),
    st.sampled_from([SILENCE, *itertools.islice(sounds.frames(sounds.voice(400, -12)), 20)]),
)
_level = st.none() | st.floats(-100, 0)


@settings(deadline=None)
@given(st.lists(st.tuples(_frame, _level, st.integers(1, 30)), max_size=20))
def test_the_recogniser_gets_each_frame_once_or_silence_for_it(
    stretches: list[tuple[bytes, float | None, int]],
):
    ear = Ear()
    for frame, level, count in stretches:
        for _ in range(count):
            speech, onward = ear.hear(frame, level)
            assert speech in (True, False)
            if len(onward) > 160:
                assert onward.endswith(frame)
                assert len(onward) % 160 == 0
                assert len(onward) <= 160 * 16
            else:
                assert onward in (frame, SILENCE)


@pytest.mark.parametrize("size", [0, 159, 161, 320])
def test_only_whole_frames_are_taken(size: int):
    with pytest.raises(ValueError, match=f"160 bytes, not {size}"):
        SpeechGate().frame(b"\xff" * size, None)
