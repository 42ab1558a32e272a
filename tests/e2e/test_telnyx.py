"""The whole program as a customer of Telnyx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.customers import customer_of
from tests.e2e.gateway import GATEWAY_TOKEN, WEBHOOK_PATH, GatewayProcess, free_port, leaks
from tests.emulators.faults import Repeat
from tests.emulators.telnyx import (
    API_KEY,
    Application,
    HangsUp,
    Person,
    Settings,
    TelnyxEmulator,
)

OUR_NUMBER = "+15550001234"
CALLEE = "+15550005678"
PUBLIC_URL = f"https://voice.example.com{WEBHOOK_PATH}"


@dataclass
class Setup:
    telnyx: TelnyxEmulator
    gateway: GatewayProcess


StartSetup = Callable[..., Awaitable[Setup]]


@pytest.fixture
async def telnyx_setup(tmp_path: Path) -> AsyncGenerator[StartSetup]:
    """Starts what a test asks for; at its end everything is checked and taken down."""
    made: list[Setup] = []
    async with AsyncExitStack() as stack:

        async def make(people: Mapping[str, Person], **config: object) -> Setup:
            port = free_port()
            settings = Settings(
                numbers=frozenset({OUR_NUMBER}),
                application=Application(PUBLIC_URL),
                people=people,
                origins={PUBLIC_URL: f"http://127.0.0.1:{port}{WEBHOOK_PATH}"},
                retries=8,
            )
            telnyx = await stack.enter_async_context(TelnyxEmulator.start(settings))
            section: dict[str, object] = {
                **customer_of(telnyx),
                "fromNumber": OUR_NUMBER,
                "serve": {"port": port},
                "publicUrl": PUBLIC_URL,
                "responseModel": "scripted/phone",
                "maxConcurrentCalls": 8,
                "outbound": {"notifyHangupDelaySec": 0},
                **config,
            }
            file: dict[str, object] = {
                "models": {"providers": {"scripted": {"default": "You said: {text}"}}},
                "plugins": {"entries": {"voice-call": {"enabled": True, "config": section}}},
            }
            gateway = GatewayProcess(tmp_path, file)
            stack.push_async_callback(gateway.close)
            made.append(Setup(telnyx, gateway))
            await gateway.start()
            return made[-1]

        yield make
        for each in made:
            assert await each.gateway.stop() == 0, each.gateway.log
            assert each.telnyx.violations == []
            written = each.gateway.everything
            assert not leaks(written, (API_KEY, GATEWAY_TOKEN))
            assert "Traceback" not in written, written
            assert "never retrieved" not in written, written


@pytest.mark.scenario("F75", "F31", "F81", carrier="telnyx")
async def test_a_notice_is_placed_from_the_command_line(telnyx_setup: StartSetup) -> None:
    callee = Person()
    phone = await telnyx_setup({CALLEE: callee})
    notice = "Your table is ready."
    called = await phone.gateway.voicecall(
        "call", "--to", CALLEE, "--message", notice, "--mode", "notify", "--wait"
    )
    assert called.code == 0, called.err
    assert callee.texts() == [notice]
    [view] = await phone.gateway.calls()
    assert (view.state, view.provider) == ("completed", "telnyx")


@pytest.mark.scenario("F54", "F55", "A7", carrier="telnyx")
async def test_a_killed_gateway_goes_on_with_its_calls(telnyx_setup: StartSetup) -> None:
    numbers = [f"+1555000{n:04}" for n in range(6)]
    farewell = HangsUp(after_hearing="You said: Good-bye.")
    people = {number: Person(hangs_up=farewell) for number in numbers}
    phone = await telnyx_setup(people)
    gateway, telnyx = phone.gateway, phone.telnyx
    telnyx.faults.webhooks.add(Repeat())
    calls = [await gateway.initiate(number, "Hello.") for number in numbers]
    for line in list(telnyx.lines.values()):
        await telnyx.wait_listening(line.call.control_id)
    await gateway.kill()
    # Half of them speak while nobody is there to hear it, half when somebody is again.
    for number in numbers[:3]:
        people[number].speak("First.")
    await gateway.start()
    for number in numbers[3:]:
        people[number].speak("First.")
    async with asyncio.TaskGroup() as group:
        for person in people.values():
            group.create_task(person.wait_heard("You said: First."))
    for line in list(telnyx.lines.values()):
        await telnyx.wait_listening(line.call.control_id, 2)
    for person in people.values():
        person.speak("Good-bye.")
    for call in calls:
        view = await gateway.wait_state(call, "hangup-user")
        assert view.texts("user") == ["First.", "Good-bye."]
    for person in people.values():
        assert person.texts() == ["Hello.", "You said: First.", "You said: Good-bye."]
    assert len(telnyx.calls) == len(numbers), "nothing was dialled again"
