"""`openclaw voicecall setup --apply` and `--restore`: where the calls to our number go."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.emulators.twilio import ACCOUNT_SID, Person, Settings, TwilioEmulator
from tests.voice_call.setup.plant import configured, plugin_gateway
from tests.voice_call.surfaces.terminal import COMMAND
from tests.voice_call.surfaces.test_cli_setup import (
    ELSEWHERE,
    OURS,
    checks,
    looked,
    twilio_section,
    twilio_with,
)


async def test_the_number_is_pointed_here_and_given_back(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        section = twilio_section(twilio, inboundPolicy="open")
        async with plugin_gateway(tmp_path, section) as (shell, _):
            before = await looked(shell)
            assert checks(before)["inbound-route"]["level"] == "warn"
            done = await shell.voicecall("setup", "--apply", "--yes")
            assert (done.code, done.err) == (0, "")
            assert "    - https://old.example.com/answer" in done.out
            assert f"    + {section['publicUrl']}" in done.out
            assert twilio.numbers[OURS].voice_url == section["publicUrl"]
            after = await looked(shell)
            assert checks(after)["inbound-route"]["level"] == "ok"

            again = await shell.voicecall("setup", "--apply")
            assert (again.code, again.out) == (0, f"{OURS} at twilio: nothing to change.\n")

            command = re.search(r"openclaw voicecall (setup --restore (\S+))", done.out)
            assert command is not None
            kept = tmp_path / "voice-calls" / "routing" / command[2]
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            assert ACCOUNT_SID not in kept.read_text()
            back = await shell.voicecall(*command[1].split(), "--yes")
            assert back.code == 0, back
            assert twilio.numbers[OURS] == ELSEWHERE


async def test_json_of_apply_is_one_object(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        shell = configured(tmp_path, twilio_section(twilio))
        done = await shell.voicecall("setup", "--apply", "--yes", "--json")
        assert (done.code, done.json["applied"], done.json["notTaken"]) == (0, True, [])
        changes = cast("list[dict[str, object]]", done.json["changes"])
        assert {each["name"] for each in changes} == {"VoiceUrl", "VoiceMethod", "StatusCallback"}
        assert str(done.json["restoreCommand"]).startswith("openclaw voicecall setup --restore ")
        again = await shell.voicecall("setup", "--apply", "--json")
        assert (again.code, again.json["changes"]) == (0, [])


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("y\n", 0, "Done."),
        ("n\n", 1, "error: nothing was changed"),
        ("", 1, "error: nobody answered; nothing was changed"),
    ],
)
async def test_nothing_is_written_before_the_owner_agrees(
    tmp_path: Path, typed: str, code: int, said: str
) -> None:
    async with twilio_with() as twilio:
        shell = configured(tmp_path, twilio_section(twilio))
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *("voicecall", "setup", "--apply"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=shell.environment,
            cwd=tmp_path,
        )
        out, err = await process.communicate(typed.encode())
        changed = twilio.numbers[OURS] != ELSEWHERE
    assert (process.returncode, changed) == (code, code == 0)
    assert "https://old.example.com/answer" in out.decode()
    assert "Write this?" in err.decode()
    assert said in (out + err).decode()
    assert (tmp_path / "voice-calls" / "routing").exists() == changed


async def test_what_changed_since_it_was_shown_is_not_overwritten(tmp_path: Path) -> None:
    async with (
        twilio_with() as twilio,
        plugin_gateway(tmp_path, twilio_section(twilio)) as (_, host),
    ):
        plan = await host.asked("setup.plan", {})
        twilio.numbers[OURS] = replace(ELSEWHERE, voice_url="https://new.example.com/")
        refused = await host.asked("setup.apply", {"change": plan["change"]})
        assert "changed since they were shown" in json.dumps(refused)
        assert twilio.numbers[OURS].voice_url == "https://new.example.com/"


@pytest.mark.parametrize("name", ["../openclaw.json", "nothing.json"])
async def test_only_saved_routings_can_be_restored(tmp_path: Path, name: str) -> None:
    async with twilio_with() as twilio:
        shell = configured(tmp_path, twilio_section(twilio))
        done = await shell.voicecall("setup", "--restore", name, "--yes")
        assert twilio.numbers[OURS] == ELSEWHERE
    assert done.code == 1
    assert "no saved routing can be read" in done.err


async def test_pointing_a_number_is_for_admins(tmp_path: Path) -> None:
    async with twilio_with() as twilio:
        async with plugin_gateway(tmp_path, twilio_section(twilio)) as (_, host):
            for method, scope in (
                ("setup", "operator.read"),
                ("setup.plan", "operator.write"),
                ("setup.apply", "operator.write"),
            ):
                refused = await host.asked(method, {"change": "x"}, scope)
                assert "missing scope" in json.dumps(refused)
        assert [each for each in twilio.requests if each.operation == "number"] == []


async def test_after_apply_a_call_to_the_number_is_answered_here(tmp_path: Path) -> None:
    async with TwilioEmulator.start(Settings(numbers={OURS: ELSEWHERE})) as twilio:
        section = twilio_section(twilio, inboundPolicy="open")
        async with plugin_gateway(tmp_path, section) as (shell, _):
            assert (await shell.voicecall("setup", "--apply", "--yes")).code == 0
            call = twilio.call_in("+15550009999", OURS, Person())
            await twilio.wait_for(call.sid, "in-progress")
            assert {each.url.partition("?")[0] for each in twilio.deliveries} == {
                section["publicUrl"]
            }
            twilio.hang_up(call.sid)
            await twilio.wait_idle()
        assert twilio.violations == []
