"""One client's websocket: handshake, then requests side by side, answers and events in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import WSMsgType, web

from openclaw.errors import FrameError, HandshakeRefused, RpcError
from openclaw.rpc.frames import Event, Request, Response, encode, failure, parse_request, success
from openclaw.rpc.handshake import Admission, Policy, challenge
from openclaw.rpc.listener import ByteGate
from openclaw.rpc.peer import Peer
from openclaw.rpc.router import Caller

log = logging.getLogger(__name__)

NORMAL_CLOSE = 1000
POLICY_CLOSE = 1008
TOO_LARGE_CLOSE = 1009

# A websocket close reason has at most 123 bytes.
_MAX_REASON_BYTES = 120
_MAX_STRIKES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a connection and of all together. Times in seconds, sizes in bytes."""

    handshake_s: float = 10.0
    max_frame_before_connect: int = 65_536
    policy: Policy = field(default_factory=Policy)
    max_in_flight: int = 64
    """Requests of one connection that are being answered."""
    max_in_flight_total: int = 1024
    """The same of all connections, also of those that have gone: their requests run to the end."""
    max_connections: int = 256
    max_unknown_connections: int = 32
    """Connections that have not finished the handshake."""
    close_s: float = 1.0
    """How long a closing handshake may take."""
    drain_s: float = 2.0
    """How long running requests may go on when the server stops."""


def busy() -> RpcError:
    """The answer to one request too many."""
    text = "too many requests in progress"
    return RpcError("UNAVAILABLE", text, {"code": "busy"}, retryable=True)


class Gateway(Protocol):
    """What a connection needs of the server it belongs to."""

    @property
    def limits(self) -> Limits: ...

    def new_id(self) -> str:
        """An unguessable identifier."""
        ...

    def now_ms(self) -> int:
        """Wall-clock time."""
        ...

    def admit(self, request: Request, peer: Peer, nonce: str) -> Admission:
        """Judges a connect request. Raises HandshakeRefused."""
        ...

    def hello(self, admission: Admission, conn_id: str) -> Mapping[str, object]:
        """The payload of hello-ok."""
        ...

    def obstacle(self) -> RpcError | None:
        """Why no further request can be started now, if so."""
        ...

    def serve(
        self, request: Request, caller: Caller, answer: Callable[[Response], None]
    ) -> asyncio.Task[None]:
        """Starts answering a request; the task belongs to the server."""
        ...


class Connection:
    """One websocket from challenge to close.

    A request runs to its end even if its client goes away meanwhile, because its effect must not
    depend on that (a call that is being placed would be left half placed); only its answer is
    dropped.
    """

    def __init__(self, gateway: Gateway, socket: web.WebSocketResponse, peer: Peer) -> None:
        self.conn_id = gateway.new_id()
        self.caller: Caller | None = None
        self._gateway = gateway
        self._socket = socket
        self._peer = peer
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._out_ready = asyncio.Event()
        self._out_empty = asyncio.Event()
        self._out_empty.set()
        self._closed = False
        self._seq = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._strikes = 0
        self._transport: asyncio.Transport | None = None

    async def run(self, transport: asyncio.Transport, on_admitted: Callable[[], None]) -> None:
        """Serves the connection until it closes. Calls `on_admitted` after hello-ok."""
        self._transport = transport
        if not await self._shake_hands(transport):
            return
        on_admitted()
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            try:
                await self._read()
            finally:
                self._closed = True
                writer.cancel()

    def send_event(self, event: str, payload: object, scope: str | None = None) -> None:
        """Queues an event, numbered, if the client may see it. Never blocks."""
        caller = self.caller
        if caller is None or caller.role != "operator" or not caller.may(scope) or self._closed:
            return
        try:
            data = encode(Event(event=event, payload=payload, seq=self._seq + 1))
        except FrameError:
            log.exception("event cannot be sent", extra={"event": event})
            return
        self._seq += 1
        self._send(data)

    async def close(self, code: int, reason: str) -> None:
        """Sends what is queued and closes, both within the limits' `close_s`."""
        try:
            async with asyncio.timeout(self._gateway.limits.close_s):
                await self._out_empty.wait()
        except TimeoutError:
            log.info("client too slow for its last messages", extra={"conn": self.conn_id})
        await self._close(code, reason)

    # --- handshake ---

    async def _shake_hands(self, transport: asyncio.Transport) -> bool:
        limits = self._gateway.limits
        nonce = self._gateway.new_id()
        excess = asyncio.Event()
        gate = transport.get_protocol()
        if isinstance(gate, ByteGate):
            # Twice the limit leaves room for framing and for small control frames.
            gate.arm(2 * limits.max_frame_before_connect, excess.set)
        request_id = ""
        try:
            async with asyncio.timeout(limits.handshake_s):
                await self._send_now(encode(challenge(nonce, self._gateway.now_ms())))
                text = await self._first_message(excess)
                if text is None:
                    return False
                request = parse_request(text)
                request_id = request.id
                await self._welcome(request, self._gateway.admit(request, self._peer, nonce))
        except TimeoutError:
            await self._close(NORMAL_CLOSE, "handshake timeout")
            return False
        except FrameError as exc:
            code = POLICY_CLOSE if exc.is_json else NORMAL_CLOSE
            await self._close(code, "invalid request frame" if exc.is_json else "")
            return False
        except HandshakeRefused as exc:
            await self._refuse(request_id, exc)
            return False
        except ConnectionError:
            return False
        if isinstance(gate, ByteGate):
            gate.disarm()
        return True

    async def _first_message(self, excess: asyncio.Event) -> str | bytes | None:
        """The first message, or None if the connection is over."""
        limit = self._gateway.limits.max_frame_before_connect
        async with asyncio.TaskGroup() as tasks:
            receiving = tasks.create_task(self._socket.receive())
            flooded = tasks.create_task(excess.wait())
            await asyncio.wait((receiving, flooded), return_when=asyncio.FIRST_COMPLETED)
            message = receiving.result() if receiving.done() else None
            receiving.cancel()
            flooded.cancel()
        if message is None:
            await self._close(TOO_LARGE_CLOSE, "")
            return None
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        data: str | bytes = message.data
        size = len(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else len(data)
        if size > limit:
            await self._close(TOO_LARGE_CLOSE, "")
            return None
        return data

    async def _welcome(self, request: Request, admission: Admission) -> None:
        self.caller = Caller(
            conn_id=self.conn_id,
            client_id=admission.client_id,
            role=admission.role,
            scopes=frozenset(admission.scopes),
            protocol=admission.protocol,
            send_event=self.send_event,
        )
        hello = self._gateway.hello(admission, self.conn_id)
        await self._send_now(encode(success(request.id, hello)))
        # One per command of the command line, so too many for the usual log.
        log.debug(
            "client connected",
            extra={"conn": self.conn_id, "client": admission.client_id, "role": admission.role},
        )

    async def _refuse(self, request_id: str, refusal: HandshakeRefused) -> None:
        log.warning(
            "client refused",
            extra={"peer": self._peer.address, "code": refusal.error.code, "reason": str(refusal)},
        )
        try:
            async with asyncio.timeout(self._gateway.limits.close_s):
                await self._send_now(encode(failure(request_id, refusal.error)))
        except (TimeoutError, ConnectionError):
            return
        await self._close(refusal.close_code, str(refusal))

    # --- after the handshake ---

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                request = parse_request(message.data)
            except FrameError as exc:
                error = RpcError("INVALID_REQUEST", str(exc))
                self._answer(failure(exc.frame_id or "invalid", error))
                continue
            if not await self._start(request):
                return

    async def _start(self, request: Request) -> bool:
        """Begins to answer a request; False when this connection has used up its patience."""
        assert self.caller is not None
        if request.method == "connect":
            text = "connect is only valid as the first request"
            self._answer(failure(request.id, RpcError("INVALID_REQUEST", text)))
            return True
        if self.caller.role != "operator":
            self._strikes += 1
            text = f"unauthorized role: {self.caller.role}"
            self._answer(failure(request.id, RpcError("INVALID_REQUEST", text)))
            if self._strikes > _MAX_STRIKES:
                await self.close(POLICY_CLOSE, text)
                return False
            return True
        obstacle = self._gateway.obstacle()
        if len(self._in_flight) >= self._gateway.limits.max_in_flight:
            obstacle = busy()
        if obstacle is not None:
            self._answer(failure(request.id, obstacle))
            return True
        task = self._gateway.serve(request, self.caller, self._answer)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return True

    def _answer(self, response: Response) -> None:
        try:
            data = encode(response)
        except FrameError:
            log.exception("answer cannot be sent", extra={"conn": self.conn_id})
            error = RpcError(
                "UNAVAILABLE",
                "the result cannot be sent; the gateway's log has the reason",
                {"code": "internal_error"},
            )
            data = encode(failure(response.id, error))
        self._send(data)

    def _send(self, data: bytes) -> None:
        if self._closed:
            return
        self._out.append(data)
        self._out_bytes += len(data)
        self._out_empty.clear()
        self._out_ready.set()
        if self._out_bytes > self._gateway.limits.policy.max_buffered_bytes:
            log.warning("slow client cut off", extra={"conn": self.conn_id})
            self._closed = True
            self._out.clear()
            self._out_empty.set()
            if self._transport is not None:
                self._transport.abort()

    async def _write(self) -> None:
        """Sends what is queued, as fast as the client's socket takes it."""
        try:
            while True:
                await self._out_ready.wait()
                while self._out:
                    data = self._out[0]
                    await self._send_now(data)
                    if self._out:  # cutting a slow client off empties the queue meanwhile
                        self._out.popleft()
                    self._out_bytes -= len(data)
                self._out_ready.clear()
                self._out_empty.set()
        except ConnectionError:
            log.debug("client gone while sending", extra={"conn": self.conn_id})
        finally:
            self._closed = True
            self._out_empty.set()

    async def _send_now(self, data: bytes) -> None:
        """Sends a text message; waits while the socket is full."""
        await self._socket.send_frame(data, WSMsgType.TEXT)

    async def _close(self, code: int, reason: str) -> None:
        text = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(self._gateway.limits.close_s + 1.0):
                await self._socket.close(code=code, message=text.encode())
        except (TimeoutError, ConnectionError):
            log.debug("client did not close in time", extra={"conn": self.conn_id})
