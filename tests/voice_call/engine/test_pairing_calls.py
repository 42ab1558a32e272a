"""Inbound policy `pairing`: an unknown caller hears a code, and is let in once it is approved."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import PairingNotFound
from tests.voice_call.rig import Rig, rig

ANN = "+15550002001"
PERSON = {"number": ANN, "says": ["It is me."], "hangUpAfter": 1, "callsBackAfterMs": 50}


async def _call_back(gateway: Rig, number: str = ANN) -> None:
    """Have the person call us: they do when a call to them has ended."""
    placed = await gateway.service.initiate(to=number, message="Call me.", mode=Mode.NOTIFY)
    await gateway.ended(placed.call_id)


async def _newest_inbound(gateway: Rig) -> dict[str, object]:
    await gateway.api.published("voicecall.call", direction="inbound", live=False)
    calls = await gateway.service.calls()
    return dict(next(call for call in calls if call["direction"] == "inbound"))


async def test_an_unknown_caller_hears_a_code_and_is_let_in_after_approval(tmp_path: Path) -> None:
    async with rig(tmp_path, PERSON, inboundPolicy="pairing") as gateway:
        await _call_back(gateway)
        first = await _newest_inbound(gateway)
        (waiting,) = gateway.service.pairing.waiting()
        assert waiting.number == ANN
        assert first["state"] == "completed"
        assert ", ".join(waiting.code) in str(first["transcript"])
        assert gateway.agents.asked == [], "no agent runs for a stranger"
        with pytest.raises(PairingNotFound):
            await gateway.service.pairing.approve("000000x")
        assert await gateway.service.pairing.approve(waiting.code) == ANN
    file = tmp_path / "voice-calls" / "pairings.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with rig(tmp_path, PERSON, inboundPolicy="pairing") as gateway:
        assert [each.number for each in gateway.service.pairing.approved()] == [ANN]
        await _call_back(gateway)
        call = await _newest_inbound(gateway)
        assert call["state"] == "hangup-user"
        assert [request.text for request in gateway.agents.asked] == ["It is me."]


async def test_a_withheld_caller_gets_no_code(tmp_path: Path) -> None:
    person = {**PERSON, "callsBackFrom": "anonymous"}
    async with rig(tmp_path, person, inboundPolicy="pairing") as gateway:
        await _call_back(gateway)
        await gateway.api.published("voicecall.refused")
        assert gateway.service.pairing.waiting() == []


async def test_a_stranger_who_keeps_calling_is_not_answered_any_more(tmp_path: Path) -> None:
    async with rig(tmp_path, PERSON, inboundPolicy="pairing") as gateway:
        for _ in range(3):
            gateway.api.events.clear()
            await _call_back(gateway)
            await gateway.api.published("voicecall.call", direction="inbound", live=False)
        await _call_back(gateway)
        await gateway.api.published("voicecall.refused")
