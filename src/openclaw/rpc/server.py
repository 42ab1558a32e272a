"""The gateway's one port: websocket on any path, health checks, and tools over HTTP.

It is for the owner of the machine: everything but the health checks needs the gateway's secret.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from openclaw.errors import RpcError
from openclaw.rpc.connection import Connection, Limits, busy
from openclaw.rpc.frames import Request, Response, encoded_payload
from openclaw.rpc.handshake import (
    Admission,
    AuthPolicy,
    WrongSecret,
    admit,
    hello_ok,
    rate_limited,
    read_connect,
)
from openclaw.rpc.listener import LOOPBACK, Listener, listen
from openclaw.rpc.peer import Network, Peer, counts_failures, identify, is_loopback
from openclaw.rpc.router import Caller, RpcRouter, Scope
from openclaw.rpc.throttle import AuthThrottle
from openclaw.rpc.tools_http import InvokeTool, ToolsEndpoint
from openclaw.tasks import Supervisor

log = logging.getLogger(__name__)

CORE_EVENTS = ("connect.challenge", "tick", "shutdown", "agent", "chat")

SERVICE_RESTART_CLOSE = 1012

# Half of it is what a client has to answer a ping: 25 s, as the original gives.
_PING_S = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the gateway can do its work, and the names of the parts that cannot."""

    failing: Sequence[str] = ()


class RpcServer:
    """Serves an RpcRouter to websocket and HTTP clients.

    `snapshot` gives the picture of the gateway for hello-ok (presence, health, uptimeMs, ...),
    `readiness` what `/readyz` says, `invoke_tool` runs a tool for `/tools/invoke`.
    `events` names what else will be published, for hello-ok.
    `clock_ms`, `monotonic` and `new_id` are replaced where a test needs to know them.
    """

    def __init__(
        self,
        router: RpcRouter,
        auth: AuthPolicy,
        *,
        version: str,
        snapshot: Callable[[], Mapping[str, object]],
        invoke_tool: InvokeTool,
        readiness: Callable[[], Readiness] = Readiness,
        events: Sequence[str] = (),
        limits: Limits | None = None,
        trusted_proxies: Sequence[Network] = (),
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.limits = limits or Limits()
        self._router = router
        self._auth = auth
        self._version = version
        self._snapshot = snapshot
        self._readiness = readiness
        self._events = (*CORE_EVENTS, *events)
        self._trusted_proxies = trusted_proxies
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._new_id = new_id
        self._throttle = AuthThrottle()
        self._tools = ToolsEndpoint(auth, self._throttle, invoke_tool, monotonic)
        self._ticking = Supervisor("rpc ticks", log)
        self._requests = Supervisor("rpc requests", log)
        self._idle = asyncio.Event()
        self._idle.set()
        self._connections: set[Connection] = set()
        self._unknown = 0
        self._stopping = False
        self._started = monotonic()
        self._listener: Listener | None = None
        self.app = web.Application(client_max_size=2 * 1024 * 1024)
        self.app.router.add_route("*", "/{path:.*}", self._http)
        self._runner = web.AppRunner(
            self.app, access_log=None, shutdown_timeout=self.limits.close_s
        )

    # --- lifetime ---

    async def start(self, host: str | Sequence[str] = "127.0.0.1", port: int = 18789) -> Listener:
        """Listens on `host` (one or several addresses) and `port` (0: any free port).

        A loopback host means both of them, 127.0.0.1 and ::1.
        Raises PortTaken, ValueError for an open door without a lock, OSError for a bad address.
        """
        hosts = [host] if isinstance(host, str) else list(host)
        if self._auth.mode == "none" and not all(is_loopback(h) for h in hosts):
            raise ValueError(f"Refusing to bind gateway to {', '.join(hosts)} without auth.")
        if any(is_loopback(h) for h in hosts):
            hosts = [*LOOPBACK, *(h for h in hosts if not is_loopback(h))]
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        try:
            self._listener = await listen(server, hosts, port)
        except BaseException:
            await self._runner.cleanup()
            raise
        self._started = self._monotonic()
        self._ticking.spawn("tick", self._tick())
        return self._listener

    async def stop(
        self, reason: str = "gateway stopping", restart_expected_ms: int | None = None
    ) -> None:
        """Says goodbye and ends, in bounded time.

        Running requests may finish for `drain_s`; then clients get a `shutdown` event and close
        code 1012, and what still runs is cancelled.
        """
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        await self._ticking.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.drain_s):
                await self._idle.wait()
        farewell = {"reason": reason, "restartExpectedMs": restart_expected_ms}
        self.publish("shutdown", farewell, scope=None)
        async with asyncio.TaskGroup() as closing:
            for connection in list(self._connections):
                closing.create_task(connection.close(SERVICE_RESTART_CLOSE, "service restart"))
        await self._requests.close()
        await self._runner.cleanup()

    def publish(self, event: str, payload: object, scope: str | None = Scope.READ) -> None:
        """Sends an event to every connected operator who has `scope`. Never blocks.

        Raises FrameError if the payload cannot be expressed in JSON.
        """
        encoded = encoded_payload(payload)
        for connection in list(self._connections):
            connection.send_event(event, encoded, scope)

    async def _tick(self) -> None:
        """Clients of 2026.2 and 2026.3 hang up when two intervals pass without a tick."""
        while True:
            await asyncio.sleep(self.limits.policy.tick_interval_ms / 1000)
            self.publish("tick", {"ts": self._clock_ms()}, scope=None)

    # --- what a connection asks of its server ---

    def new_id(self) -> str:
        """An unguessable identifier."""
        return self._new_id()

    def now_ms(self) -> int:
        """Wall-clock time."""
        return self._clock_ms()

    def admit(self, request: Request, peer: Peer, nonce: str) -> Admission:
        """Judges a connect request. Raises HandshakeRefused."""
        connect = read_connect(request)
        now = self._monotonic()
        counted = counts_failures(peer)
        wait = self._throttle.locked_for(peer.address, now) if counted else 0.0
        if wait > 0:
            raise rate_limited(wait)
        try:
            admission = admit(connect, peer, self._auth, nonce=nonce, now_ms=self._clock_ms())
        except WrongSecret:
            if counted:
                self._throttle.failed(peer.address, now)
            raise
        self._throttle.succeeded(peer.address)
        return admission

    def hello(self, admission: Admission, conn_id: str) -> Mapping[str, object]:
        """The payload of hello-ok."""
        return hello_ok(
            admission,
            version=self._version,
            conn_id=conn_id,
            methods=self._router.names,
            events=self._events,
            snapshot=self._snapshot(),
            policy=self.limits.policy,
        )

    def obstacle(self) -> RpcError | None:
        """Why no further request can be started now, if so."""
        if self._stopping:
            text = "the gateway is stopping"
            return RpcError("UNAVAILABLE", text, {"code": "stopping"}, retryable=True)
        return busy() if len(self._requests) >= self.limits.max_in_flight_total else None

    def serve(
        self, request: Request, caller: Caller, answer: Callable[[Response], None]
    ) -> asyncio.Task[None]:
        """Starts answering a request; the task belongs to the server, not to the connection."""
        task = self._requests.spawn(request.method, self._serve(request, caller, answer))
        self._idle.clear()
        task.add_done_callback(lambda _: self._request_ended())
        return task

    def _request_ended(self) -> None:
        if not self._requests:
            self._idle.set()

    async def _serve(
        self, request: Request, caller: Caller, answer: Callable[[Response], None]
    ) -> None:
        answer(await self._router.dispatch(request, caller, answer))

    # --- HTTP ---

    async def _http(self, request: web.Request) -> web.StreamResponse:
        peer = identify(request.remote, request.headers, self._trusted_proxies)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, peer)
        match request.path:
            case "/health" | "/healthz":
                return _read_only(request, {"ok": True, "status": "live"})
            case "/ready" | "/readyz":
                return self._ready(request)
            case "/tools/invoke":
                return await self._tools.answer(request, peer)
            case _:
                return web.json_response({"error": "not found"}, status=HTTPStatus.NOT_FOUND)

    def _ready(self, request: web.Request) -> web.Response:
        failing = list(self._readiness().failing)
        if self._stopping:
            failing.append("stopping")
        body = {
            "ready": not failing,
            "failing": failing,
            "uptimeMs": int((self._monotonic() - self._started) * 1000),
        }
        return _read_only(
            request, body, HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK
        )

    async def _websocket(self, request: web.Request, peer: Peer) -> web.StreamResponse:
        if peer.forged:
            log.warning("forwarding headers from a stranger", extra={"peer": peer.address})
            return web.Response(status=HTTPStatus.FORBIDDEN)
        full = len(self._connections) >= self.limits.max_connections
        if full or self._stopping or self._unknown >= self.limits.max_unknown_connections:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        socket = web.WebSocketResponse(
            # aiohttp refuses a message that is as long as the limit.
            max_msg_size=self.limits.policy.max_payload + 1,
            timeout=self.limits.close_s,
            heartbeat=_PING_S,
            compress=False,
        )
        connection = Connection(self, socket, peer)
        admitted = False

        def on_admitted() -> None:
            nonlocal admitted
            admitted = True
            self._unknown -= 1

        self._unknown += 1
        try:
            await socket.prepare(request)
            self._connections.add(connection)
            transport = request.transport
            if transport is not None:
                await connection.run(transport, on_admitted)
        finally:
            self._connections.discard(connection)
            if not admitted:
                self._unknown -= 1
        return socket


def _read_only(
    request: web.Request, body: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
    return web.json_response(body, status=status)
