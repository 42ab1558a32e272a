"""A gateway process with live audio, as a customer of any of the emulated companies.

Ear and voice are scripted and speak the tone code, as the people do. All else is as it is: sound,
sockets and the gateway's own clock run in real time.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from openclaw_voice_call.audio import tone_code
from tests.contract.network import Company
from tests.contract.plivo import open_plivo
from tests.contract.telnyx import open_telnyx
from tests.contract.twilio import open_twilio
from tests.e2e.gateway import CallView, GatewayProcess, free_port
from tests.emulators.media import FRAME_SECONDS, MediaStream
from tests.emulators.media.playout import FRAME_BYTES
from tests.emulators.people import Person

END_SILENCE_S: Final = 0.5
"""A silence after which the gateway takes somebody's turn for ended."""
STREAMING: Final[Mapping[str, object]] = {
    "enabled": True,
    "provider": "scripted",
    "silenceDurationMs": round(END_SILENCE_S * 1000),
    # A machine that is busy with other tests is late for reasons of its own.
    "maxLatenessMs": 0,
}
VOICE: Final[Mapping[str, object]] = {"provider": "scripted"}


class OpenCompany(Protocol):
    def __call__(
        self,
        port: int,
        people: Mapping[str, Person],
        callers: Mapping[str, Person],
        speed: float,
        *,
        retry_gap: float,
    ) -> AbstractAsyncContextManager[Company]: ...


OPEN: Final[Mapping[str, OpenCompany]] = {
    "twilio": open_twilio,
    "telnyx": open_telnyx,
    "plivo": open_plivo,
}


@dataclass
class LivePhone:
    """A gateway, the company that it is a customer of, and what can be seen of both."""

    company: Company
    gateway: GatewayProcess
    section: dict[str, object]
    """The plugin's, as it stands in the file."""
    webhook_port: int

    def configure(self, **keys: object) -> None:
        """Write other values of the plugin's section into the file, whoever is using it."""
        self.section.update(keys)
        self.gateway.write_config()

    def leg(self, person: Person) -> str:
        """The company's name for the newest call of somebody."""
        return person.calls[-1].call_id

    async def stream(self, person: Person, nth: int = 1) -> MediaStream:
        """The n-th stream of somebody's newest call, once it has started."""
        await self.company.until(lambda: bool(person.calls), "a call")
        return await self.company.stream(self.leg(person), nth)

    async def record(self, person: Person) -> CallView:
        """What our doors show of somebody's newest call."""
        return await self.gateway.status(self.leg(person))

    async def listens(self, person: Person) -> None:
        """Wait until all that was to be said to somebody was said, and it is their turn."""
        await self.gateway.wait_state(self.leg(person), "listening")

    async def answered(self, person: Person, says: str, answer: str, *, within: float) -> None:
        """Somebody speaks; `within` seconds of the end of their turn they hear an answer begin."""
        spoken_s = len(tone_code.encode(says)) / FRAME_BYTES * FRAME_SECONDS
        began = monotonic()
        person.speak(says)
        await person.wait_heard(answer, complete=False)
        # What is heard is known by its first word, which is over by then.
        word_s = len(tone_code.encode(answer.split()[0])) / FRAME_BYTES * FRAME_SECONDS
        waited = monotonic() - began - spoken_s - END_SILENCE_S - word_s
        assert waited < within, f"{says!r} was answered after {waited:.1f} s"

    def story(self) -> str:
        """What happened, for the report of a failed test."""
        lines = ["--- streams"]
        lines += [
            f"{each.order.call_id} {each.order.nth} {each.state} {each.error} by {each.ended_by}"
            f" {each.close_code}"
            for each in self.company.media.streams
        ]
        lines.append("--- webhooks")
        lines += [f"{each.moment} {each.url} -> {each.status}" for each in self.company.sent()]
        return "\n".join([*lines, "--- gateway", *self.gateway.output])

    async def check(self) -> None:
        """What holds at the end of every test."""
        if self.gateway.running:
            self.company.release()
            assert await self.gateway.stop() == 0, self.gateway.log
        await self.company.settle()
        written = self.gateway.everything
        assert "Traceback" not in written, written
        assert "never retrieved" not in written, written


@asynccontextmanager
async def live_phone(
    carrier: str,
    folder: Path,
    people: Mapping[str, Person] | None = None,
    *,
    config: Mapping[str, object] | None = None,
    script: Mapping[str, object] | None = None,
    host: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    retry_gap: float = 0.5,
) -> AsyncGenerator[LivePhone]:
    """Starts both, and checks at the end what always holds.

    Args:
        people: whom we can call.
        config: keys of the plugin's section, over those for live audio.
        script: `models.providers.scripted`; without it the agent says "You said: ...".
        host: further top-level sections of the configuration.
        retry_gap: seconds before the company tries again what it could not deliver; with the usual
            number of attempts this lasts as long as a restart.
    """
    port = free_port()
    async with OPEN[carrier](port, people or {}, {}, 20.0, retry_gap=retry_gap) as company:
        section: dict[str, object] = {
            **company.section,
            "serve": {"port": port},
            "responseModel": "scripted/phone",
            "maxConcurrentCalls": 20,
            # Carriers are told of the limit too, and their seconds are fast.
            "maxDurationSeconds": 3600,
            "streaming": STREAMING,
            "tts": VOICE,
            **(config or {}),
        }
        file: dict[str, object] = {
            "models": {"providers": {"scripted": dict(script or {})}},
            "plugins": {"entries": {"voice-call": {"enabled": True, "config": section}}},
            **(host or {}),
        }
        gateway = GatewayProcess(folder, file, environ)
        phone = LivePhone(company, gateway, section, port)
        passed = False
        try:
            await gateway.start()
            yield phone
            await phone.check()
            passed = True
        finally:
            if not passed:
                sys.stdout.write(phone.story())
            await gateway.close()
