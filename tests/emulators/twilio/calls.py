"""What Twilio knows of a call, and how it shows it: as JSON and as form fields."""

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from math import ceil
from typing import Literal, TypeAlias

from tests.emulators.media import MediaStream

API_VERSION = "2010-04-01"
TERMINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})

CallStatus: TypeAlias = Literal[
    "queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"
]
Form: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fetch:
    """Ask the gateway for the next document. The URL may carry overrides in its fragment."""

    url: str
    method: str = "POST"
    extra: Form = ()
    """Fields beside the common ones, such as the result of a Gather."""


@dataclass(frozen=True)
class Inline:
    """A document that came with a REST request."""

    twiml: str


Instruction: TypeAlias = Fetch | Inline


@dataclass(frozen=True)
class Callback:
    """Where and for which events the progress of a call is told."""

    url: str = ""
    method: str = "POST"
    events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True)
class MachineDetection:
    """`mode` is empty (off), Enable or DetectMessageEnd; with `callback` it is asynchronous."""

    mode: str = ""
    callback: str = ""
    method: str = "POST"


@dataclass(frozen=True)
class Order:
    """A call as it was ordered: by REST, or by someone who dialled one of our numbers."""

    to: str
    from_: str | None
    """E.164, a word such as `anonymous`, empty; None leaves the field out."""
    direction: Literal["inbound", "outbound-api"]
    instruction: Instruction
    fallback: Fetch | None = None
    callback: Callback = Callback()
    ring_timeout: int = 60
    time_limit: int = 14400
    send_digits: str = ""
    detection: MachineDetection = MachineDetection()
    extra: Form = ()
    """Fields added to every webhook of the call."""


@dataclass
class Call:
    """The state of one call. Times of day are real, durations are carrier seconds."""

    sid: str
    account_sid: str
    order: Order
    created: datetime
    status: CallStatus = "queued"
    reached: list[CallStatus] = field(default_factory=lambda: ["queued"])
    """Every status so far, in order."""
    updated: datetime | None = None
    ended: datetime | None = None
    answered_at: float | None = None
    duration: float | None = None
    answered_by: str | None = None
    sip_code: str = "200"
    ended_by: str = ""
    """Who ended it, for tests: person, gateway (REST), document, limit, network."""
    fallback: Fetch | None = None
    callback: Callback = Callback()
    sequence: int = 0
    streams: list[MediaStream] = field(default_factory=list[MediaStream])

    def __post_init__(self) -> None:
        self.fallback = self.order.fallback
        self.callback = self.order.callback

    def become(self, status: CallStatus, at: datetime) -> None:
        self.status = status
        self.reached.append(status)
        self.updated = at

    @property
    def over(self) -> bool:
        return self.status in TERMINAL

    @property
    def inbound(self) -> bool:
        return self.order.direction == "inbound"

    def common_fields(self, status: str | None = None) -> Form:
        """The fields of every voice request; `status` where it differs from the call's own."""
        order = self.order
        fields = [("CallSid", self.sid), ("AccountSid", self.account_sid)]
        if order.from_ is not None:
            fields += [("From", order.from_), ("Caller", order.from_)]
        fields += [
            ("To", order.to),
            ("Called", order.to),
            ("ApiVersion", API_VERSION),
            ("CallStatus", status or self.status),
            ("Direction", order.direction),
            ("FromCountry", "US"),
            ("ToCountry", "US"),
            # Twilio sends geography that it does not know as blanks, and signs them.
            ("FromCity", ""),
            ("FromState", ""),
            ("FromZip", ""),
            ("ToCity", ""),
            ("ToState", ""),
            ("ToZip", ""),
        ]
        return (*fields, *order.extra)

    def progress_fields(self, status: str, at: datetime) -> Form:
        """The fields of one progress callback; counts up the call's sequence number."""
        fields = [
            *self.common_fields(status),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(self.sequence)),
            ("Timestamp", format_datetime(at)),
        ]
        self.sequence += 1
        if status in TERMINAL:
            fields += [*self.end_fields(), ("SipResponseCode", self.sip_code)]
        return tuple(fields)

    def end_fields(self) -> Form:
        seconds = ceil(self.duration or 0)
        fields = [("CallDuration", str(seconds))]
        if self.status == "completed":
            fields.append(("Duration", str(max(1, ceil(seconds / 60)))))
        return tuple(fields)

    def as_json(self) -> dict[str, object]:
        """The call resource of the REST API."""
        uri = f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}"
        dialled = self.status != "queued"
        return {
            "account_sid": self.account_sid,
            "answered_by": self.answered_by,
            "api_version": API_VERSION,
            "caller_name": None,
            "date_created": format_datetime(self.created),
            "date_updated": format_datetime(self.updated or self.created),
            "direction": self.order.direction,
            "duration": None if self.duration is None else str(ceil(self.duration)),
            "end_time": None if self.ended is None else format_datetime(self.ended),
            "forwarded_from": None,
            "from": self.order.from_ or "",
            "from_formatted": self.order.from_ or "",
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": self.sid,
            "start_time": format_datetime(self.created) if dialled else None,
            "status": self.status,
            "subresource_uris": {
                name: f"{uri}/{name.capitalize()}.json"
                for name in ("notifications", "recordings", "payments", "events", "streams")
            },
            "to": self.order.to,
            "to_formatted": self.order.to,
            "trunk_sid": None,
            "uri": f"{uri}.json",
        }
