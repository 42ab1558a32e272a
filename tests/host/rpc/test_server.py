"""The gateway's port as clients meet it: frames, ticks, limits, HTTP, shutdown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aiohttp
import msgspec
import pytest

from openclaw.errors import FrameError, RpcError
from openclaw.rpc.device import SignedFacts, load_or_create_identity
from openclaw.rpc.handshake import AuthPolicy
from openclaw.rpc.router import Caller, TwoPhase
from tests.host.rpc.support import (
    PATIENCE_S,
    TOKEN,
    Gate,
    JsonObject,
    Params,
    connect_params,
    connected,
    echo,
    limits,
    router,
    serving,
    wired,
)

# --- frames and handshake over the socket ---


async def test_challenge_comes_first_with_nonce_and_integer_time() -> None:
    async with serving() as gateway, wired(gateway) as wire:
        challenge = await wire.frame()
    payload = cast("JsonObject", challenge["payload"])
    assert challenge["event"] == "connect.challenge"
    assert "seq" not in challenge
    assert isinstance(payload["ts"], int)
    assert len(str(payload["nonce"])) >= 32


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("hello", (1000, "")),
        ("[1, 2]", (1008, "invalid request frame")),
        ('{"type":"event","event":"tick"}', (1008, "invalid request frame")),
        ('{"type":"req","id":"","method":"connect"}', (1008, "invalid request frame")),
    ],
)
async def test_first_frame_that_is_no_request(text: str, close: tuple[int, str]) -> None:
    async with serving() as gateway, wired(gateway) as wire:
        await wire.frame()
        await wire.socket.send_str(text)
        assert await wire.closed() == close


async def test_other_method_first() -> None:
    async with serving() as gateway, wired(gateway) as wire:
        await wire.frame()
        answer = await wire.call("health")
        text = "invalid handshake: first request must be connect"
        assert answer["error"] == {"code": "INVALID_REQUEST", "message": text}
        assert await wire.closed() == (1008, text)


async def test_long_refusals_are_cut_to_what_a_close_frame_holds() -> None:
    async with serving() as gateway, wired(gateway) as wire:
        await wire.frame()
        answer = await wire.call("connect", connect_params() | {"ü" * 200: 1})
        error = cast("JsonObject", answer["error"])
        code, reason = await wire.closed()
        assert code == 1008
        assert str(error["message"]).startswith(reason)
        assert len(reason.encode()) <= 120


async def test_connect_again_is_refused_and_the_connection_goes_on() -> None:
    async with serving(router(echo=echo)) as gateway, connected(gateway) as wire:
        again = await wire.call("connect", connect_params())
        text = "connect is only valid as the first request"
        assert again["error"] == {"code": "INVALID_REQUEST", "message": text}
        assert (await wire.call("echo", {"a": 1}))["payload"] == {"a": 1}


async def test_malformed_request_later_is_answered_and_the_connection_goes_on() -> None:
    async with serving(router(echo=echo)) as gateway, connected(gateway) as wire:
        await wire.socket.send_str('{"type":"req","id":"x","method":5}')
        answer = await wire.answer("x")
        assert answer["ok"] is False
        await wire.socket.send_str("{")
        assert (await wire.answer("invalid"))["ok"] is False
        assert (await wire.call("echo"))["ok"] is True


async def test_silent_client_is_closed_after_the_handshake_time() -> None:
    async with (
        serving(bounds=limits(handshake_s=0.05)) as gateway,
        wired(gateway) as wire,
    ):
        await wire.frame()
        assert await wire.closed() == (1000, "handshake timeout")


async def test_secret_in_the_password_field_of_a_token_gateway() -> None:
    async with serving() as gateway, wired(gateway) as wire:
        await wire.frame()
        params = connect_params(token=None) | {"auth": {"password": TOKEN}}
        assert (await wire.call("connect", params))["ok"] is True


async def test_password_gateway_names_the_password() -> None:
    auth = AuthPolicy(mode="password", secret="correct horse")
    async with serving(auth=auth) as gateway, wired(gateway) as wire:
        await wire.frame()
        answer = await wire.call("connect", connect_params(token="wrong"))
        error = cast("JsonObject", answer["error"])
        assert str(error["message"]).startswith("unauthorized: gateway password mismatch")
        details = cast("JsonObject", error["details"])
        assert details["code"] == "AUTH_PASSWORD_MISMATCH"


async def test_binary_frames_are_read_like_text() -> None:
    async with serving(router(echo=echo)) as gateway, connected(gateway) as wire:
        frame = {"type": "req", "id": "b", "method": "echo", "params": {"a": 1}}
        await wire.socket.send_bytes(json.dumps(frame).encode())
        assert (await wire.answer("b"))["payload"] == {"a": 1}


async def test_newer_request_keys_are_ignored() -> None:
    async with serving(router(echo=echo)) as gateway, connected(gateway) as wire:
        frame = {"type": "req", "id": "n", "method": "echo", "params": None}
        await wire.send(frame | {"traceparent": "00-ab-cd-01", "expectedProfileId": "p"})
        assert (await wire.answer("n"))["payload"] == {}


# --- ticks and events ---


async def test_ticks_come_while_a_request_is_pending() -> None:
    gate = Gate()
    async with (
        serving(router(wait=gate.method), bounds=limits(tick_interval_ms=20)) as gateway,
        connected(gateway) as wire,
    ):
        request = await wire.request("wait")
        ticks = [await wire.event("tick") for _ in range(4)]
        assert [tick["seq"] for tick in ticks] == [1, 2, 3, 4]
        assert all(isinstance(cast("JsonObject", t["payload"])["ts"], int) for t in ticks)
        gate.open.set()
        assert (await wire.answer(request))["payload"] == "done"


async def test_requests_of_one_connection_run_side_by_side() -> None:
    gate = Gate()
    async with (
        serving(router(wait=gate.method, echo=echo)) as gateway,
        connected(gateway) as wire,
    ):
        slow = await wire.request("wait")
        assert (await wire.call("echo", {"n": 1}))["payload"] == {"n": 1}
        gate.open.set()
        assert (await wire.answer(slow))["payload"] == "done"


async def test_events_reach_those_whose_scope_allows_it() -> None:
    async with (
        serving() as gateway,
        connected(gateway, scopes=["operator.write"]) as writer,
        connected(gateway, scopes=["operator.pairing"]) as other,
    ):
        gateway.server.publish("voicecall.call", {"state": "ringing"})
        gateway.server.publish("health", {"ok": True}, scope=None)
        assert (await writer.frame())["event"] == "voicecall.call"
        seen = await other.frame()
        assert (seen["event"], seen["seq"]) == ("health", 1)


async def test_two_answers_of_one_id() -> None:
    async def agent(params: Params, caller: Caller) -> object:
        async def final() -> object:
            caller.send_event("agent", {"stream": "assistant"})
            return {"status": "ok"}

        return TwoPhase({"status": "accepted"}, final())

    async with serving(router(agent=agent)) as gateway, connected(gateway) as wire:
        request = await wire.request("agent")
        frames = [await wire.frame() for _ in range(3)]
    assert [f.get("id", f.get("event")) for f in frames] == [request, "agent", request]
    assert frames[0]["payload"] == {"status": "accepted"}
    assert frames[2]["payload"] == {"status": "ok"}


async def test_a_request_outlives_its_client() -> None:
    gate = Gate()
    async with serving(router(wait=gate.method)) as gateway:
        async with connected(gateway) as wire:
            await wire.request("wait")
            await asyncio.wait_for(gate.begun.wait(), PATIENCE_S)
        gate.open.set()
        await asyncio.wait_for(gate.finished.wait(), PATIENCE_S)


async def test_node_role_may_call_nothing_and_is_closed_in_the_end(tmp_path: Path) -> None:
    identity = load_or_create_identity(tmp_path / "device.json")
    facts = SignedFacts(client_id="cli", client_mode="cli", role="node", scopes=(), token=TOKEN)
    async with serving(router(echo=echo)) as gateway, wired(gateway) as wire:
        challenge = cast("JsonObject", (await wire.frame())["payload"])
        device = identity.sign(
            facts, nonce=str(challenge["nonce"]), now_ms=cast("int", challenge["ts"])
        )
        params = connect_params(role="node", scopes=(), device=msgspec.to_builtins(device))
        assert (await wire.call("connect", params))["ok"] is True
        for _ in range(11):
            answer = await wire.call("echo")
            error = {"code": "INVALID_REQUEST", "message": "unauthorized role: node"}
            assert answer["error"] == error
        assert await wire.closed() == (1008, "unauthorized role: node")


# --- limits ---


async def test_too_large_before_connect() -> None:
    async with serving() as gateway, wired(gateway) as wire:
        await wire.frame()
        await wire.socket.send_str(json.dumps({"type": "req", "id": "1", "pad": "x" * 65_536}))
        assert (await wire.closed())[0] == 1009


async def test_a_flood_before_connect_is_cut_while_it_arrives() -> None:
    async with serving() as gateway, wired(gateway) as wire:
        await wire.frame()

        async def flood() -> None:
            await wire.socket.send_str("x" * 20_000_000)

        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(flood())
            code = (await wire.closed())[0]
            sending.cancel()
        assert code == 1009


async def test_large_frames_pass_after_connect_up_to_the_limit() -> None:
    bounds = limits(max_payload=300_000)
    async with (
        serving(router(echo=echo), bounds=bounds) as gateway,
        connected(gateway) as wire,
    ):
        answer = await wire.call("echo", {"pad": "x" * 250_000})
        assert answer["ok"] is True
        await wire.request("echo", {"pad": "x" * 300_000})
        assert (await wire.closed())[0] == 1009


async def test_slow_reader_is_cut_off() -> None:
    bounds = limits(max_buffered_bytes=4_000_000)
    async with serving(bounds=bounds) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(
            f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        frame = {"type": "req", "id": "1", "method": "connect", "params": connect_params()}
        writer.write(unmasked_text(json.dumps(frame)))
        await asyncio.wait_for(reader.readuntil(b"hello-ok"), PATIENCE_S)
        for _ in range(300):
            gateway.server.publish("voicecall.call", {"pad": "x" * 100_000})
            await asyncio.sleep(0)
        async with connected(gateway) as healthy:
            gateway.server.publish("health", {"ok": True})
            assert (await healthy.frame())["event"] == "health"
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(30_000_000), PATIENCE_S)
        writer.close()


def unmasked_text(text: str) -> bytes:
    """A client's text frame whose mask is zero."""
    data = text.encode()
    assert 125 < len(data) < 65_536
    return b"\x81\xfe" + len(data).to_bytes(2, "big") + b"\0\0\0\0" + data


async def test_too_many_requests_of_one_connection() -> None:
    gate = Gate()
    async with (
        serving(router(wait=gate.method), bounds=limits(max_in_flight=2)) as gateway,
        connected(gateway) as wire,
    ):
        pending = [await wire.request("wait") for _ in range(2)]
        busy = await wire.call("wait")
        error = cast("JsonObject", busy["error"])
        assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
        gate.open.set()
        for request in pending:
            assert (await wire.answer(request))["ok"] is True


async def test_too_many_strangers() -> None:
    async with (
        serving(bounds=limits(max_unknown_connections=1)) as gateway,
        wired(gateway) as first,
    ):
        await first.frame()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with wired(gateway):
                pass
        assert refusal.value.status == 503
        assert (await first.call("connect", connect_params()))["ok"] is True
        async with connected(gateway):
            pass


async def test_wrong_secrets_from_afar_lock_the_address_out() -> None:
    now = 100.0
    behind_proxy = {"X-Forwarded-For": "203.0.113.9"}
    async with serving(trusted_proxies=["127.0.0.1"], monotonic=lambda: now) as gateway:

        async def attempt(token: str, headers: Mapping[str, str]) -> object:
            async with wired(gateway, headers) as wire:
                await wire.frame()
                answer = await wire.call("connect", connect_params(token=token))
                error = cast("JsonObject", answer.get("error", {}))
                return cast("JsonObject", error.get("details", {})).get("code", "welcome")

        for _ in range(10):
            assert await attempt("wrong", behind_proxy) == "AUTH_TOKEN_MISMATCH"
        assert await attempt(TOKEN, behind_proxy) == "AUTH_RATE_LIMITED"
        assert await attempt(TOKEN, {"X-Forwarded-For": "203.0.113.10"}) == "welcome"
        for _ in range(11):
            assert await attempt("wrong", {}) == "AUTH_TOKEN_MISMATCH"
        assert await attempt(TOKEN, {}) == "welcome"
        now += 300.0
        assert await attempt(TOKEN, behind_proxy) == "welcome"


async def test_forwarding_headers_of_a_stranger_are_refused() -> None:
    async with serving() as gateway:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with wired(gateway, {"X-Forwarded-For": "127.0.0.1"}):
                pass
        assert refusal.value.status == 403


async def test_without_auth_only_local_clients_are_admitted() -> None:
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    rebound = {"Host": "attacker.example"}
    auth = AuthPolicy(mode="none")
    async with serving(auth=auth, trusted_proxies=["127.0.0.1"]) as gateway:
        async with connected(gateway, token=None):
            pass
        for headers in (proxied, rebound):
            async with wired(gateway, headers) as wire:
                await wire.frame()
                answer = await wire.call("connect", connect_params(token=None))
                assert cast("JsonObject", answer["error"])["code"] == "NOT_PAIRED"


async def test_events_that_cannot_be_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def announces(params: Params, caller: Caller) -> object:
        caller.send_event("agent", object())
        caller.send_event("agent", {"fine": True})
        return None

    async with serving(router(announces=announces)) as gateway, connected(gateway) as wire:
        await wire.request("announces")
        event = await wire.event("agent")
        assert (event["payload"], event["seq"]) == ({"fine": True}, 1)
        assert "event cannot be sent" in caplog.messages
        with pytest.raises(FrameError):
            gateway.server.publish("agent", object())


# --- strictness: Node's clients drop what does not fit ---


async def test_every_answer_has_only_the_keys_of_the_protocol() -> None:
    async def refuses(params: Params, caller: Caller) -> object:
        raise RpcError("UNAVAILABLE", "busy", {"code": "x"}, retryable=True, retry_after_ms=5)

    async def breaks(params: Params, caller: Caller) -> object:
        raise ZeroDivisionError("secret detail")

    async def unsendable(params: Params, caller: Caller) -> object:
        return object()

    async def nothing(params: Params, caller: Caller) -> object:
        return None

    methods = router(
        echo=echo, refuses=refuses, breaks=breaks, unsendable=unsendable, nothing=nothing
    )
    methods.add("admin.only", echo)
    async with (
        serving(methods) as gateway,
        connected(gateway, scopes=["operator.read"]) as wire,
    ):
        for method in [*methods.names, "no.such"]:
            answer = await wire.call(method, {"deep": [1]})
            assert answer["type"] == "res"
            if answer["ok"]:
                assert set(answer) == {"type", "id", "ok", "payload"}
                continue
            assert set(answer) <= {"type", "id", "ok", "payload", "error"}
            error = cast("JsonObject", answer["error"])
            assert set(error) <= {"code", "message", "details", "retryable", "retryAfterMs"}
            assert error["code"]
            assert error["message"]
            assert None not in error.values()
            assert "secret detail" not in json.dumps(answer)
            payload = answer.get("payload")
            assert payload == {"error": error["message"]} or method in (
                "unsendable",
                "admin.only",
                "no.such",
            )
