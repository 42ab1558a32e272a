"""Who is called, what they say, what the agent answers, and the configuration for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

ANN, BOB, GUS = "+15550002001", "+15550002002", "+15550002003"

OPENING: Final = "Hi Bob, dinner at nine?"
BOB_SAYS: Final = (
    "Nine is fine, but where?",
    "Wait, is there parking?",
    "Great, see you then.",
)
INTERRUPTS_AFTER_MS: Final = 1900

PEOPLE: Final[Sequence[Mapping[str, object]]] = (
    {
        # Gets a notice, and calls back: her number may call.
        "number": ANN,
        "says": ["Hi, it is Ann. Thanks for the parcel! Can you tell Tom?", "Great, bye!"],
        "hangUpAfter": 2,
        "callsBackAfterMs": 4000,
    },
    {
        "number": BOB,
        "says": BOB_SAYS,
        "interruptsAfterMs": [None, INTERRUPTS_AFTER_MS],
        "repliesAfterMs": 450,
        "hangUpAfter": 3,
    },
    {
        # Calls back with a withheld number, which nobody on the allowlist can have.
        "number": GUS,
        "hangUpAfter": 0,
        "callsBackAfterMs": 500,
        "callsBackFrom": "anonymous",
    },
)

MODEL_PACE: Final = {"delayMs": 300, "wordMs": 25}
"""As a hosted model writes: 300 ms until the first word, then 40 a second."""
ANSWERS: Final[Sequence[Mapping[str, object]]] = (
    {"match": "tell Tom", "reply": "Of course, I will let Tom know."},
    {
        "match": "where",
        "reply": (
            "At the Harbour Grill. It has fresh fish, a view over the sea and more wines than "
            "anybody can count. The terrace is open until midnight."
        ),
        **MODEL_PACE,
    },
    {"match": "parking", "reply": "Yes, right behind the house.", **MODEL_PACE},
    {"match": "see you", "reply": "See you at nine. Good bye!", **MODEL_PACE},
    {"match": "bye", "reply": "Good bye!"},
)

AGENT_VOICE: Final = "en-us+f3"
END_SILENCE_MS: Final = 300


def configuration(port: int, webhook_port: int, recogniser_url: str | None) -> dict[str, object]:
    """A complete configuration: mock carrier, an agent with fixed answers.

    Live audio is set up and switched off. With `recogniser_url` people and agent have voices, and
    whoever listens there understands them; without one they speak in tones.
    """
    return {
        "gateway": {"port": port},
        "models": {"providers": {"scripted": {"rules": ANSWERS, "default": "I see."}}},
        "plugins": {
            "entries": {
                "voice-call": {
                    "enabled": True,
                    "config": {
                        "provider": "mock",
                        "serve": {"port": webhook_port},
                        "responseModel": "scripted/demo",
                        "inboundPolicy": "allowlist",
                        "allowFrom": [ANN],
                        "inboundGreeting": "Hello Ann, what can I do for you?",
                        "maxConcurrentCalls": 2,
                        "outbound": {"notifyHangupDelaySec": 0},
                        "mock": {"speed": 8, "script": PEOPLE},
                        **live_audio(recogniser_url),
                    },
                }
            }
        },
    }


def live_audio(recogniser_url: str | None) -> dict[str, object]:
    """The sections that say who hears and who speaks."""
    if recogniser_url is None:
        return {
            "streaming": {"provider": "scripted", "silenceDurationMs": END_SILENCE_MS},
            "tts": {"provider": "scripted"},
        }
    return {
        "streaming": {
            "provider": "deepgram",
            "silenceDurationMs": END_SILENCE_MS,
            "providers": {"deepgram": {"baseUrl": recogniser_url}},
        },
        "tts": {"provider": "espeak", "providers": {"espeak": {"voice": AGENT_VOICE}}},
    }
