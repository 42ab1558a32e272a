"""Whole calls through the mock carrier: real journal, real webhook server, signed webhooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from openclaw_voice_call.call.snapshot import CallSnapshot
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import AtCapacity, CallEnded, CarrierRefused
from tests.voice_call.rig import FakeAgents, rig

ANN = "+15550002001"
BOB = "+15550002002"


def words(snapshot: CallSnapshot) -> list[tuple[str, str]]:
    return [(entry["speaker"], entry["text"]) for entry in snapshot["transcript"]]


async def test_a_notice_is_heard_and_the_call_completed(tmp_path: Path) -> None:
    async with rig(tmp_path) as gateway:
        placed = await gateway.service.initiate(
            to="+15550001002", message="Your parcel is here.", mode=Mode.NOTIFY
        )
        call = await gateway.ended(placed.call_id)
    assert call["state"] == "completed"
    assert words(call) == [("bot", "Your parcel is here.")]


@pytest.mark.scenario("F8", carrier="mock")
async def test_a_conversation_has_one_reply_a_turn(tmp_path: Path) -> None:
    ann = {"number": ANN, "says": ["Hi there.", "Nine is fine.", "Bye."], "hangUpAfter": 3}
    async with rig(tmp_path, ann) as gateway:
        placed = await gateway.service.initiate(
            to=ANN, message="Shall we meet?", mode=Mode.CONVERSATION
        )
        call = await gateway.ended(placed.call_id)
    assert call["state"] == "hangup-user"
    assert words(call) == [
        ("bot", "Shall we meet?"),
        ("user", "Hi there."),
        ("bot", "You said: Hi there."),
        ("user", "Nine is fine."),
        ("bot", "You said: Nine is fine."),
        ("user", "Bye."),
        ("bot", "You said: Bye."),
    ]
    assert [request.text for request in gateway.agents.asked] == [
        "Hi there.",
        "Nine is fine.",
        "Bye.",
    ]
    assert (f"agent:main:voice:{ANN[1:]}", "assistant", "You said: Bye.") in gateway.agents.history


@pytest.mark.scenario("F46", carrier="mock")
async def test_a_continue_gets_the_words_and_the_agent_those_after(tmp_path: Path) -> None:
    ann = {"number": ANN, "says": ["Large.", "Are you there?"], "hangUpAfter": 2}
    async with rig(tmp_path, ann) as gateway:
        placed = await gateway.service.initiate(to=ANN, message="Hello.", mode=Mode.NOTIFY)
        heard = await gateway.service.continue_call(placed.call_id, "What size?")
        assert heard == "Large."
        await gateway.ended(placed.call_id)
    assert [request.text for request in gateway.agents.asked] == ["Are you there?"]


async def test_keys_are_heard_as_digits(tmp_path: Path) -> None:
    ann = {"number": ANN, "keys": ["42"]}
    async with rig(tmp_path, ann) as gateway:
        placed = await gateway.service.initiate(to=ANN, message="Hello.", mode=Mode.CONVERSATION)
        assert await gateway.service.continue_call(placed.call_id, "Your code?") == "42"
        await gateway.service.send_digits(placed.call_id, "1w2#")
        await gateway.service.end(placed.call_id)
        call = await gateway.ended(placed.call_id)
    assert call["state"] == "hangup-bot"


@pytest.mark.parametrize(
    ("number", "state"),
    [
        ("+15550001003", "busy"),
        ("+15550001004", "no-answer"),
        ("+15550001005", "busy"),
        ("+15550001006", "hangup-user"),
        ("+15550001007", "voicemail"),
    ],
)
async def test_every_end_has_its_name(tmp_path: Path, number: str, state: str) -> None:
    async with rig(tmp_path, ringTimeoutMs=200) as gateway:
        placed = await gateway.service.initiate(to=number, message="Hello.", mode=Mode.CONVERSATION)
        call = await gateway.ended(placed.call_id)
    assert call["state"] == state
    assert call.get("endReason") == state


async def test_a_number_that_the_network_refuses_fails_the_placement(tmp_path: Path) -> None:
    async with rig(tmp_path) as gateway:
        with pytest.raises(CarrierRefused):
            await gateway.service.initiate(to="+15550001008", message="x", mode=Mode.NOTIFY)
        assert [call["state"] for call in await gateway.service.calls()] == ["failed"]


async def test_inbound_calls_are_admitted_by_their_whole_number(tmp_path: Path) -> None:
    ann = {"number": ANN, "says": ["It is me."], "hangUpAfter": 1, "callsBackAfterMs": 100}
    bob = {**ann, "number": BOB, "callsBackFrom": "anonymous"}
    async with rig(
        tmp_path, ann, bob, inboundPolicy="allowlist", allowFrom=[ANN], inboundGreeting="Hi!"
    ) as gateway:
        for number in (ANN, BOB):
            placed = await gateway.service.initiate(to=number, message="Call me.", mode=Mode.NOTIFY)
            await gateway.ended(placed.call_id)
        await gateway.api.published("voicecall.refused")
        calls = await gateway.service.calls()
        (inbound,) = [call for call in calls if call["direction"] == "inbound"]
        call = await gateway.ended(inbound["callId"])
    assert call["from"] == ANN
    assert words(call)[0] == ("bot", "Hi!")


@pytest.mark.scenario("F18", carrier="mock")
async def test_an_agent_that_cannot_answer_takes_no_calls(tmp_path: Path) -> None:
    ann = {"number": ANN, "callsBackAfterMs": 10}
    agents = FakeAgents(unready="no key for openai")
    async with rig(tmp_path, ann, agents=agents, inboundPolicy="open") as gateway:
        placed = await gateway.service.initiate(to=ANN, message="Call me.", mode=Mode.NOTIFY)
        await gateway.ended(placed.call_id)
        await gateway.api.published("voicecall.refused")


async def test_capacity_counts_live_calls_only(tmp_path: Path) -> None:
    async with rig(tmp_path, maxConcurrentCalls=1) as gateway:
        first = await gateway.service.initiate(
            to="+15550001002", message="Hello.", mode=Mode.CONVERSATION
        )
        with pytest.raises(AtCapacity):
            await gateway.service.initiate(to=ANN, message="Hello.", mode=Mode.NOTIFY)
        await gateway.service.end(first.call_id)
        await gateway.ended(first.call_id)
        second = await gateway.service.initiate(to=ANN, message="Hello.", mode=Mode.NOTIFY)
        await gateway.ended(second.call_id)
        with pytest.raises(CallEnded):
            await gateway.service.speak(first.call_id, "Anybody?")
