"""Plain HTTP on the gateway's port."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping

import aiohttp
import pytest

from openclaw.errors import RpcError
from openclaw.rpc.handshake import AuthPolicy
from openclaw.rpc.server import Readiness
from openclaw.rpc.tools_http import ToolInvocation
from tests.host.rpc.support import TOKEN, serving


async def test_health_and_readiness() -> None:
    failing: list[str] = []
    async with (
        serving(readiness=lambda: Readiness(failing=failing)) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
    ):
        for path in ("/health", "/healthz"):
            async with http.get(path) as response:
                assert (response.status, await response.json()) == (
                    200,
                    {"ok": True, "status": "live"},
                )
        async with http.get("/readyz") as response:
            body = await response.json()
            assert (response.status, body["ready"], body["failing"]) == (200, True, [])
            assert isinstance(body["uptimeMs"], int)
        failing.append("voice-call")
        async with http.get("/ready") as response:
            body = await response.json()
            assert (response.status, body["ready"], body["failing"]) == (503, False, failing)
        async with http.get("/elsewhere") as response:
            assert response.status == 404
        async with http.post("/health") as response:
            assert response.status == 405


async def test_tools_over_http() -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        serving() as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
    ):
        call = {"tool": "echo", "action": "get_status", "args": {"callId": "c"}}
        async with http.post("/tools/invoke", json=call, headers=bearer) as response:
            body = await response.json()
            assert response.status == 200
            assert body["ok"] is True
            assert body["result"]["details"] == {"action": "get_status", "callId": "c"}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            async with http.post("/tools/invoke", json=call, headers=headers) as response:
                assert response.status == 401
                assert await response.json() == {
                    "error": {"message": "Unauthorized", "type": "unauthorized"}
                }
        async with http.post("/tools/invoke", json={"tool": "x"}, headers=bearer) as response:
            assert response.status == 404
            assert await response.json() == {
                "ok": False,
                "error": {"type": "not_found", "message": "Tool not available: x"},
            }
        async with http.post("/tools/invoke", data=b"{", headers=bearer) as response:
            assert response.status == 400
        async with http.get("/tools/invoke", headers=bearer) as response:
            assert response.status == 405
        page = {**bearer, "Origin": "https://evil.example"}
        async with http.post("/tools/invoke", json=call, headers=page) as response:
            assert response.status == 403
        large = b'{"tool":"echo","pad":"' + b"x" * 2_200_000 + b'"}'
        async with http.post("/tools/invoke", data=io.BytesIO(large), headers=bearer) as response:
            assert response.status == 413


async def test_a_tool_that_refuses_and_one_that_breaks(caplog: pytest.LogCaptureFixture) -> None:
    async def tool(invocation: ToolInvocation) -> Mapping[str, object]:
        if invocation.tool == "refuses":
            raise RpcError("INVALID_REQUEST", "to required")
        raise ZeroDivisionError("inner secret")

    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        serving(invoke_tool=tool) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}", headers=bearer) as http,
    ):
        async with http.post("/tools/invoke", json={"tool": "refuses"}) as response:
            assert response.status == 400
            assert (await response.json())["error"]["message"] == "to required"
        with caplog.at_level(logging.ERROR):
            async with http.post("/tools/invoke", json={"tool": "breaks"}) as response:
                assert response.status == 500
                assert "inner secret" not in await response.text()
        assert caplog.records[0].exc_info is not None


async def test_tools_are_guarded_like_the_websocket() -> None:
    call = {"tool": "echo"}
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    async with (
        serving(trusted_proxies=["127.0.0.1"]) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
    ):
        headers = {**proxied, "Authorization": "Bearer wrong"}
        for _ in range(10):
            async with http.post("/tools/invoke", json=call, headers=headers) as response:
                assert response.status == 401
        async with http.post("/tools/invoke", json=call, headers=headers) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 290
    async with (
        serving() as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
        http.post("/tools/invoke", json=call, headers=proxied) as response,
    ):
        assert response.status == 403


async def test_without_auth_tools_are_for_local_programs() -> None:
    call = {"tool": "echo"}
    async with (
        serving(auth=AuthPolicy(mode="none")) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as http,
    ):
        async with http.post("/tools/invoke", json=call) as response:
            assert response.status == 200
        async with http.post(
            "/tools/invoke", json=call, headers={"Host": "attacker.example"}
        ) as response:
            assert response.status == 401
