"""What a call was, from its journal and its recording: the table and the picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from examples.demo.picture import Answer, CallPicture, Interruption, Stage, Words
from openclaw_voice_call.audio import mulaw, wav
from openclaw_voice_call.audio.wav import WavReader
from openclaw_voice_call.call.facts import (
    Fact,
    Interrupted,
    Said,
    Saying,
    StoredFact,
    StreamUp,
    TurnHeard,
    TurnMeasured,
)
from openclaw_voice_call.call.types import TurnTimes

LOUD_DBFS: Final = -45.0
PAUSE_S: Final = 0.5
"""Shorter silences are within what somebody says."""
SHORTEST_ANSWER_S: Final = 0.3
"""Sooner after an interruption nothing is answered."""
FRAME_S: Final = 0.02
_FRAME: Final = mulaw.SAMPLE_RATE_HZ // 50
_COLUMN: Final = 16


def stages(times: TurnTimes) -> Sequence[Stage]:
    """The steps of an answer, the last one being when it began to be heard."""
    return (
        Stage("words final", times.final_ms),
        Stage("first token", times.first_token_ms),
        Stage("first sentence", times.first_sentence_ms),
        Stage("first audio", times.first_audio_ms),
        Stage("first frame", times.first_frame_ms),
    )


def table(facts: Sequence[StoredFact]) -> Iterator[str]:
    """The stages of each answer, in ms."""
    measured = [stored.fact for stored in facts if isinstance(stored.fact, TurnMeasured)]
    if not measured:
        return
    names = [stage.name for stage in stages(TurnTimes())]
    yield "turn" + "".join(f"{name:>{_COLUMN}}" for name in names)
    for number, fact in enumerate(measured, 1):
        cells = ("-" if stage.ms is None else str(stage.ms) for stage in stages(fact.times))
        yield f"{number:>4}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)


@dataclass(frozen=True, slots=True)
class Legs:
    """A recording: the loudness of each 20 ms of both parties, in dBFS."""

    caller: Sequence[float]
    agent: Sequence[float]


def legs(recording: bytes) -> Legs:
    """The two legs of a stereo WAV file. Raises UnsupportedAudio."""
    left, right = wav.separate(WavReader().feed(recording))
    return Legs(_loudness(left), _loudness(right))


def picture(
    facts: Sequence[StoredFact],
    recorded: Legs,
    *,
    title: str,
    subtitle: str,
    note: str,
    caller: str,
) -> CallPicture:
    """The call as it is to be drawn. The recording begins when the media stream opens."""
    zero = next((stored.at for stored in facts if isinstance(stored.fact, StreamUp)), facts[0].at)
    timed = [(stored.at - zero, stored.fact) for stored in facts]
    spoken = _stretches(recorded.caller)
    turns = [(at, fact) for at, fact in timed if isinstance(fact, TurnHeard)]
    heard = [(_said_before(at, spoken), fact) for at, fact in turns]
    words = [Words(False, begin, end, fact.text) for (begin, end), fact in heard]
    words += _our_words(timed, [at for at, _ in turns], recorded.agent)
    ended = {fact.turn: (end, fact.text) for (_, end), fact in heard}
    answers = [
        Answer(ended[fact.turn][1], ended[fact.turn][0], stages(fact.times))
        for _, fact in timed
        if isinstance(fact, TurnMeasured) and fact.turn in ended
    ]
    cuts = [_cut(at, spoken, recorded.agent) for at, fact in timed if isinstance(fact, Interrupted)]
    return CallPicture(
        title=title,
        subtitle=subtitle,
        caller_name=caller,
        agent_name="agent",
        caller_dbfs=recorded.caller,
        agent_dbfs=recorded.agent,
        words=sorted(words, key=lambda each: each.begin_s),
        answers=answers,
        interruptions=cuts,
        note=note,
    )


def _our_words(
    timed: Sequence[tuple[float, Fact]], turns: Sequence[float], ours: Sequence[float]
) -> list[Words]:
    """What we said, joined as long as the other party did not answer."""
    saying: dict[int, tuple[float, str]] = {}
    said: list[Words] = []
    for at, fact in timed:
        if isinstance(fact, Saying):
            saying[fact.utterance] = at, fact.text
        if not isinstance(fact, Said | Interrupted) or fact.utterance not in saying:
            continue
        begin, whole = saying[fact.utterance]
        text = fact.text if isinstance(fact, Said) else fact.heard
        unheard = whole[len(text) :] if whole.startswith(text) else ""
        last = said[-1] if said else None
        if last is not None and not any(last.begin_s < turn <= begin for turn in turns):
            said[-1] = Words(True, last.begin_s, at, f"{last.text} {text}", unheard)
        else:
            said.append(Words(True, _onset(begin, at, ours), at, text, unheard))
    return said


def _onset(begin: float, end: float, loudness: Sequence[float]) -> float:
    """When the first sound between two times is; without one, the first of them."""
    first = int(max(begin, 0) / FRAME_S)
    heard = enumerate(loudness[first : int(end / FRAME_S)], first)
    return next((place * FRAME_S for place, dbfs in heard if dbfs > LOUD_DBFS), max(begin, 0.0))


def _loudness(samples: NDArray[np.int16]) -> Sequence[float]:
    whole = samples[: samples.size - samples.size % _FRAME].reshape(-1, _FRAME)
    power = np.mean(whole.astype(np.float64) ** 2, axis=1) / 32_768**2
    return [float(each) for each in 10 * np.log10(power + 1e-10)]


def _stretches(loudness: Sequence[float]) -> Sequence[tuple[float, float]]:
    """When somebody speaks, in seconds."""
    found: list[tuple[float, float]] = []
    for place, dbfs in enumerate(loudness):
        at = place * FRAME_S
        if dbfs <= LOUD_DBFS:
            continue
        if found and at - found[-1][1] < PAUSE_S:
            found[-1] = found[-1][0], at + FRAME_S
        else:
            found.append((at, at + FRAME_S))
    return found


def _cut(
    told_at: float, theirs: Sequence[tuple[float, float]], ours: Sequence[float]
) -> Interruption:
    """An interruption as it was to be heard, up to our last sound before the next answer."""
    begins = [begin for begin, _ in theirs] or [told_at]
    begin = min(begins, key=lambda each: abs(each - told_at))
    first = int(max(told_at - SHORTEST_ANSWER_S, 0) / FRAME_S)
    end = int((told_at + SHORTEST_ANSWER_S) / FRAME_S)
    loud = [place for place in range(first, min(end, len(ours))) if ours[place] > LOUD_DBFS]
    return Interruption(begin, (loud[-1] + 1) * FRAME_S if loud else told_at)


def _said_before(at: float, stretches: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The last stretch that had begun by then; where nothing sounded, that moment."""
    return next((each for each in reversed(stretches) if each[0] < at), (at, at))
