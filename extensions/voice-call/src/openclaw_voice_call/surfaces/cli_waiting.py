"""Verbs that stay: until a call is over, until somebody has answered. Light."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Final, cast

import click

from openclaw.sdk_cli import GatewayCallError, RpcFailed, explained, fail
from openclaw_voice_call.surfaces.cli_gateway import UNKNOWN_METHOD, VoiceGateway
from openclaw_voice_call.surfaces.cli_view import local_time, one_line, transcript_line

STEP_MS: Final = 500
POLL_S: Final = 1.0
BLOCKED_S: Final = 4 * 3600.0
"""An older gateway answers `continue` when somebody has spoken; it has its own time limit."""
GOOD_ENDS: Final = ("completed", "hangup-user", "hangup-bot")


def await_end(gateway: VoiceGateway, call_id: str) -> dict[str, object]:
    """The call's record once it is over; what happens meanwhile is told on stderr."""
    progress = _Progress()
    look = _waiting_look(gateway, call_id)
    try:
        while True:
            found = look()
            for state in gateway.states(call_id):
                progress.state(state)
            if not found.get("found"):
                # Older gateways forget a call when it is over.
                return {"callId": call_id, "found": False}
            record = cast("dict[str, object]", found["call"])
            progress.transcript(record)
            progress.state(str(record.get("state")))
            if record.get("endedAt") is not None:
                return record
    except RpcFailed:
        raise
    except GatewayCallError as error:
        look_up = f"The call may go on; see: openclaw voicecall status --call-id {call_id}"
        fail(explained(error)[0], look_up)


def shortfall(record: Mapping[str, object]) -> str | None:
    """What kept the call from doing what it was for; None when its message was said and nobody
    but the people on it ended it."""
    found = record.get("metadata")
    metadata = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    reason = record.get("endReason")
    if reason not in GOOD_ENDS:
        detail = metadata.get("endDetail")
        ending = f"the call ended as {reason or 'unknown'}"
        return f"{ending}: {one_line(detail)}" if detail else ending
    return "the call ended before its message was said" if "initialMessage" in metadata else None


def await_answer(gateway: VoiceGateway, call_id: str, message: str) -> dict[str, object]:
    """Say `message`, then ask for the answer again and again, so that no single wait is long."""
    params = {"callId": call_id, "message": message}
    try:
        begun = gateway.ask("voicecall.continue.start", params)
    except RpcFailed as error:
        if error.message != f"{UNKNOWN_METHOD}continue.start":
            raise
        return gateway.ask("voicecall.continue", params, at_least_s=BLOCKED_S)
    operation = {"operationId": begun.get("operationId")}
    method = "openclaw gateway call voicecall.continue.result"
    read = f"The question stands. Read the answer with: {method} --params '{json.dumps(operation)}'"
    try:
        return _poll(gateway, operation, begun)
    except KeyboardInterrupt:
        click.echo(read, err=True)
        raise SystemExit(130) from None
    except RpcFailed:
        raise
    except GatewayCallError as error:
        fail(explained(error)[0], read)


def _poll(
    gateway: VoiceGateway, operation: Mapping[str, object], told: dict[str, object]
) -> dict[str, object]:
    limit_ms = told.get("pollTimeoutMs")
    until = time.monotonic() + (limit_ms / 1000 if isinstance(limit_ms, int) else BLOCKED_S)
    while told.get("status") == "pending":
        if time.monotonic() > until:
            fail("the gateway did not come to an end with this continue", "See: openclaw logs")
        time.sleep(POLL_S)
        told = gateway.ask("voicecall.continue.result", operation)
    if told.get("status") == "failed":
        code = told.get("code")
        fail(f"{told.get('error')} ({code})" if code else str(told.get("error")))
    result = told.get("result")
    return cast("dict[str, object]", result) if isinstance(result, dict) else {}


class _Progress:
    """Says each new thing once."""

    def __init__(self) -> None:
        self._state = ""
        self._said = 0

    def state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            _tell(state)

    def transcript(self, record: Mapping[str, object]) -> None:
        found = record.get("transcript")
        entries = cast("list[dict[str, object]]", found if isinstance(found, list) else [])
        final = [entry for entry in entries if entry.get("isFinal", True)]
        for entry in final[self._said :]:
            _tell(transcript_line(entry))
        self._said = len(final)


def _tell(news: str) -> None:
    click.echo(f"{local_time(time.time() * 1000)} {news}", err=True)


def _waiting_look(gateway: VoiceGateway, call_id: str) -> Callable[[], dict[str, object]]:
    """Looks at the call, half a second apart at most, at once when it is over."""
    patient = True

    def look() -> dict[str, object]:
        nonlocal patient
        if patient:
            try:
                return gateway.ask("voicecall.wait", {"callId": call_id, "timeoutMs": STEP_MS})
            except RpcFailed as error:
                if error.message != f"{UNKNOWN_METHOD}wait":
                    raise
                patient = False
        time.sleep(STEP_MS / 1000)
        return gateway.ask("voicecall.status", {"callId": call_id})

    return look
