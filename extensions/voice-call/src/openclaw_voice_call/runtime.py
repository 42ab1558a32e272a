"""The composition root: everything of the plugin that lives, built in order, taken down in reverse.

The journal is opened and the calls of the last process are known again before the webhook server
listens, so that the first webhook after a restart finds its call; they go on when it listens.
"""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import aiohttp

from openclaw.sdk import PluginApi
from openclaw_voice_call.call.events import CallEvent
from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.opening import Refusal
from openclaw_voice_call.call.pairing import CODE_DIGITS
from openclaw_voice_call.call.record import CallRecord
from openclaw_voice_call.call.snapshot import state_name
from openclaw_voice_call.call.types import CallId
from openclaw_voice_call.carriers.registry import build_carrier
from openclaw_voice_call.carriers.setup import CarrierSetup
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.conversation.responder import Responder
from openclaw_voice_call.credentials import Credentials
from openclaw_voice_call.exposure.choose import choose_exposure
from openclaw_voice_call.exposure.urls import local_origin, plan_urls
from openclaw_voice_call.interfaces.carrier import InboundOffer
from openclaw_voice_call.interfaces.exposure import ExposureNews, ExposureState
from openclaw_voice_call.interfaces.links import CallLinks
from openclaw_voice_call.live_audio import (
    delete_old_recordings,
    open_live_audio,
    recording,
    stream_limits,
)
from openclaw_voice_call.manager import CallManager
from openclaw_voice_call.openings import Openings
from openclaw_voice_call.reception import Reception
from openclaw_voice_call.service import CallService
from openclaw_voice_call.setup.probe import ProbeBook
from openclaw_voice_call.speech.voices import native_voice
from openclaw_voice_call.store.pairings import PairingFile
from openclaw_voice_call.store.schema import FOLDER_NAME
from openclaw_voice_call.store.sqlite import SqliteCallStore
from openclaw_voice_call.streams import CallStreams
from openclaw_voice_call.webhook.pipeline import WebhookPipeline
from openclaw_voice_call.webhook.port import WebhookPort
from openclaw_voice_call.webhook.public_url import UrlPolicy
from openclaw_voice_call.webhook.server import WebhookServer
from openclaw_voice_call.webhook.streams import StreamDoor

KEEP_FACTS_DAYS: Final = 30


class VoiceCallRuntime:
    """Made by `start`; `service` is what the doors use."""

    def __init__(
        self,
        service: CallService,
        manager: CallManager,
        server: WebhookServer,
        webhook_url: str,
        stream_url: str | None,
        probes: ProbeBook,
        closing: AsyncExitStack,
    ) -> None:
        self.service = service
        self.webhook_url = webhook_url
        """The public one."""
        self.stream_url = stream_url
        """The public one; None without live audio."""
        self.probes = probes
        self._manager = manager
        self._server = server
        self._closing = closing

    @property
    def webhook_port(self) -> int:
        """The port that is listened on."""
        return self._server.port

    @classmethod
    async def start(
        cls,
        api: PluginApi,
        config: VoiceCallConfig,
        credentials: Credentials,
        port: WebhookPort | None = None,
        moved: Callable[[], None] = lambda: None,
    ) -> VoiceCallRuntime:
        """`port` outlives the runtime. `moved` is called when the tunnel is at other URLs, which
        only another runtime can give away.

        Raises NotConfigured, ExposureFailed, StoreError, or NotReady when the port is taken.
        """
        async with AsyncExitStack() as stack:
            folder = journal_folder(config, api.state_dir)
            store = await SqliteCallStore.connect(folder)
            stack.push_async_callback(store.close)
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    # Each live call holds a connection to its recogniser.
                    connector=aiohttp.TCPConnector(limit=0),
                    auto_decompress=True,
                    trust_env=True,
                )
            )
            server: WebhookServer | None = None

            def local_webhook_url() -> str:
                port = server.port if server is not None else config.serve.port
                return local_origin(config.serve.bind, port) + config.serve.path

            urls = await stack.enter_async_context(
                choose_exposure(
                    config,
                    credentials,
                    environ=api.environ,
                    clock=api.clock,
                    tasks=api.tasks,
                    report=_Publisher(api, moved).exposure,
                )
            )
            live = open_live_audio(
                api, config, session=session, stream_url=urls.stream, folder=folder
            )
            if live is not None:
                stack.push_async_callback(live.close)
            carrier = build_carrier(
                config.provider or "",
                CarrierSetup(
                    config=config,
                    credentials=credentials,
                    links=CallLinks(urls.webhook, None if live is None else live.links),
                    session=session,
                    clock=api.clock,
                    tasks=api.tasks,
                    local_webhook_url=local_webhook_url,
                ),
            )
            stack.push_async_callback(carrier.close)
            reception = Reception(
                PairingFile(folder),
                api.clock,
                new_code=lambda: f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}",
            )
            dialect = carrier.media
            parts = None

            def tell(call_id: CallId, event: CallEvent) -> None:
                runner = manager.runner(call_id)
                if runner is not None:
                    runner.tell(event)

            if live is not None and dialect is not None:
                taps = await stack.enter_async_context(recording(folder, tell))
                parts = live.parts(api, config, dialect, taps)
            native = native_voice(config.tts, api.host_config)
            manager = CallManager(
                store=store,
                carrier=carrier,
                responder=Responder(api.agents, api.tasks, monotonic=api.clock.monotonic),
                clock=api.clock,
                tasks=api.tasks,
                reception=reception,
                openings=Openings(
                    carrier,
                    api.clock,
                    config,
                    new_call_id=lambda: CallId(str(uuid.uuid4())),
                    live_audio=parts is not None,
                    native_voice=None if native is None else carrier.voice_name(native),
                ),
                keep_facts_s=KEEP_FACTS_DAYS * 86_400.0,
                live=parts,
                overloaded=lambda: live is not None and live.overloaded(config),
                on_change=_Publisher(api).changed,
                on_refusal=_Publisher(api).refused,
            )
            policy = UrlPolicy(
                serve_path=config.serve.path,
                public_url=urls.webhook,
                allowed_hosts=config.webhook_security.allowed_hosts,
                trust_forwarding_headers=config.webhook_security.trust_forwarding_headers,
                trusted_proxies=config.webhook_security.trusted_proxy_ips,
                ngrok_bypass=config.tunnel.allow_ngrok_free_tier_loopback_bypass,
            )
            pipeline = WebhookPipeline(
                carrier,
                manager,
                policy,
                skip_verification=config.skip_signature_verification,
                clock=api.clock.wall,
            )
            probes = ProbeBook(secrets.token_bytes(32))
            door = None
            if live is not None and dialect is not None:
                door = StreamDoor(
                    CallStreams(manager.runner),
                    live.links,
                    dialect,
                    path=config.streaming.stream_path,
                    limits=stream_limits(config),
                    clock=api.clock.monotonic,
                )
            server = WebhookServer(
                pipeline,
                streams=door,
                path=config.serve.path,
                host=config.serve.bind,
                port=config.serve.port,
                prove=lambda header: probes.answer(header, api.clock.wall()),
                kept=port,
            )
            for notice in carrier.notices():
                api.log.info(notice)
            # Should the port be taken, nothing of the calls goes on here: the next start has them.
            stack.push_async_callback(lambda: manager.stop(restarting=True))
            await manager.restore()
            await server.start()
            stack.push_async_callback(server.stop)
            # Whether this is a restart is known when it is stopped.
            stack.push_async_callback(lambda: manager.stop(restarting=api.restarting))
            manager.start()
            api.log.info("Webhook server listening on %s", local_webhook_url())
            # Without a fixed port, only the mock carrier can be served, which calls this machine.
            fixed = config.serve.port or config.public_url
            if not fixed:
                urls = plan_urls(local_webhook_url(), config)
            api.log.info("Webhook URL: %s", urls.webhook)
            service = CallService(
                manager=manager,
                store=store,
                clock=api.clock,
                from_number=credentials.from_number,
                any_number=not carrier.features.dials_phones,
                new_operation_id=lambda: uuid.uuid4().hex[:12],
                reception=reception,
            )
            deleting = delete_old_recordings(
                folder, lambda: manager.config.recording.retention_days, api.clock
            )
            stack.callback(api.tasks.spawn("old recordings", deleting).cancel)
            api.log.info("Runtime initialized")
            stream_url = None if door is None else urls.stream
            return cls(service, manager, server, urls.webhook, stream_url, probes, stack.pop_all())

    def adopt(self, config: VoiceCallConfig) -> None:
        """Let new calls begin with what this section says of calls; the rest of it is built in."""
        self._manager.adopt(config)

    @property
    def live_calls(self) -> int:
        return len(self._manager.live)

    async def idle(self) -> None:
        """Wait until there is no call; see `CallManager.idle`."""
        await self._manager.idle()

    async def leave_port(self) -> bool:
        """Leave those who call from now on to the next runtime; `stop` follows. False if a call has
        begun just now: then they come here as before."""
        await self._server.close_port()
        if not self._manager.busy:
            return True
        await self._server.open_port()
        return False

    async def take_port(self) -> None:
        """After `leave_port`: stay."""
        await self._server.open_port()

    async def stop(self) -> None:
        """Calls are ended first, then the doors close, then the journal."""
        await self._closing.aclose()


class _Publisher:
    """Tells the owner's open connections what happens to calls."""

    def __init__(self, api: PluginApi, moved: Callable[[], None] = lambda: None) -> None:
        self._api = api
        self._moved = moved

    def changed(self, record: CallRecord, facts: Sequence[Fact]) -> None:
        if facts:
            payload: dict[str, object] = {
                "callId": record.call_id,
                "direction": record.direction.value,
                "state": state_name(record),
                "live": record.live,
            }
            self._api.publish("voicecall.call", payload)

    def refused(self, offer: InboundOffer, refusal: Refusal) -> None:
        payload = {"from": offer.from_number, "to": offer.to_number, "reason": refusal.value}
        self._api.publish("voicecall.refused", payload)

    def exposure(self, news: ExposureNews) -> None:
        """Loud: while nobody reaches the webhook server, every call is silent."""
        good = news.state is ExposureState.RESTORED
        self._api.log.log(
            logging.INFO if good else logging.ERROR,
            "Public URL %s: %s: %s",
            *(news.state.value, news.exposure, news.reason),
        )
        payload = {"exposure": news.exposure, "state": news.state.value, "reason": news.reason}
        self._api.publish("voicecall.exposure", payload)
        if news.state is ExposureState.MOVED:
            self._moved()


def journal_folder(config: VoiceCallConfig, state_dir: Path) -> Path:
    return Path(config.store).expanduser() if config.store else state_dir / FOLDER_NAME
