"""The whole program as a customer of Plivo."""

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
from tests.emulators.plivo import (
    AUTH_ID,
    AUTH_TOKEN,
    HangsUp,
    Number,
    Person,
    PlivoEmulator,
    Settings,
)

OUR_NUMBER = "+15550001234"
CALLEE = "+15550005678"
PUBLIC_URL = f"https://voice.example.com{WEBHOOK_PATH}"


@dataclass
class Setup:
    plivo: PlivoEmulator
    gateway: GatewayProcess


StartSetup = Callable[[Mapping[str, Person]], Awaitable[Setup]]


@pytest.fixture
async def plivo_setup(tmp_path: Path) -> AsyncGenerator[StartSetup]:
    """Starts what a test asks for; at its end everything is checked and taken down."""
    made: list[Setup] = []
    async with AsyncExitStack() as stack:

        async def make(people: Mapping[str, Person]) -> Setup:
            port = free_port()
            settings = Settings(
                numbers={OUR_NUMBER: Number(PUBLIC_URL, hangup_url=f"{PUBLIC_URL}?type=status")},
                people=people,
                origins={PUBLIC_URL: f"http://127.0.0.1:{port}{WEBHOOK_PATH}"},
                requests_have_other_names=True,
                # Five repetitions last as long as a restart.
                retry_gap=1.0,
            )
            plivo = await stack.enter_async_context(PlivoEmulator.start(settings))
            section: dict[str, object] = {
                **customer_of(plivo),
                "fromNumber": OUR_NUMBER,
                "serve": {"port": port},
                "publicUrl": PUBLIC_URL,
                "responseModel": "scripted/phone",
                "maxConcurrentCalls": 8,
                # Plivo's own limit, which is derived from it, counts the emulator's fast seconds.
                "maxDurationSeconds": 3600,
                "outbound": {"notifyHangupDelaySec": 0},
            }
            file: dict[str, object] = {
                "models": {"providers": {"scripted": {"default": "You said: {text}"}}},
                "plugins": {"entries": {"voice-call": {"enabled": True, "config": section}}},
            }
            gateway = GatewayProcess(tmp_path, file)
            stack.push_async_callback(gateway.close)
            made.append(Setup(plivo, gateway))
            await gateway.start()
            return made[-1]

        yield make
        for each in made:
            assert await each.gateway.stop() == 0, each.gateway.log
            assert each.plivo.violations == []
            written = each.gateway.everything
            assert not leaks(written, (AUTH_ID, AUTH_TOKEN, GATEWAY_TOKEN))
            assert "Traceback" not in written, written
            assert "never retrieved" not in written, written


@pytest.mark.scenario("F75", "F31", "F81", carrier="plivo")
async def test_a_notice_is_placed_from_the_command_line(plivo_setup: StartSetup) -> None:
    callee = Person()
    phone = await plivo_setup({CALLEE: callee})
    notice = "Your table is ready."
    called = await phone.gateway.voicecall(
        "call", "--to", CALLEE, "--message", notice, "--mode", "notify", "--wait"
    )
    assert called.code == 0, called.err
    assert callee.texts() == [notice]
    [view] = await phone.gateway.calls()
    assert (view.state, view.provider) == ("completed", "plivo")


@pytest.mark.scenario("F54", "F55", "A7", carrier="plivo")
async def test_a_killed_gateway_goes_on_with_its_calls(plivo_setup: StartSetup) -> None:
    numbers = [f"+1555000{n:04}" for n in range(6)]
    farewell = HangsUp(after_hearing="You said: Good-bye.", delay=25.0)
    people = {number: Person(hangs_up=farewell) for number in numbers}
    phone = await plivo_setup(people)
    gateway, plivo = phone.gateway, phone.plivo
    plivo.faults.webhooks.add(Repeat())

    async def all_listen() -> None:
        await plivo.until(
            lambda: all(each.calls and each.calls[0].listening for each in people.values()),
            "all lines listen",
        )

    calls = [await gateway.initiate(number, "Hello.") for number in numbers]
    await all_listen()
    await gateway.kill()
    # Half of them speak while nobody is there to hear it, half when somebody is again.
    for number in numbers[:3]:
        people[number].speak("First.")
    await gateway.start()
    await plivo.until(
        lambda: all(people[number].calls[0].listening for number in numbers[3:]), "lines listen"
    )
    for number in numbers[3:]:
        people[number].speak("First.")
    async with asyncio.TaskGroup() as group:
        for person in people.values():
            group.create_task(person.wait_heard("You said: First."))
    await all_listen()
    for person in people.values():
        person.speak("Good-bye.")
    for call in calls:
        view = await gateway.wait_state(call, "hangup-user")
        assert view.texts("user") == ["First.", "Good-bye."]
    for person in people.values():
        assert person.texts() == ["Hello.", "You said: First.", "You said: Good-bye."]
    assert len(plivo.calls) == len(numbers), "nothing was dialled again"
