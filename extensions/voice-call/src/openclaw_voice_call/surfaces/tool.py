"""The agent's tool `voice_call`.

One flat schema, because unions are not portable among models. Every failure is a result, so that
the model can react to it. Whether the plugin can work is asked before the arguments are looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from openclaw.sdk import PluginApi, Tool, ToolResult
from openclaw_voice_call.errors import InvalidRequest, VoiceCallError
from openclaw_voice_call.service import CallService
from openclaw_voice_call.surfaces import actions, arguments
from openclaw_voice_call.surfaces.actions import Result
from openclaw_voice_call.surfaces.arguments import Params, text
from openclaw_voice_call.surfaces.doors import ServiceDoor, failure_of

SHOWN_CHARS: Final = 60


async def _initiate(service: CallService, params: Params) -> Result:
    return await actions.place(service, arguments.initiate(params))


async def _continue(service: CallService, params: Params) -> Result:
    return await actions.continue_call(service, *arguments.call_and_message(params))


async def _speak(service: CallService, params: Params) -> Result:
    return await actions.speak(service, *arguments.call_and_message(params))


async def _send_digits(service: CallService, params: Params) -> Result:
    return await actions.send_digits(service, *arguments.call_and_digits(params))


async def _end(service: CallService, params: Params) -> Result:
    # An agent that ends the call that it is on has its last words of this turn still to say.
    return await actions.end(service, arguments.call_id(params), after_reply=True)


async def _status(service: CallService, params: Params) -> Result:
    call = arguments.any_call_id(params)
    return await actions.status(service, call or arguments.call_id(params))


ACTIONS: Final[Mapping[str, Callable[[CallService, Params], Awaitable[Result]]]] = {
    "initiate_call": _initiate,
    "continue_call": _continue,
    "speak_to_user": _speak,
    "send_dtmf": _send_digits,
    "end_call": _end,
    "get_status": _status,
}

SCHEMA: Final[Mapping[str, object]] = {
    "type": "object",
    "properties": {
        "action": {
            "type": "string",
            "enum": list(ACTIONS),
            "description": "What to do. initiate_call dials; the others act on a call by callId.",
        },
        "to": {
            "type": "string",
            "description": "initiate_call: the number in E.164 form, like +15550001234. "
            "Without it the configured number is called.",
        },
        "message": {
            "type": "string",
            "description": "initiate_call: the first thing to say. continue_call: say this, then "
            "wait for the answer. speak_to_user: say this without waiting.",
        },
        "mode": {
            "type": "string",
            "enum": ["notify", "conversation", "call", "status"],
            "description": "initiate_call: notify says the message and hangs up, conversation "
            "stays on the line. call and status belong to the form without action.",
        },
        "callId": {"type": "string", "description": "The call, as initiate_call named it."},
        "digits": {
            "type": "string",
            "description": "send_dtmf: keys to press: 0-9, *, #, and w for a pause.",
        },
        "sid": {"type": "string", "description": "The carrier's name for a call, for its status."},
        "record": {
            "type": "boolean",
            "description": "initiate_call: whether the call is recorded; only if the user says so. "
            "Without it the configuration decides. Tell the other party where the law demands it.",
        },
    },
    "additionalProperties": True,
}


def register_tool(api: PluginApi, door: ServiceDoor) -> None:
    """Offer the tool to the host's agents."""
    api.add_tool(
        Tool(
            name="voice_call",
            label="Voice Call",
            description="Make phone calls and have voice conversations via the voice-call plugin. "
            "Call people only when the user has asked for it: it costs money and rings a phone.",
            schema=SCHEMA,
            run=VoiceCallTool(door).run,
        )
    )


class VoiceCallTool:
    """Runs the tool on the one service that RPC and command line use too."""

    def __init__(self, door: ServiceDoor) -> None:
        self._door = door

    async def run(self, params: Params) -> ToolResult:
        """A result for every input; never raises for what the model wrote."""
        try:
            service = self._door.service()
            return ToolResult.of(await _carry_out(service, params))
        except VoiceCallError as error:
            return ToolResult.error(failure_of(error).text)


async def _carry_out(service: CallService, params: Params) -> Result:
    action = params.get("action")
    if action is None:
        return await _old_form(service, params)
    act = ACTIONS.get(action) if isinstance(action, str) else None
    if act is None:
        # The original takes an unknown action for a call to the configured number.
        raise InvalidRequest(f"unknown action: {str(action)[:SHOWN_CHARS]}")
    return await act(service, params)


async def _old_form(service: CallService, params: Params) -> Result:
    """`{mode?: call|status, to?, sid?, message?}`, from before there were actions."""
    if text(params, "mode") == "status":
        sid = arguments.any_call_id(params)
        if sid is None:
            raise InvalidRequest("sid required for status")
        return await actions.status(service, sid)
    if not any(text(params, name) for name in ("mode", "to", "message")):
        raise InvalidRequest("action required")
    try:
        return await actions.place(service, arguments.placement(params))
    except InvalidRequest as error:
        if str(error) == "to required":
            raise InvalidRequest("to required for call") from error
        raise
