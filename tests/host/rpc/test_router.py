"""Who may call what, and what a caller hears when it goes wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from openclaw.errors import RpcError
from openclaw.rpc.frames import Request, Response
from openclaw.rpc.router import ALL_SCOPES, Caller, RpcRouter, Scope, TwoPhase
from tests.host.rpc.support import a_caller

Params = Mapping[str, object]


async def fine(params: Params, caller: Caller) -> object:
    return dict(params)


async def refuse(params: Params, caller: Caller) -> object:
    raise RpcError("UNAVAILABLE", "Call not found", {"code": "call_not_found"})


def call(method: str, params: object = None) -> Request:
    return Request(id="1", method=method, params=params)


def message(response: Response) -> str:
    assert response.error is not UNSET
    return response.error.message


async def test_unknown_method_has_exactly_this_text() -> None:
    answer = await RpcRouter().dispatch(call("voicecall.continue.start"), a_caller())
    assert message(answer) == "unknown method: voicecall.continue.start"


def test_a_name_is_taken_once() -> None:
    router = RpcRouter()
    router.add("m", fine)
    with pytest.raises(ValueError, match="'m' is already registered"):
        router.add("m", fine)
    router.remove("m")
    router.add("m", fine)
    assert router.names == ["m"]


@given(st.sets(st.sampled_from(sorted(ALL_SCOPES))), st.sampled_from(sorted(ALL_SCOPES)))
def test_which_scopes_cover_which(granted: set[str], needed: str) -> None:
    implied = set(granted)
    if Scope.WRITE in granted:
        implied.add(Scope.READ)
    if Scope.ADMIN in granted:
        implied |= ALL_SCOPES
    assert a_caller(*granted).may(needed) is (needed in implied)
    assert a_caller(*granted).may(None)


async def test_undeclared_scope_is_admin() -> None:
    router = RpcRouter()
    router.add("m", fine)
    refused = await router.dispatch(call("m"), a_caller(Scope.READ, Scope.WRITE))
    assert refused.error is not UNSET
    assert msgspec.to_builtins(refused.error) == {
        "code": "FORBIDDEN",
        "message": "missing scope: operator.admin",
        "details": {
            "code": "MISSING_SCOPE",
            "missingScope": "operator.admin",
            "requiredScopes": ["operator.admin"],
        },
    }
    assert (await router.dispatch(call("m"), a_caller(Scope.ADMIN))).ok


async def test_no_scope_needed() -> None:
    router = RpcRouter()
    router.add("health", fine, None)
    assert (await router.dispatch(call("health"), a_caller())).ok
    node = a_caller(role="node")
    assert message(await router.dispatch(call("health"), node)) == "unauthorized role: node"


async def test_plugin_errors_stand_in_the_payload_too() -> None:
    router = RpcRouter()
    router.add("voicecall.end", refuse, None, plugin=True)
    router.add("core", refuse, None)
    answer = await router.dispatch(call("voicecall.end"), a_caller())
    assert answer.payload == {"error": "Call not found"}
    assert message(answer) == "Call not found"
    assert (await router.dispatch(call("core"), a_caller())).payload is UNSET


async def test_plugin_methods_report_a_missing_scope_in_the_payload_too() -> None:
    router = RpcRouter()
    router.add("voicecall.end", fine, Scope.WRITE, plugin=True)
    answer = await router.dispatch(call("voicecall.end"), a_caller(Scope.READ))
    assert answer.payload == {"error": "missing scope: operator.write"}


async def test_an_unexpected_failure_is_logged_and_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks(params: Params, caller: Caller) -> object:
        raise KeyError("inner secret")

    router = RpcRouter()
    router.add("m", breaks, None)
    with caplog.at_level(logging.ERROR):
        answer = await router.dispatch(call("m"), a_caller())
    assert answer.error is not UNSET
    assert answer.error.code == "UNAVAILABLE"
    assert "inner secret" not in message(answer)
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("params", [[], "text", 5, True])
async def test_parameters_must_be_an_object(params: object) -> None:
    router = RpcRouter()
    router.add("m", fine, None)
    answer = await router.dispatch(call("m", params), a_caller())
    assert message(answer) == "invalid m params: must be object"
    assert (await router.dispatch(call("m"), a_caller())).payload == {}


async def test_two_phases_and_a_failing_end() -> None:
    async def agent(params: Params, caller: Caller) -> object:
        return TwoPhase({"status": "accepted"}, refuse(params, caller))

    router = RpcRouter()
    router.add("agent", agent, None)
    early: list[Response] = []
    last = await router.dispatch(call("agent"), a_caller(), early.append)
    assert [e.payload for e in early] == [{"status": "accepted"}]
    assert message(last) == "Call not found"
