"""The methods `voicecall.*` through a real router, service and journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from openclaw_voice_call.errors import (
    CarrierOutcomeUnknown,
    CarrierRefused,
    NotConfigured,
    PluginDisabled,
    ShuttingDown,
    VoiceCallError,
)
from tests.voice_call.surfaces.house import THEM, FakeCarrier, House, house, leg_of

ACTIONS = ("initiate", "start", "continue", "continue.start", "speak", "dtmf", "end")
READS = ("continue.result", "status", "wait")
SECTION = "plugins.entries.voice-call.config.twilio"
COMPLETE = {
    "to": THEM,
    "message": "Hello.",
    "callId": "x",
    "digits": "1",
    "operationId": "x/y",
    "timeoutMs": 0,
}


def error_of(answer: dict[str, object]) -> dict[str, object]:
    """An error answer, whose text must stand at both places."""
    error = cast("dict[str, object]", answer["error"])
    assert answer["payload"] == {"error": error["message"]}
    return error


def text_of(answer: dict[str, object]) -> str:
    return str(error_of(answer)["message"])


def details_of(answer: dict[str, object]) -> dict[str, object]:
    return cast("dict[str, object]", error_of(answer)["details"])


def payload_of(answer: dict[str, object]) -> dict[str, object]:
    assert answer["ok"] is True, answer
    return cast("dict[str, object]", answer["payload"])


def call_of(answer: dict[str, object]) -> dict[str, object]:
    return cast("dict[str, object]", payload_of(answer)["call"])


async def placed(home: House, **params: object) -> str:
    asked = {"to": THEM, "message": "Hello.", "mode": "conversation", **params}
    return str(payload_of(await home.rpc("initiate", asked))["callId"])


@pytest.mark.parametrize("method", ACTIONS)
async def test_actions_need_write(tmp_path: Path, method: str) -> None:
    async with house(tmp_path) as home:
        refused = await home.rpc(method, COMPLETE, "operator.read")
        assert text_of(refused) == "missing scope: operator.write"
        allowed = await home.rpc(method, COMPLETE, "operator.write")
    assert "missing scope" not in str(allowed)


@pytest.mark.parametrize("method", READS)
async def test_reading_needs_read_only(tmp_path: Path, method: str) -> None:
    async with house(tmp_path) as home:
        refused = await home.rpc(method, COMPLETE, "operator.approvals")
        assert text_of(refused) == "missing scope: operator.read"
        allowed = await home.rpc(method, COMPLETE, "operator.read")
    assert "missing scope" not in str(allowed)


@pytest.mark.scenario("F77", "F79")
@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (
            NotConfigured(
                [
                    f"{SECTION}.accountSid is required (or set TWILIO_ACCOUNT_SID env)",
                    f"{SECTION}.authToken is required (or set TWILIO_AUTH_TOKEN env)",
                ]
            ),
            "not_configured",
        ),
        (PluginDisabled(), "plugin_disabled"),
        (ShuttingDown(), "shutting_down"),
    ],
)
async def test_a_plugin_that_cannot_work_says_the_same_at_every_door(
    tmp_path: Path, reason: VoiceCallError, code: str
) -> None:
    async with house(tmp_path, reason=reason) as home:
        for method in (*ACTIONS, *READS):
            answer = await home.rpc(method, COMPLETE)
            error = error_of(answer)
            assert error["code"] == "UNAVAILABLE"
            assert text_of(answer) == str(reason)
            assert details_of(answer)["code"] == code
            assert details_of(answer).get("remedy") == reason.remedy
            assert error["retryable"] is reason.retryable
        for action in ("initiate_call", "get_status", "bogus"):
            result = await home.api.tools["voice_call"].run({"action": action})
            assert result.details == {"error": str(reason)}


@pytest.mark.scenario("F77")
@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("initiate", {}, "message required"),
        ("initiate", {"message": 5}, "message required"),
        ("start", {"message": "Hi."}, "to required"),
        ("continue", {"callId": "x"}, "callId and message required"),
        ("continue.start", {"message": "Hi."}, "callId and message required"),
        ("continue.result", {}, "operationId required"),
        ("speak", {"callId": "x", "message": " "}, "callId and message required"),
        ("dtmf", {"callId": "x"}, "callId and digits required"),
        ("end", {"callId": None}, "callId required"),
        ("wait", {}, "callId required"),
    ],
)
async def test_own_arguments_are_checked_before_anything_else(
    tmp_path: Path, method: str, params: dict[str, object], text: str
) -> None:
    async with house(tmp_path, reason=NotConfigured(["nothing is configured"])) as home:
        answer = await home.rpc(method, params)
    assert text_of(answer) == text
    error = error_of(answer)
    assert (error["code"], error["retryable"]) == ("INVALID_REQUEST", False)


async def test_the_configured_number_is_asked_for_last(tmp_path: Path) -> None:
    shut = NotConfigured(["nothing is configured"])
    async with house(tmp_path / "shut", reason=shut, to_number=None) as home:
        assert text_of(await home.rpc("initiate", {"message": "Hi."})) == str(shut)
    async with house(tmp_path / "open", to_number=None) as home:
        assert text_of(await home.rpc("initiate", {"message": "Hi."})) == "to required"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"dtmfSequence": "12", "mode": "notify"}, "dtmfSequence needs mode conversation"),
        (
            {"dtmfSequence": "call me"},
            "digits may only contain digits, *, #, comma, w, p",
        ),
        (
            {"sessionKey": "agent:other:main"},
            "sessionKey must begin with 'agent:main:', got 'agent:other:main'",
        ),
    ],
)
async def test_a_placement_that_cannot_be_carried_out_as_written_does_not_dial(
    tmp_path: Path, more: Mapping[str, object], text: str
) -> None:
    async with house(tmp_path) as home:
        answer = await home.rpc("initiate", {"message": "Hi.", "to": THEM, **more})
        assert home.carrier.dialled == 0
    assert text_of(answer) == text


async def test_digits_of_the_placement_are_pressed_before_anything_is_said(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        asked = {"message": "Hi.", "to": THEM, "dtmfSequence": "1w2", "mode": "conversation"}
        call = payload_of(await home.rpc("initiate", {**asked, "sessionKey": "agent:main:trip"}))
        record = await home.manager.record(str(call["callId"]))
    assert record is not None
    assert [type(verb).__name__ for verb in record.script.verbs] == ["Digits", "Say", "Listen"]
    assert record.settings.session_key == "agent:main:trip"


async def test_an_order_without_an_answer_is_pending(tmp_path: Path) -> None:
    carrier = FakeCarrier(refusal=CarrierOutcomeUnknown("no answer within 8 s"))
    async with house(tmp_path, carrier=carrier) as home:
        answer = payload_of(await home.rpc("initiate", {"message": "Hi.", "to": THEM}))
    assert (answer["initiated"], answer["pending"]) == (True, True)


async def test_a_carrier_that_refuses_is_quoted(tmp_path: Path) -> None:
    carrier = FakeCarrier(refusal=CarrierRefused("21211: not a valid phone number"))
    async with house(tmp_path, carrier=carrier) as home:
        answer = await home.rpc("initiate", {"message": "Hi.", "to": THEM})
    assert text_of(answer) == "21211: not a valid phone number"
    assert details_of(answer)["code"] == "carrier_refused"


async def test_a_full_house_is_retryable(tmp_path: Path) -> None:
    async with house(tmp_path, max_live=1) as home:
        await placed(home)
        answer = await home.rpc("start", {"to": THEM})
    assert text_of(answer) == "Maximum concurrent calls (1) reached"
    error = error_of(answer)
    assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)


async def test_a_machine_that_is_late_takes_no_further_call(tmp_path: Path) -> None:
    async with house(tmp_path, busy=True) as home:
        answer = await home.rpc("start", {"to": THEM})
        assert home.carrier.dialled == 0
    error = error_of(answer)
    assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
    assert "too busy" in text_of(answer)


async def test_a_repeat_with_the_same_key_dials_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        asked = {"message": "Hi.", "to": THEM, "idempotencyKey": "k1"}
        async with asyncio.TaskGroup() as group:
            at_once = [group.create_task(home.rpc("initiate", asked)) for _ in range(3)]
        later = await home.rpc("initiate", asked)
        answers = [*(task.result() for task in at_once), later]
        assert home.carrier.dialled == 1
        assert len({str(payload_of(answer)["callId"]) for answer in answers}) == 1
        clash = await home.rpc("initiate", {**asked, "message": "Ho."})
        assert "idempotencyKey was already used" in text_of(clash)
        other = await home.rpc("initiate", {**asked, "idempotencyKey": "k2"})
        assert payload_of(other)["callId"] != payload_of(later)["callId"]
    assert home.carrier.dialled == 2


async def test_a_repeat_after_a_refusal_that_passes_tries_again(tmp_path: Path) -> None:
    async with house(tmp_path, max_live=1) as home:
        first = await placed(home)
        asked = {"to": THEM, "idempotencyKey": "k"}
        assert "Maximum concurrent" in text_of(await home.rpc("start", asked))
        payload_of(await home.rpc("end", {"callId": first, "atOnce": True}))
        await home.service.wait_for_end(first, 5.0)
        assert payload_of(await home.rpc("start", asked))["initiated"] is True


async def test_repeated_words_and_keys_go_out_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        call = await placed(home)
        await home.answered(call)
        for _ in range(2):
            said = {"callId": call, "message": "Once.", "idempotencyKey": "s"}
            keyed = {"callId": call, "digits": "1", "idempotencyKey": "d"}
            assert payload_of(await home.rpc("speak", said)) == {"success": True}
            assert payload_of(await home.rpc("dtmf", keyed)) == {"success": True}
        record = await home.manager.record(call)
        assert record is not None
        assert [operation.kind.value for operation in record.operations] == ["speak", "digits"]


@pytest.mark.scenario("F46")
async def test_the_waiter_gets_the_words_and_a_second_one_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        call = await placed(home)
        await home.answered(call)
        async with asyncio.TaskGroup() as group:
            asking = {"callId": call, "message": "What size?"}
            first = group.create_task(home.rpc("continue", asking))
            await home.until(call, lambda record: record.waiter is not None)
            second = await home.rpc("continue", asking)
            assert text_of(second) == "Already waiting for transcript"
            await home.hears(call, "Large.")
        assert payload_of(first.result()) == {"success": True, "transcript": "Large."}
        assert home.agents.asked == []


@pytest.mark.scenario("F82")
async def test_the_answer_can_be_read_by_operation_id_again_and_after_the_end(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, transcript_timeout_ms=170_000) as home:
        call = await placed(home)
        await home.answered(call)
        begun = payload_of(
            await home.rpc("continue.start", {"callId": call, "message": "What size?"})
        )
        operation = {"operationId": begun["operationId"]}
        # transcriptTimeoutMs, 8 s for the voice, 30 s to spare, as the original has it.
        pending = {**operation, "status": "pending", "pollTimeoutMs": 208_000}
        assert begun == pending
        assert payload_of(await home.rpc("continue.result", operation)) == pending
        await home.hears(call, "Large.")
        completed = {
            **operation,
            "status": "completed",
            "result": {"success": True, "transcript": "Large."},
        }
        assert payload_of(await home.rpc("continue.result", operation)) == completed
        payload_of(await home.rpc("end", {"callId": call, "atOnce": True}))
        await home.service.wait_for_end(call, 5.0)
        assert payload_of(await home.rpc("continue.result", operation)) == completed
        unknown = await home.rpc("continue.result", {"operationId": f"{call}/x"})
        assert text_of(unknown) == "operation not found"


async def test_a_continue_that_ends_with_the_call_has_failed(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        call = await placed(home)
        await home.answered(call)
        begun = payload_of(await home.rpc("continue.start", {"callId": call, "message": "Well?"}))
        await home.rpc("end", {"callId": call, "atOnce": True})
        told = payload_of(await home.rpc("continue.result", {"operationId": begun["operationId"]}))
    assert (told["status"], told["code"]) == ("failed", "call_ended")
    assert str(told["error"]).startswith("call is not active (last state=hangup-bot, ")


@pytest.mark.scenario("F60")
async def test_an_ended_call_is_found_by_either_id(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        call = await placed(home)
        await home.rpc("end", {"callId": call, "atOnce": True})
        await home.service.wait_for_end(call, 5.0)
        for params in ({"callId": call}, {"callId": leg_of(call)}, {"sid": leg_of(call)}):
            found = call_of(await home.rpc("status", params))
            assert (found["callId"], found["state"]) == (call, "hangup-bot")
        late = await home.rpc("speak", {"callId": call, "message": "Hello?"})
        assert text_of(late).startswith("call is not active (last state=hangup-bot, endReason=")


async def test_status_without_an_id_lists_the_calls_newest_first(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        first, second = await placed(home), await placed(home)
        await home.rpc("end", {"callId": first, "atOnce": True})
        await home.service.wait_for_end(first, 5.0)
        listed = payload_of(await home.rpc("status", {"callId": "  "}))["calls"]
    calls = cast("list[dict[str, object]]", listed)
    assert [call["callId"] for call in calls] == [second, first]


async def test_wait_answers_when_the_call_is_over_or_time_is_up(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        call = await placed(home)
        early = call_of(await home.rpc("wait", {"callId": call, "timeoutMs": 10}))
        assert early["state"] == "initiated"
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(home.rpc("wait", {"callId": call, "timeoutMs": 5_000}))
            await asyncio.sleep(0)
            await home.rpc("end", {"callId": call, "atOnce": True})
        over = call_of(waiting.result())
        assert over["endReason"] == "hangup-bot"
        assert payload_of(await home.rpc("wait", {"callId": "zz"})) == {"found": False}
