"""The entry point: attaches the plugin to the host. Cheap, and without effects until the start."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from openclaw.sdk import ConfigProblem, PluginApi, host_tts_settings
from openclaw_voice_call.config.live import built_in_changes
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.notices import inactive, risks
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import Credentials, missing_credentials, resolve_credentials
from openclaw_voice_call.errors import (
    NotConfigured,
    NotReady,
    PluginDisabled,
    Reconfiguring,
    ShuttingDown,
    StoreError,
    VoiceCallError,
)
from openclaw_voice_call.exposure.checks import (
    exposure_problems,
    exposure_risks,
    no_exposure,
    refusals,
)
from openclaw_voice_call.runtime import VoiceCallRuntime, journal_folder
from openclaw_voice_call.service import CallService
from openclaw_voice_call.setup.desk import Ground
from openclaw_voice_call.store.schema import FOLDER_NAME
from openclaw_voice_call.surfaces.rpc import register_rpc
from openclaw_voice_call.surfaces.setup_methods import register_setup
from openclaw_voice_call.surfaces.tool import register_tool
from openclaw_voice_call.webhook.port import WebhookPort


class VoiceCallPlugin:
    """Implements `openclaw.sdk.Plugin`."""

    id = "voice-call"

    def register(self, api: PluginApi) -> None:
        """The doors are always there; while the plugin cannot work, they say why (F77, F79)."""
        voice_call = VoiceCall(api)
        register_rpc(api, voice_call)
        register_tool(api, voice_call)
        register_setup(api, voice_call.ground)
        api.add_service("voice-call", voice_call.start, voice_call.stop)
        api.on_config_change(voice_call.reconfigure)

    def check_config(
        self, config: Mapping[str, object], environ: Mapping[str, str]
    ) -> Sequence[ConfigProblem]:
        parsed = parse_config(config, environ)
        if parsed.config is None:
            return parsed.problems
        if not parsed.config.enabled:
            return parsed.problems
        missing = missing_credentials(parsed.config, environ)
        return (
            *parsed.problems,
            *(each.problem() for each in missing),
            *exposure_problems(parsed.config),
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a runtime is made from."""

    config: VoiceCallConfig
    voice: Mapping[str, object] = field(repr=False)
    """What the host says of who speaks; it may hold keys."""
    account: Credentials | None = None
    """None until they are needed."""


class VoiceCall:
    """The running plugin, or the reason why it does not run.

    A changed section reaches new calls at once. What of it is built in takes a new runtime, which
    replaces the old one at the first moment without a call, so no call is ever lost to a change.
    The port is kept meanwhile, and whoever calls just then is answered by the new one.
    Implements `surfaces.doors.ServiceDoor` and `setup.desk.GatewayView`.
    """

    def __init__(self, api: PluginApi) -> None:
        self._api = api
        self._runtime: VoiceCallRuntime | None = None
        self._wanted: _Plan | None = None
        """The newest section that can work, as far as that is known without trying."""
        self._tried: _Plan | None = None
        """What the runtime was made from, whether or not it could be started."""
        self._replacing: asyncio.Task[None] | None = None
        self._port = WebhookPort()
        self._moved = False
        """The tunnel has other URLs than those that the runtime gives away."""
        self._reason: VoiceCallError | None = None
        parsed = parse_config(api.config, api.environ)
        for warning in parsed.warnings:
            api.log.warning(warning)
        if parsed.config is None:
            api.report_problems(parsed.problems)
            self._reason = NotConfigured([problem.render() for problem in parsed.problems])
        else:
            self._wanted = _Plan(parsed.config, host_tts_settings(api.host_config))
            enabled = parsed.config.enabled
            not_yet = NotReady("The voice-call plugin has not started yet")
            self._reason = not_yet if enabled else PluginDisabled()

    def service(self) -> CallService:
        """What the doors use. Raises the reason why there is none."""
        if self._runtime is not None:
            return self._runtime.service
        raise self._reason or ShuttingDown()

    def running(self) -> VoiceCallRuntime | None:
        return self._runtime

    def problem(self) -> str | None:
        return None if self._reason is None else str(self._reason)

    def readiness(self, model: str | None, agent_id: str) -> str | None:
        return self._api.agents.readiness(model, agent_id)

    def ground(self) -> Ground:
        """Where `setup` stands now. A plugin that is loaded is switched on."""
        api, folder = self._api, self._api.state_dir / FOLDER_NAME
        if self._wanted is not None:
            folder = journal_folder(self._wanted.config, api.state_dir)
        return Ground(api.config, api.host_config, api.environ, True, folder, api.clock.wall, self)

    async def start(self) -> None:
        if self._wanted is not None:
            await self._launch(self._wanted)
            if self._is_stale():
                self._begin_replacing()

    async def reconfigure(self) -> None:
        """Take up the host's newest section. A section that cannot work changes nothing."""
        api = self._api
        parsed = parse_config(api.config, api.environ)
        for warning in parsed.warnings:
            api.log.warning(warning)
        config = parsed.config
        if config is None:
            self._refuse(parsed.problems)
            return
        if problems := _obstacles(config, api.environ):
            self._refuse(problems)
            return
        credentials = resolve_credentials(config, api.environ) if config.enabled else None
        self._wanted = _Plan(config, host_tts_settings(api.host_config), credentials)
        if self._runtime is not None:
            self._runtime.adopt(config)
            api.log.info("config change applied to new calls")
        if not self._is_stale():
            return
        if self._runtime is not None and self._runtime.live_calls:
            api.log.info("config change waits for the end of live calls: %s", self._waiting())
        self._begin_replacing()

    def _tunnel_moved(self) -> None:
        self._moved = True
        if self._runtime is not None:
            self._begin_replacing()

    def _begin_replacing(self) -> None:
        if self._replacing is None or self._replacing.done():
            self._replacing = self._api.tasks.spawn("replace the runtime", self._replace())

    async def stop(self) -> None:
        self._reason = ShuttingDown()
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        runtime, self._runtime = self._runtime, None
        self._reason = ShuttingDown()
        if runtime is not None:
            await runtime.stop()
        self._port.close()

    async def _replace(self) -> None:
        while self._wanted is not None and self._is_stale():
            if self._runtime is not None:
                await self._runtime.idle()
                if not await self._runtime.leave_port():
                    continue
                # No call can begin before the next await, and the section may have changed back.
                if not self._is_stale():
                    await self._runtime.take_port()
                    return
                self._api.log.info("replacing the runtime: %s", self._waiting())
                old, self._runtime = self._runtime, None
                self._reason = Reconfiguring()
                await old.stop()
            await self._launch(self._wanted)
            if self._runtime is not None:
                self._api.log.info("config change taken up")

    async def _launch(self, plan: _Plan) -> None:
        """Start a runtime, or remember why there is none."""
        api, config = self._api, plan.config
        self._tried, self._moved = plan, False
        if not config.enabled:
            self._reason = PluginDisabled()
            self._port.close()
            return
        for line in (*inactive(config), *risks(config), *exposure_risks(config)):
            api.log.warning(line)
        try:
            credentials = plan.account
            if credentials is None:
                credentials = resolve_credentials(config, api.environ)
                self._tried = self._wanted = replace(plan, account=credentials)
            self._runtime = await VoiceCallRuntime.start(
                api, config, credentials, self._port, self._tunnel_moved
            )
        except (NotReady, StoreError) as error:
            self._reason = error
            self._port.close()
            api.log.error("Failed to start runtime: %s", error)
            if error.remedy:
                api.log.error("Remedy: %s", error.remedy)
            api.report_problems(
                [ConfigProblem("plugins.entries.voice-call", str(error), remedy=error.remedy)]
            )
        else:
            self._reason = None
            # The section may have changed while it started.
            self._runtime.adopt(self._wanted.config if self._wanted else config)

    def _refuse(self, problems: Sequence[ConfigProblem]) -> None:
        """Go on as before, and say why. For a plugin that works it is only a warning."""
        for problem in problems:
            self._api.log.error("config change not applied: %s", problem.render())
        works = self._runtime is not None or isinstance(self._reason, Reconfiguring)
        if not works:
            self._reason = NotConfigured([problem.render() for problem in problems])
        severity = "warning" if works else "error"
        self._api.report_problems([replace(each, severity=severity) for each in problems])

    def _is_stale(self) -> bool:
        """Whether another runtime is wanted than the one that runs, or that was tried last."""
        if self._runtime is None or self._tried is None:
            return self._tried is not self._wanted
        return bool(self._waiting())

    def _waiting(self) -> str:
        """What differs from what the runtime was made from, by the keys of the file."""
        tried, wanted = self._tried, self._wanted
        if tried is None or wanted is None:
            return ""
        keys = built_in_changes(tried.config, wanted.config)
        if wanted.voice != tried.voice:
            keys = (*keys, "messages.tts")
        if self._moved:
            keys = (*keys, "the public URL")
        if not keys and wanted.account != tried.account:
            keys = ("credentials",)
        return ", ".join(keys)


def _obstacles(config: VoiceCallConfig, environ: Mapping[str, str]) -> Sequence[ConfigProblem]:
    """Why no runtime could be started with this section, as far as that is known without trying."""
    if not config.enabled:
        return ()
    missing = no_exposure(config)
    return (
        *(each.problem() for each in missing_credentials(config, environ)),
        *refusals(config),
        *(() if missing is None else (missing,)),
    )
