"""Faults that a carrier emulator commits on purpose, for any carrier.

A test adds rules to a `FaultPlan`; the emulator asks the plan about each webhook it is about to
deliver and each REST request it has received, and does what the plan says. Chance comes from a
seeded generator, so a run can be repeated. All times are real seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeAlias, TypeVar

SubjectT = TypeVar("SubjectT")
ActionT = TypeVar("ActionT")


@dataclass(frozen=True)
class Delay:
    """Deliver the webhook this much later."""

    seconds: float


@dataclass(frozen=True)
class Repeat:
    """Deliver the same webhook `times` more, `gap` seconds apart; the first answer counts.

    The repetitions begin after the first answer, or together with the first when `at_once`.
    """

    times: int = 1
    gap: float = 0.0
    at_once: bool = False


@dataclass(frozen=True)
class Postpone:
    """Deliver the webhook only after the next one of the same call (or after `at_most` seconds)."""

    at_most: float = 2.0


@dataclass(frozen=True)
class Drop:
    """The webhook is lost on its way: a document request times out, a callback vanishes."""


WebhookFault: TypeAlias = Delay | Repeat | Postpone | Drop


@dataclass(frozen=True)
class Fail:
    """Answer the REST request with this status and carrier error code, and do nothing."""

    status: int
    code: int = 0
    message: str = "Emulated failure"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Hang:
    """Accept the REST request and answer nothing for `seconds` (None: never), doing nothing."""

    seconds: float | None = None


@dataclass(frozen=True)
class Disconnect:
    """Accept the REST request, do nothing and cut the connection."""


@dataclass(frozen=True)
class LoseAnswer:
    """Do what the REST request asks, then cut the connection (or hang) instead of answering."""

    hang: bool = False


RestFault: TypeAlias = Fail | Hang | Disconnect | LoseAnswer


@dataclass
class Rule(Generic[SubjectT, ActionT]):
    """One rule of a plan; `hits` counts how often it has struck."""

    action: ActionT
    when: Callable[[SubjectT], bool]
    times: int | None
    probability: float
    hits: int = 0

    def strikes(self, subject: SubjectT, rng: Random) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if not self.when(subject) or (self.probability < 1.0 and rng.random() >= self.probability):
            return False
        self.hits += 1
        return True


@dataclass
class FaultPlan(Generic[SubjectT, ActionT]):
    """The rules in force for one kind of traffic."""

    rng: Random
    rules: list[Rule[SubjectT, ActionT]] = field(default_factory=list[Rule[SubjectT, ActionT]])

    def add(
        self,
        action: ActionT,
        *,
        when: Callable[[SubjectT], bool] = lambda _: True,
        times: int | None = None,
        probability: float = 1.0,
    ) -> Rule[SubjectT, ActionT]:
        """Commit `action` on what matches `when`, at most `times` times (None: without end)."""
        rule = Rule(action, when, times, probability)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Behave well from now on."""
        self.rules.clear()

    def strike(self, subject: SubjectT) -> list[ActionT]:
        """The faults to commit on this subject, in the order in which the rules were added."""
        return [rule.action for rule in self.rules if rule.strikes(subject, self.rng)]
