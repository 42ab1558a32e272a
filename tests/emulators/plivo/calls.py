"""What Plivo knows of a call, and how it shows it: as JSON and as form fields."""

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Literal, TypeAlias

TERMINAL = frozenset({"completed", "busy", "failed", "timeout", "no-answer", "cancel"})

CallStatus: TypeAlias = Literal[
    "queued",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "failed",
    "timeout",
    "no-answer",
    "cancel",
]
Form: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fetch:
    """A URL of the gateway's. It may carry overrides in its fragment."""

    url: str
    method: str = "POST"
    extra: Form = ()
    """Fields beside the common ones, such as the result of a GetInput."""


@dataclass(frozen=True)
class Cause:
    """Why a call ended: CallStatus, HangupCause, HangupCauseCode, HangupCauseName."""

    status: CallStatus
    cause: str
    code: int
    name: str


# Status, cause and code of the usual ends are from the reference's examples and its table of
# hang-up causes; what a refusal, a cancelled call and the time limit get is our choice.
NORMAL = Cause("completed", "NORMAL_CLEARING", 4000, "Normal Hangup")
END_OF_XML = Cause("completed", "NORMAL_CLEARING", 4010, "End Of XML Instructions")
CANCELLED = Cause("cancel", "ORIGINATOR_CANCEL", 1000, "Cancelled")
BUSY = Cause("busy", "USER_BUSY", 3010, "Busy Line")
REJECTED = Cause("failed", "CALL_REJECTED", 3020, "Rejected")
NO_ANSWER = Cause("no-answer", "NO_ANSWER", 3000, "No Answer")
INVALID = Cause("failed", "UNALLOCATED_NUMBER", 2000, "Invalid Destination Address")
TIME_LIMIT = Cause("timeout", "ALLOTTED_TIMEOUT", 4000, "Scheduled Hangup")


@dataclass(frozen=True)
class Order:
    """A call as it was ordered: by REST, or by someone who dialled one of our numbers."""

    to: str
    from_: str | None
    """As Plivo writes it: E.164 without its plus, a word such as `anonymous`, empty; None leaves
    the field out."""
    direction: Literal["inbound", "outbound"]
    answer: Fetch
    ring: Fetch | None = None
    hangup: Fetch | None = None
    fallback: Fetch | None = None
    ring_timeout: int = 120
    time_limit: int = 14400
    send_digits: str = ""
    extra: Form = ()
    """Fields added to every webhook of the call."""


@dataclass
class Call:
    """The state of one call. Times of day are real, durations are carrier seconds."""

    uuid: str
    request_uuid: str
    """The same as `uuid` unless the emulator is told otherwise; empty for inbound calls."""
    account: str
    order: Order
    created: datetime
    status: CallStatus = "queued"
    reached: list[CallStatus] = field(default_factory=lambda: ["queued"])
    """Every status so far, in order."""
    answered: datetime | None = None
    answered_at: float | None = None
    ended: datetime | None = None
    duration: float | None = None
    cause: Cause | None = None
    ended_by: str = ""
    """Who ended it, for tests: person, gateway (REST), document, limit, network."""

    @property
    def sid(self) -> str:
        """The name by which people on the phone know it."""
        return self.uuid

    @property
    def over(self) -> bool:
        return self.status in TERMINAL

    @property
    def inbound(self) -> bool:
        return self.order.direction == "inbound"

    def become(self, status: CallStatus) -> None:
        self.status = status
        self.reached.append(status)

    def common_fields(self, status: str | None = None) -> Form:
        """The fields of every request; `status` where it differs from the call's own."""
        order = self.order
        fields = [("CallUUID", self.uuid)]
        if order.from_ is not None:
            fields.append(("From", order.from_))
        fields += [
            ("To", order.to),
            ("CallStatus", status or self.status),
            ("Direction", order.direction),
            ("SessionStart", plivo_time(self.created)),
            ("BillRate", "0.002"),
            ("ParentAuthID", self.account),
            # Sent and signed although it is blank.
            ("CallerName", ""),
        ]
        if self.request_uuid:
            fields += [
                ("RequestUUID", self.request_uuid),
                ("ALegUUID", self.uuid),
                ("ALegRequestUUID", self.request_uuid),
            ]
        return (*fields, *order.extra)

    def end_fields(self) -> Form:
        assert self.cause is not None
        assert self.ended is not None
        seconds = ceil(self.duration or 0)
        source = {"person": "Callee", "gateway": "API"}.get(self.ended_by, "Plivo")
        return (
            ("Event", "Hangup"),
            ("HangupCause", self.cause.cause),
            ("HangupCauseCode", str(self.cause.code)),
            ("HangupCauseName", self.cause.name),
            ("HangupSource", source),
            ("Duration", str(seconds)),
            ("BillDuration", str(ceil(seconds / 60) * 60)),
            ("TotalCost", "0.00200"),
            ("StartTime", _seconds(self.created)),
            ("AnswerTime", _seconds(self.answered)),
            ("EndTime", _seconds(self.ended)),
        )

    def live_json(self) -> dict[str, object]:
        """The answer to a question for a live or queued call."""
        order = self.order
        shown: dict[str, object] = {
            "api_id": "97ceeb52-58b6-11e1-86da-77300b68f8bb",
            "call_status": self.status,
            "call_uuid": self.uuid,
            "caller_name": "",
            "direction": order.direction,
            "from": order.from_ or "",
            "to": order.to,
        }
        if self.status == "queued":
            return {**shown, "request_uuid": self.request_uuid}
        return {**shown, "parent_call_uuid": None, "session_start": plivo_time(self.created)}

    def record_json(self) -> dict[str, object]:
        """The record of a call that is over."""
        assert self.cause is not None
        answered = self.answered is not None
        state = "ANSWER" if answered else self.cause.status.upper().replace("-", "_")
        return {
            "api_id": "97ceeb52-58b6-11e1-86da-77300b68f8bb",
            "answer_time": None if self.answered is None else f"{self.answered:%Y-%m-%d %H:%M:%S}",
            "bill_duration": ceil(self.duration or 0),
            "call_direction": self.order.direction,
            "call_duration": ceil(self.duration or 0),
            "call_state": state,
            "call_uuid": self.uuid,
            "end_time": _seconds(self.ended),
            "from_number": self.order.from_ or "",
            "hangup_cause_code": self.cause.code,
            "hangup_cause_name": self.cause.name,
            "hangup_source": self.ended_by,
            "initiation_time": _seconds(self.created),
            "to_number": self.order.to,
            "total_amount": "0.00200",
        }


def plivo_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def _seconds(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
