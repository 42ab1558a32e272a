"""The gateway's methods `voicecall.*`.

Names, parameters and results are the original's, the newer `continue.start` and `continue.result`
included. Ours besides: `voicecall.wait`, `explain` and `pairing.*`, `wait` of speak, `atOnce` of
end, `record` of a call that is placed, `pending` of one that the carrier has not confirmed, and
`idempotencyKey` wherever a repeat would be felt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from openclaw.sdk import Caller, IdempotencyCache, PluginApi, RpcError, RpcHandler
from openclaw_voice_call.call.lineup import speech_ms
from openclaw_voice_call.errors import (
    AlreadyWaiting,
    CallEnded,
    NobodyHeard,
    UtteranceFailed,
    VoiceCallError,
)
from openclaw_voice_call.service import CallService
from openclaw_voice_call.surfaces import actions, arguments
from openclaw_voice_call.surfaces.actions import Result
from openclaw_voice_call.surfaces.arguments import Params, Placement
from openclaw_voice_call.surfaces.doors import ServiceDoor, failure_of
from openclaw_voice_call.surfaces.explaining import explanation

READ: Final = "operator.read"
WRITE: Final = "operator.write"

SPEECH_MS: Final = 8_000
"""What the original allows for saying the message."""
POLL_MARGIN_MS: Final = 30_000


def register_rpc(api: PluginApi, door: ServiceDoor) -> None:
    """Offer all methods; whether they can work is `door`'s to say, request by request."""
    once = IdempotencyCache(clock=api.clock.monotonic)
    methods = VoiceCallMethods(door, once)
    for name, method, scope in (
        ("initiate", methods.initiate, WRITE),
        ("start", methods.start, WRITE),
        ("continue", methods.continue_, WRITE),
        ("continue.start", methods.continue_start, WRITE),
        ("continue.result", methods.continue_result, READ),
        ("speak", methods.speak, WRITE),
        ("dtmf", methods.dtmf, WRITE),
        ("end", methods.end, WRITE),
        ("status", methods.status, READ),
        ("wait", methods.wait, READ),
        ("explain", methods.explain, READ),
        ("pairing.list", methods.pairing_list, READ),
        ("pairing.approve", methods.pairing_approve, WRITE),
        ("pairing.deny", methods.pairing_deny, WRITE),
    ):
        api.add_rpc(f"voicecall.{name}", answering(method), scope)
    api.add_service("voicecall repeats", _nothing, once.aclose)


class VoiceCallMethods:
    """Each method checks its own parameters before it asks whether the plugin can work."""

    def __init__(self, door: ServiceDoor, once: IdempotencyCache) -> None:
        self._door = door
        self._once = once

    async def initiate(self, params: Params) -> object:
        return await self._place("voicecall.initiate", params, arguments.initiate(params))

    async def start(self, params: Params) -> object:
        return await self._place("voicecall.start", params, arguments.start(params))

    async def continue_(self, params: Params) -> object:
        call, message = arguments.call_and_message(params)
        return await actions.continue_call(self._door.service(), call, message)

    async def continue_start(self, params: Params) -> object:
        call, message = arguments.call_and_message(params)
        service = self._door.service()
        operation = await service.begin_continue(call, message)
        return _pending(service, operation, speech_ms(message))

    async def continue_result(self, params: Params) -> object:
        """The outcome stays in the call's journal, so unlike the original a second read answers
        again: a reader whose connection broke has lost nothing (F82)."""
        operation = arguments.operation_id(params)
        service = self._door.service()
        try:
            transcript = await service.continue_result(operation)
        except (NobodyHeard, UtteranceFailed, CallEnded, AlreadyWaiting) as error:
            # The operation's own outcome; every other failure is one of this request.
            failure = failure_of(error)
            failed: Result = {"operationId": operation, "status": "failed"}
            return {**failed, "error": failure.text, "code": failure.code}
        if transcript is None:
            return _pending(service, operation)
        result: Result = {"success": True, "transcript": transcript}
        return {"operationId": operation, "status": "completed", "result": result}

    async def speak(self, params: Params) -> object:
        call, message = arguments.call_and_message(params)
        wait = arguments.flag(params, "wait")
        work = partial(actions.speak, self._door.service(), call, message, wait=wait)
        return await self._only_once("voicecall.speak", params, work)

    async def dtmf(self, params: Params) -> object:
        call, digits = arguments.call_and_digits(params)
        work = partial(actions.send_digits, self._door.service(), call, digits)
        return await self._only_once("voicecall.dtmf", params, work)

    async def end(self, params: Params) -> object:
        call = arguments.call_id(params)
        at_once = arguments.flag(params, "atOnce")
        return await actions.end(self._door.service(), call, at_once=at_once)

    async def status(self, params: Params) -> object:
        """One call, or without an id the live and the newest ended ones."""
        call = arguments.any_call_id(params)
        service = self._door.service()
        if call is None:
            return {"found": True, "calls": await service.calls()}
        return await actions.status(service, call)

    async def wait(self, params: Params) -> object:
        """`{callId, timeoutMs?}`: answers as status does, when the call is over or time is up."""
        call, limit_ms = arguments.call_id(params), arguments.wait_ms(params)
        found = await self._door.service().wait_for_end(call, limit_ms / 1000)
        return {"found": False} if found is None else {"found": True, "call": found}

    async def explain(self, params: Params) -> object:
        """`{callId}`: what happened on a call, and what went wrong first."""
        call = arguments.any_call_id(params) or arguments.call_id(params)
        found = await self._door.service().history(call)
        return {"found": False} if found is None else explanation(*found)

    async def pairing_list(self, params: Params) -> object:
        """`{waiting: [{number, code, askedAt, expiresAt, calls}], approved: [{number,
        approvedAt}]}`, times in epoch ms."""
        return actions.pairings(self._door.service())

    async def pairing_approve(self, params: Params) -> object:
        """`{code}`: the code or the number of somebody who waits."""
        code = arguments.pairing_code(params)
        return {"approved": True, "number": await self._door.service().pairing.approve(code)}

    async def pairing_deny(self, params: Params) -> object:
        """`{code}`: likewise, or an approved number."""
        code = arguments.pairing_code(params)
        return {"denied": True, "number": await self._door.service().pairing.deny(code)}

    async def _place(self, method: str, params: Params, asked: Placement) -> object:
        work = partial(actions.place, self._door.service(), asked)
        return await self._only_once(method, params, work)

    async def _only_once(
        self, method: str, params: Params, work: Callable[[], Awaitable[Result]]
    ) -> object:
        key = arguments.idempotency_key(params)
        if key is None:
            return await work()
        # Translated inside: the cache forgets outcomes that say that a repeat can succeed.
        return await self._once.run(method, key, params, partial(_translated, work))


def rpc_error(error: VoiceCallError) -> RpcError:
    """A failure as it goes over the wire: ours inside, the protocol's code outside."""
    failure = failure_of(error)
    details = {"code": failure.code}
    if failure.remedy is not None:
        details["remedy"] = failure.remedy
    return RpcError(failure.protocol_code, failure.text, details, failure.retryable)


def answering(method: Callable[[Params], Awaitable[object]]) -> RpcHandler:
    """The method as the router calls it, its failures as the wire has them."""

    async def answer(params: Params, _: Caller) -> object:
        return await _translated(partial(method, params))

    return answer


async def _translated(work: Callable[[], Awaitable[object]]) -> object:
    try:
        return await work()
    except VoiceCallError as error:
        raise rpc_error(error) from error


def _pending(service: CallService, operation: str, speaking_ms: int = SPEECH_MS) -> Result:
    """`pollTimeoutMs`: how long asking for the result makes sense."""
    limit_ms = service.transcript_timeout_ms + max(speaking_ms, SPEECH_MS) + POLL_MARGIN_MS
    return {"operationId": operation, "status": "pending", "pollTimeoutMs": limit_ms}


async def _nothing() -> None:
    """The cache needs no start."""
