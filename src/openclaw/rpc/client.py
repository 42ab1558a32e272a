"""A synchronous client of a gateway, for the command line.

It imports little, because every verb pays for it: no asyncio server, no pydantic, and
`cryptography` only if a device identity is used. It speaks to our gateway and to Node's.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from openclaw import __version__
from openclaw.errors import (
    FrameError,
    GatewayRefused,
    GatewayTimeout,
    GatewayUnreachable,
    RpcFailed,
)
from openclaw.rpc.frames import (
    MAX_PROTOCOL,
    MIN_PROTOCOL,
    ErrorShape,
    Event,
    Request,
    Response,
    ServerFrame,
    encode,
    parse_server_frame,
)
from openclaw.rpc.peer import is_loopback

SCOPES = (
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.pairing",
)

_MAX_MESSAGE_BYTES = 26_214_400
_KEPT_EVENTS = 1000

_REMEDIES = {
    "AUTH_TOKEN_MISSING": "set OPENCLAW_GATEWAY_TOKEN or gateway.auth.token, or pass --token",
    "AUTH_TOKEN_MISMATCH": "use the token that the running gateway was started with: "
    "OPENCLAW_GATEWAY_TOKEN, gateway.auth.token or --token",
    "AUTH_PASSWORD_MISSING": "set OPENCLAW_GATEWAY_PASSWORD or gateway.auth.password, "
    "or pass --password",
    "AUTH_PASSWORD_MISMATCH": "use the password that the running gateway was started with: "
    "OPENCLAW_GATEWAY_PASSWORD, gateway.auth.password or --password",
    "AUTH_RATE_LIMITED": "wait some minutes, then try again with the right secret",
    "DEVICE_IDENTITY_REQUIRED": "give the gateway's token: OPENCLAW_GATEWAY_TOKEN or --token",
    "PAIRING_REQUIRED": "approve this device on the gateway's machine: openclaw devices approve",
    "PROTOCOL_MISMATCH": "update the older of the two: this program or the gateway",
}


class GatewayClient:
    """A connection to a gateway. Create it with `GatewayClient.connect`; use it in one thread."""

    def __init__(self, connection: ExitStack, socket: ClientConnection, url: str) -> None:
        self._connection = connection
        self._socket = socket
        self._url = url
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self.hello: Mapping[str, object] = {}
        """The payload of hello-ok: `server.version`, `features.methods`, `snapshot`, ..."""

    @classmethod
    def connect(
        cls,
        url: str,
        token: str | None = None,
        password: str | None = None,
        identity_path: Path | None = None,
        timeout: float = 10.0,
    ) -> GatewayClient:
        """Connects and shakes hands within `timeout` seconds.

        With `identity_path` the handshake is signed by the device in that file, which is made if
        there is none. Node gateways from 2026.3 grant scopes only to such clients; ours does not
        ask for it. Raises GatewayUnreachable, GatewayRefused, GatewayTimeout and, for a damaged
        identity, IdentityFileError.
        """
        deadline = time.monotonic() + timeout
        with ExitStack() as opening:
            socket = _open(opening, url, timeout)
            client = cls(opening.pop_all(), socket, url)
            opening.enter_context(client)
            client._shake_hands(token, password, identity_path, deadline, timeout)
            opening.pop_all()
        return client

    def call(
        self,
        method: str,
        params: Mapping[str, object] | None = None,
        timeout: float = 10.0,
        expect_final: bool = False,
    ) -> object:
        """The result of a method, within `timeout` seconds.

        `expect_final` skips the first answer of a method that answers twice (`status: accepted`).
        Events that arrive meanwhile are kept for `events`, the oldest are dropped past 1000.
        Raises RpcFailed, GatewayTimeout, GatewayUnreachable (the connection broke).
        """
        deadline = time.monotonic() + timeout
        request = Request(id=str(uuid.uuid4()), method=method, params=params or {})
        self._send(request)
        while True:
            answer = self._answer_to(request.id, deadline, method, timeout)
            if not answer.ok:
                raise _failed(answer)
            payload = None if answer.payload is UNSET else answer.payload
            if not (expect_final and _status_of(payload) == "accepted"):
                return payload

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Events as they come; ends when none came for `timeout` seconds (None: never).

        Raises GatewayUnreachable when the connection breaks.
        """
        while True:
            if self._events:
                yield self._events.popleft()
                continue
            deadline = None if timeout is None else time.monotonic() + timeout
            try:
                frame = self._receive(deadline)
            except TimeoutError:
                return
            if isinstance(frame, Event):
                yield frame

    def close(self) -> None:
        """Says goodbye."""
        self._connection.close()

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _shake_hands(
        self,
        token: str | None,
        password: str | None,
        identity_path: Path | None,
        deadline: float,
        timeout: float,
    ) -> None:
        nonce = self._challenge(deadline, timeout)
        auth = {"token": token, "password": password}
        params: dict[str, object] = {
            "minProtocol": MIN_PROTOCOL,
            "maxProtocol": MAX_PROTOCOL,
            # Node gateways know a fixed list of clients; this is the one that we are.
            "client": {
                "id": "cli",
                "version": __version__,
                "platform": sys.platform,
                "mode": "cli",
            },
            "role": "operator",
            "scopes": list(SCOPES),
            "caps": [],
            "auth": {name: value for name, value in auth.items() if value},
        }
        if identity_path is not None:
            params["device"] = _signed_device(identity_path, token or "", nonce)
        request = Request(id=str(uuid.uuid4()), method="connect", params=params)
        try:
            self._send(request)
            answer = self._answer_to(request.id, deadline, "connect", timeout)
        except GatewayUnreachable as exc:
            cause = exc.__cause__
            if isinstance(cause, ConnectionClosed) and cause.rcvd and cause.rcvd.code == 1008:
                raise GatewayRefused(cause.rcvd.reason, "REFUSED", "check the secret") from exc
            raise
        if not answer.ok:
            raise _refused(answer)
        if not isinstance(answer.payload, dict):
            raise GatewayUnreachable(self._url, "no gateway: hello-ok without content")
        self.hello = cast("dict[str, object]", answer.payload)

    def _challenge(self, deadline: float, timeout: float) -> str:
        while True:
            try:
                frame = self._receive(deadline)
            except TimeoutError:
                raise GatewayTimeout("connect.challenge", timeout) from None
            if isinstance(frame, Event) and frame.event == "connect.challenge":
                try:
                    return msgspec.convert(frame.payload, _Challenge).nonce
                except msgspec.ValidationError as exc:
                    reason = f"no gateway: bad challenge, {exc}"
                    raise GatewayUnreachable(self._url, reason) from exc

    def _answer_to(self, request_id: str, deadline: float, what: str, timeout: float) -> Response:
        while True:
            try:
                frame = self._receive(deadline)
            except TimeoutError:
                raise GatewayTimeout(what, timeout) from None
            if isinstance(frame, Event):
                self._events.append(frame)
            elif frame.id == request_id:
                return frame

    def _send(self, request: Request) -> None:
        try:
            self._socket.send(encode(request).decode())
        except ConnectionClosed as exc:
            raise self._broken(exc) from exc

    def _receive(self, deadline: float | None) -> ServerFrame:
        """The next frame. Raises TimeoutError, GatewayUnreachable."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return parse_server_frame(self._socket.recv(left))
        except ConnectionClosed as exc:
            raise self._broken(exc) from exc
        except FrameError as exc:
            raise GatewayUnreachable(self._url, f"no gateway: {exc}") from exc

    def _broken(self, exc: ConnectionClosed) -> GatewayUnreachable:
        if exc.rcvd is None:
            return GatewayUnreachable(self._url, "the connection broke")
        reason = exc.rcvd.reason or "no close reason"
        return GatewayUnreachable(self._url, f"gateway closed ({exc.rcvd.code}): {reason}")


class _Challenge(msgspec.Struct):
    nonce: str


def _open(opening: ExitStack, url: str, timeout: float) -> ClientConnection:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise GatewayRefused(
            f"not a gateway URL: {url}", "INVALID_URL", "write it as ws://host:port or wss://host"
        )
    local = is_loopback(parts.hostname)
    allowed = os.environ.get("OPENCLAW_ALLOW_INSECURE_PRIVATE_WS") == "1"
    if parts.scheme == "ws" and not local and not allowed:
        raise GatewayRefused(
            f"refusing to send credentials unencrypted to {parts.hostname}",
            "INSECURE_URL",
            "use wss://, a tunnel to 127.0.0.1, or, in a network that you trust, "
            "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1",
        )
    try:
        return opening.enter_context(
            connect(
                url,
                open_timeout=timeout,
                close_timeout=1.0,
                max_size=_MAX_MESSAGE_BYTES,
                compression=None,
                proxy=None if local else True,
            )
        )
    except TimeoutError as exc:
        raise GatewayTimeout(f"a connection to {url}", timeout) from exc
    except ConnectionRefusedError as exc:
        raise GatewayUnreachable(url, "ECONNREFUSED", refused=True) from exc
    except OSError as exc:
        raise GatewayUnreachable(url, exc.strerror or str(exc)) from exc
    except (InvalidHandshake, InvalidURI, ValueError) as exc:
        raise GatewayUnreachable(url, str(exc)) from exc


def _signed_device(path: Path, token: str, nonce: str) -> object:
    from openclaw.rpc.device import SignedFacts, load_or_create_identity

    facts = SignedFacts(
        client_id="cli", client_mode="cli", role="operator", scopes=SCOPES, token=token
    )
    identity = load_or_create_identity(path)
    return identity.sign(facts, nonce=nonce, now_ms=time.time_ns() // 1_000_000)


def _error_of(answer: Response) -> ErrorShape:
    if answer.error is not UNSET:
        return answer.error
    # Node's gateways put a plugin's error into the payload and send none.
    text: object = None
    if isinstance(answer.payload, dict):
        text = cast("dict[str, object]", answer.payload).get("error")
    message = text if isinstance(text, str) and text else "unknown error"
    return ErrorShape(code="UNAVAILABLE", message=message)


def _failed(answer: Response) -> RpcFailed:
    error = _error_of(answer)
    return RpcFailed(
        error.code,
        error.message,
        None if error.details is UNSET else error.details,
        None if error.retryable is UNSET else error.retryable,
        None if error.retry_after_ms is UNSET else error.retry_after_ms,
    )


def _refused(answer: Response) -> GatewayRefused:
    failed = _failed(answer)
    code = failed.stable_code
    remedy = _REMEDIES.get(code, "see the gateway's log: openclaw logs")
    return GatewayRefused(failed.message, code, remedy)


def _status_of(payload: object) -> object:
    return cast("dict[str, object]", payload).get("status") if isinstance(payload, dict) else None
