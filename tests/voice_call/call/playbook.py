"""Plays events to the machine and lets a test read like a message chart."""

from __future__ import annotations

import msgspec

from openclaw_voice_call.call.decide import decide
from openclaw_voice_call.call.due import LineView, due
from openclaw_voice_call.call.events import CallEvent, LineAnswered
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.opening import open_inbound, open_outbound
from openclaw_voice_call.call.record import CallRecord, CallSettings
from openclaw_voice_call.call.script import Say, Verb
from openclaw_voice_call.call.snapshot import state_name
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, Mode

LEG = CarrierCallId("LEG1")
T0 = 1_800_000_000.0


def settings(mode: Mode = Mode.CONVERSATION, **changes: object) -> CallSettings:
    return msgspec.structs.replace(CallSettings(mode, "agent:main:voice:1"), **changes)


class Playbook:
    """One call and the seconds since it was opened."""

    def __init__(self, record: CallRecord, facts: tuple[Fact, ...] = ()) -> None:
        self.record = record
        self.facts = list(facts)
        self.now = T0

    @classmethod
    def outbound(
        cls,
        opening: str | None = "Hello.",
        mode: Mode = Mode.CONVERSATION,
        **changes: object,
    ) -> Playbook:
        decision = open_outbound(
            CallId("c1"),
            carrier="any",
            from_number="+15550001234",
            to_number="+15550005678",
            settings=settings(mode, **changes),
            opening=opening,
            now=T0,
        )
        return cls(decision.record, decision.facts)

    @classmethod
    def inbound(cls, opening: str | None = "Hello.", *, answered: bool = True) -> Playbook:
        decision = open_inbound(
            CallId("c1"),
            carrier="any",
            carrier_call_id=LEG,
            direction=Direction.INBOUND,
            from_number="+15550005678",
            to_number="+15550001234",
            settings=settings(),
            opening=opening,
            answered=answered,
            now=T0,
        )
        return cls(decision.record, decision.facts)

    @classmethod
    def answered(
        cls,
        opening: str | None = "Hello.",
        mode: Mode = Mode.CONVERSATION,
        **changes: object,
    ) -> Playbook:
        return cls.outbound(opening, mode, **changes).at(1.0, LineAnswered(LEG))

    def at(self, seconds: float, *events: CallEvent, occurrence: str | None = None) -> Playbook:
        """The events happen `seconds` after the opening."""
        self.now = T0 + seconds
        for event in events:
            self.record, facts = decide(self.record, event, self.now, occurrence)
            self.facts.extend(facts)
        return self

    @property
    def verb(self) -> Verb | None:
        return self.record.script.current

    @property
    def stream(self) -> int:
        """The number of the live audio's stream."""
        assert self.record.stream is not None
        return self.record.stream.number

    @property
    def lined_up(self) -> list[str]:
        """What is said now and next."""
        script = self.record.script
        return [v.text for v in script.verbs[script.position :] if isinstance(v, Say)]

    @property
    def state(self) -> str:
        return state_name(self.record)

    def due(self, *, markup: bool = False, served: int = 99, asking: bool = True) -> list[str]:
        """The ids of the commands that are due."""
        view = LineView(served, asking)
        return [command.id for command in due(self.record, markup=markup, line=view)]

    def of(self, *kinds: type[Fact]) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, kinds)]
