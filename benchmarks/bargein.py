"""How soon speech interrupts us, and what else does.

We play a voice; it comes back as an echo; a caller speaks, coughs, or is silent in a noisy place.
Three ways to decide are given the same frames in the same run: ours; a detector of voices that must
hear as much speech as ours does; and the same detector, whose first such frame interrupts.

Speech is made by espeak-ng where it is installed, which the table says; else it is vowels. Real
people were not recorded. Started as `python -m benchmarks.bargein`.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
import webrtcvad

from benchmarks.grid import grid, machine
from benchmarks.traffic import percentile
from openclaw_voice_call.audio import mulaw
from openclaw_voice_call.media.speech_gate import Ear
from openclaw_voice_call.media.turn_taker import TurnTaker
from openclaw_voice_call.media.turns import BargeIn, TurnSettings
from tests.voice_call.media import line_sounds as sounds
from tests.voice_call.media.line_sounds import Wave

FRAME_MS: Final = 20
OUR_LEVEL_DBFS: Final = -18
NOISE_DBFS: Final = -60
ECHO_DELAY_MS: Final = 120
LEVELS_DBFS: Final = (-20, -12)
LINES: Final = ("echo at -20 dB", "no echo")
AFTER_A_CUT_FRAMES: Final = 50
"""We begin to speak again 1 s after an interruption."""
OUR_TEXTS: Final = (
    "I can help you with your balance, a transfer, or a new card. What would you like to do?",
    "The next train to the airport leaves at ten past four. It takes about forty minutes.",
    "Your order was sent on Tuesday. It will arrive tomorrow before noon; do not wait for it.",
)
THEIR_TEXTS: Final = (
    "Wait a moment please, I have another question.",
    "No, that is not what I meant.",
    "Hold on, I did not get that.",
    "Excuse me, can you say that again?",
    "Yes, I know that already.",
    "What about the other account?",
    "Stop, stop, I need to talk to a person.",
    "Sorry, could you speak a little louder?",
)
VOICES: Final = ("en-us", "en-gb", "en-us+f3", "en-gb+f4")


class Listener(Protocol):
    """Decides for one call when we are interrupted."""

    def speaking(self) -> None:
        """We begin to speak, again."""
        ...

    def hear(self, frame: bytes, playing_dbfs: float) -> bool:
        """Whether the next 20 ms interrupt us."""
        ...


class Ours:
    def __init__(self) -> None:
        self._ear, self._taker = Ear(), TurnTaker(TurnSettings())
        self._frames = 0

    def speaking(self) -> None:
        self._taker.speaking(self._frames / 50, self._frames)

    def hear(self, frame: bytes, playing_dbfs: float) -> bool:
        self._frames += 1
        speech, _ = self._ear.hear(frame, playing_dbfs)
        actions = self._taker.frame(self._frames / 50, speech)
        return any(isinstance(action, BargeIn) for action in actions)


class VoiceDetector:
    """Interrupts when so many of the last 500 ms are a voice, whosever it is."""

    def __init__(self, need_ms: int) -> None:
        self._vad = webrtcvad.Vad(2)
        self._need = need_ms // FRAME_MS
        self._history = 0

    def speaking(self) -> None:
        self._history = 0

    def hear(self, frame: bytes, playing_dbfs: float) -> bool:
        del playing_dbfs
        voice = self._vad.is_speech(mulaw.decode(frame).tobytes(), mulaw.SAMPLE_RATE_HZ)
        self._history = (self._history << 1 | voice) & ((1 << 500 // FRAME_MS) - 1)
        return self._history.bit_count() >= self._need


WAYS: Final[dict[str, Callable[[], Listener]]] = {
    "ours": Ours,
    "voice, 200 ms": lambda: VoiceDetector(200),
    "voice, any frame": lambda: VoiceDetector(FRAME_MS),
}


class Delay(msgspec.Struct, frozen=True):
    """From the beginning of the caller's first sound to the interruption."""

    line: str
    way: str
    level_dbfs: int
    calls: int
    too_early: float
    """The share of calls in which our echo interrupted us before the caller had begun."""
    missed: float
    """The share of the others in which the caller did not interrupt within 2 s."""
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None


class FalseAlarms(msgspec.Struct, frozen=True):
    """Interruptions per hour of our speech by nobody who speaks."""

    disturbance: str
    per_hour: dict[str, float]


class Cost(msgspec.Struct, frozen=True):
    way: str
    us_per_frame: float


class Results(msgspec.Struct, frozen=True):
    speech: str
    delays: list[Delay]
    false_alarms: list[FalseAlarms]
    costs: list[Cost]


def measure(*, quick: bool) -> Results:
    texts, voices = (THEIR_TEXTS[:3], VOICES[:2]) if quick else (THEIR_TEXTS, VOICES)
    minutes = 1 if quick else 10
    return Results(
        "espeak-ng" if sounds.HAS_ESPEAK else "vowels",
        [
            _delay(line, way, level_dbfs, texts, voices)
            for level_dbfs in LEVELS_DBFS
            for line in LINES
            for way in WAYS
        ],
        [_false_alarms(name, make, minutes) for name, make in DISTURBANCES.items()],
        [_cost(way) for way in WAYS],
    )


def _our_voice(minutes: float = 0.25) -> Wave:
    """As long as that, or the next sentence's end."""
    if not sounds.HAS_ESPEAK:
        return sounds.voice(60_000 * minutes, OUR_LEVEL_DBFS)
    sentences = [sounds.spoken(text, OUR_LEVEL_DBFS) for text in OUR_TEXTS]
    pieces: list[Wave] = []
    wanted = 8000 * 60 * minutes
    for sentence in itertools.cycle(sentences):
        if sum(piece.size for piece in pieces) >= wanted:
            break
        pieces.append(sentence)
    return np.concatenate(pieces)


def _their_voice(text: str, voice: str, level_dbfs: float) -> Wave:
    if sounds.HAS_ESPEAK:
        return sounds.spoken(text, level_dbfs, voice)
    return sounds.voice(2500, level_dbfs, seed=hash((text, voice)) % 1000)


def _delay(
    line: str, way: str, level_dbfs: int, texts: Sequence[str], voices: Sequence[str]
) -> Delay:
    ours = _our_voice()
    loss_db = 20 if line == LINES[0] else 100
    echo = sounds.returned(ours, loss_db, ECHO_DELAY_MS)
    delays_ms: list[float] = []
    calls = early = missed = 0
    for n, (text, voice) in enumerate(itertools.product(texts, voices)):
        began_ms = 4000 + 237 * (n % 37)
        words = sounds.at(began_ms, _their_voice(text, voice, level_dbfs))
        noise = sounds.noise(ours.size / 8, NOISE_DBFS, seed=n)
        cut_ms = next(iter(_cuts(WAYS[way](), ours, sounds.together(echo, words, noise))), None)
        calls += 1
        if cut_ms is None or cut_ms > began_ms + 2000:
            missed += 1
        elif cut_ms <= began_ms:
            early += 1
        else:
            delays_ms.append(cut_ms - began_ms)
    return Delay(
        line,
        way,
        level_dbfs,
        calls,
        early / calls,
        missed / (calls - early) if calls > early else 0.0,
        *(percentile(delays_ms, share) if delays_ms else None for share in (0.5, 0.95, 1.0)),
    )


def _cuts(listener: Listener, ours: Wave, heard: Wave) -> Iterable[float]:
    """When we are interrupted, in ms; each time we begin again 1 s later."""
    pause = 0
    listener.speaking()
    for n, (playing, frame) in enumerate(
        zip(sounds.frames(ours), sounds.frames(heard), strict=False)
    ):
        cut = listener.hear(frame, mulaw.level_dbfs(playing))
        if pause:
            pause -= 1
            if not pause:
                listener.speaking()
        elif cut:
            pause = AFTER_A_CUT_FRAMES
            yield FRAME_MS * (n + 1)


def _silence(ours: Wave) -> Wave:
    return sounds.noise(ours.size / 8, NOISE_DBFS)


def _car(ours: Wave) -> Wave:
    return sounds.noise(ours.size / 8, -38, low=True)


def _echo(loss_db: float, delay_ms: float) -> Callable[[Wave], Wave]:
    return lambda ours: sounds.together(_silence(ours), sounds.returned(ours, loss_db, delay_ms))


def _coughs(ours: Wave) -> Wave:
    heard = _echo(20, ECHO_DELAY_MS)(ours)
    for n in range(1, int(ours.size / 8 / 4000)):
        cough, begin = sounds.cough(145, -12, seed=n), 32_000 * n + 53 * n
        heard[begin : begin + cough.size] += cough[: max(0, heard.size - begin)]
    return heard


DISTURBANCES: Final[dict[str, Callable[[Wave], Wave]]] = {
    "line noise at -60 dBFS": _silence,
    "car noise at -38 dBFS": _car,
    "echo at -20 dB after 120 ms": _echo(20, 120),
    "echo at -20 dB after 300 ms": _echo(20, 300),
    "echo at -15 dB after 120 ms": _echo(15, 120),
    "echo at -10 dB after 120 ms": _echo(10, 120),
    "coughs of 145 ms each 4 s, echo at -20 dB": _coughs,
}


def _false_alarms(name: str, disturb: Callable[[Wave], Wave], minutes: float) -> FalseAlarms:
    ours = _our_voice(minutes)
    heard = disturb(ours)
    hours = ours.size / 8000 / 3600
    return FalseAlarms(
        name,
        {way: sum(1 for _ in _cuts(make(), ours, heard)) / hours for way, make in WAYS.items()},
    )


def _cost(way: str) -> Cost:
    ours = _our_voice()
    frames = list(sounds.frames(sounds.together(_silence(ours), ours * 0.1)))
    best_us = float("inf")
    for _ in range(15):
        listener = WAYS[way]()
        listener.speaking()
        began = time.perf_counter()
        for frame in frames:
            listener.hear(frame, -20.0)
        best_us = min(best_us, 1e6 * (time.perf_counter() - began) / len(frames))
    return Cost(way, best_us)


def tables(results: Results) -> list[str]:
    """All results in Markdown."""
    return [
        *grid(
            (f"caller over our voice ({results.speech})", "too early", "missed", *QUANTILES),
            [
                (
                    f"{each.level_dbfs} dBFS, {each.line}: {each.way}",
                    f"{each.too_early:.0%}",
                    f"{each.missed:.0%}",
                    *map(_ms, (each.p50_ms, each.p95_ms, each.max_ms)),
                )
                for each in results.delays
            ],
        ),
        *grid(
            ("interruptions per hour by", *WAYS),
            [
                (each.disturbance, *(f"{each.per_hour[way]:,.0f}" for way in WAYS))
                for each in results.false_alarms
            ],
        ),
        *grid(
            ("CPU us per frame of 20 ms, while we play", "best of 15"),
            [(each.way, f"{each.us_per_frame:.1f}") for each in results.costs],
        ),
    ]


QUANTILES: Final = ("p50 ms", "p95 ms", "max ms")


def _ms(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bargein", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; less exact")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    results = measure(quick=options.quick)
    if options.json:
        print(msgspec.json.encode(results).decode())
    else:
        print("\n".join((machine(), "", *tables(results))))


if __name__ == "__main__":
    main()
