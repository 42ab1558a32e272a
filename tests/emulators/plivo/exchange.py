"""The telephone exchange: what all lines of one emulator share."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.media import MediaRoom
from tests.emulators.plivo.calls import Call
from tests.emulators.plivo.webhooks import WebhookSender


class Alert(NamedTuple):
    """The gateway failed Plivo: the hang-up cause code that stands for it."""

    call_uuid: str
    code: int
    message: str


class Event(NamedTuple):
    """Something that happened on a line, for people who watch."""

    at: float
    """Carrier seconds."""
    call_uuid: str
    what: str
    detail: str


@dataclass
class Exchange:
    clock: Clock
    tasks: Tasks
    changes: Changes
    webhooks: WebhookSender
    violations: list[str]
    on_event: Callable[[Event], None]
    media: MediaRoom
    queue_seconds: float
    alerts: list[Alert] = field(default_factory=list[Alert])
    events: deque[Event] = field(default_factory=lambda: deque[Event](maxlen=100_000))

    def note(self, call: Call, what: str, detail: str = "") -> None:
        """Something happened: keep it, show it, wake those who wait for it."""
        event = Event(self.clock.now(), call.uuid, what, detail)
        self.events.append(event)
        self.on_event(event)
        self.changes.notify()

    def violation(self, call: Call, text: str) -> None:
        self.violations.append(f"{call.uuid}: {text}")

    def alert(self, call: Call, code: int, message: str) -> None:
        self.alerts.append(Alert(call.uuid, code, message))
        self.note(call, "alert", f"{code} {message}")
