"""The gateway's own methods, through a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from openclaw.errors import OpenClawError, RpcError
from openclaw.rpc.agent_runs import AgentRequest, AgentRuns
from openclaw.rpc.client import GatewayClient
from openclaw.rpc.core_methods import CoreSources, hello_snapshot, register_core
from openclaw.rpc.frames import Request
from openclaw.rpc.router import RpcRouter, Scope
from tests.host.rpc.support import (
    PATIENCE_S,
    TOKEN,
    JsonObject,
    Wire,
    a_caller,
    connected,
    serving,
)


class ModelDown(OpenClawError):
    code = "model_unreachable"


class Agent:
    """An agent with a script: its words, and where it hangs or fails."""

    def __init__(self) -> None:
        self.asked: list[AgentRequest] = []
        self.words = ["Hello!", " Final answer."]
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.failure: Exception | None = None
        self.closed = asyncio.Event()

    async def __call__(self, request: AgentRequest) -> AsyncGenerator[str]:
        self.asked.append(request)
        try:
            for word in self.words:
                yield word
                await self.go_on.wait()
            if self.failure is not None:
                raise self.failure
        finally:
            self.closed.set()


async def no_more() -> Mapping[str, object]:
    return {"plugins": {"failed": []}}


def sources(agent: Agent, log_file: Path | None = None) -> CoreSources:
    return CoreSources(
        version="0.1.0",
        started_at_ms=0,
        agents=lambda: ["main", "sales"],
        config=lambda: {"path": "openclaw.json", "exists": True, "valid": True},
        log_file=lambda: log_file,
        run_agent=agent,
        health=no_more,
        default_model=lambda: "openai/gpt-4o-mini",
        sessions=lambda agent_id: (f"agents/{agent_id}/sessions", 2),
        identity=lambda: {"deviceId": "d", "publicKey": "p"},
    )


@asynccontextmanager
async def core(given: CoreSources) -> AsyncGenerator[tuple[Wire, AgentRuns]]:
    router = RpcRouter()
    runs = register_core(router, given)
    async with serving(router) as gateway, connected(gateway) as wire:
        yield wire, runs
        await runs.aclose()


async def result(wire: Wire, method: str, params: object = None) -> object:
    answer = await wire.call(method, params)
    assert answer["ok"], answer
    return answer["payload"]


async def test_what_gateway_probe_asks_on_one_connection() -> None:
    async with core(sources(Agent())) as (wire, _):
        health = cast("JsonObject", await result(wire, "health"))
        assert health["ok"] is True
        assert {"ts", "durationMs", "channels", "channelOrder", "agents", "sessions"} <= set(health)
        assert health["plugins"] == {"failed": []}
        status = cast("JsonObject", await result(wire, "status"))
        assert set(status) == {
            "runtimeVersion",
            "heartbeat",
            "channelSummary",
            "queuedSystemEvents",
            "sessions",
        }
        assert cast("JsonObject", status["sessions"])["count"] == 4
        (presence,) = cast("list[JsonObject]", await result(wire, "system-presence"))
        assert (presence["mode"], presence["reason"]) == ("gateway", "self")
        config = cast("JsonObject", await result(wire, "config.get", {}))
        assert config["valid"] is True


async def test_small_ones() -> None:
    async with core(sources(Agent())) as (wire, _):
        assert await result(wire, "last-heartbeat") is None
        agents = cast("JsonObject", await result(wire, "agents.list"))
        assert agents == {
            "defaultId": "main",
            "mainKey": "main",
            "scope": "per-sender",
            "agents": [{"id": "main"}, {"id": "sales"}],
        }
        identity = await result(wire, "gateway.identity.get")
        assert identity == {"deviceId": "d", "publicKey": "p"}


async def test_scopes_of_the_core_methods() -> None:
    router = RpcRouter()
    runs = register_core(router, sources(Agent()))
    needs_write = {"agent", "agent.wait"}
    for method in router.names:
        request = Request(id="1", method=method, params={})
        nobody = await router.dispatch(request, a_caller())
        reader = await router.dispatch(request, a_caller(Scope.READ))
        assert nobody.ok is (method == "health")
        missing = "missing scope: operator.write"
        assert (reader.error is not None and missing in str(reader.error)) is (
            method in needs_write
        )
    await runs.aclose()


async def test_log_lines(tmp_path: Path) -> None:
    log = tmp_path / "openclaw.log"
    log.write_text("one\ntwo\n")
    async with core(sources(Agent(), log)) as (wire, _):
        found = cast("JsonObject", await result(wire, "logs.tail", {"limit": 1}))
        assert found == {
            "file": str(log),
            "cursor": 8,
            "size": 8,
            "lines": ["two"],
            "truncated": True,
            "reset": False,
        }
        refused = await wire.call("logs.tail", {"limit": 0, "x": 1})
        text = "invalid logs.tail params: at /limit: must be >= 1; at root: unexpected property 'x'"
        assert refused["error"] == {"code": "INVALID_REQUEST", "message": text}
    async with core(sources(Agent())) as (wire, _):
        assert (await wire.call("logs.tail"))["ok"] is False


async def test_an_agent_run_as_the_original_tells_it() -> None:
    async with core(sources(Agent())) as (wire, _):
        params = {"message": "hi", "idempotencyKey": "k1", "sessionKey": "agent:main:t2"}
        request = await wire.request("agent", params | {"deliver": False})
        first = cast("JsonObject", (await wire.answer(request))["payload"])
        assert (first["runId"], first["status"]) == ("k1", "accepted")
        told: list[object] = []
        while (frame := await wire.frame())["type"] == "event":
            payload = cast("JsonObject", frame["payload"])
            assert (payload["runId"], payload["sessionKey"]) == ("k1", "agent:main:t2")
            told.append(payload.get("state", payload.get("stream")))
        said = ["assistant", "delta"]
        assert told == ["lifecycle", *said, *said, "lifecycle", "final"]
        final = cast("JsonObject", frame["payload"])
        assert (final["status"], final["summary"]) == ("ok", "completed")
        payloads = cast("JsonObject", final["result"])["payloads"]
        assert payloads == [{"text": "Hello! Final answer.", "mediaUrl": None}]
        waited = cast("JsonObject", await result(wire, "agent.wait", {"runId": "k1"}))
        assert waited["status"] == "ok"
        assert isinstance(waited["endedAt"], int)


async def test_a_repeated_key_joins_the_run() -> None:
    agent = Agent()
    agent.go_on.clear()
    async with core(sources(agent)) as (wire, _):
        params = {"message": "hi", "idempotencyKey": "k"}
        requests = [await wire.request("agent", params) for _ in range(3)]
        waited = await result(wire, "agent.wait", {"runId": "k", "timeoutMs": 1})
        assert waited == {"runId": "k", "status": "timeout"}
        other = await wire.call("agent", params | {"message": "other"})
        assert "already used with another message" in str(other["error"])
        agent.go_on.set()
        finals: set[str] = set()
        async with asyncio.timeout(PATIENCE_S):
            while len(finals) < 3:
                frame = await wire.frame()
                if "completed" in str(frame.get("payload")):
                    finals.add(str(frame["id"]))
        assert finals == set(requests)
    assert len(agent.asked) == 1


@pytest.mark.parametrize(
    ("failure", "code", "details"),
    [
        (ModelDown("no model"), "UNAVAILABLE", {"code": "model_unreachable"}),
        (RpcError("INVALID_REQUEST", "unknown agent"), "INVALID_REQUEST", None),
    ],
)
async def test_a_failed_run(failure: Exception, code: str, details: object) -> None:
    agent = Agent()
    agent.failure = failure
    async with core(sources(agent)) as (wire, _):
        request = await wire.request("agent", {"message": "hi", "idempotencyKey": "k"})
        assert (await wire.answer(request))["ok"] is True
        final = await wire.answer(request)
        error = cast("JsonObject", final["error"])
        assert (error["code"], error.get("details")) == (code, details)
        assert final["payload"] == {"runId": "k", "status": "error", "summary": str(failure)}
        waited = cast("JsonObject", await result(wire, "agent.wait", {"runId": "k"}))
        assert (waited["status"], waited["error"]) == ("error", str(failure))


async def test_a_run_that_takes_too_long_is_stopped() -> None:
    agent = Agent()
    agent.go_on.clear()
    async with core(sources(agent)) as (wire, _):
        params = {"message": "hi", "idempotencyKey": "k", "timeout": 0.01}
        request = await wire.request("agent", params)
        await wire.answer(request)
        error = cast("JsonObject", (await wire.answer(request))["error"])
        assert error["code"] == "AGENT_TIMEOUT"
        assert agent.closed.is_set()


async def test_agent_parameters_are_required() -> None:
    async with core(sources(Agent())) as (wire, _):
        answer = await wire.call("agent", {"message": ""})
        assert cast("JsonObject", answer["error"])["message"] == (
            "invalid agent params: must have required property 'idempotencyKey'; "
            "at /message: must NOT have fewer than 1 characters"
        )
        unknown = await wire.call("agent.wait", {"runId": "nothing"})
        assert cast("JsonObject", unknown["error"])["message"] == "unknown runId: nothing"


async def test_our_own_client_gets_the_final_answer() -> None:
    router = RpcRouter()
    runs = register_core(router, sources(Agent()))
    async with serving(router) as gateway:

        def use() -> object:
            with GatewayClient.connect(gateway.url, token=TOKEN) as client:
                params = {"message": "hi", "idempotencyKey": "k"}
                return client.call("agent", params, expect_final=True)

        final = cast("JsonObject", await asyncio.to_thread(use))
        assert final["status"] == "ok"
    await runs.aclose()


def test_the_snapshot_of_hello_ok() -> None:
    given = replace(sources(Agent()), config_path="openclaw.json", now_ms=lambda: 1500)
    snapshot = hello_snapshot(given)
    assert snapshot["uptimeMs"] == 1500
    assert snapshot["configPath"] == "openclaw.json"
    assert "stateDir" not in snapshot
    assert cast("JsonObject", snapshot["sessionDefaults"])["mainSessionKey"] == "agent:main:main"
