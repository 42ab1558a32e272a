"""What Telnyx knows of a call, and how it shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_urlsafe
from typing import Literal, TypeAlias
from uuid import uuid4

CallState: TypeAlias = Literal["parked", "bridging", "answered", "hangup"]
Json: TypeAlias = dict[str, object]


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


@dataclass(frozen=True)
class Order:
    """How a leg came to be. `from_` None is a caller whose number is withheld."""

    direction: Literal["incoming", "outgoing"]
    from_: str | None
    to: str
    connection_id: str
    webhook_url: str
    failover_url: str = ""
    ring_timeout: float = 30.0
    time_limit: float = 14_400.0
    client_state: str | None = None


@dataclass
class Call:
    """A leg. Times of day are UTC, `answered_at` and `duration` are carrier seconds."""

    order: Order
    created: datetime
    control_id: str = field(default_factory=lambda: f"v3:{token_urlsafe(24)}==")
    """With characters that must be encoded in a path, like Telnyx's own."""
    leg_id: str = field(default_factory=lambda: str(uuid4()))
    session_id: str = field(default_factory=lambda: str(uuid4()))
    client_state: str | None = None
    """The newest that a command brought: it is in every event from then on."""
    state: CallState = "bridging"
    reached: list[str] = field(default_factory=list[str])
    answered_at: float | None = None
    ended: datetime | None = None
    duration: float = 0.0
    cause: str = ""
    source: str = ""
    """Who ended it: caller, callee or unknown."""
    ended_by: str = ""
    """person, gateway, network or limit."""

    def __post_init__(self) -> None:
        self.client_state = self.order.client_state
        self.become("bridging" if self.outgoing else "parked")

    @property
    def outgoing(self) -> bool:
        return self.order.direction == "outgoing"

    @property
    def over(self) -> bool:
        return self.state == "hangup"

    def become(self, state: CallState) -> None:
        self.state = state
        self.reached.append(state)

    def common_fields(self) -> Json:
        """In the payload of every event."""
        return {
            "call_control_id": self.control_id,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "connection_id": self.order.connection_id,
            "client_state": self.client_state,
        }

    def numbers(self) -> Json:
        return {"from": self.order.from_ or "anonymous", "to": self.order.to}

    def start_time(self) -> Json:
        return {"start_time": iso(self.created)}

    def as_json(self, *, dialled: bool = False) -> Json:
        """The call object; `dialled`: as the answer to the dial, which begins the leg later."""
        shown: Json = {
            "record_type": "call",
            "call_control_id": self.control_id,
            "call_leg_id": self.leg_id,
            "call_session_id": self.session_id,
            "is_alive": not self.over and not dialled,
        }
        if self.client_state is not None:
            shown["client_state"] = self.client_state
        if not dialled:
            shown |= self.start_time()
        if self.ended is not None:
            shown |= {"end_time": iso(self.ended), "call_duration": int(self.duration)}
        return shown

    def as_active(self) -> Json:
        """The call in the listing of active calls."""
        shown = self.as_json()
        shown.pop("is_alive")
        shown.pop("start_time")
        return {"client_state": "", "call_duration": 0, **shown}
