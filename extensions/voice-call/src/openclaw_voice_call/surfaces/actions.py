"""What RPC and the tool both do, with results in the original's shapes."""

from __future__ import annotations

from openclaw_voice_call.service import CallService
from openclaw_voice_call.surfaces.arguments import Placement

Result = dict[str, object]


async def place(service: CallService, asked: Placement) -> Result:
    """`pending` says that the carrier has not confirmed the order: `status` will tell."""
    placed = await service.initiate(
        to=asked.to,
        message=asked.message,
        mode=asked.mode,
        digits=asked.digits,
        session_key=asked.session_key,
        record_audio=asked.record_audio,
    )
    result: Result = {"callId": placed.call_id, "initiated": True}
    if not placed.settled:
        result["pending"] = True
    return result


async def continue_call(service: CallService, call: str, message: str) -> Result:
    return {"success": True, "transcript": await service.continue_call(call, message)}


async def speak(service: CallService, call: str, message: str, *, wait: bool = False) -> Result:
    await service.speak(call, message, wait=wait)
    return {"success": True}


async def send_digits(service: CallService, call: str, digits: str) -> Result:
    await service.send_digits(call, digits)
    return {"success": True}


async def end(
    service: CallService, call: str, *, at_once: bool = False, after_reply: bool = False
) -> Result:
    await service.end(call, at_once=at_once, after_reply=after_reply)
    return {"success": True}


async def status(service: CallService, call: str) -> Result:
    found = await service.status(call)
    return {"found": False} if found is None else {"found": True, "call": found}


def pairings(service: CallService) -> Result:
    """Who waits to be let in, oldest first, and who was; times in epoch ms."""
    return {
        "waiting": [
            {
                "number": each.number,
                "code": each.code,
                "askedAt": round(each.asked_at * 1000),
                "expiresAt": round(each.expires_at * 1000),
                "calls": each.calls,
            }
            for each in service.pairing.waiting()
        ],
        "approved": [
            {"number": each.number, "approvedAt": round(each.approved_at * 1000)}
            for each in service.pairing.approved()
        ],
    }
