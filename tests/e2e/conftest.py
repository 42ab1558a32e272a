"""A gateway process and a Twilio for it, made to the wishes of each test and checked at its end."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.customers import customer_of
from tests.e2e.gateway import GATEWAY_TOKEN, WEBHOOK_PATH, GatewayProcess, free_port, leaks
from tests.emulators.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Number,
    Person,
    RestRequest,
    Settings,
    TwilioEmulator,
)
from tests.secrecy import secret

OUR_NUMBER = "+15550001234"
CALLEE = "+15550005678"
PUBLIC_ORIGIN = "https://voice.example.com"
STREAM_PATH = "/voice/stream"
MODEL_KEY = secret("model")
SECRETS = (ACCOUNT_SID, AUTH_TOKEN, GATEWAY_TOKEN, MODEL_KEY)
"""None of these may be written anywhere but into the configuration (F81)."""


@dataclass
class Setup:
    """A gateway, and the phone company that it is a customer of."""

    twilio: TwilioEmulator
    gateway: GatewayProcess
    webhook_port: int
    public_url: str
    section: dict[str, object]
    """The plugin's, as it stands in the file."""

    def configure(self, **keys: object) -> None:
        """Write other values of the plugin's section into the file, whoever is using it."""
        self.section.update(keys)
        self.gateway.write_config()

    @property
    def local_url(self) -> str:
        return f"http://127.0.0.1:{self.webhook_port}{WEBHOOK_PATH}"

    def rest(self, operation: str) -> list[RestRequest]:
        """What the gateway asked of Twilio's API, of this kind, oldest first."""
        return [each for each in self.twilio.requests if each.operation == operation]

    def story(self) -> str:
        """What happened, for the report of a failed test."""
        lines = ["--- lines", *map(str, self.twilio.events), "--- webhooks"]
        for each in self.twilio.deliveries:
            answer = f"{each.status} {each.error} {each.body[-600:]}"
            lines.append(f"{each.kind} {each.url} {each.fields.get('CallStatus')} -> {answer}")
        lines += ["--- REST", *map(str, self.twilio.requests), "--- alerts"]
        return "\n".join(
            [*lines, *map(str, self.twilio.alerts), "--- gateway", *self.gateway.output]
        )

    async def check(self) -> None:
        """What holds at the end of every test."""
        if self.gateway.running:
            self.twilio.release_webhooks()
            assert await self.gateway.stop() == 0, self.gateway.log
        assert self.twilio.violations == []
        written = self.gateway.everything
        assert not leaks(written, SECRETS)
        assert "Traceback" not in written, written
        assert "never retrieved" not in written, written


class StartSetup(Protocol):
    """Args:
    config: keys of the plugin's section, over the defaults.
    people: who answers at which number.
    script: `models.providers.scripted`; without it the agent says "You said: ..." of what it hears.
    host: further top-level sections.
    environ: further variables of the gateway's environment.
    twilio: changes to the emulator's settings.
    public_url: what Twilio calls; it is mapped to the webhook server, and so are media streams.
    start: whether to start the gateway.
    """

    def __call__(
        self,
        config: Mapping[str, object] | None = None,
        *,
        people: Mapping[str, Person] | None = None,
        script: Mapping[str, object] | None = None,
        host: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        speed: float = 50.0,
        retry_gap: float = 0.05,
        sign_with_port: bool = False,
        proxy_headers: Mapping[str, str] | None = None,
        public_url: str = PUBLIC_ORIGIN + WEBHOOK_PATH,
        start: bool = True,
    ) -> Awaitable[Setup]: ...


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncGenerator[StartSetup]:
    """Starts what a test asks for; at its end everything is checked and taken down."""
    made: list[Setup] = []
    async with AsyncExitStack() as stack:

        async def make(
            config: Mapping[str, object] | None = None,
            *,
            people: Mapping[str, Person] | None = None,
            script: Mapping[str, object] | None = None,
            host: Mapping[str, object] | None = None,
            environ: Mapping[str, str] | None = None,
            speed: float = 50.0,
            retry_gap: float = 0.05,
            sign_with_port: bool = False,
            proxy_headers: Mapping[str, str] | None = None,
            public_url: str = PUBLIC_ORIGIN + WEBHOOK_PATH,
            start: bool = True,
        ) -> Setup:
            port = free_port()
            settings = Settings(
                numbers={
                    OUR_NUMBER: Number(public_url, status_callback=f"{public_url}?type=status")
                },
                people=people or {},
                origins={
                    public_url: f"http://127.0.0.1:{port}{WEBHOOK_PATH}",
                    PUBLIC_ORIGIN + STREAM_PATH: f"http://127.0.0.1:{port}{STREAM_PATH}",
                },
                proxy_headers=proxy_headers or {},
                speed=speed,
                retry_gap=retry_gap,
                sign_with_port=sign_with_port,
            )
            twilio = await stack.enter_async_context(TwilioEmulator.start(settings))
            section: dict[str, object] = {
                **customer_of(twilio),
                "fromNumber": OUR_NUMBER,
                "serve": {"port": port},
                "publicUrl": public_url,
                "responseModel": "scripted/phone",
                "maxConcurrentCalls": 8,
                # Twilio's own limit, which is derived from it, counts the emulator's fast seconds.
                "maxDurationSeconds": 3600,
                **(config or {}),
            }
            file: dict[str, object] = {
                "models": {"providers": {"scripted": dict(script or {})}},
                "plugins": {"entries": {"voice-call": {"enabled": True, "config": section}}},
                **(host or {}),
            }
            folder = tmp_path / f"home{len(made)}"
            folder.mkdir()
            gateway = GatewayProcess(folder, file, environ)
            stack.push_async_callback(gateway.close)
            made.append(Setup(twilio, gateway, port, public_url, section))
            if start:
                await gateway.start()
            return made[-1]

        yield make
        for each in made:
            # Captured, and shown with the report of a test that fails.
            sys.stdout.write(each.story())
            await each.check()
