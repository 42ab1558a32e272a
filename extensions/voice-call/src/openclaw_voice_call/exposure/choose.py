"""All exposures, one line each, and the one that the configuration asks for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Final, cast

from openclaw.sdk import Clock, TaskOwner
from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.credentials import Credentials
from openclaw_voice_call.errors import NotConfigured
from openclaw_voice_call.exposure.checks import chosen_tunnel, no_exposure, refusals
from openclaw_voice_call.exposure.fixed import FixedUrl
from openclaw_voice_call.exposure.setup import ExposureSetup, Pace
from openclaw_voice_call.exposure.urls import local_origin, plan_urls
from openclaw_voice_call.interfaces.exposure import Exposure, ExposureNews, PublicUrls

Build = Callable[[ExposureSetup], Exposure]

TUNNELS: Final[Mapping[str, str]] = {
    "ngrok": "openclaw_voice_call.exposure.ngrok",
    "tailscale-serve": "openclaw_voice_call.exposure.tailscale",
    "tailscale-funnel": "openclaw_voice_call.exposure.tailscale",
}
"""The name in the configuration, and the module whose `build` makes it. Imported when chosen."""


@asynccontextmanager
async def choose_exposure(
    config: VoiceCallConfig,
    credentials: Credentials,
    *,
    environ: Mapping[str, str],
    clock: Clock,
    tasks: TaskOwner,
    report: Callable[[ExposureNews], None],
    pace: Pace | None = None,
) -> AsyncGenerator[PublicUrls]:
    """The public URLs while they are public; withdrawn at the end, and when opening fails.

    Raises NotConfigured when the configuration names no way in, or one that cannot work, and
    ExposureFailed when the tunnel does not open.
    """
    problems = refusals(config)
    missing = no_exposure(config)
    if missing is not None:
        problems = (*problems, missing)
    if problems:
        raise NotConfigured([problem.render() for problem in problems])
    exposure = _choose(config, credentials, environ, clock, tasks, report, pace or Pace())
    try:
        yield await exposure.open()
    finally:
        await exposure.withdraw()


def _choose(
    config: VoiceCallConfig,
    credentials: Credentials,
    environ: Mapping[str, str],
    clock: Clock,
    tasks: TaskOwner,
    report: Callable[[ExposureNews], None],
    pace: Pace,
) -> Exposure:
    name = chosen_tunnel(config)
    if name is not None:
        build = cast("Build", import_module(TUNNELS[name]).build)
        return build(ExposureSetup(name, config, credentials, environ, clock, tasks, report, pace))
    if config.public_url is not None:
        return FixedUrl(plan_urls(config.public_url, config))
    local = local_origin(config.serve.bind, config.serve.port)
    return FixedUrl(plan_urls(local, config))
