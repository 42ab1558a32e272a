"""Parameters are read into a type, or every problem is named in the original's words."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from msgspec import Meta

from openclaw.errors import RpcError
from openclaw.rpc.handshake import ConnectParams
from openclaw.rpc.params import read_params
from tests.host.rpc.support import connect_params
from tests.host.rpc.test_frames import JSON


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1)]


class Shape(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    limit: Annotated[int, Meta(ge=1, le=5000)]
    mode: Literal["notify", "conversation"] | None = None
    inner: Inner | None = None
    tags: list[str] = []
    exact_text: Annotated[str, Meta(max_length=3)] = ""


@pytest.mark.parametrize(
    ("params", "problems"),
    [
        ({}, "must have required property 'limit'"),
        (None, "must have required property 'limit'"),
        ([], "must be object"),
        ({"limit": 0, "x": 1}, "at /limit: must be >= 1; at root: unexpected property 'x'"),
        ({"limit": 5001}, "at /limit: must be <= 5000"),
        ({"limit": "5"}, "at /limit: must be integer"),
        ({"limit": True}, "at /limit: must be integer"),
        ({"limit": 1, "mode": "x"}, "at /mode: must be equal to one of the allowed values"),
        ({"limit": 1, "tags": ["a", 2]}, "at /tags/1: must be string"),
        ({"limit": 1, "exactText": "four"}, "at /exactText: must NOT have more than 3 characters"),
        (
            {"limit": 1, "inner": {"name": "", "b": 1}},
            (
                "at /inner/name: must NOT have fewer than 1 characters; "
                "at /inner: unexpected property 'b'"
            ),
        ),
    ],
)
def test_problems(params: object, problems: str) -> None:
    with pytest.raises(RpcError) as refusal:
        read_params(Shape, params, "logs.tail")
    assert refusal.value.code == "INVALID_REQUEST"
    assert refusal.value.message == f"invalid logs.tail params: {problems}"


def test_good_parameters_become_the_type() -> None:
    read = read_params(Shape, {"limit": 2, "inner": {"name": "n"}, "exactText": "abc"}, "m")
    assert read == Shape(limit=2, inner=Inner(name="n"), exact_text="abc")


def complaint(shape: type, params: object) -> str | None:
    """What the refusal says, None if the parameters are good."""
    try:
        read_params(shape, params, "m")
    except RpcError as exc:
        return exc.message
    return None


@given(JSON)
def test_whatever_comes_is_read_or_refused_with_a_reason(params: object) -> None:
    for shape in (Shape, ConnectParams):
        said = complaint(shape, params)
        assert said is None or len(said) > len("invalid m params: ")


@given(JSON)
def test_a_connect_spoiled_in_one_place(value: object) -> None:
    for key in connect_params():
        said = complaint(ConnectParams, connect_params() | {key: value})
        assert said is None or f"/{key}" in said
