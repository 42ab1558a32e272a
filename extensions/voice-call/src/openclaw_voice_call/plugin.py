"""The entry point: attaches the plugin to the host. Cheap, and without effects until the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openclaw.sdk import ConfigProblem, PluginApi
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.config.notices import inactive, risks
from openclaw_voice_call.config.parse import parse_config
from openclaw_voice_call.credentials import missing_credentials, resolve_credentials
from openclaw_voice_call.errors import (
    NotConfigured,
    NotReady,
    PluginDisabled,
    ShuttingDown,
    StoreError,
    VoiceCallError,
)
from openclaw_voice_call.exposure.checks import exposure_problems, exposure_risks
from openclaw_voice_call.runtime import VoiceCallRuntime, journal_folder
from openclaw_voice_call.service import CallService
from openclaw_voice_call.setup.desk import Ground
from openclaw_voice_call.store.schema import FOLDER_NAME
from openclaw_voice_call.surfaces.rpc import register_rpc
from openclaw_voice_call.surfaces.setup_methods import register_setup
from openclaw_voice_call.surfaces.tool import register_tool


class VoiceCallPlugin:
    """Implements `openclaw.sdk.Plugin`."""

    id = "voice-call"

    def register(self, api: PluginApi) -> None:
        """The doors are always there; while the plugin cannot work, they say why (F77, F79)."""
        voice_call = VoiceCall(api)
        register_rpc(api, voice_call)
        register_tool(api, voice_call)
        register_setup(api, voice_call.ground())
        api.add_service("voice-call", voice_call.start, voice_call.stop)

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


class VoiceCall:
    """The running plugin, or the reason why it does not run.

    Implements `surfaces.doors.ServiceDoor` and `setup.desk.GatewayView`.
    """

    def __init__(self, api: PluginApi) -> None:
        self._api = api
        self._runtime: VoiceCallRuntime | None = None
        self._config: VoiceCallConfig | None = None
        self._reason: VoiceCallError | None = None
        parsed = parse_config(api.config, api.environ)
        for warning in parsed.warnings:
            api.log.warning(warning)
        if parsed.config is None:
            api.report_problems(parsed.problems)
            self._reason = NotConfigured([problem.render() for problem in parsed.problems])
        elif not parsed.config.enabled:
            self._reason = PluginDisabled()
        else:
            self._config = parsed.config
            self._reason = NotReady("The voice-call plugin has not started yet")

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
        """Where `setup` stands. A plugin that is loaded is switched on."""
        api, config = self._api, self._config
        folder = (
            api.state_dir / FOLDER_NAME if config is None else journal_folder(config, api.state_dir)
        )
        return Ground(api.config, api.environ, True, folder, api.clock.wall, self)

    async def start(self) -> None:
        config = self._config
        if config is None:
            return
        for line in (*inactive(config), *risks(config), *exposure_risks(config)):
            self._api.log.warning(line)
        try:
            credentials = resolve_credentials(config, self._api.environ)
            self._runtime = await VoiceCallRuntime.start(self._api, config, credentials)
        except (NotReady, StoreError) as error:
            self._reason = error
            self._api.log.error("Failed to start runtime: %s", error)
            if error.remedy:
                self._api.log.error("Remedy: %s", error.remedy)
            self._api.report_problems(
                [ConfigProblem("plugins.entries.voice-call", str(error), remedy=error.remedy)]
            )

    async def stop(self) -> None:
        runtime, self._runtime = self._runtime, None
        self._reason = ShuttingDown()
        if runtime is not None:
            await runtime.stop()
