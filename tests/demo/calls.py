"""A call as its journal and its recording have it: asked, answered, interrupted, answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openclaw_voice_call.audio import mulaw, tones, wav
from openclaw_voice_call.call.facts import (
    Answered,
    Ended,
    Fact,
    Interrupted,
    NotSaid,
    Said,
    Saying,
    StoredFact,
    StreamUp,
    TurnHeard,
    TurnMeasured,
)
from openclaw_voice_call.call.types import EndReason, Speaker, TurnTimes

OPENED_AT = 1_800_000_000.0
CALLER = ((2.0, 3.0), (5.5, 6.5))
"""When the caller speaks, in seconds."""
AGENT = ((0.2, 1.4), (3.6, 5.7), (7.2, 8.2))
LENGTH_S = 9.0

_TIMES = TurnTimes(400, 500, 550, 590, 600)
_AGENT = Speaker.AGENT
_TOLD: Sequence[tuple[float, Fact]] = (
    (-0.3, Answered()),
    (0.0, StreamUp(1)),
    (0.2, Saying(1, "Dinner at nine?", Speaker.OPENING)),
    (1.4, Said(1, "Dinner at nine?", Speaker.OPENING)),
    (3.5, TurnHeard(1, "Where?")),
    (3.6, Saying(2, "At the <Harbour> & Sons.", _AGENT, 1)),
    (3.6, TurnMeasured(1, _TIMES)),
    (4.6, Said(2, "At the <Harbour> & Sons.", _AGENT, 1)),
    (4.6, Saying(3, "It has fish and wine.", _AGENT, 1)),
    (5.68, Interrupted(3, "It has", _AGENT, 1)),
    (5.68, NotSaid(4, "interrupted", _AGENT, 1)),
    (7.1, TurnHeard(2, "Is there parking?")),
    (7.2, Saying(5, "Yes.", _AGENT, 2)),
    (7.2, TurnMeasured(2, TurnTimes(400, None, 600, 690, 700))),
    (8.2, Said(5, "Yes.", _AGENT, 2)),
    (9.0, Ended(EndReason.HANGUP_USER)),
)
FACTS = [StoredFact(seq, OPENED_AT + at, fact) for seq, (at, fact) in enumerate(_TOLD)]


def recording() -> bytes:
    """The stereo WAV of it."""
    samples = wav.interleave(_leg(CALLER), _leg(AGENT))
    return wav.recording_header(len(samples)) + samples


def _leg(spoken: Sequence[tuple[float, float]]) -> bytes:
    leg = np.zeros(round(LENGTH_S * 8000), np.int16)
    for begin, end in spoken:
        voice = tones.sine(500, 1000 * (end - begin))
        leg[round(begin * 8000) :][: voice.size] = voice
    return mulaw.encode(leg)
