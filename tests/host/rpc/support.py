"""A real server on a real socket, and a client that shows every frame as it came."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiohttp

from openclaw.errors import ToolNotAvailable
from openclaw.rpc.connection import Limits
from openclaw.rpc.handshake import AuthPolicy, Policy
from openclaw.rpc.router import Caller, RpcHandler, RpcRouter
from openclaw.rpc.server import Readiness, RpcServer
from openclaw.rpc.tools_http import InvokeTool, ToolInvocation

TOKEN = "tok-py-0123456789"
PATIENCE_S = 5.0
SCOPES = (
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.pairing",
)
JsonObject = dict[str, object]
Params = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Running:
    """A started server and where it listens."""

    server: RpcServer
    router: RpcRouter
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


def limits(
    *,
    tick_interval_ms: int = 30_000,
    max_payload: int = 26_214_400,
    max_buffered_bytes: int = 52_428_800,
    handshake_s: float = 10.0,
    max_in_flight: int = 64,
    max_unknown_connections: int = 32,
    drain_s: float = 0.2,
) -> Limits:
    """The server's own limits, except for what a test names."""
    return Limits(
        policy=Policy(
            tick_interval_ms=tick_interval_ms,
            max_payload=max_payload,
            max_buffered_bytes=max_buffered_bytes,
        ),
        handshake_s=handshake_s,
        max_in_flight=max_in_flight,
        max_unknown_connections=max_unknown_connections,
        drain_s=drain_s,
        close_s=0.5,
    )


async def echo_tool(invocation: ToolInvocation) -> Mapping[str, object]:
    """The only tool there is: `echo`."""
    if invocation.tool != "echo":
        raise ToolNotAvailable(invocation.tool)
    text = json.dumps(dict(invocation.arguments))
    return {"content": [{"type": "text", "text": text}], "details": dict(invocation.arguments)}


def a_server(
    router: RpcRouter | None = None,
    *,
    auth: AuthPolicy | None = None,
    bounds: Limits | None = None,
    trusted_proxies: Sequence[str] = (),
    readiness: Callable[[], Readiness] = Readiness,
    invoke_tool: InvokeTool = echo_tool,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    monotonic: Callable[[], float] = time.monotonic,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> RpcServer:
    """A server that is not started."""
    return RpcServer(
        router or RpcRouter(),
        auth or AuthPolicy(mode="token", secret=TOKEN),
        version="0.1.0",
        snapshot=lambda: {
            "presence": [],
            "health": {},
            "stateVersion": {"presence": 0, "health": 0},
            "uptimeMs": 1,
        },
        invoke_tool=invoke_tool,
        readiness=readiness,
        limits=bounds or limits(),
        trusted_proxies=[ipaddress.ip_network(p) for p in trusted_proxies],
        clock_ms=clock_ms,
        monotonic=monotonic,
        new_id=new_id,
    )


@asynccontextmanager
async def serving(
    router: RpcRouter | None = None,
    *,
    auth: AuthPolicy | None = None,
    bounds: Limits | None = None,
    trusted_proxies: Sequence[str] = (),
    readiness: Callable[[], Readiness] = Readiness,
    invoke_tool: InvokeTool = echo_tool,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    monotonic: Callable[[], float] = time.monotonic,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> AsyncGenerator[Running]:
    """Runs a server on a free loopback port."""
    router = router or RpcRouter()
    server = a_server(
        router,
        auth=auth,
        bounds=bounds,
        trusted_proxies=trusted_proxies,
        readiness=readiness,
        invoke_tool=invoke_tool,
        clock_ms=clock_ms,
        monotonic=monotonic,
        new_id=new_id,
    )
    listener = await server.start("127.0.0.1", 0)
    try:
        yield Running(server, router, listener.port)
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await server.stop()


class Wire:
    """A websocket client that hides nothing."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._count = 0

    async def frame(self) -> JsonObject:
        """The next frame, which must come in time and be JSON text."""
        message = await self.socket.receive(timeout=PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return cast("JsonObject", json.loads(cast("str", message.data)))

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the close that must come next, besides frames."""
        while True:
            message = await self.socket.receive(timeout=PATIENCE_S)
            if message.type is aiohttp.WSMsgType.CLOSE:
                return int(message.data), message.extra or ""
            assert message.type is aiohttp.WSMsgType.TEXT, message

    async def send(self, frame: object) -> None:
        await self.socket.send_str(json.dumps(frame))

    async def request(self, method: str, params: object = None) -> str:
        """Sends a request and gives its id."""
        self._count += 1
        request_id = f"c{self._count}"
        frame: JsonObject = {"type": "req", "id": request_id, "method": method}
        if params is not None:
            frame["params"] = params
        await self.send(frame)
        return request_id

    async def answer(self, request_id: str) -> JsonObject:
        """The next answer to a request, passing over events and other answers."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = await self.frame()
                if frame.get("type") == "res" and frame["id"] == request_id:
                    return frame

    async def call(self, method: str, params: object = None) -> JsonObject:
        return await self.answer(await self.request(method, params))

    async def event(self, name: str) -> JsonObject:
        """The next event of that name, passing over all else."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = await self.frame()
                if frame.get("event") == name:
                    return frame


def connect_params(
    *,
    protocol: Sequence[int] = (3, 4),
    client: str = "cli/cli",
    role: str = "operator",
    scopes: Sequence[str] = SCOPES,
    token: str | None = TOKEN,
    **more: object,
) -> JsonObject:
    """Parameters of a connect request, as a command line sends them."""
    client_id, _, mode = client.partition("/")
    return {
        "minProtocol": protocol[0],
        "maxProtocol": protocol[1],
        "client": {"id": client_id, "version": "0", "platform": "linux", "mode": mode},
        "role": role,
        "scopes": list(scopes),
        "caps": [],
        "auth": {} if token is None else {"token": token},
        **more,
    }


@asynccontextmanager
async def wired(gateway: Running, headers: Mapping[str, str] | None = None) -> AsyncGenerator[Wire]:
    """An open websocket on which nothing has been read or said."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(
            session.ws_connect(gateway.url, headers=headers, max_msg_size=0, autoping=True)
        )
        yield Wire(socket)


@asynccontextmanager
async def connected(
    gateway: Running,
    headers: Mapping[str, str] | None = None,
    *,
    protocol: Sequence[int] = (3, 4),
    role: str = "operator",
    scopes: Sequence[str] = SCOPES,
    token: str | None = TOKEN,
) -> AsyncGenerator[Wire]:
    """A websocket after a successful handshake."""
    params = connect_params(protocol=protocol, role=role, scopes=scopes, token=token)
    async with wired(gateway, headers) as wire:
        await wire.frame()
        answer = await wire.call("connect", params)
        assert answer["ok"], answer
        yield wire


def a_caller(
    *scopes: str,
    role: str = "operator",
    events: list[tuple[str, object]] | None = None,
) -> Caller:
    """A caller without a connection, who keeps the events that are sent to him."""
    kept = [] if events is None else events
    return Caller("conn", "cli", role, frozenset(scopes), 4, lambda e, p: kept.append((e, p)))


def router(**handlers: RpcHandler) -> RpcRouter:
    """A router with these methods, each as a plugin's that needs read."""
    made = RpcRouter()
    for name, handler in handlers.items():
        made.add(name, handler, "operator.read", plugin=True)
    return made


async def echo(params: Params, caller: Caller) -> object:
    """A method that gives back its parameters."""
    return dict(params)


class Gate:
    """A method that answers when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.finished = asyncio.Event()

    async def method(self, params: Params, caller: Caller) -> object:
        self.begun.set()
        await self.open.wait()
        self.finished.set()
        return "done"
