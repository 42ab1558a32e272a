"""The plugin in this process, as a customer of a Telnyx that people can be reached through."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from openclaw_voice_call.call.snapshot import CallSnapshot
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.service import CallService
from tests.emulators.telnyx import (
    API_KEY,
    CONNECTION_ID,
    PUBLIC_KEY,
    Application,
    Person,
    RestRequest,
    Settings,
    TelnyxEmulator,
)
from tests.voice_call.rig import FakeAgents, Rig
from tests.voice_call.rig import rig as run_plugin

OURS, THEIRS = "+15550001234", "+15550005678"
PUBLIC_URL = "https://voice.example.com/voice/webhook"

# Below the range from which systems take the ports of outgoing connections.
_ports = itertools.count(14_500 + os.getpid() % 150 * 60)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on and that this process gives out once."""
    for port in _ports:
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("counting never ends")


@dataclass
class House:
    """The plugin and its phone company."""

    telnyx: TelnyxEmulator
    rig: Rig

    @property
    def service(self) -> CallService:
        return self.rig.service

    async def call(
        self, message: str | None = "Hello.", mode: Mode = Mode.CONVERSATION
    ) -> tuple[str, str]:
        """Place a call to them; gives our id and the leg's, once Telnyx has it."""
        call = (await self.service.initiate(to=THEIRS, message=message, mode=mode)).call_id
        leg = await self.telnyx.wait_call(to=THEIRS)
        return call, leg.control_id

    async def view(self, call: str) -> CallSnapshot:
        snapshot = await self.service.status(call)
        assert snapshot is not None, f"{call} is not known"
        return snapshot

    async def wait(
        self, call: str, holds: Callable[[CallSnapshot], bool], within: float = 10.0
    ) -> CallSnapshot:
        """Wait until the call's record is so; it is looked at whenever a call changes."""
        seen, news = await self.view(call), self.rig.api.news
        try:
            async with asyncio.timeout(within):
                while True:
                    news.clear()
                    seen = await self.view(call)
                    if holds(seen):
                        return seen
                    await news.wait()
        except TimeoutError:
            raise TimeoutError(f"not within {within} s; the call is {seen}") from None

    async def wait_state(self, call: str, *states: str) -> CallSnapshot:
        return await self.wait(call, lambda seen: seen["state"] in states)

    def commands(self, *operations: str) -> list[RestRequest]:
        """What the gateway asked of the API, oldest first; repetitions included."""
        return [
            request
            for request in self.telnyx.requests
            if not operations or request.operation in operations
        ]

    def did(self, operation: str, times: int = 1) -> bool:
        """Whether a command has had its effect this often."""
        done = [each for each in self.commands(operation) if each.status == 200]
        return len([each for each in done if not each.ignored]) == times


def transcript(snapshot: CallSnapshot) -> list[tuple[str, str]]:
    return [(entry["speaker"], entry["text"]) for entry in snapshot["transcript"]]


@asynccontextmanager
async def phone_company(
    people: Mapping[str, Person] | None = None, *, speed: float = 50.0, retry_gap: float = 0.05
) -> AsyncGenerator[tuple[TelnyxEmulator, dict[str, object]]]:
    """A Telnyx, and the section of the configuration that makes the plugin its customer.

    What must hold at the end of every test is checked.
    """
    port = free_port()
    settings = Settings(
        numbers=frozenset({OURS}),
        application=Application(PUBLIC_URL),
        people=people or {},
        origins={PUBLIC_URL: f"http://127.0.0.1:{port}/voice/webhook"},
        speed=speed,
        retry_gap=retry_gap,
    )
    async with TelnyxEmulator.start(settings) as telnyx:
        yield (
            telnyx,
            {
                "provider": "telnyx",
                "fromNumber": OURS,
                "telnyx": {
                    "apiKey": API_KEY,
                    "connectionId": CONNECTION_ID,
                    "publicKey": PUBLIC_KEY,
                    "baseUrl": telnyx.base_url,
                },
                "publicUrl": PUBLIC_URL,
                "serve": {"port": port},
            },
        )
        assert telnyx.violations == []


@asynccontextmanager
async def serve(
    state_dir: Path,
    telnyx: TelnyxEmulator,
    section: Mapping[str, object],
    agents: FakeAgents | None = None,
) -> AsyncGenerator[House]:
    """Runs the plugin as this customer, on the journal that is in `state_dir`."""
    async with run_plugin(state_dir, agents=agents, clock=None, **section) as running:
        yield House(telnyx, running)


@asynccontextmanager
async def house(
    state_dir: Path,
    people: Mapping[str, Person] | None = None,
    *,
    agents: FakeAgents | None = None,
    speed: float = 50.0,
    retry_gap: float = 0.05,
    **config: object,
) -> AsyncGenerator[House]:
    """Runs both."""
    async with phone_company(people, speed=speed, retry_gap=retry_gap) as (telnyx, section):
        async with serve(state_dir, telnyx, {**section, **config}, agents) as here:
            yield here
            telnyx.release_webhooks()
        assert telnyx.alerts == []
