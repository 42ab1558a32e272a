"""Answers of three versions of the original, replayed against our methods.

`frames.json` holds requests and answers as they were recorded, in order. Ours are the same but for
the differences listed here, each on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias, cast

import msgspec
import pytest

from tests.voice_call.surfaces.house import THEM, House, house

JsonObject: TypeAlias = dict[str, object]
Row: TypeAlias = tuple[str, JsonObject | None, JsonObject]

RECORDED = msgspec.json.decode(
    Path(__file__).with_name("frames.json").read_bytes(), type=dict[str, list[Row]]
)
CAP = 5
BEFORE = {"feb": 0, "mar": 1, "apr": 0}
"""Calls that were live before the recording began."""


def fails(text: str) -> Callable[[JsonObject], None]:
    def check(answer: JsonObject) -> None:
        assert answer["ok"] is False
        assert str(cast("JsonObject", answer["payload"])["error"]).startswith(text)

    return check


def lists_calls(answer: JsonObject) -> None:
    assert cast("JsonObject", answer["payload"])["found"] is True
    assert "calls" in cast("JsonObject", answer["payload"])


def ended_call(answer: JsonObject) -> None:
    call = cast("JsonObject", cast("JsonObject", answer["payload"])["call"])
    assert call["state"] == "hangup-bot"


def nothing_said_yet(answer: JsonObject) -> None:
    call = cast("JsonObject", cast("JsonObject", answer["payload"])["call"])
    assert (call["state"], call["transcript"]) == ("initiated", [])


Case: TypeAlias = Literal[
    "status without an id",
    "status of an ended call",
    "end of an ended call",
    "status after speaking into a call that nobody answered",
    "digits into a call that nobody answered",
    "digits to an ended call",
    "method of a newer version",
]
DIFFERENCES: dict[Case, Callable[[JsonObject], None]] = {
    # As in 2026.9: the live and the newest calls.
    "status without an id": lists_calls,
    # As in 2026.9: the journal knows calls that are over (F60).
    "status of an ended call": ended_call,
    "end of an ended call": fails("call is not active (last state=hangup-bot, endReason="),
    # The transcript holds what was heard, and nobody has heard it.
    "status after speaking into a call that nobody answered": nothing_said_yet,
    # The original reports success, and the keys go nowhere.
    "digits into a call that nobody answered": fails("call is not answered yet (state=initiated)"),
    "digits to an ended call": fails("call is not active (last state=hangup-bot, "),
    "method of a newer version": fails(""),
}


@pytest.mark.scenario("F77")
@pytest.mark.parametrize("version", list(RECORDED))
async def test_answers_are_the_recorded_ones(tmp_path: Path, version: str) -> None:
    async with house(tmp_path, max_live=CAP) as home:
        for _ in range(BEFORE[version]):
            await home.rpc("start", {"to": THEM})
        await _replay(home, RECORDED[version])


async def _replay(home: House, rows: list[Row]) -> None:
    names: dict[str, str] = {}
    met: set[Case] = set()
    spoken = False
    ended: set[str] = set()
    for method, recorded_params, recorded in rows:
        params = _renamed(recorded_params, names)
        answer = await home.rpc(method.removeprefix("voicecall."), params)
        case = _difference(method, recorded_params or {}, recorded, spoken, ended)
        if case is not None:
            met.add(case)
            DIFFERENCES[case](answer)
        else:
            _same(answer, recorded, names)
        call = str((recorded_params or {}).get("callId"))
        spoken = spoken or (method == "voicecall.speak" and bool(recorded["ok"]))
        if method == "voicecall.end" and recorded["ok"]:
            ended.add(call)
            await home.service.wait_for_end(names[call], 5.0)
    assert {"status without an id", "end of an ended call"} <= met


def _difference(
    method: str, params: JsonObject, recorded: JsonObject, spoken: bool, ended: set[str]
) -> Case | None:
    call = str(params.get("callId"))
    error = cast("JsonObject", recorded.get("error", {}))
    if method == "voicecall.dtmf" and call in ended:
        return "digits to an ended call"
    if str(error.get("message")).startswith("unknown method"):
        return "method of a newer version"
    match method:
        case "voicecall.status" if recorded["payload"] == {"error": "callId required"}:
            return "status without an id"
        case "voicecall.status" if call in ended:
            return "status of an ended call"
        case "voicecall.status" if spoken and recorded["payload"] != {"found": False}:
            return "status after speaking into a call that nobody answered"
        case "voicecall.end" if call in ended:
            return "end of an ended call"
        case "voicecall.dtmf" if recorded["ok"]:
            return "digits into a call that nobody answered"
        case _:
            return None


def _same(answer: JsonObject, recorded: JsonObject, names: dict[str, str]) -> None:
    assert answer["ok"] is recorded["ok"], (answer, recorded)
    told, expected = cast("JsonObject", answer["payload"]), cast("JsonObject", recorded["payload"])
    if not recorded["ok"]:
        # The original gives the text in the payload only, ours as an error too.
        assert told == expected
        assert cast("JsonObject", answer["error"])["message"] == expected["error"]
    elif "initiated" in expected:
        names[str(expected["callId"])] = str(told["callId"])
        assert told == {**expected, "callId": told["callId"]}
    elif "call" in expected:
        ours, theirs = cast("JsonObject", told["call"]), cast("JsonObject", expected["call"])
        # Newer versions of the original tell whose memory the call uses.
        assert ours.pop("sessionKey")
        assert isinstance(ours["startedAt"], int)
        assert ours == {**_renamed(theirs, names), "startedAt": ours["startedAt"]}
    else:
        assert told == expected


def _renamed(value: JsonObject | None, names: dict[str, str]) -> JsonObject:
    """The recorded ids as ours."""
    text = msgspec.json.encode(value or {}).decode()
    for theirs, ours in names.items():
        text = text.replace(theirs, ours)
    return msgspec.json.decode(text, type=dict[str, object])
