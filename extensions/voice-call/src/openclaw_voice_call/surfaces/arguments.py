"""The parameters of requests, read as the original reads them. Pure.

Texts are trimmed, a value of another type counts as missing, unknown keys are ignored. Every
function raises InvalidRequest, in the words of the original, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import InvalidRequest

Params = Mapping[str, object]

MAX_KEY_CHARS: Final = 200
DEFAULT_WAIT_MS: Final = 30_000
MAX_WAIT_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Placement:
    """A call to be placed; what is None is the service's to fill in or to refuse."""

    to: str | None
    message: str | None
    mode: Mode | None
    digits: str | None = None
    """Keys to press once the call is answered, before anything is said."""
    session_key: str | None = None
    """The agent's history to use instead of the configured one."""
    record_audio: bool | None = None
    """Whether both legs are recorded; None is the configuration's choice."""


def text(params: Params, name: str) -> str | None:
    """A text with something in it, trimmed; else None."""
    value = params.get(name)
    if not isinstance(value, str):
        return None
    # JSON may carry halves of surrogate pairs, which no file and no carrier can take.
    return value.encode("utf-8", "replace").decode().strip() or None


def flag(params: Params, name: str) -> bool:
    """True only for a real `true`."""
    return params.get(name) is True


def initiate(params: Params) -> Placement:
    """`message`, `to?`, `mode?`."""
    if text(params, "message") is None:
        raise InvalidRequest("message required")
    return placement(params)


def start(params: Params) -> Placement:
    """`to`, `message?`, `mode?`."""
    if text(params, "to") is None:
        raise InvalidRequest("to required")
    return placement(params)


def placement(params: Params) -> Placement:
    """`to?`, `message?`, `mode?`, `dtmfSequence?`, `sessionKey?`, `record?`; an unknown mode means
    the configured one."""
    mode = text(params, "mode")
    record = params.get("record")
    known = mode in (Mode.NOTIFY, Mode.CONVERSATION)
    return Placement(
        text(params, "to"),
        text(params, "message"),
        Mode(mode) if known and mode else None,
        digits=text(params, "dtmfSequence"),
        session_key=text(params, "sessionKey"),
        record_audio=record if isinstance(record, bool) else None,
    )


def call_and_message(params: Params) -> tuple[str, str]:
    """`callId`, `message`."""
    call, message = text(params, "callId"), text(params, "message")
    if call is None or message is None:
        raise InvalidRequest("callId and message required")
    return call, message


def call_and_digits(params: Params) -> tuple[str, str]:
    """`callId`, `digits`."""
    call, digits = text(params, "callId"), text(params, "digits")
    if call is None or digits is None:
        raise InvalidRequest("callId and digits required")
    return call, digits


def call_id(params: Params) -> str:
    """`callId`: ours or the carrier's."""
    call = text(params, "callId")
    if call is None:
        raise InvalidRequest("callId required")
    return call


def any_call_id(params: Params) -> str | None:
    """`callId` or `sid`, each ours or the carrier's."""
    return text(params, "callId") or text(params, "sid")


def pairing_code(params: Params) -> str:
    """`code`: what a caller was told, or the caller's number."""
    code = text(params, "code")
    if code is None:
        raise InvalidRequest("code required")
    return code


def operation_id(params: Params) -> str:
    """`operationId`, as `voicecall.continue.start` gave it."""
    operation = text(params, "operationId")
    if operation is None:
        raise InvalidRequest("operationId required")
    return operation


def wait_ms(params: Params) -> int:
    """`timeoutMs?`, at most `MAX_WAIT_MS`."""
    value = params.get("timeoutMs")
    if isinstance(value, bool) or not isinstance(value, int):
        return DEFAULT_WAIT_MS
    return max(0, min(value, MAX_WAIT_MS))


def idempotency_key(params: Params) -> str | None:
    """`idempotencyKey?`: repeats of a request that carry the same key have one effect."""
    key = text(params, "idempotencyKey")
    if key is not None and len(key) > MAX_KEY_CHARS:
        raise InvalidRequest(
            f"idempotencyKey is {len(key)} characters long, the most is {MAX_KEY_CHARS}"
        )
    return key
