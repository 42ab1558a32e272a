"""The form fields of the calls API: what they may be, and what they mean."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.emulators.twilio.calls import (
    Call,
    Callback,
    Fetch,
    Form,
    Inline,
    Instruction,
    MachineDetection,
    Order,
)
from tests.emulators.twilio.spec import is_web_url
from tests.emulators.twilio.twiml import DocumentError, Gather, Redirect, Stream, parse

MAX_TWIML = 4000
"""Characters of an inline document."""
_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
_TARGET = re.compile(r"\+[1-9]\d{6,14}|(sip|client):.+")


class ApiError(Exception):
    """A refusal, as Twilio words it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self, headers: Mapping[str, str] | None = None) -> web.Response:
        body = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return web.json_response(body, status=self.status, headers=headers)


def read_order(fields: Form) -> Order:
    """The call that a create request asks for.

    Raises:
        ApiError: it names no callable target or no document.
    """
    form = dict(fields)
    if not _TARGET.fullmatch(form["To"]):
        raise ApiError(400, 21211, f"The 'To' number {form['To']} is not a valid phone number.")
    events = frozenset(value for name, value in fields if name == "StatusCallbackEvent")
    asynchronous = form.get("AsyncAmd") == "true"
    return Order(
        form["To"],
        form["From"],
        "outbound-api",
        read_instruction(form),
        fallback=read_fallback(form),
        callback=Callback(
            form.get("StatusCallback", ""),
            form.get("StatusCallbackMethod", "POST"),
            events or frozenset({"completed"}),
        ),
        ring_timeout=int(form.get("Timeout", "60")),
        time_limit=int(form.get("TimeLimit", "14400")),
        send_digits=form.get("SendDigits", ""),
        detection=MachineDetection(
            form.get("MachineDetection", ""),
            form.get("AsyncAmdStatusCallback", "") if asynchronous else "",
            form.get("AsyncAmdStatusCallbackMethod", "POST"),
        ),
    )


def broken_rules(operation: str, fields: Form) -> list[str]:
    """What the reference says of the fields beyond the types of the specification."""
    form = dict(fields)
    wrong: list[str] = []
    if len(form.get("Twiml", "")) > MAX_TWIML:
        wrong.append(f"Twiml: more than {MAX_TWIML} characters")
    if not re.fullmatch(r"[0-9A-Da-d#*wW]{0,32}", form.get("SendDigits", "")):
        wrong.append("SendDigits: up to 32 of 0-9 A-D # * w W")
    # What is no number at all is named by the specification.
    if (seconds := form.get("Timeout", "60")).isdecimal() and not 0 < int(seconds) <= 600:
        wrong.append("Timeout: 1 to 600 seconds")
    if (seconds := form.get("TimeLimit", "1")).lstrip("-").isdecimal() and int(seconds) <= 0:
        wrong.append("TimeLimit: at least a second")
    if form.get("MachineDetection", "Enable") not in {"Enable", "DetectMessageEnd"}:
        wrong.append("MachineDetection: Enable or DetectMessageEnd")
    events = {value for name, value in fields if name == "StatusCallbackEvent"}
    if unknown := events - _EVENTS:
        wrong.append(f"StatusCallbackEvent: {', '.join(sorted(unknown))}; repeat the field")
    if "Url" in form and "Twiml" in form:
        wrong.append("Url and Twiml: one of them is ignored")
    if operation == "update" and "Status" in form and ("Url" in form or "Twiml" in form):
        wrong.append("Status together with new instructions")
    return wrong


def read_instruction(form: Mapping[str, str], *, update: bool = False) -> Instruction:
    if "Url" in form:
        if not is_web_url(form["Url"]):
            raise ApiError(400, 21205, f"Url is not a valid URL: {form['Url']}")
        return Fetch(form["Url"], form.get("Method", "POST"))
    if "Twiml" not in form:
        raise ApiError(400, 21205, "Url parameter is required.")
    if update and any(not is_web_url(url) for url in _actions(form["Twiml"])):
        raise ApiError(400, 15004, "An action URL in inline TwiML must be absolute.")
    return Inline(form["Twiml"])


def _actions(twiml: str) -> list[str]:
    try:
        verbs = parse(twiml).verbs
    except DocumentError:
        return []  # Reported when it is executed.
    urls = [verb.action for verb in verbs if isinstance(verb, Gather | Stream)]
    return [url for url in urls if url] + [v.url for v in verbs if isinstance(v, Redirect)]


def read_fallback(form: Mapping[str, str]) -> Fetch | None:
    url = form.get("FallbackUrl", "")
    return Fetch(url, form.get("FallbackMethod", "POST")) if url else None


def matches(call: Call, form: Mapping[str, str]) -> bool:
    order = call.order
    if form.get("To", order.to) != order.to or form.get("From", order.from_) != order.from_:
        return False
    if form.get("Status", call.status) != call.status:
        return False
    if (after := form.get("StartTime>")) and call.created < _moment(after)[0]:
        return False
    if (before := form.get("StartTime<")) and call.created > _moment(before)[1]:
        return False
    if day := form.get("StartTime"):
        first, last = _moment(day)
        return first <= call.created <= last
    return True


def _moment(text: str) -> tuple[datetime, datetime]:
    """The first and the last moment of a date, or of the second that a date-time names."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, 20001, f"Invalid date: {text}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    span = timedelta(days=1) if len(text) == len("2026-02-16") else timedelta(seconds=1)
    return moment, moment + span
