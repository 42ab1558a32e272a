"""Amazon Polly's voices, which several carriers speak with, each under its own prefix. Pure.

Source: Amazon Polly's list of available voices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from openclaw_voice_call.interfaces.speech import NativeVoice

_NAMES: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("en-US", "female"): ("Joanna", "Salli", "Kimberly"),
    ("en-US", "male"): ("Matthew", "Joey", "Justin"),
    ("en-GB", "female"): ("Amy", "Emma"),
    ("en-GB", "male"): ("Brian",),
}


def polly_name(voice: NativeVoice) -> str | None:
    """The voice that fits best, for example `Joanna`; None for a language that is not known here,
    where the carrier's own choice is better."""
    names = _NAMES.get((voice.language, voice.gender))
    return names[voice.number % len(names)] if names else None
