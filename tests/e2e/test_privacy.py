"""Phone numbers and what people say are not logged above debug level."""

import re

import pytest

from tests.e2e.conftest import CALLEE, OUR_NUMBER, Setup, StartSetup
from tests.emulators.faults import Fail, Hang
from tests.emulators.twilio import HangsUp, Person

STRANGER = "+15550007777"
SPOKEN = ("persimmon", "rhubarb", "You said", "marmalade", "quince")
"""Words that nothing else of the log would contain."""
_NUMBER = re.compile(r"1?555000\d{4}")


def logged(phone: Setup) -> list[str]:
    """The log files. (What commands print for their owner is no log.)"""
    files = sorted((phone.gateway.state_dir / "logs").glob("*.log"))
    return [line for file in files for line in file.read_text("utf-8").splitlines()]


async def talk(phone: Setup) -> None:
    """Calls of all kinds: talked, refused, failed at the carrier, hung up, unanswered."""
    callee = Person(["I like persimmon.", "And rhubarb."])
    phone.twilio.people[CALLEE] = callee
    call = await phone.gateway.initiate(CALLEE, "Would you like marmalade?")
    await callee.wait_heard("rhubarb")
    await phone.gateway.speak(call, "There is quince.")
    await callee.wait_heard("quince")
    await phone.gateway.end(call, at_once=True)

    refused = Person()
    incoming = phone.twilio.call_in(STRANGER, OUR_NUMBER, refused)
    await phone.twilio.wait_for(incoming.sid, "failed", "busy")

    phone.twilio.people[CALLEE] = Person(["Persimmon!"], hangs_up=HangsUp(after_gather=1))
    phone.twilio.faults.rest.add(
        Fail(400, 21211, f"The 'To' number {CALLEE} is not valid"), times=1
    )
    phone.twilio.faults.rest.add(
        Hang(), when=lambda request: request.operation == "update", times=1
    )
    for _ in range(2):
        done = await phone.gateway.voicecall(
            "call", "--to", CALLEE, "--message", "Marmalade again.", "--wait"
        )
        assert done.out + done.err
    await phone.twilio.post(
        phone.public_url, {"From": STRANGER, "SpeechResult": "quince"}, signature="no"
    )
    await phone.twilio.post(phone.public_url, {"From": STRANGER, "SpeechResult": "quince"})
    await phone.twilio.wait_idle()


async def test_an_ordinary_log_shows_neither_numbers_nor_speech(setup: StartSetup) -> None:
    phone = await setup({"inboundPolicy": "allowlist", "allowFrom": [CALLEE]})
    await talk(phone)
    assert await phone.gateway.stop() == 0
    lines = logged(phone)
    assert len(lines) > 10
    shown = [
        line
        for line in lines
        if _NUMBER.search(line) or any(word in line.lower() for word in map(str.lower, SPOKEN))
    ]
    assert shown == []


@pytest.mark.parametrize("level", ["info", "warn"])
async def test_a_refused_caller_is_counted_without_a_number(setup: StartSetup, level: str) -> None:
    phone = await setup({"inboundPolicy": "disabled"}, host={"logging": {"level": level}})
    for n in range(3):
        incoming = phone.twilio.call_in(f"{STRANGER[:-1]}{n}", OUR_NUMBER, Person())
        await phone.twilio.wait_for(incoming.sid, "failed", "busy")
    assert await phone.gateway.stop() == 0
    lines = logged(phone)
    assert sum("inbound call refused" in line for line in lines) == (0 if level == "warn" else 3)
    assert not any(_NUMBER.search(line) for line in lines)
