"""Live calls from every door of the owner, and a gateway that lacks what live audio needs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contract.network import OTHERS, THEIRS
from tests.contract.networks import COMPANIES
from tests.e2e.live import STREAMING, live_phone
from tests.emulators.people import Person

LISTENING = "0A"
"""The state of a socket, as /proc/net/tcp has it."""


def _listeners(port: int) -> set[str]:
    """The sockets that listen at a port of this machine."""
    rows = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    fields = [row.split() for row in rows]
    return {
        f"socket:[{row[9]}]"
        for row in fields
        if row[3] == LISTENING and int(row[1].partition(":")[2], 16) == port
    }


def _sockets(pid: int) -> set[str]:
    return {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")}


@pytest.mark.scenario("F3", "F73")
@pytest.mark.parametrize("carrier", COMPANIES)
async def test_a_call_that_another_process_places_finds_its_stream(
    carrier: str, tmp_path: Path
) -> None:
    """From the command line, which is a process of its own, and with the agent's tool."""
    first, second = Person(), Person()
    async with live_phone(carrier, tmp_path, {THEIRS: first, OTHERS: second}) as phone:
        gateway = phone.gateway
        placed = await gateway.voicecall("call", "--to", THEIRS, "--message", "Hello.")
        assert placed.code == 0, placed.err
        told = await gateway.invoke_tool(
            "voice_call",
            action="initiate_call",
            to=OTHERS,
            message="Good day.",
            mode="conversation",
        )
        assert told["ok"] is True, told
        for person, greeting in ((first, "Hello."), (second, "Good day.")):
            await person.wait_heard(greeting)
            await phone.listens(person)
            stream = await phone.stream(person)
            assert stream.state == "open"
            await phone.answered(person, "one", "You said: one", within=2.0)
        assert str(placed.json["callId"]) == (await phone.record(first)).call_id
        [listener] = _listeners(phone.webhook_port)
        assert listener in _sockets(gateway.pid)
        assert gateway.everything.count("Webhook server listening") == 2, "once, in two places"
        assert len(phone.company.media.streams) == 2


@pytest.mark.scenario("F4")
@pytest.mark.parametrize("carrier", COMPANIES)
async def test_without_a_key_calls_are_answered_without_a_stream(
    carrier: str, tmp_path: Path
) -> None:
    config = {
        "streaming": {**STREAMING, "provider": "openai"},
        "inboundPolicy": "open",
        "inboundGreeting": "Good day!",
    }
    caller, callee = Person(["Is it working?"]), Person(["And now?"])
    async with live_phone(carrier, tmp_path, {THEIRS: callee}, config=config) as phone:
        gateway = phone.gateway
        missing = "streaming.providers.openai.apiKey"
        assert (
            f"live audio is off, calls use the carrier's own voice and recognition: {missing}"
            in (gateway.log.replace("plugins.entries.voice-call.config.", ""))
        )
        looked = await gateway.voicecall("setup", "--json")
        assert looked.code == 1
        [found] = [
            each["message"]
            for each in json.loads(looked.out)["checks"]
            if (each["id"], each["level"]) == ("speech", "fail")
        ]
        assert missing in found
        assert "OPENAI_API_KEY" in found

        phone.company.ring_in(OTHERS, caller)
        await caller.wait_heard("You said: Is it working?")
        await gateway.initiate(THEIRS, "Hello.")
        await callee.wait_heard("You said: And now?")
        assert caller.texts()[0] == "Good day!"
        assert phone.company.media.streams == []
