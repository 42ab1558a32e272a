"""The synchronous client against a real server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from websockets.sync.server import ServerConnection, serve

from openclaw.errors import (
    GatewayRefused,
    GatewayTimeout,
    GatewayUnreachable,
    RpcError,
    RpcFailed,
)
from openclaw.rpc.client import GatewayClient
from openclaw.rpc.handshake import AuthPolicy
from openclaw.rpc.router import Caller, RpcRouter, TwoPhase
from tests.host.rpc.support import PATIENCE_S, TOKEN, Running, limits, serving

Params = Mapping[str, object]
T = TypeVar("T")


async def echo(params: Params, caller: Caller) -> object:
    return dict(params)


async def refuse(params: Params, caller: Caller) -> object:
    details = {"code": "call_not_found", "remedy": "openclaw voicecall status"}
    raise RpcError("UNAVAILABLE", "Call not found", details, retryable=False)


async def never(params: Params, caller: Caller) -> object:
    await asyncio.Event().wait()
    return None


async def agent(params: Params, caller: Caller) -> object:
    async def final() -> object:
        caller.send_event("agent", {"delta": "Hello"})
        return {"status": "ok"}

    return TwoPhase({"status": "accepted"}, final())


def a_router() -> RpcRouter:
    router = RpcRouter()
    router.add("echo", echo, "operator.read")
    router.add("refuse", refuse, "operator.read", plugin=True)
    router.add("never", never, "operator.read")
    router.add("agent", agent, "operator.write")
    return router


@asynccontextmanager
async def gateway(auth: AuthPolicy | None = None) -> AsyncGenerator[Running]:
    async with serving(a_router(), auth=auth, bounds=limits(drain_s=0.01)) as running:
        yield running


async def in_thread(work: Callable[[], T]) -> T:
    """The client blocks, so it runs beside the server's loop, as another process would."""
    return await asyncio.wait_for(asyncio.to_thread(work), PATIENCE_S)


async def test_call_and_hello() -> None:
    async with gateway() as running:

        def use() -> tuple[object, object]:
            with GatewayClient.connect(running.url, token=TOKEN, timeout=5) as client:
                return client.call("echo", {"a": 1}), client.hello["protocol"]

        assert await in_thread(use) == ({"a": 1}, 4)


async def test_password() -> None:
    async with gateway(AuthPolicy(mode="password", secret="pw")) as running:

        def use() -> object:
            with GatewayClient.connect(running.url, password="pw", timeout=5) as client:
                return client.call("echo")

        assert await in_thread(use) == {}


async def test_signs_with_its_device(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "device.json"
    async with gateway() as running:

        def use() -> object:
            with GatewayClient.connect(running.url, TOKEN, identity_path=path) as client:
                return client.call("echo")

        assert await in_thread(use) == {}
    assert path.exists()


async def test_an_error_answer_keeps_its_facts() -> None:
    async with gateway() as running:

        def use() -> None:
            with GatewayClient.connect(running.url, token=TOKEN) as client:
                client.call("refuse")

        with pytest.raises(RpcFailed, match="Call not found") as failed:
            await in_thread(use)
    assert failed.value.code == "UNAVAILABLE"
    assert failed.value.stable_code == "call_not_found"
    assert failed.value.details["remedy"] == "openclaw voicecall status"
    assert failed.value.retryable is False


async def test_first_and_final_answer_and_the_events_between() -> None:
    async with gateway() as running:

        def use() -> tuple[object, object, list[str]]:
            with GatewayClient.connect(running.url, token=TOKEN) as client:
                first = client.call("agent")
                final = client.call("agent", expect_final=True)
                return first, final, [e.event for e in client.events(timeout=0.05)]

        first, final, events = await in_thread(use)
    assert first == {"status": "accepted"}
    assert final == {"status": "ok"}
    assert events == ["agent", "agent"]


async def test_wrong_token_names_code_and_remedy() -> None:
    async with gateway() as running:
        for token, code in (("wrong", "AUTH_TOKEN_MISMATCH"), (None, "DEVICE_IDENTITY_REQUIRED")):
            with pytest.raises(GatewayRefused) as refused:
                await in_thread(lambda t=token: GatewayClient.connect(running.url, token=t))
            assert refused.value.code == code
            assert "OPENCLAW_GATEWAY_TOKEN" in refused.value.remedy


async def test_an_answer_that_does_not_come() -> None:
    async with gateway() as running:

        def use() -> None:
            with GatewayClient.connect(running.url, token=TOKEN) as client:
                client.call("never", timeout=0.05)

        with pytest.raises(GatewayTimeout, match="50ms waiting for never"):
            await in_thread(use)


async def test_the_gateway_stops_during_a_call() -> None:
    async with gateway() as running:
        begun = asyncio.Event()

        async def hang(params: Params, caller: Caller) -> object:
            begun.set()
            return await never(params, caller)

        running.router.add("hang", hang)

        def use() -> None:
            with GatewayClient.connect(running.url, token=TOKEN) as client:
                client.call("hang", timeout=PATIENCE_S)

        async def stop_in_the_middle() -> None:
            await asyncio.wait_for(begun.wait(), PATIENCE_S)
            await running.server.stop()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stop_in_the_middle())
            with pytest.raises(GatewayUnreachable, match=r"1012.*service restart"):
                await in_thread(use)


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Generator[int]:
    """A port where something else than a gateway answers one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as peer:
                answer(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(PATIENCE_S)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(GatewayUnreachable, match="ECONNREFUSED") as unreachable:
        GatewayClient.connect(f"ws://127.0.0.1:{port}", timeout=2)
    assert unreachable.value.refused


def test_a_port_that_hangs() -> None:
    released = threading.Event()

    def hang(peer: socket.socket) -> None:
        released.wait(PATIENCE_S)

    with listening(hang) as port:
        with pytest.raises(GatewayTimeout):
            GatewayClient.connect(f"ws://127.0.0.1:{port}", timeout=0.1)
        released.set()


def test_another_kind_of_server() -> None:
    def web(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    with listening(web) as port, pytest.raises(GatewayUnreachable) as unreachable:
        GatewayClient.connect(f"ws://127.0.0.1:{port}", timeout=2)
    assert not unreachable.value.refused


@contextmanager
def pretending(talk: Callable[[ServerConnection], None]) -> Generator[str]:
    """A websocket server that follows a script of its own."""
    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(PATIENCE_S)


CHALLENGE = '{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1}}'


def answer(peer: ServerConnection, body: Mapping[str, object]) -> None:
    """Answers the next request."""
    request = json.loads(peer.recv(timeout=PATIENCE_S))
    peer.send(json.dumps({"type": "res", "id": request["id"], **body}))


def test_a_node_gateway_puts_plugin_errors_into_the_payload() -> None:
    def node(peer: ServerConnection) -> None:
        peer.send(CHALLENGE)
        answer(peer, {"ok": True, "payload": {"type": "hello-ok", "protocol": 3}})
        answer(peer, {"ok": False, "payload": {"error": "Call not found"}})
        answer(peer, {"ok": False})

    with pretending(node) as url, GatewayClient.connect(url, token=TOKEN) as client:
        with pytest.raises(RpcFailed, match="Call not found"):
            client.call("voicecall.end", {"callId": "x"})
        with pytest.raises(RpcFailed, match="unknown error"):
            client.call("voicecall.end", {"callId": "x"})


@pytest.mark.parametrize(
    ("frames", "close", "error"),
    [
        ([], None, GatewayTimeout),
        (["hello"], None, GatewayUnreachable),
        (['{"type":"event","event":"connect.challenge"}'], None, GatewayUnreachable),
        ([CHALLENGE], None, GatewayTimeout),
        ([CHALLENGE], (1008, "pairing required"), GatewayRefused),
        ([CHALLENGE], (1011, "broken"), GatewayUnreachable),
    ],
)
def test_handshakes_that_lead_nowhere(
    frames: list[str], close: tuple[int, str] | None, error: type[Exception]
) -> None:
    released = threading.Event()

    def server(peer: ServerConnection) -> None:
        for frame in frames:
            peer.send(frame)
        if close is not None:
            peer.close(*close)
        released.wait(PATIENCE_S)

    with pretending(server) as url:
        with pytest.raises(error):
            GatewayClient.connect(url, token=TOKEN, timeout=0.3)
        released.set()


def test_hello_without_content() -> None:
    def server(peer: ServerConnection) -> None:
        peer.send(CHALLENGE)
        answer(peer, {"ok": True, "payload": None})

    with pretending(server) as url, pytest.raises(GatewayUnreachable, match="without content"):
        GatewayClient.connect(url, token=TOKEN, timeout=2)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ws://gateway.example.com:18789", "INSECURE_URL"),
        ("ws://192.0.2.1:18789", "INSECURE_URL"),
        ("ws://127.evil.example", "INSECURE_URL"),
        ("http://127.0.0.1:18789", "INVALID_URL"),
        ("18789", "INVALID_URL"),
    ],
)
def test_urls_that_are_refused_before_anything_is_sent(url: str, code: str) -> None:
    with pytest.raises(GatewayRefused) as refused:
        GatewayClient.connect(url, token=TOKEN, timeout=1)
    assert refused.value.code == code
    assert refused.value.remedy


def test_imports_nothing_heavy() -> None:
    heavy = ("aiohttp", "pydantic", "cryptography", "click", "asyncio")
    code = f"import sys, openclaw.rpc.client; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert shown.stdout == "[]\n", shown.stderr
