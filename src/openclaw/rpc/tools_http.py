"""`POST /tools/invoke`: one tool call over plain HTTP, with the gateway's secret as bearer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from openclaw.errors import HandshakeRefused, RpcError, ToolNotAvailable
from openclaw.rpc.frames import NonEmpty
from openclaw.rpc.handshake import AuthPolicy, check_origin, secret_matches
from openclaw.rpc.peer import Peer, counts_failures
from openclaw.rpc.throttle import AuthThrottle

log = logging.getLogger(__name__)


class ToolInvocation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The body of a request. `action` is a short form of `args.action`."""

    tool: NonEmpty
    action: str | None = None
    args: Mapping[str, object] = {}
    session_key: str | None = None

    @property
    def arguments(self) -> Mapping[str, object]:
        """`args`, with `action` filled in where they lack it."""
        return self.args if self.action is None else {"action": self.action, **self.args}


InvokeTool = Callable[[ToolInvocation], Awaitable[Mapping[str, object]]]
"""Runs a tool: `{content: [{type, text}], details}`. Raises ToolNotAvailable and RpcError."""


class ToolsEndpoint:
    """Answers `/tools/invoke`."""

    def __init__(
        self,
        auth: AuthPolicy,
        throttle: AuthThrottle,
        invoke: InvokeTool,
        monotonic: Callable[[], float],
    ) -> None:
        self._auth = auth
        self._throttle = throttle
        self._invoke = invoke
        self._monotonic = monotonic

    async def answer(self, request: web.Request, peer: Peer) -> web.Response:
        """The response, whose bodies are those of the original."""
        if request.method != "POST":
            return web.Response(
                status=HTTPStatus.METHOD_NOT_ALLOWED, text="Method Not Allowed", headers=_POST
            )
        refusal = self._refusal(request, peer)
        if refusal is not None:
            return refusal
        try:
            invocation = msgspec.json.decode(await request.read(), type=ToolInvocation)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            return _failed(HTTPStatus.BAD_REQUEST, "invalid_request", f"invalid body: {exc}")
        try:
            result = await self._invoke(invocation)
            body = msgspec.json.encode({"ok": True, "result": result})
        except ToolNotAvailable as exc:
            return _failed(HTTPStatus.NOT_FOUND, "not_found", str(exc))
        except RpcError as exc:
            return _failed(HTTPStatus.BAD_REQUEST, "tool_error", exc.message)
        # The boundary to code of any quality, as in the router.
        except Exception:
            log.exception("tool failed", extra={"tool": invocation.tool})
            text = "tool execution failed; the gateway's log has the reason"
            return _failed(HTTPStatus.INTERNAL_SERVER_ERROR, "tool_error", text)
        return web.Response(body=body, content_type="application/json")

    def _refusal(self, request: web.Request, peer: Peer) -> web.Response | None:
        if peer.forged:
            return web.Response(status=HTTPStatus.FORBIDDEN)
        try:
            check_origin(peer, self._auth)
        except HandshakeRefused as exc:
            return _error(HTTPStatus.FORBIDDEN, str(exc), "forbidden")
        if self._auth.mode == "none" and peer.local:
            return None
        now = self._monotonic()
        counted = counts_failures(peer)
        wait = self._throttle.locked_for(peer.address, now) if counted else 0.0
        if wait > 0:
            text = "Too many failed authentication attempts. Please try again later."
            response = _error(HTTPStatus.TOO_MANY_REQUESTS, text, "rate_limited")
            response.headers["Retry-After"] = str(int(wait) + 1)
            return response
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        presented = bearer.strip() if scheme.lower() == "bearer" else ""
        if secret_matches(self._auth, presented):
            return None
        if presented and counted:
            self._throttle.failed(peer.address, now)
        return _error(HTTPStatus.UNAUTHORIZED, "Unauthorized", "unauthorized")


_POST = {"Allow": "POST"}


def _error(status: HTTPStatus, message: str, kind: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": kind}}, status=status)


def _failed(status: HTTPStatus, kind: str, message: str) -> web.Response:
    body = {"ok": False, "error": {"type": kind, "message": message}}
    return web.json_response(body, status=status)
