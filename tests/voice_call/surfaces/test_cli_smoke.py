"""`openclaw voicecall smoke`: a dry run, unless the owner says yes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest

from tests.voice_call.rig import FakeAgents
from tests.voice_call.setup.plant import configured, free_port, plugin_gateway
from tests.voice_call.surfaces.terminal import Outcome

ANN = "+15550002001"


def mock(**more: object) -> dict[str, object]:
    return {
        "provider": "mock",
        "toNumber": ANN,
        "serve": {"port": free_port()},
        "mock": {"speed": 200.0},
        "outbound": {"notifyHangupDelaySec": 0},
        **more,
    }


def live_call(done: Outcome) -> dict[str, object]:
    return cast("dict[str, object]", done.json["liveCall"])


@pytest.mark.scenario("F76")
async def test_a_dry_run_dials_nobody(tmp_path: Path) -> None:
    async with plugin_gateway(tmp_path, mock()) as (shell, host):
        told = await shell.voicecall("smoke")
        other = await shell.voicecall("smoke", "-t", "+15550002002")
        as_json = await shell.voicecall("smoke", "--json")
        calls = (await shell.voicecall("status")).out
        assert host.events == [], "no call was announced"
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("Voice Call setup: OK\n")
    assert told.out.splitlines()[-1] == f"live-call: dry run for {ANN} (add --yes to place it)"
    assert "dry run for +15550002002" in other.out
    assert (as_json.code, as_json.err, as_json.json["ok"]) == (0, "", True)
    assert live_call(as_json) == {"started": False, "to": ANN}
    assert calls == "No calls.\n"


@pytest.mark.scenario("F76")
async def test_yes_places_one_notify_call_and_waits_for_its_end(tmp_path: Path) -> None:
    async with plugin_gateway(tmp_path, mock()) as (shell, _):
        done = await shell.voicecall("smoke", "--yes", "--json")
        call = live_call(done)
        record = await shell.voicecall("status", "--call-id", str(call["callId"]))
    assert (done.code, done.json["ok"]) == (0, True)
    assert (call["started"], call["to"], call["outcome"]) == (True, ANN, "completed")
    assert "This is a test call of OpenClaw." in record.out


async def test_a_call_that_nobody_takes_fails(tmp_path: Path) -> None:
    busy = {"script": [{"number": ANN, "answer": "busy"}]}
    async with plugin_gateway(tmp_path, mock(mock=busy)) as (shell, _):
        done = await shell.voicecall("smoke", "--yes")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("live-call: started ")
    assert done.out.endswith(", busy\n")
    assert done.err.endswith("error: the call ended as busy\n")


@pytest.mark.scenario("F76")
@pytest.mark.parametrize("options", [(), ("--yes",)], ids=["dry", "yes"])
async def test_no_call_is_placed_when_the_setup_fails(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    section = mock(outbound={"defaultMode": "conversation"})
    agents = FakeAgents(unready="no key")
    async with plugin_gateway(tmp_path, section, agents=agents) as (shell, host):
        done = await shell.voicecall("smoke", *options)
        assert host.events == []
    assert done.code == 1
    assert done.out.startswith("Voice Call setup: needs attention\n")
    assert done.out.endswith("live-call: skipped\n")
    assert done.err == "error: the setup needs attention\n"


async def test_a_free_port_is_found_as_well(tmp_path: Path) -> None:
    async with plugin_gateway(tmp_path, mock(serve={"port": 0})) as (shell, _):
        done = await shell.voicecall("smoke", "--yes")
    assert done.code == 0, done
    assert re.search(r"^OK webhook-reach: http://127.0.0.1:[1-9]\d+/", done.out, re.MULTILINE)


async def test_without_a_number_there_is_nobody_to_call(tmp_path: Path) -> None:
    section = mock()
    del section["toNumber"]
    async with plugin_gateway(tmp_path, section) as (shell, _):
        done = await shell.voicecall("smoke", "--yes")
    assert done.code == 0
    assert done.out.endswith("live-call: skipped (give --to, or set toNumber)\n")


@pytest.mark.scenario("F76")
async def test_without_a_gateway_no_call_can_be_placed(tmp_path: Path) -> None:
    shell = configured(tmp_path, mock())
    dry = await shell.voicecall("smoke", "--json")
    assert (dry.code, live_call(dry)["started"]) == (0, False)
    done = await shell.voicecall("smoke", "--yes")
    assert done.code == 1
    assert "openclaw gateway run" in done.err
