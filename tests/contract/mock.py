"""The mock carrier, as one of many phone companies.

It has no API and no network of its own: the plugin brings both along. So its people stand in the
configuration, they call us when they have been called (and were busy), and what they heard is what
their line has confirmed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.service import CallService
from tests.contract.network import OURS, Network
from tests.emulators.people import HangsUp, Person

OUTCOMES = {"answers": "answers", "busy": "busy", "declines": "declines", "failed": "fails"}


class MockNetwork:
    """Implements `Network`."""

    def __init__(
        self, people: Mapping[str, Person], callers: Mapping[str, Person], speed: float
    ) -> None:
        called = [{**_scripted(person), "number": number} for number, person in people.items()]
        calling = [
            {
                **_scripted(person),
                "number": _door(shown),
                "answer": "busy",
                "callsBackAfterMs": 1,
                "callsBackFrom": shown,
            }
            for shown, person in callers.items()
        ]
        self.section: Mapping[str, object] = {
            "provider": "mock",
            "fromNumber": OURS,
            "mock": {"speed": speed, "script": [*called, *calling]},
        }

    async def call_in(self, service: CallService, shown: str) -> None:
        await service.initiate(to=_door(shown), message="Call us.", mode=Mode.NOTIFY)

    async def heard(self, service: CallService, number: str) -> Sequence[str]:
        calls = reversed(await service.calls())
        told = (call["transcript"] for call in calls if number in {call["from"], call["to"]})
        return [
            entry["text"]
            for transcript in told
            for entry in transcript
            if entry["speaker"] == "bot" and entry["isFinal"]
        ]

    def release(self) -> None:
        """Nothing is ever held back."""

    async def settle(self) -> None:
        """It has no rules that could be broken."""


def _door(shown: str) -> str:
    """Whom to call for a call from this number."""
    return f"whoever calls as {shown!r}"


def _scripted(person: Person) -> dict[str, object]:
    """Raises ValueError for what the mock carrier's people cannot do."""
    leaves = person.hangs_up
    if leaves != HangsUp(after_hearing=leaves.after_hearing, delay=leaves.delay):
        raise ValueError(f"the mock carrier's people cannot leave like this: {leaves}")
    script: dict[str, object] = {
        "answer": "no-answer" if person.answers_after is None else OUTCOMES[person.outcome],
        "answerAfterMs": round((person.answers_after or 0) * 1000),
        "says": [each.speech if each else "" for each in person.says],
        "keys": [each.digits if each else "" for each in person.says],
    }
    if leaves.after_hearing:
        script["hangUpWhenHearing"] = leaves.after_hearing
    return script


@asynccontextmanager
async def open_mock(
    port: int, people: Mapping[str, Person], callers: Mapping[str, Person], speed: float
) -> AsyncGenerator[Network]:
    yield MockNetwork(people, callers, speed)
