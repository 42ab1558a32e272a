"""The plugin's runtime in this process, with Plivo at the other end of real sockets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from openclaw_voice_call.call.snapshot import CallSnapshot
from openclaw_voice_call.call.types import Mode
from openclaw_voice_call.service import CallService
from tests.e2e.gateway import free_port
from tests.emulators.plivo import AUTH_ID, AUTH_TOKEN, Number, Person, PlivoEmulator, Settings
from tests.voice_call.rig import FakeAgents, Rig, rig

OURS, THEIRS = "+15550001234", "+15550005678"
PUBLIC_URL = "https://voice.example.com/voice/webhook"


@dataclass
class Phone:
    plivo: PlivoEmulator
    rig: Rig

    @property
    def service(self) -> CallService:
        return self.rig.service

    @property
    def agents(self) -> FakeAgents:
        return self.rig.agents

    @property
    def log_of_refusals(self) -> list[Mapping[str, object]]:
        return [told for name, told in self.rig.api.events if name == "voicecall.refused"]

    def operations(self) -> list[str]:
        """What was asked of Plivo's API, in order."""
        return [request.operation for request in self.plivo.requests]

    async def call(self, message: str, mode: Mode = Mode.CONVERSATION) -> str:
        """Place a call to them, and give its id."""
        return (await self.service.initiate(to=THEIRS, message=message, mode=mode)).call_id

    async def inbound(self) -> str:
        """The id of the newest call that came in, once it is known."""
        await self.rig.api.published("voicecall.call")
        return (await self.service.calls())[0]["callId"]

    async def listens(self, person: Person) -> None:
        """Wait until the line listens to this person."""
        await self.plivo.until(
            lambda: bool(person.calls) and person.calls[-1].listening, "the line listens"
        )

    async def ended(self, call: str) -> CallSnapshot:
        return await self.rig.ended(call)


def words(snapshot: CallSnapshot) -> list[tuple[str, str]]:
    return [(entry["speaker"], entry["text"]) for entry in snapshot["transcript"]]


@asynccontextmanager
async def phone(
    state_dir: Path,
    people: Mapping[str, Person] | None = None,
    *,
    agents: FakeAgents | None = None,
    plivo: Settings | None = None,
    config: Mapping[str, object] | None = None,
) -> AsyncGenerator[Phone]:
    """One number of ours, served by the plugin; Plivo's rules hold to the end of the test."""
    port = free_port()
    settings = replace(
        plivo or Settings(),
        numbers={OURS: Number(PUBLIC_URL, hangup_url=f"{PUBLIC_URL}?type=status")},
        people=people or {},
        origins={PUBLIC_URL: f"http://127.0.0.1:{port}/voice/webhook"},
    )
    async with PlivoEmulator.start(settings) as emulator:
        section: dict[str, object] = {
            "provider": "plivo",
            "fromNumber": OURS,
            "plivo": {
                "authId": AUTH_ID,
                "authToken": AUTH_TOKEN,
                "baseUrl": emulator.base_url,
            },
            "serve": {"port": port},
            "publicUrl": PUBLIC_URL,
            # Plivo's own limit, which is derived from it, counts the emulator's fast seconds.
            "maxDurationSeconds": 3600,
            **(config or {}),
        }
        async with rig(state_dir, agents=agents, clock=None, **section) as made:
            yield Phone(emulator, made)
            emulator.release_webhooks()
        await emulator.wait_idle()
        assert emulator.violations == []
