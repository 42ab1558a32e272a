"""The tool `voice_call`, as an agent of the host runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw.agent.tools import ToolRegistry
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.surfaces.tool import ACTIONS, VoiceCallTool
from tests.voice_call.surfaces.house import THEM, House, ShutDoor, house, leg_of
from tests.voice_call.surfaces.test_arguments import PARAMS


async def run(home: House, **params: object) -> dict[str, object]:
    """The details; the text must say the same."""
    result = await home.api.tools["voice_call"].run(params)
    assert json.loads(result.text) == result.details
    return dict(result.details)


async def test_it_is_one_flat_object_with_the_original_names(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        tool = home.api.tools["voice_call"]
        ToolRegistry().add(tool)
    assert (tool.name, tool.label) == ("voice_call", "Voice Call")
    properties = cast("dict[str, dict[str, object]]", tool.schema["properties"])
    original = ["action", "to", "message", "mode", "callId", "digits", "sid"]
    assert list(properties) == [*original, "record"]
    assert properties["mode"]["enum"] == ["notify", "conversation", "call", "status"]
    assert properties["action"]["enum"] == [
        "initiate_call",
        "continue_call",
        "speak_to_user",
        "send_dtmf",
        "end_call",
        "get_status",
    ]
    assert "required" not in tool.schema


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"action": "initiate_call"}, "message required"),
        ({"action": "continue_call", "callId": "x"}, "callId and message required"),
        ({"action": "speak_to_user", "message": "Hi."}, "callId and message required"),
        ({"action": "send_dtmf", "callId": "x"}, "callId and digits required"),
        ({"action": "end_call", "callId": 5}, "callId required"),
        ({"action": "get_status"}, "callId required"),
        ({"action": "end_call", "callId": "zz"}, "Call not found"),
        ({"mode": "status"}, "sid required for status"),
        ({}, "action required"),
    ],
)
async def test_errors_are_results(tmp_path: Path, params: dict[str, object], error: str) -> None:
    async with house(tmp_path) as home:
        assert await run(home, **params) == {"error": error}
        assert home.carrier.dialled == 0


@pytest.mark.parametrize("action", ["bogus", "", "call", 5, ["initiate_call"], True])
async def test_an_unknown_action_never_dials(tmp_path: Path, action: object) -> None:
    async with house(tmp_path) as home:
        found = await run(home, action=action, to=THEM, message="Hi.", mode="call")
        assert str(found["error"]).startswith("unknown action: ")
        assert home.carrier.dialled == 0


@pytest.mark.scenario("F73")
async def test_a_conversation_on_the_service_that_rpc_uses(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        placed = await run(home, action="initiate_call", to=THEM, message="Hello.")
        call = str(placed["callId"])
        assert placed == {"callId": call, "initiated": True}
        await home.answered(call)
        assert await run(home, action="speak_to_user", callId=call, message="One moment.") == {
            "success": True
        }
        assert await run(home, action="send_dtmf", callId=call, digits="1w2#") == {"success": True}
        begun = await home.service.begin_continue(call, "What size?")
        again = await run(home, action="continue_call", callId=call, message="What size?")
        assert again == {"error": "Already waiting for transcript"}
        assert begun.startswith(call)
        await home.listening(call)
        status = await run(home, action="get_status", callId=leg_of(call))
        assert cast("dict[str, object]", status["call"])["callId"] == call
        assert await run(home, action="end_call", callId=call) == {"success": True}


async def test_continue_gives_the_words(tmp_path: Path) -> None:
    async with house(tmp_path, says=["Hello?", "Large."], default_mode=Mode.NOTIFY) as home:
        placed = await run(home, action="initiate_call", message="Hello.", mode="conversation")
        call = str(placed["callId"])
        await home.until(call, lambda record: record.answered_at is not None)
        told = await run(home, action="continue_call", callId=call, message="What size?")
        assert told["success"] is True
        assert told["transcript"] in ("Hello?", "Large.")


async def test_the_form_without_action(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        placed = await run(home, mode="call", message="Hello.")
        call = str(placed["callId"])
        found = await run(home, mode="status", sid=leg_of(call))
        assert found["found"] is True
        assert await run(home, mode="status", sid="zz") == {"found": False}
    async with house(tmp_path / "unnamed", to_number=None) as home:
        assert await run(home, message="Hello.") == {"error": "to required for call"}


@pytest.mark.scenario("F79")
async def test_missing_keys_are_told_before_the_arguments_are_looked_at() -> None:
    missing = "plugins.entries.voice-call.config.twilio.authToken is required"
    tool = VoiceCallTool(ShutDoor(NotConfigured([missing])))
    for params in ({}, {"action": "initiate_call"}, {"action": "bogus"}):
        assert (await tool.run(params)).details == {"error": missing}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(params=PARAMS, action=st.sampled_from([*ACTIONS, "bogus", None, 7]))
async def test_whatever_a_model_writes_is_answered(
    tmp_path_factory: pytest.TempPathFactory, params: dict[str, object], action: object
) -> None:
    """Against a service that knows no call and has no room for one."""
    async with house(tmp_path_factory.mktemp("full"), max_live=0) as home:
        params.pop("timeoutMs", None)
        result = await home.api.tools["voice_call"].run({**params, "action": action})
        assert result.details
        assert home.carrier.dialled == 0
