"""`openclaw voicecall pairing ...` against a gateway on a real socket."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from openclaw_voice_call.call.opening import InboundPolicy, Refusal
from openclaw_voice_call.call.types import CarrierCallId, Mode
from openclaw_voice_call.interfaces.carrier import InboundOffer
from openclaw_voice_call.reception import Welcome
from tests.voice_call.surfaces.house import US, House
from tests.voice_call.surfaces.terminal import Outcome, Terminal, gateway
from tests.voice_call.surfaces.test_cli import free_port

ANN = "+15550002001"
CODE = "123456"


async def call_us(home: House, number: str = ANN) -> Welcome | Refusal:
    offer = InboundOffer(CarrierCallId("leg"), number, US)
    return await home.service.pairing.judge(offer, home.manager.config)


def entries(done: Outcome, name: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", done.json[name])


@pytest.mark.scenario("F81")
async def test_a_caller_waits_is_approved_and_is_taken_back(tmp_path: Path) -> None:
    async with gateway(tmp_path, inbound=InboundPolicy.PAIRING) as (shell, home):
        empty = await shell.voicecall("pairing", "list")
        assert (empty.code, empty.err) == (0, "")
        assert empty.out == "Nobody waits for approval.\n\nNo number was approved.\n"
        asked = await call_us(home)
        assert isinstance(asked, Welcome)
        assert asked.mode is Mode.NOTIFY

        listed = await shell.voicecall("pairing", "list")
        head, row = listed.out.splitlines()[:2]
        assert head.split() == ["NUMBER", "CODE", "ASKED", "EXPIRES", "CALLS"]
        assert row.split()[:2] == [ANN, CODE]
        (waiting,) = entries(await shell.voicecall("pairing", "list", "--json"), "waiting")
        assert (waiting["number"], waiting["code"], waiting["calls"]) == (ANN, CODE, 1)
        assert cast("int", waiting["expiresAt"]) - cast("int", waiting["askedAt"]) == 3_600_000

        hidden = await shell.voicecall("pairing", "list", "--mask")
        assert ANN.removeprefix("+") not in hidden.out
        assert "***2001" in hidden.out

        done = await shell.voicecall("pairing", "approve", CODE)
        assert (done.code, done.json) == (0, {"approved": True, "number": ANN})
        welcome = await call_us(home)
        assert isinstance(welcome, Welcome)
        assert welcome.mode is Mode.CONVERSATION
        now = await shell.voicecall("pairing", "list", "--json")
        assert entries(now, "waiting") == []
        assert [each["number"] for each in entries(now, "approved")] == [ANN]
        assert ANN in (await shell.voicecall("pairing", "list")).out

        taken_back = await shell.voicecall("pairing", "deny", ANN)
        assert (taken_back.code, taken_back.json) == (0, {"denied": True, "number": ANN})
        again = await call_us(home)
        assert isinstance(again, Welcome)
        assert again.mode is Mode.NOTIFY


async def test_a_denied_caller_is_refused_and_no_longer_listed(tmp_path: Path) -> None:
    async with gateway(tmp_path, inbound=InboundPolicy.PAIRING) as (shell, home):
        await call_us(home)
        denied = await shell.voicecall("pairing", "deny", ANN)
        assert denied.json == {"denied": True, "number": ANN}
        assert await call_us(home) is Refusal.UNKNOWN_CALLER
        assert (await shell.voicecall("pairing", "list")).out.startswith("Nobody waits")


@pytest.mark.scenario("F77")
@pytest.mark.parametrize("verb", ["approve", "deny"])
async def test_a_code_that_nobody_has_is_told_with_a_remedy(tmp_path: Path, verb: str) -> None:
    async with gateway(tmp_path, inbound=InboundPolicy.PAIRING) as (shell, home):
        await call_us(home)
        done = await shell.voicecall("pairing", verb, "654321")
        assert [each.number for each in home.service.pairing.waiting()] == [ANN]
        bare = await shell.voicecall("pairing", verb)
        blank = await home.rpc(f"pairing.{verb}", {"code": " "})
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: no caller waits for approval with this code or number (pairing_not_found)\n"
        "Remedy: See who waits with: openclaw voicecall pairing list\n"
    )
    assert bare.code == 1
    assert "code_or_number" in bare.err
    assert blank["error"]["message"] == "code required"  # pyright: ignore[reportIndexIssue]


async def test_reading_needs_read_and_deciding_needs_write(tmp_path: Path) -> None:
    async with gateway(tmp_path, inbound=InboundPolicy.PAIRING) as (_, home):
        await call_us(home)
        seen = await home.rpc("pairing.list", {}, "operator.read")
        refused = await home.rpc("pairing.approve", {"code": CODE}, "operator.read")
        assert seen["ok"] is True
        assert refused["ok"] is False
        assert home.service.pairing.approved() == ()


async def test_without_a_gateway_nothing_is_decided(tmp_path: Path) -> None:
    done = await Terminal(tmp_path, free_port()).voicecall("pairing", "approve", CODE)
    assert (done.code, done.out) == (1, "")
    assert "no gateway is running" in done.err
