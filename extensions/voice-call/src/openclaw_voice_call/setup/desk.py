"""Setting up: look at everything that can be known, and point the number at this gateway.

The same in the gateway's process and in one of its own; what only a running gateway knows is asked
of it where it is there, and said to be unknown where it is not.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import aiohttp

from openclaw_voice_call.carriers.registry import build_setup_door
from openclaw_voice_call.carriers.setup import AccountSetup
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import Credentials, resolve_credentials
from openclaw_voice_call.errors import CarrierError, NotConfigured, NotReady, StoreError
from openclaw_voice_call.exposure.urls import local_origin, plan_urls
from openclaw_voice_call.interfaces.carrier_setup import AccountReport, CarrierSetupDoor, Routing
from openclaw_voice_call.setup import checks, live_checks
from openclaw_voice_call.setup.findings import (
    AccountFindings,
    Certificate,
    Port,
    ProbeResult,
    SpeechFindings,
)
from openclaw_voice_call.setup.look import (
    look_at_certificate,
    look_at_folder,
    send_probe,
    who_holds,
)
from openclaw_voice_call.setup.probe import ProbeBook
from openclaw_voice_call.setup.report import Check, fail, warn
from openclaw_voice_call.speech.registry import recogniser_problem
from openclaw_voice_call.speech.voices import resolve_voice
from openclaw_voice_call.store.pairings import PairingFile

NONCE_BYTES = 24


class RunningPlugin(Protocol):
    """What a plugin that runs can tell."""

    @property
    def webhook_url(self) -> str: ...

    @property
    def webhook_port(self) -> int: ...

    @property
    def stream_url(self) -> str | None:
        """The public one; None without live audio."""
        ...

    @property
    def probes(self) -> ProbeBook: ...


class GatewayView(Protocol):
    """The gateway's process, from inside."""

    def running(self) -> RunningPlugin | None:
        """None while the plugin does not run."""
        ...

    def problem(self) -> str | None:
        """Why it does not run."""
        ...

    def readiness(self, model: str | None, agent_id: str) -> str | None:
        """Why the agent could not answer."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """Where setup stands."""

    section: Mapping[str, object] = field(repr=False)
    """The plugin's section, not validated."""
    host_config: Mapping[str, object] = field(repr=False)
    """The whole configuration, which also says who speaks."""
    environ: Mapping[str, str] = field(repr=False)
    enabled: bool
    """Whether the plugin's entry is switched on."""
    folder: Path
    """Of the call journal."""
    wall: Callable[[], float]
    """The clock, epoch seconds."""
    gateway: GatewayView | None = None
    """None in a process of its own."""

    @property
    def running(self) -> RunningPlugin | None:
        return None if self.gateway is None else self.gateway.running()


class Administration(NamedTuple):
    """The carrier's door, and whose number it is about."""

    carrier: str
    door: CarrierSetupDoor
    number: str
    config: VoiceCallConfig


class SetupDesk:
    """Looks; changes nothing."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def inspect(self, *, offline: bool = False) -> Sequence[Check]:
        """All points, in the order in which they are best put right.

        With `offline` nothing leaves this machine. Takes half a minute at most.
        """
        ground = self._ground
        parsed = parse_config(ground.section, ground.environ)
        found = [*checks.plugin(ground.enabled, parsed.config), *checks.section(parsed)]
        problem = None
        if ground.gateway is not None and ground.running is None:
            problem = ground.gateway.problem() or "it is not running"
        found += checks.gateway(problem, here=ground.gateway is not None)
        if parsed.config is not None:
            found += await self._inspect(parsed.config, offline)
        return [*found, *checks.folder(await asyncio.to_thread(look_at_folder, ground.folder))]

    async def _inspect(self, config: VoiceCallConfig, offline: bool) -> Sequence[Check]:
        ground = self._ground
        url, stream_url = self.webhook_url(config), self._stream_url(config)
        found = list(checks.provider(config, ground.environ))
        credentials = _credentials(config, ground.environ)
        account: AccountFindings | None = None
        probe: ProbeResult | None = None
        stream_probe: ProbeResult | None = None
        certificate: Certificate | None = None
        if not offline:
            async with _session() as session, asyncio.TaskGroup() as group:
                asking = group.create_task(self._account(config, credentials, url, session))
                probing = group.create_task(self._probe(url, session))
                trying = group.create_task(self._stream_probe(session))
                looking = group.create_task(_certificate(url))
            account, probe, certificate = asking.result(), probing.result(), looking.result()
            stream_probe = trying.result()
        name = config.provider or "the carrier"
        if account is not None:
            found += checks.account(account, name)
            found += checks.number(account, config, name)
        elif offline:
            found.append(warn("account", "not asked: offline", "Leave out --offline."))
        elif credentials is not None:
            found.append(warn("account", f"{name} cannot be asked by this version"))
        found += checks.exposed(config, url)
        if not offline:
            found += checks.reachable(probe, url)
            found += checks.certificate(certificate, url, ground.wall())
        found += checks.signatures(config)
        found += await self._inbound(config)
        found += self._agent(config)
        found += checks.mode(config)
        found += live_checks.speech(self._speech(config))
        found += live_checks.exposed(config, stream_url)
        if not offline:
            found += live_checks.reachable(stream_probe, stream_url)
        found += checks.port(await self._port(config))
        return found

    def webhook_url(self, config: VoiceCallConfig) -> str | None:
        """The public one; None when only a gateway that runs would know."""
        running = self._ground.running
        if running is not None:
            return running.webhook_url
        if config.public_url is not None:
            return plan_urls(config.public_url, config).webhook
        if config.provider == "mock":
            return local_origin(config.serve.bind, config.serve.port) + config.serve.path
        return None

    def _stream_url(self, config: VoiceCallConfig) -> str | None:
        """The public one; None when live audio is off, or only a gateway that runs would know."""
        if not config.streaming.enabled:
            return None
        running = self._ground.running
        if running is not None and running.stream_url is not None:
            return running.stream_url
        webhook = self.webhook_url(config)
        return None if webhook is None else plan_urls(webhook, config).stream

    @asynccontextmanager
    async def administration(self) -> AsyncGenerator[Administration]:
        """The configured carrier's. Raises NotConfigured, NotReady."""
        ground = self._ground
        parsed = parse_config(ground.section, ground.environ)
        if parsed.config is None:
            raise NotConfigured([problem.render() for problem in parsed.problems])
        config = parsed.config
        credentials = resolve_credentials(config, ground.environ)
        async with _session() as session:
            name = config.provider or ""
            door = build_setup_door(name, AccountSetup(config, credentials, session))
            if door is None:
                raise NotReady(f"{name} cannot be set up from here; use its console")
            yield Administration(name, door, credentials.from_number, config)

    async def _account(
        self,
        config: VoiceCallConfig,
        credentials: Credentials | None,
        url: str | None,
        session: aiohttp.ClientSession,
    ) -> AccountFindings | None:
        if credentials is None:
            return None
        setup = AccountSetup(config, credentials, session)
        door = build_setup_door(config.provider or "", setup)
        if door is None:
            return None
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(_report(door, self._ground.wall))
            routing = group.create_task(_routing(door, credentials.from_number))
        (report, asked_at), where = reporting.result(), routing.result()
        aimed = door.aimed(where, url) if isinstance(where, Routing) and url is not None else None
        return AccountFindings(asked_at, report, credentials.from_number, where, aimed)

    async def _probe(self, url: str | None, session: aiohttp.ClientSession) -> ProbeResult | None:
        running = self._ground.running
        if running is None or url is None:
            return None
        probe = running.probes.open(secrets.token_urlsafe(NONCE_BYTES), self._ground.wall())
        return await send_probe(url, probe, session)

    async def _stream_probe(self, session: aiohttp.ClientSession) -> ProbeResult | None:
        running = self._ground.running
        return None if running is None else await self._probe(running.stream_url, session)

    def _speech(self, config: VoiceCallConfig) -> SpeechFindings | None:
        if not config.streaming.enabled:
            return None
        ground = self._ground
        voices = resolve_voice(
            config.tts, ground.host_config, ground.environ, find_program=shutil.which
        )
        return SpeechFindings(
            config.streaming.recogniser,
            recogniser_problem(config, ground.environ),
            [voice.name for voice in voices.makers],
            voices.problem,
            voices.warnings,
        )

    async def _inbound(self, config: VoiceCallConfig) -> Sequence[Check]:
        try:
            book = await asyncio.to_thread(PairingFile(self._ground.folder).read)
        except StoreError as error:
            return [fail("inbound", str(error), error.remedy)]
        return list(checks.inbound(config, len(book.approved)))

    def _agent(self, config: VoiceCallConfig) -> Sequence[Check]:
        gateway = self._ground.gateway
        if gateway is None:
            return list(checks.agent(False, None, config))
        reason = gateway.readiness(config.response_model, config.agent_id)
        return list(checks.agent(True, reason, config))

    async def _port(self, config: VoiceCallConfig) -> Port:
        running, bind = self._ground.running, config.serve.bind
        if running is not None:
            return Port(bind, running.webhook_port, None, ours=True)
        holder = await asyncio.to_thread(who_holds, bind, config.serve.port)
        return Port(bind, config.serve.port, holder)


async def _report(
    door: CarrierSetupDoor, wall: Callable[[], float]
) -> tuple[AccountReport | CarrierError, float]:
    """What the carrier says, and when it said it."""
    try:
        report = await door.check_account()
    except CarrierError as error:
        return error, wall()
    return report, wall()


async def _routing(door: CarrierSetupDoor, number: str) -> Routing | CarrierError | None:
    try:
        return await door.routing(number)
    except CarrierError as error:
        return error


async def _certificate(url: str | None) -> Certificate | None:
    if url is None or not url.startswith("https:"):
        return None
    return await look_at_certificate(url)


def _credentials(config: VoiceCallConfig, environ: Mapping[str, str]) -> Credentials | None:
    try:
        return resolve_credentials(config, environ)
    except NotConfigured:
        return None


def _session() -> aiohttp.ClientSession:
    # The certificate store and proxies of this machine count, as for the carrier's own requests.
    return aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar())
