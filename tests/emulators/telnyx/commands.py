"""The rules of Telnyx's commands that no schema has, and what each command does to a line.

Error codes: Telnyx's page "API error codes". Which HTTP status comes with which code is partly
inferred there.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from tests.emulators.telnyx.calls import Json, Order
from tests.emulators.telnyx.line import Line
from tests.emulators.telnyx.media import StreamRequest

ID_SECONDS: Final = 60.0
"""Real seconds for which a command id is remembered."""
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_DIGITS: Final = re.compile(r"[0-9A-D*#wW]+")
_VOICE: Final = re.compile(r"[A-Za-z]+\.[\w:-]+(\.[\w:-]+)?")


class ApiError(Exception):
    """A refusal, as the API words it."""

    def __init__(self, status: int, code: str, title: str, detail: str = "") -> None:
        super().__init__(f"{status} {code} {title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail or title

    def response(self, headers: Mapping[str, str] | None = None) -> web.Response:
        error = {"code": self.code, "title": self.title, "detail": self.detail}
        return web.json_response({"errors": [error]}, status=self.status, headers=headers)


class Undocumented(ApiError):
    """What Telnyx does here is not documented. This is the harder case, and nobody's fault."""


class Idempotence:
    """Which commands were taken lately, and for which leg."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], tuple[float, str]] = {}

    def seen(self, leg: str, command_id: str) -> str | None:
        """What was kept with this command, if that was within the last minute."""
        at, kept = self._taken.get((leg, command_id), (float("-inf"), ""))
        return kept if command_id and monotonic() - at < ID_SECONDS else None

    def keep(self, leg: str, command_id: str, value: str) -> None:
        if command_id:
            self._taken[leg, command_id] = (monotonic(), value)


def check_state(body: Json) -> None:
    state = body.get("client_state")
    if isinstance(state, str):
        try:
            b64decode(state, validate=True)
        except Base64Error:
            raise ApiError(422, "90017", "client_state must be base64") from None


def read_order(body: Json) -> Order:
    """The leg that `POST /calls` asks for; raises ApiError for what Telnyx would not take."""
    check_state(body)
    to, from_ = str(body["to"]), str(body["from"])
    for number in (to, from_):
        if not _E164.fullmatch(number):
            raise ApiError(422, "10016", f"{number} is not in E.164 format")
    timeout, limit = body.get("timeout_secs", 30), body.get("time_limit_secs", 14_400)
    if not isinstance(timeout, int) or not 5 <= timeout <= 600:
        raise ApiError(422, "90028", f"timeout_secs {timeout}")
    if not isinstance(limit, int) or not 60 <= limit <= 14_400:
        raise ApiError(422, "90029", f"time_limit_secs {limit}")
    state = body.get("client_state")
    return Order(
        "outgoing",
        from_,
        to,
        str(body["connection_id"]),
        str(body.get("webhook_url", "")),
        ring_timeout=timeout,
        time_limit=limit,
        client_state=state if isinstance(state, str) else None,
    )


def obey(line: Line, action: str, body: Json, violations: list[str]) -> None:
    """Carry a command out, whose body fits the specification. Raises ApiError."""
    check_state(body)
    if line.call.over:
        raise ApiError(422, "90018", "Call has already ended")
    try:
        _ACTIONS[action](line, body)
    except ApiError as refusal:
        if refusal.code not in _NO_FAULT and not isinstance(refusal, Undocumented):
            violations.append(f"{action}: {refusal}")
        raise


def _answer(line: Line, body: Json) -> None:
    if line.call.outgoing:
        raise ApiError(422, "90102", "Only an incoming call can be answered")
    if line.call.answered_at is not None:
        raise ApiError(422, "10015", "The call is answered already")
    line.answer()


def _reject(line: Line, body: Json) -> None:
    if line.call.outgoing or line.call.answered_at is not None:
        raise ApiError(422, "10015", "Only an unanswered incoming call can be rejected")
    busy = body["cause"] == "USER_BUSY"
    cause, code = ("user_busy", "486") if busy else ("call_rejected", "603")
    line.finish(cause, "gateway", code, source="callee")


def _hang_up(line: Line, body: Json) -> None:
    line.hang_up("gateway")


def _speak(line: Line, body: Json) -> None:
    _require_answer(line)
    payload, voice = str(body["payload"]), str(body["voice"])
    if not 0 < len(payload) <= 3000:
        raise ApiError(422, "90010", f"payload of {len(payload)} characters")
    plain = voice in {"male", "female"} and body.get("service_level") == "basic"
    if not plain and not _VOICE.fullmatch(voice):
        raise ApiError(422, "90012", f"voice {voice}")
    line.speak(payload, voice)


def _transcription_start(line: Line, body: Json) -> None:
    _require_answer(line)
    if line.listening is not None:
        raise ApiError(422, "90054", "Transcription is already in progress")
    config = msgspec.convert(body.get("transcription_engine_config", {}), dict[str, object])
    line.listen(interim=config.get("interim_results") is True)


def _transcription_stop(line: Line, body: Json) -> None:
    if line.listening is None:
        raise Undocumented(422, "10015", "No transcription is in progress")
    line.stop_listening()


def _streaming_start(line: Line, body: Json) -> None:
    _require_answer(line)
    if line.media is not None:
        raise ApiError(422, "90045", "Media streaming is in use already")
    request = StreamRequest.of(body)
    if urlsplit(request.url).scheme != "wss":
        raise ApiError(422, "10015", f"stream_url {request.url}")
    line.stream(request)


def _streaming_stop(line: Line, body: Json) -> None:
    if line.media is None:
        raise ApiError(422, "90048", "There is no active stream")
    line.media.stop()


def _send_dtmf(line: Line, body: Json) -> None:
    _require_answer(line)
    digits, millis = str(body["digits"]), body.get("duration_millis", 250)
    if not _DIGITS.fullmatch(digits):
        raise ApiError(422, "90014", f"digits {digits}")
    if not isinstance(millis, int) or not 100 <= millis <= 500:
        raise ApiError(422, "90021", f"duration_millis {millis}")
    line.play_digits(digits, millis)


def _remember(line: Line, body: Json) -> None:
    """The client state is kept by whoever takes the command."""


def _require_answer(line: Line) -> None:
    if line.call.answered_at is None:
        raise ApiError(422, "90034", "The call has not been answered yet")


_NO_FAULT: Final = frozenset({"90048", "90054"})
_ACTIONS: Final[Mapping[str, Callable[[Line, Json], None]]] = {
    "answer": _answer,
    "reject": _reject,
    "hangup": _hang_up,
    "speak": _speak,
    "transcription_start": _transcription_start,
    "transcription_stop": _transcription_stop,
    "streaming_start": _streaming_start,
    "streaming_stop": _streaming_stop,
    "send_dtmf": _send_dtmf,
    "client_state_update": _remember,
}
