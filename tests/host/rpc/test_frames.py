"""Frames: what goes in comes out, and anything else is a documented error."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.errors import FrameError, RpcError
from openclaw.rpc.frames import (
    Event,
    Request,
    Response,
    encode,
    failure,
    parse_request,
    parse_server_frame,
    success,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(min_size=1, max_size=20)


@given(TEXT, TEXT, JSON)
def test_a_request_survives_the_trip(request_id: str, method: str, params: object) -> None:
    request = Request(id=request_id, method=method, params=params)
    assert parse_request(encode(request)) == request


@given(TEXT, JSON)
def test_a_success_survives_the_trip(request_id: str, payload: object) -> None:
    response = success(request_id, payload)
    text = encode(response)
    assert set(json.loads(text)) == {"type", "id", "ok", "payload"}
    assert parse_server_frame(text) == response


@given(
    TEXT,
    st.builds(
        RpcError,
        st.sampled_from(["INVALID_REQUEST", "UNAVAILABLE", ""]),
        st.text(),
        st.none() | st.dictionaries(st.text(), JSON, max_size=3),
        st.none() | st.booleans(),
        st.none() | st.integers(0, 10**9),
    ),
    st.sampled_from(["text", "none"]),
)
def test_a_failure_has_an_error_that_every_client_reads(
    request_id: str, error: RpcError, fallback: str
) -> None:
    response = failure(request_id, error, fallback="text" if fallback == "text" else "none")
    frame = cast("dict[str, object]", json.loads(encode(response)))
    assert set(frame) - {"payload"} == {"type", "id", "ok", "error"}
    shape = cast("dict[str, object]", frame["error"])
    assert set(shape) <= {"code", "message", "details", "retryable", "retryAfterMs"}
    assert shape["code"]
    assert shape["message"]
    assert None not in shape.values()
    assert ("payload" in frame) is (fallback == "text")
    assert isinstance(parse_server_frame(encode(response)), Response)


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_anything_else_is_a_frame_error(data: str | bytes) -> None:
    for parse in (parse_request, parse_server_frame):
        with suppress(FrameError):
            assert isinstance(parse(data), Request | Response | Event)


@given(st.dictionaries(st.sampled_from(["type", "id", "method", "ok", "event", "seq"]), JSON))
def test_almost_frames(frame: dict[str, object]) -> None:
    try:
        request = parse_request(json.dumps(frame))
    except FrameError as exc:
        found_id, is_json = exc.frame_id, exc.is_json
    else:
        found_id, is_json = request.id, True
        assert request.method == frame["method"]
    assert is_json
    assert found_id is None or found_id == frame.get("id")


def test_depth_is_no_way_to_break_the_parser() -> None:
    for text in ("[" * 100_000, '{"type":"req","id":"1","method":"m","params":' + "[" * 100_000):
        with pytest.raises(FrameError):
            parse_request(text)


@pytest.mark.parametrize("payload", [object(), {1, object()}, "\ud800", {"x": object()}])
def test_what_json_cannot_express_is_a_frame_error(payload: object) -> None:
    with pytest.raises(FrameError, match="cannot be sent as JSON"):
        encode(success("1", payload))


def test_null_payload_is_written() -> None:
    assert json.loads(encode(success("1", None))) == {
        "type": "res",
        "id": "1",
        "ok": True,
        "payload": None,
    }


def test_an_event_without_number_has_no_seq() -> None:
    assert json.loads(encode(Event(event="tick"))) == {"type": "event", "event": "tick"}
    assert json.loads(encode(Event(event="tick", seq=1)))["seq"] == 1
