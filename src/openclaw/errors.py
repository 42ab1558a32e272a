"""The host's exceptions, all of them under one root.

OpenClawError
├── ConfigError              the configuration cannot be used; lists its problems
├── RpcError                 a method refuses or fails; travels to the caller as it is
├── FrameError               bytes that are not a frame, or a value that cannot become one
├── HandshakeRefused         a `connect` that is turned away
├── DeviceRejected           a device identity that does not prove itself
├── IdentityFileError        the device identity file cannot be read or written
├── PortTaken                the gateway's port is in use
├── ToolNotAvailable         no tool of that name
├── AgentError               the agent cannot answer; `code` is stable
│   ├── ModelNotConfigured   something is missing in the configuration
│   ├── ModelRefused         the vendor says no: key, quota, rate, unknown model
│   ├── ModelUnreachable     no usable answer: connection, server error, unreadable answer
│   ├── ModelTimeout         no complete answer in time
│   ├── ModelEmpty           an answer without words
│   ├── SessionMismatch      a session of another agent
│   ├── HistoryUnavailable   a session's file cannot be read or written
│   └── AgentsClosed         the gateway is stopping
├── ToolTaken                two tools of one name
├── ToolSchemaInvalid        a tool whose arguments models could not read
├── OwnerClosed              work for a component that is stopping
├── GatewayRunning           another gateway already runs with this configuration
├── PluginRejected           a plugin that cannot be used as it is
├── PluginInstallError       a plugin that cannot be installed or removed
└── GatewayCallError         a client's call did not succeed
    ├── GatewayUnreachable   nobody answers, or the connection broke
    ├── GatewayRefused       the gateway (or our own safety rule) does not let us in
    ├── GatewayTimeout       no answer in time; the effect is unknown
    └── RpcFailed            the gateway answered with an error
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from openclaw.config.problem import ConfigProblem


class OpenClawError(Exception):
    """Root of everything the host raises on purpose."""


class ConfigError(OpenClawError):
    """The configuration cannot be used; every problem that was found is listed.

    The text has one line per problem and holds no secrets.
    """

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        super().__init__("\n".join(problem.render() for problem in problems))
        self.problems = tuple(problems)


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


class AgentError(OpenClawError):
    """The agent cannot give a reply. `retryable` says whether trying again can help."""

    code: ClassVar[str] = "agent_error"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class ModelNotConfigured(AgentError):
    """A model lacks its key or address; `config_key` and `env` say where it may be given."""

    code = "model_not_configured"

    def __init__(
        self, model: str, *, provider: str, config_key: str, problem: str, env: str | None = None
    ) -> None:
        remedy = f"set {config_key}" + (f" or the environment variable {env}" if env else "")
        super().__init__(f"model {model}: provider {provider} {problem}; {remedy}")
        self.model = model
        self.provider = provider
        self.config_key = config_key
        self.env = env


class ModelRefused(AgentError):
    """The vendor refused. `status` is its HTTP status, `vendor_code` its own word for why."""

    code = "model_refused"

    def __init__(
        self, model: str, *, status: int | None, vendor_code: str | None, retryable: bool = False
    ) -> None:
        super().__init__(
            f"model {model}: the vendor refused the request "
            f"(HTTP {status or '-'}, {vendor_code or 'no code'})",
            retryable=retryable,
        )
        self.model = model
        self.status = status
        self.vendor_code = vendor_code


class ModelUnreachable(AgentError):
    """No usable answer: the connection failed, the vendor's server did, or it cannot be read."""

    code = "model_unreachable"

    def __init__(
        self,
        model: str,
        reason: str,
        *,
        status: int | None = None,
        vendor_code: str | None = None,
    ) -> None:
        super().__init__(f"model {model}: {reason}", retryable=True)
        self.model = model
        self.status = status
        self.vendor_code = vendor_code


class ModelTimeout(AgentError):
    """The reply was not complete after `timeout_s` seconds."""

    code = "model_timeout"

    def __init__(self, model: str, timeout_s: float) -> None:
        super().__init__(
            f"model {model}: no complete reply within {timeout_s:.1f} s", retryable=True
        )
        self.model = model
        self.timeout_s = timeout_s


class ModelEmpty(AgentError):
    """The model answered without a word."""

    code = "model_empty"

    def __init__(self, model: str, reason: str = "the reply has no words") -> None:
        super().__init__(f"model {model}: {reason}", retryable=True)
        self.model = model


class SessionMismatch(AgentError):
    """A session key that names one agent was given to another, who must not see it."""

    code = "session_mismatch"

    def __init__(self, owner: str, agent_id: str) -> None:
        super().__init__(
            f"the session belongs to agent {owner!r}, not to agent {agent_id!r}; "
            f"use a session key that begins with 'agent:{agent_id}:'"
        )
        self.owner = owner
        self.agent_id = agent_id


class HistoryUnavailable(AgentError):
    """A session file cannot be read or written, for the operating system's `reason`."""

    code = "history_unavailable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"session file {path}: {reason}", retryable=True)
        self.path = path
        self.reason = reason


class AgentsClosed(AgentError):
    """The gateway is stopping and begins no more replies."""

    code = "agents_closed"

    def __init__(self) -> None:
        super().__init__("the gateway is stopping", retryable=True)


class ToolTaken(OpenClawError):
    """A tool of that name is already registered."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"tool {tool} is already registered; choose another name")
        self.tool = tool


class ToolSchemaInvalid(OpenClawError):
    """A tool's schema is not one flat JSON object."""

    def __init__(self, tool: str, problem: str) -> None:
        super().__init__(f"tool {tool}: schema of the arguments: {problem}")
        self.tool = tool


class OwnerClosed(OpenClawError):
    """A background task was begun by a component that is stopping."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"{owner} is stopping")
        self.owner = owner


class GatewayRunning(OpenClawError):
    """Another live gateway holds the lock of this configuration.

    `pid` and `url` are None while they are not known yet.
    """

    def __init__(self, pid: int | None, url: str | None) -> None:
        where = f"is already listening on {url}" if url else "is already starting"
        who = f" (PID {pid})" if pid is not None else ""
        super().__init__(f"another gateway instance {where}{who}")
        self.pid = pid
        self.url = url


class PluginRejected(OpenClawError):
    """A plugin cannot be used: its manifest, its class or a name that it registers."""

    def __init__(self, plugin_id: str, reason: str) -> None:
        super().__init__(f"plugin {plugin_id}: {reason}")
        self.plugin_id = plugin_id
        self.reason = reason


class PluginInstallError(OpenClawError):
    """A plugin cannot be installed or removed. `remedy` is what to do, None if nobody knows."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


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
    """We are not let in. `code` is stable (`AUTH_TOKEN_MISMATCH`, ...), `remedy` is what to do."""

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
