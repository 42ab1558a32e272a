"""Frames of the gateway protocol (versions 3 and 4): JSON objects, one per websocket message.

    request   {"type":"req",   "id", "method", "params"?}
    response  {"type":"res",   "id", "ok", "payload"?, "error"?}
    event     {"type":"event", "event", "payload"?, "seq"?, "stateVersion"?}

Clients of the Node implementation drop a whole response that has `"error": null`, an error without
a message, or any other key, and then wait in vain. So absent means absent here: optional fields are
`UNSET`, never None, and the structs have no room for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from openclaw.errors import FrameError, RpcError

MIN_PROTOCOL = 3
MAX_PROTOCOL = 4

NonEmpty = Annotated[str, Meta(min_length=1)]


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="req"):
    """A call of `method`. `params` is any JSON value; a missing or null one means no parameters.

    Newer clients add `traceparent` and `expectedProfileId`; unknown keys are ignored.
    """

    id: NonEmpty
    method: NonEmpty
    params: object = None


class ErrorShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The `error` of a response: `code` and `message` are never empty."""

    code: NonEmpty
    message: NonEmpty
    details: Mapping[str, object] | UnsetType = UNSET
    retryable: bool | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class Response(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="res"
):
    """The answer to the request `id`. A success always has a payload, if only null."""

    id: str
    ok: bool
    payload: object = UNSET
    error: ErrorShape | UnsetType = UNSET


class StateVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Counters that tell a client whether its picture of presence and health is current."""

    presence: int
    health: int


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag_field="type",
    tag="event",
):
    """Something the gateway tells unasked. `seq` counts a connection's events from 1."""

    event: NonEmpty
    payload: object = UNSET
    seq: int | UnsetType = UNSET
    state_version: StateVersion | UnsetType = UNSET


ServerFrame = Response | Event

_requests = msgspec.json.Decoder(Request)
_server_frames = msgspec.json.Decoder(ServerFrame)
_encoder = msgspec.json.Encoder()


def parse_request(data: str | bytes) -> Request:
    """Reads what a client sends. Raises FrameError."""
    try:
        return _requests.decode(data)
    except msgspec.ValidationError as exc:
        raise FrameError(f"invalid request frame: {exc}", frame_id=_id_of(data)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise FrameError("invalid request frame: not JSON", is_json=False) from None


def parse_server_frame(data: str | bytes) -> ServerFrame:
    """Reads what a gateway sends. Raises FrameError."""
    try:
        return _server_frames.decode(data)
    except msgspec.ValidationError as exc:
        raise FrameError(f"invalid frame: {exc}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise FrameError("invalid frame: not JSON", is_json=False) from None


def encode(frame: Request | Response | Event) -> bytes:
    """The frame as UTF-8 text. Raises FrameError if a payload holds what JSON cannot express."""
    try:
        return _encoder.encode(frame)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as exc:
        raise FrameError(f"cannot be sent as JSON: {exc}") from exc


def encoded_payload(payload: object) -> msgspec.Raw:
    """A payload encoded once, for an event that goes to many connections. Raises FrameError."""
    try:
        return msgspec.Raw(_encoder.encode(payload))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as exc:
        raise FrameError(f"cannot be sent as JSON: {exc}") from exc


def success(request_id: str, payload: object) -> Response:
    """An answer with a result. Node's newest client crashes on a missing payload: None is null."""
    return Response(id=request_id, ok=True, payload=payload)


def failure(
    request_id: str, error: RpcError, *, fallback: Literal["text", "none"] = "none"
) -> Response:
    """An answer with an error. `fallback="text"` repeats the text as `payload.error`, where
    scripts written for the original's plugins look for it."""
    payload: object = UNSET
    if error.payload is not None:
        payload = error.payload
    elif fallback == "text":
        payload = {"error": error.message}
    return Response(id=request_id, ok=False, payload=payload, error=_shape(error))


def _shape(error: RpcError) -> ErrorShape:
    return ErrorShape(
        code=error.code or "UNAVAILABLE",
        message=error.message or "unknown error",
        details=UNSET if error.details is None else error.details,
        retryable=UNSET if error.retryable is None else error.retryable,
        retry_after_ms=UNSET if error.retry_after_ms is None else error.retry_after_ms,
    )


class _Identified(msgspec.Struct):
    id: str


def _id_of(data: str | bytes) -> str | None:
    """The id of an otherwise malformed frame, so that its sender can be answered."""
    try:
        return msgspec.json.decode(data, type=_Identified).id or None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
