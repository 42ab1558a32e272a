"""The host's exceptions, all of them under one root.

OpenClawError
├── RpcError                 a method refuses or fails; travels to the caller as it is
├── FrameError               bytes that are not a frame, or a value that cannot become one
├── HandshakeRefused         a `connect` that is turned away
├── DeviceRejected           a device identity that does not prove itself
├── IdentityFileError        the device identity file cannot be read or written
├── PortTaken                the gateway's port is in use
├── ToolNotAvailable         no tool of that name
└── GatewayCallError         a client's call did not succeed
    ├── GatewayUnreachable   nobody answers, or the connection broke
    ├── GatewayRefused       the gateway (or our own safety rule) does not let us in
    ├── GatewayTimeout       no answer in time; the effect is unknown
    └── RpcFailed            the gateway answered with an error
"""

from __future__ import annotations

from collections.abc import Mapping


class OpenClawError(Exception):
    """Root of everything the host raises on purpose."""


class RpcError(OpenClawError):
    """A method's refusal, as it goes over the wire.

    `code` is a code of the gateway protocol (INVALID_REQUEST, UNAVAILABLE, FORBIDDEN, NOT_PAIRED,
    NOT_LINKED, AGENT_TIMEOUT). A finer, stable code of our own stands in `details["code"]`.
    `retryable` says whether the same request can succeed later and had no effect now;
    `payload` is sent beside the error for clients that look there.
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        *,
        payload: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.payload = payload


class FrameError(OpenClawError):
    """A message that is not a frame of the gateway protocol.

    `is_json` tells text that cannot be parsed at all from JSON of the wrong shape: the protocol
    closes the connection with different codes. `frame_id` is the request's id, if it had one.
    """

    def __init__(self, message: str, *, is_json: bool = True, frame_id: str | None = None) -> None:
        super().__init__(message)
        self.is_json = is_json
        self.frame_id = frame_id


class HandshakeRefused(OpenClawError):
    """The connection is not admitted: answer `error`, then close with `close_code`."""

    def __init__(self, error: RpcError, close_code: int = 1008) -> None:
        super().__init__(error.message)
        self.error = error
        self.close_code = close_code


class DeviceRejected(OpenClawError):
    """A device identity failed one of its checks. `code` and `reason` are the protocol's."""

    def __init__(self, message: str, code: str, reason: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class IdentityFileError(OpenClawError):
    """`identity/device.json` cannot be read or written; the message names file and remedy."""


class PortTaken(OpenClawError):
    """Another process listens on the gateway's port. `holder` says who, if that is known."""

    def __init__(self, port: int, holder: str | None = None) -> None:
        who = f" ({holder})" if holder else ""
        super().__init__(
            f"port {port} is already in use{who}; stop the other gateway, "
            f"or choose another port with gateway.port or --port"
        )
        self.port = port
        self.holder = holder


class ToolNotAvailable(OpenClawError):
    """`/tools/invoke` or an agent asked for a tool that nobody registered."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"Tool not available: {tool}")
        self.tool = tool


class GatewayCallError(OpenClawError):
    """Root of what a client of a gateway can meet."""


class GatewayUnreachable(GatewayCallError):
    """No gateway answers at `url`, or the connection ended before the answer."""

    def __init__(self, url: str, reason: str, *, refused: bool = False) -> None:
        super().__init__(f"Gateway not reachable at {url} ({reason})")
        self.url = url
        self.reason = reason
        self.refused = refused
        """True if the host answered that nobody listens there (safe to say: no gateway runs)."""


class GatewayRefused(GatewayCallError):
    """We are not let in. `code` is stable (`AUTH_TOKEN_MISMATCH`, ...), `remedy` says what to do."""

    def __init__(self, message: str, code: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.remedy = remedy


class GatewayTimeout(GatewayCallError):
    """No answer within `timeout` seconds. The gateway may still be carrying out the request."""

    def __init__(self, what: str, timeout: float) -> None:
        super().__init__(f"gateway timeout after {round(timeout * 1000)}ms waiting for {what}")
        self.what = what
        self.timeout = timeout


class RpcFailed(GatewayCallError):
    """The gateway's error answer. `details` may carry a finer `code` and other facts."""

    def __init__(
        self,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms

    @property
    def stable_code(self) -> str:
        """`details.code` if the gateway gave one, else the protocol's code."""
        inner = self.details.get("code")
        return inner if isinstance(inner, str) else self.code
