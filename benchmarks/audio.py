"""Vendors' audio on its way to the line: what is lost, what is added, and what it costs.

Three ways down to 8000 Hz, in the same run: ours; samples drawn from straight lines between the
given ones, which at 24 kHz is every third sample; and the ideal, a spectrum of the whole sound
that is cut off at 4 kHz, which a stream cannot have because it needs the end first.

Started as `python -m benchmarks.audio`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.grid import grid, machine
from openclaw_voice_call.audio import mulaw, tones
from openclaw_voice_call.audio.decimator import Decimator
from openclaw_voice_call.audio.formats import Encoding, RawFormat, TelephonyStream

Samples: TypeAlias = NDArray[np.int16]

LINE_HZ: Final = mulaw.SAMPLE_RATE_HZ
SOURCE_HZ: Final = 24_000
STOPPED_HZ: Final = (4600, 5000, 6000, 7000, 8500, 9000, 10_000, 11_000)
PASSED_HZ: Final = 1020
BESIDE_HZ: Final = 6011
RATES_HZ: Final = (24_000, 22_050, 16_000, 44_100, 48_000)
LEVEL_DBFS: Final = -10.0
CHUNK_BYTES: Final = 4096
"""About what a vendor's HTTP answer comes in."""


class Alias(msgspec.Struct, frozen=True):
    """A tone above the line's band, and how loud it is afterwards, in dB against itself."""

    tone_hz: int
    ours_db: float
    lines_db: float
    ideal_db: float


class Quality(msgspec.Struct, frozen=True):
    """In dB."""

    name: str
    ripple_db: float
    """The largest change of a tone between 300 and 3400 Hz."""
    sinad_db: float
    """Of 1,020 Hz beside 6,011 Hz as loud, in 16-bit samples."""
    line_sinad_db: float
    """The same on the line, in mu-law."""


class Cost(msgspec.Struct, frozen=True):
    """CPU, in ms for a second of audio; medians."""

    rate_hz: int
    delay_ms: float
    ours_ms: float
    lines_ms: float
    ideal_ms: float

    @property
    def ratio(self) -> float:
        """To straight lines, the cheapest that plays at all."""
        return self.ours_ms / self.lines_ms


class FrameCost(msgspec.Struct, frozen=True):
    """CPU, in us for a frame of 20 ms; the median."""

    name: str
    us: float


class Results(msgspec.Struct, frozen=True):
    aliases: list[Alias]
    qualities: list[Quality]
    costs: list[Cost]
    frames: list[FrameCost]


def by_filter(sound: Samples, rate_hz: int) -> Samples:
    decimator = Decimator(rate_hz)
    pcm = tones.pcm(sound)
    chunks = (pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES))
    return np.concatenate([*map(decimator.feed, chunks), decimator.flush()])


def by_lines(sound: Samples, rate_hz: int) -> Samples:
    wanted = np.arange(sound.size * LINE_HZ // rate_hz) * (rate_hz / LINE_HZ)
    return np.rint(np.interp(wanted, np.arange(sound.size), sound)).astype(np.int16)


def by_spectrum(sound: Samples, rate_hz: int) -> Samples:
    count = sound.size * LINE_HZ // rate_hz
    spectrum = np.fft.rfft(sound)[: count // 2 + 1] * (count / sound.size)
    spectrum[-1] = 0
    return np.clip(np.rint(np.fft.irfft(spectrum, count)), -32_768, 32_767).astype(np.int16)


WAYS: Final = {"ours": by_filter, "straight lines": by_lines, "ideal": by_spectrum}


def measure(*, quick: bool) -> Results:
    return Results(
        [_alias(tone_hz) for tone_hz in STOPPED_HZ],
        [_quality(name, way) for name, way in WAYS.items()],
        [_cost(rate_hz, seconds=5, rounds=3 if quick else 15) for rate_hz in RATES_HZ],
        _frames(rounds=5 if quick else 25),
    )


def _alias(tone_hz: int) -> Alias:
    tone = _dithered(tone_hz)
    levels = {
        name: _strength(_inner(way(tone, SOURCE_HZ)), _heard_at(tone_hz)) - LEVEL_DBFS
        for name, way in WAYS.items()
    }
    return Alias(tone_hz, levels["ours"], levels["straight lines"], levels["ideal"])


def _heard_at(tone_hz: int) -> int:
    return abs((tone_hz + LINE_HZ // 2) % LINE_HZ - LINE_HZ // 2)


def _quality(name: str, way: Callable[[Samples, int], Samples]) -> Quality:
    changes = [
        abs(_strength(_inner(way(_dithered(tone_hz), SOURCE_HZ)), tone_hz) - LEVEL_DBFS)
        for tone_hz in range(300, 3401, 100)
    ]
    lowered = way(_dithered(PASSED_HZ, BESIDE_HZ), SOURCE_HZ)
    on_line = mulaw.decode(mulaw.encode(lowered))
    return Quality(name, max(changes), _sinad(_inner(lowered)), _sinad(_inner(on_line)))


def _dithered(*tones_hz: int) -> Samples:
    """A second of sines, each at LEVEL_DBFS, with the noise of one step that keeps rounding from
    hiding, or making, tones that are quieter than a step."""
    times = np.arange(SOURCE_HZ) / SOURCE_HZ
    loudness = 32_768 * np.sqrt(2) * 10 ** (LEVEL_DBFS / 20)
    wave = loudness * np.sin(2 * np.pi * np.outer(tones_hz, times)).sum(axis=0)
    noise = np.random.default_rng(1).triangular(-1, 0, 1, SOURCE_HZ)
    return np.rint(wave + noise).astype(np.int16)


def _cost(rate_hz: int, *, seconds: int, rounds: int) -> Cost:
    speech = tones.voice(seconds * 1000, rate_hz=rate_hz)
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            began = time.process_time_ns()
            way(speech, rate_hz)
            taken[name].append((time.process_time_ns() - began) / 1e6 / seconds)
    ours, lines, ideal = (median(taken[name]) for name in WAYS)
    return Cost(rate_hz, Decimator(rate_hz).lookahead_ms, ours, lines, ideal)


def _frames(*, rounds: int) -> list[FrameCost]:
    """One frame at a time, as on a call."""
    samples = tones.voice(20)
    frame = mulaw.encode(samples)
    as_is = TelephonyStream(RawFormat(Encoding.MULAW, LINE_HZ))
    from_24k = TelephonyStream(RawFormat(Encoding.S16, SOURCE_HZ))
    pcm_24k = tones.pcm(tones.voice(20, rate_hz=SOURCE_HZ))
    work: dict[str, Callable[[], object]] = {
        "mu-law of 160 samples": lambda: mulaw.encode(samples),
        "samples of mu-law": lambda: mulaw.decode(frame),
        "level": lambda: mulaw.level_dbfs(frame),
        "gain": lambda: mulaw.amplify(frame, -6.0),
        "a voice's mu-law, passed on": lambda: as_is.feed(frame),
        "a voice's 24 kHz, to the line": lambda: from_24k.feed(pcm_24k),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            began = time.process_time_ns()
            for _ in range(1000):
                do()
            taken[name].append((time.process_time_ns() - began) / 1e6)
    return [FrameCost(name, median(each)) for name, each in taken.items()]


def _inner(samples: Samples) -> Samples:
    """Without the ends, where a tone begins and stops."""
    return samples[400:-400]


def _strength(samples: Samples, hz: int) -> float:
    """The level in dB of what is a sine of `hz`."""
    turns = np.exp(-2j * np.pi * hz * np.arange(samples.size) / LINE_HZ)
    window = np.hanning(samples.size)
    seen = abs(np.sum(samples * window * turns)) / np.sum(window)
    return 20 * float(np.log10(seen * np.sqrt(2) / 32_768))


def _sinad(samples: Samples) -> float:
    """All of it against what is no sine of PASSED_HZ."""
    angles = 2 * np.pi * PASSED_HZ * np.arange(samples.size) / LINE_HZ
    shape = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    found = samples.astype(np.float64)
    fitted, *_ = np.linalg.lstsq(shape, found, rcond=None)
    rest = found - shape @ fitted
    return 10 * float(np.log10(np.sum(found**2) / np.sum(rest**2)))


ALIAS_HEAD: Final = ("tone at 24 kHz", "heard at", "ours dB", "straight lines dB", "ideal dB")
QUALITY_HEAD: Final = (
    "24 kHz to 8 kHz",
    "ripple 300-3400 Hz dB",
    "SINAD dB",
    "SINAD in mu-law dB",
)
COST_HEAD: Final = (
    "CPU ms per s of audio",
    "delay ms",
    "ours",
    "straight lines",
    "ideal",
    "ratio",
)
FRAME_HEAD: Final = ("one frame of 20 ms", "CPU us")


def alias_rows(aliases: Sequence[Alias]) -> list[Sequence[str]]:
    return [
        (
            f"{each.tone_hz:,} Hz",
            f"{_heard_at(each.tone_hz):,} Hz",
            f"{round(each.ours_db)}",
            f"{round(each.lines_db)}",
            f"{round(each.ideal_db)}",
        )
        for each in aliases
    ]


def quality_rows(qualities: Sequence[Quality]) -> list[Sequence[str]]:
    return [
        (each.name, f"{each.ripple_db:.3f}", f"{each.sinad_db:.1f}", f"{each.line_sinad_db:.1f}")
        for each in qualities
    ]


def cost_rows(costs: Sequence[Cost]) -> list[Sequence[str]]:
    return [
        (
            f"{each.rate_hz:,} Hz",
            f"{each.delay_ms:.1f}",
            f"{each.ours_ms:.2f}",
            f"{each.lines_ms:.2f}",
            f"{each.ideal_ms:.2f}",
            f"{each.ratio:.1f}",
        )
        for each in costs
    ]


def frame_rows(frames: Sequence[FrameCost]) -> list[Sequence[str]]:
    return [(each.name, f"{each.us:.1f}") for each in frames]


def tables(results: Results) -> list[str]:
    """All results in Markdown."""
    return [
        *grid(ALIAS_HEAD, alias_rows(results.aliases)),
        *grid(QUALITY_HEAD, quality_rows(results.qualities)),
        *grid(COST_HEAD, cost_rows(results.costs)),
        *grid(FRAME_HEAD, frame_rows(results.frames)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audio", description=__doc__)
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
