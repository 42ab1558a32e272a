"""The telephone exchange: what all lines of one emulator share."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.emulators.clock import Changes, Clock, Tasks
from tests.emulators.media import MediaRoom
from tests.emulators.telnyx.calls import Call
from tests.emulators.telnyx.webhooks import WebhookSender


class Event(NamedTuple):
    """Something that happened on a line, for people who watch."""

    at: float
    """Carrier seconds."""
    control_id: str
    what: str
    detail: str


@dataclass
class Exchange:
    """`endpoint_seconds`: carrier seconds of silence after which the recogniser ends a sentence."""

    clock: Clock
    tasks: Tasks
    changes: Changes
    webhooks: WebhookSender
    media: MediaRoom
    on_event: Callable[[Event], None]
    endpoint_seconds: float
    park_seconds: float
    """Carrier seconds for which a caller waits for an answer."""
    events: deque[Event] = field(default_factory=lambda: deque[Event](maxlen=100_000))

    def note(self, call: Call, what: str, detail: str = "") -> None:
        """Something happened: keep it, show it, wake those who wait for it."""
        event = Event(self.clock.now(), call.control_id, what, detail)
        self.events.append(event)
        self.on_event(event)
        self.changes.notify()
