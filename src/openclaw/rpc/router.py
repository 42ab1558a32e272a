"""Which method answers a request, and whether the caller may use it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from openclaw.errors import RpcError
from openclaw.rpc.frames import Request, Response, failure, success

log = logging.getLogger(__name__)


class Scope:
    """What a caller may do. Admin implies all others, write implies read."""

    ADMIN: Final = "operator.admin"
    READ: Final = "operator.read"
    WRITE: Final = "operator.write"
    APPROVALS: Final = "operator.approvals"
    PAIRING: Final = "operator.pairing"
    QUESTIONS: Final = "operator.questions"
    TALK: Final = "operator.talk"
    TALK_SECRETS: Final = "operator.talk.secrets"


ALL_SCOPES = frozenset(
    {
        Scope.ADMIN,
        Scope.READ,
        Scope.WRITE,
        Scope.APPROVALS,
        Scope.PAIRING,
        Scope.QUESTIONS,
        Scope.TALK,
        Scope.TALK_SECRETS,
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The connection that a request came from.

    `send_event(event, payload)` sends an event to this connection alone and never blocks; after the
    connection has gone it does nothing.
    """

    conn_id: str
    client_id: str
    role: str
    scopes: frozenset[str]
    protocol: int
    send_event: Callable[[str, object], None]

    def may(self, scope: str | None) -> bool:
        """Whether the granted scopes cover `scope`; None is covered by any."""
        if scope is None or scope in self.scopes or Scope.ADMIN in self.scopes:
            return True
        return scope == Scope.READ and Scope.WRITE in self.scopes


@dataclass(frozen=True, slots=True)
class TwoPhase:
    """An answer in two frames of one id: `first` at once, what `final` gives when it is done.

    `first` must have `"status": "accepted"`: clients that want the result skip that one.
    """

    first: Mapping[str, object]
    final: Awaitable[object]


RpcHandler = Callable[[Mapping[str, object], Caller], Awaitable[object]]
"""A method: parameters and caller in, a value that JSON can express out. Raises RpcError."""


@dataclass(frozen=True, slots=True)
class _Method:
    handler: RpcHandler
    scope: str | None
    plugin: bool


def _ignore(_: Response) -> None: ...


class RpcRouter:
    """The methods of a gateway by name."""

    def __init__(self) -> None:
        self._methods: dict[str, _Method] = {}

    def add(
        self,
        name: str,
        handler: RpcHandler,
        scope: str | None = Scope.ADMIN,
        *,
        plugin: bool = False,
    ) -> None:
        """Registers a method. `scope=None` lets every operator call it.

        Errors of a `plugin` method repeat their text as `payload.error`, where scripts written for
        the original's plugins look for it. Raises ValueError for a name that is taken.
        """
        if name in self._methods:
            raise ValueError(f"RPC method {name!r} is already registered")
        self._methods[name] = _Method(handler, scope, plugin)

    def remove(self, name: str) -> None:
        """Takes a method away; requests that are being answered go on. Raises KeyError."""
        del self._methods[name]

    @property
    def names(self) -> list[str]:
        """All methods, in the order of registration."""
        return list(self._methods)

    async def dispatch(
        self,
        request: Request,
        caller: Caller,
        early: Callable[[Response], None] = _ignore,
    ) -> Response:
        """Answers a request. The first half of a two-phase answer goes to `early`.

        Only cancellation gets out of here: whatever a method raises becomes an error answer.
        """
        method = self._methods.get(request.method)
        fallback = "text" if method is not None and method.plugin else "none"
        try:
            _check_role(caller)
            if method is None:
                # Newer clients look for exactly this text to fall back to an older method.
                raise RpcError("INVALID_REQUEST", f"unknown method: {request.method}")
            _check_scope(method.scope, caller)
            result = await method.handler(_params_of(request), caller)
            if isinstance(result, TwoPhase):
                early(success(request.id, result.first))
                result = await result.final
            return success(request.id, result)
        except RpcError as exc:
            return failure(request.id, exc, fallback=fallback)
        # The boundary between this server and code of any quality: the caller must get an answer
        # and must not get our internals.
        except Exception:
            log.exception("RPC method failed", extra={"method": request.method})
            error = RpcError(
                "UNAVAILABLE",
                f"{request.method} failed inside the gateway; its log has the reason",
                {"code": "internal_error"},
            )
            return failure(request.id, error, fallback=fallback)


def _check_role(caller: Caller) -> None:
    if caller.role != "operator":
        raise RpcError("INVALID_REQUEST", f"unauthorized role: {caller.role}")


def _check_scope(scope: str | None, caller: Caller) -> None:
    if not caller.may(scope):
        raise RpcError(
            "FORBIDDEN",
            f"missing scope: {scope}",
            {"code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope]},
        )


def _params_of(request: Request) -> Mapping[str, object]:
    if request.params is None:
        return {}
    if not isinstance(request.params, dict):
        text = f"invalid {request.method} params: must be object"
        raise RpcError("INVALID_REQUEST", text)
    return cast("dict[str, object]", request.params)
