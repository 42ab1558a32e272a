"""The handshake's decisions, without a socket. Texts are proved by the recorded frames."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw.errors import HandshakeRefused
from openclaw.rpc.frames import Request
from openclaw.rpc.handshake import (
    Admission,
    AuthPolicy,
    ConnectParams,
    Policy,
    WrongSecret,
    admit,
    hello_ok,
    read_connect,
    secret_matches,
)
from openclaw.rpc.peer import Peer
from tests.host.rpc.support import TOKEN, connect_params
from tests.host.rpc.test_frames import JSON

HERE = Peer(address="127.0.0.1", local=True, host="127.0.0.1:18789")
TOKEN_POLICY = AuthPolicy(mode="token", secret=TOKEN)


def connect(**changes: object) -> ConnectParams:
    params = connect_params() | changes
    return read_connect(Request(id="1", method="connect", params=params))


def judge(params: ConnectParams, policy: AuthPolicy = TOKEN_POLICY) -> Admission:
    return admit(params, HERE, policy, nonce="n", now_ms=0)


@given(st.integers(1, 10), st.integers(1, 10))
def test_a_version_is_agreed_if_and_only_if_the_range_has_one_of_ours(low: int, high: int) -> None:
    params = connect(minProtocol=low, maxProtocol=high)
    if low <= high and {3, 4} & set(range(low, high + 1)):
        assert judge(params).protocol == min(4, high)
        return
    with pytest.raises(HandshakeRefused, match="protocol mismatch") as refusal:
        judge(params)
    assert refusal.value.close_code == 1002


@given(st.text(), st.text())
def test_only_the_secret_opens(token: str, password: str) -> None:
    params = connect(auth={"token": token, "password": password})
    if TOKEN in (token, password):
        assert judge(params)
        return
    kind = WrongSecret if token or password else HandshakeRefused
    with pytest.raises(kind) as refusal:
        judge(params)
    assert TOKEN not in str(refusal.value)


def test_granted_scopes_are_the_requested_ones_that_exist() -> None:
    asked = ["operator.write", "operator.everything", "operator.read", "operator.write"]
    assert judge(connect(scopes=asked)).scopes == ("operator.write", "operator.read")
    assert judge(connect(scopes=[])).scopes == ()


def test_a_wrong_secret_is_told_apart_from_a_missing_one() -> None:
    with pytest.raises(WrongSecret):
        judge(connect(auth={"token": "wrong"}))
    with pytest.raises(HandshakeRefused) as refusal:
        judge(connect(auth={}))
    assert not isinstance(refusal.value, WrongSecret)


def test_a_policy_without_secret_cannot_be_made() -> None:
    for mode in ("token", "password"):
        with pytest.raises(ValueError, match="needs a secret"):
            AuthPolicy(mode=mode)
    assert not secret_matches(AuthPolicy(mode="none"), "")


def test_secrets_are_not_shown() -> None:
    assert TOKEN not in repr(TOKEN_POLICY)
    assert TOKEN not in repr(connect())


@given(JSON)
def test_any_first_request_is_admitted_or_refused(params: object) -> None:
    for method in ("connect", "health"):
        with pytest.raises(HandshakeRefused):
            judge(read_connect(Request(id="1", method=method, params=params)))


@pytest.mark.parametrize("protocol", [3, 4])
def test_hello_ok(protocol: int) -> None:
    admission = Admission(
        protocol=protocol, client_id="cli", role="operator", scopes=("operator.read",)
    )
    hello = hello_ok(
        admission,
        version="0.1.0",
        conn_id="c",
        methods=["health"],
        events=["tick"],
        snapshot={},
        policy=Policy(),
    )
    auth = {"role": "operator", "scopes": ["operator.read"]}
    assert hello.get("auth") == (auth if protocol == 4 else None)
    assert cast("dict[str, object]", hello["features"])["methods"] == ["health"]
    assert hello["policy"] == {
        "maxPayload": 26_214_400,
        "maxBufferedBytes": 52_428_800,
        "tickIntervalMs": 30_000,
    }
