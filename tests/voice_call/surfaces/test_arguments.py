"""Whatever JSON comes in, reading it gives values or InvalidRequest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import InvalidRequest
from openclaw_voice_call.surfaces import arguments
from openclaw_voice_call.surfaces.arguments import Params, Placement

NAMES = st.sampled_from(
    [
        "to",
        "message",
        "mode",
        "callId",
        "sid",
        "digits",
        "operationId",
        "timeoutMs",
        "idempotencyKey",
        "dtmfSequence",
        "wait",
        "extra",
    ]
)
# Python's JSON reader lets halves of surrogate pairs through.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
PARAMS = st.dictionaries(NAMES | TEXT, JSON, max_size=8)

READERS: list[Callable[[Params], object]] = [
    arguments.initiate,
    arguments.start,
    arguments.placement,
    arguments.call_and_message,
    arguments.call_and_digits,
    arguments.call_id,
    arguments.any_call_id,
    arguments.operation_id,
    arguments.wait_ms,
    arguments.idempotency_key,
]


@pytest.mark.scenario("F77")
@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(params=PARAMS)
def test_any_json_gives_values_or_invalid_request(
    read: Callable[[Params], object], params: dict[str, object]
) -> None:
    with suppress(InvalidRequest):
        read(params)


@given(params=PARAMS, name=NAMES)
def test_a_text_is_trimmed_storable_and_never_empty(params: dict[str, object], name: str) -> None:
    found = arguments.text(params, name)
    if found is not None:
        assert found
        assert found == found.strip()
        found.encode()


@pytest.mark.parametrize(
    ("params", "placement"),
    [
        (
            {"message": " Hi ", "to": " +15551112222 ", "mode": "notify"},
            Placement("+15551112222", "Hi", Mode.NOTIFY),
        ),
        ({"message": "Hi", "mode": "weird", "extra": 1}, Placement(None, "Hi", None)),
        ({"message": "Hi", "record": True}, Placement(None, "Hi", None, record_audio=True)),
        ({"message": "Hi", "record": False}, Placement(None, "Hi", None, record_audio=False)),
        ({"message": "Hi", "record": "no"}, Placement(None, "Hi", None)),
        ({"message": "Hi", "to": 15551112222, "mode": None}, Placement(None, "Hi", None)),
    ],
)
def test_placements(params: Params, placement: Placement) -> None:
    assert arguments.initiate(params) == placement


@pytest.mark.parametrize(
    ("value", "ms"),
    [(0, 0), (-5, 0), (250, 250), (10**9, 600_000), ("5", 30_000), (True, 30_000), (None, 30_000)],
)
def test_waiting_is_bounded(value: object, ms: int) -> None:
    assert arguments.wait_ms({"timeoutMs": value}) == ms


def test_an_endless_key_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="idempotencyKey is 201 characters long"):
        arguments.idempotency_key({"idempotencyKey": "k" * 201})
