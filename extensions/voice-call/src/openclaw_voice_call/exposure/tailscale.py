"""A public URL through Tailscale on this machine: `serve` (the tailnet) or `funnel` (everybody).

Tailscale's service does the work in the background, so there is no child to watch: its routes are
looked at now and then, and set again when somebody has removed them.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Task
from collections.abc import Sequence
from typing import Final

from openclaw_voice_call.config.model import VoiceCallConfig
from openclaw_voice_call.errors import ExposureFailed
from openclaw_voice_call.exposure.process import delays
from openclaw_voice_call.exposure.setup import ExposureSetup
from openclaw_voice_call.exposure.tailscale_cli import Machine, Mode, Mount, TailscaleCli
from openclaw_voice_call.exposure.urls import local_origin, plan_urls
from openclaw_voice_call.interfaces.exposure import ExposureNews, ExposureState, PublicUrls

log = logging.getLogger(__name__)

MODES: Final[dict[str, Mode]] = {"tailscale-serve": "serve", "tailscale-funnel": "funnel"}


def build(setup: ExposureSetup) -> Tailscale:
    """For `tailscale.mode` and for `tunnel.provider` `tailscale-serve` and `tailscale-funnel`."""
    cli = TailscaleCli(
        setup.environ,
        name=setup.name,
        command_s=setup.pace.command_s,
        patience=setup.pace.patience,
    )
    return Tailscale(setup, cli)


def mounts_of(
    config: VoiceCallConfig,
    *,
    path: str | None = None,
    port: int | None = None,
    serve_path: str | None = None,
) -> tuple[Mount, Mount]:
    """The webhook's mount, then the stream's; the arguments stand in for settings.

    Tailscale strips the path of a mount and puts that of its target in its place.
    """
    serve = config.serve
    origin = local_origin(serve.bind, port or serve.port)
    stream = config.streaming.stream_path
    return (
        Mount(path or config.tailscale.path, origin + (serve_path or serve.path)),
        Mount(stream, origin + stream),
    )


class Tailscale:
    """Implements `interfaces.exposure.Exposure`."""

    def __init__(self, setup: ExposureSetup, cli: TailscaleCli) -> None:
        self._setup = setup
        self._cli = cli
        self._mode: Mode = MODES[setup.name]
        self._port = setup.config.tailscale.port
        self._mounts: Sequence[Mount] = mounts_of(setup.config)
        self._delay = delays(setup.pace.first_retry_s, setup.pace.longest_retry_s)
        self._machine: Machine | None = None
        self._watching: Task[None] | None = None

    @property
    def name(self) -> str:
        return self._setup.name

    async def open(self) -> PublicUrls:
        """Raises ExposureFailed: no Tailscale, not signed in, not allowed, port taken."""
        machine = await self._cli.machine()
        self._machine = machine
        await self._mount_all(machine)
        self._watching = self._setup.tasks.spawn(self.name, self._watch(machine))
        return self._urls(machine)

    async def withdraw(self) -> None:
        """Removes what is ours: a route that leads elsewhere by now is somebody else's."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching}, timeout=self._setup.pace.patience.longest_s)
        machine, self._machine = self._machine, None
        if machine is None:
            return
        try:
            async with asyncio.timeout(self._setup.pace.withdraw_s):
                await self._unmount_all(machine)
        except TimeoutError:
            paths = [mount.path for mount in self._mounts]
            log.error("tailscale routes not withdrawn in time", extra={"paths": paths})

    def _urls(self, machine: Machine) -> PublicUrls:
        return plan_urls(machine.origin(self._port), self._setup.config, self._mounts[0].path)

    async def _mount_all(self, machine: Machine) -> None:
        for mount in self._mounts:
            await self._cli.mount(self._mode, self._port, mount)
        missing = await self._missing(machine)
        if missing:
            raise ExposureFailed(
                self.name,
                f"Tailscale took {', '.join(missing)} and does not show it",
                remedy=f"see: tailscale {self._mode} status",
            )

    async def _missing(self, machine: Machine) -> Sequence[str]:
        """The paths that do not lead here; none when Tailscale does not tell."""
        routes = await self._cli.routes(self._mode, self._port, machine)
        if routes is None:
            return ()
        return [mount.path for mount in self._mounts if routes.get(mount.path) != mount.target]

    async def _unmount_all(self, machine: Machine) -> None:
        try:
            routes = await self._cli.routes(self._mode, self._port, machine)
        except ExposureFailed:
            routes = None
        for mount in self._mounts:
            if routes is not None and routes.get(mount.path) != mount.target:
                continue
            try:
                await self._cli.unmount(self._mode, self._port, mount.path)
            except ExposureFailed as failed:
                extra = {"path": mount.path, "reason": str(failed), "remedy": failed.remedy}
                log.error("tailscale route not withdrawn", extra=extra)

    async def _watch(self, machine: Machine) -> None:
        """Ends by cancellation, or when the machine has another name."""
        clock, pace = self._setup.clock, self._setup.pace
        attempt = 0
        while True:
            await clock.sleep(self._delay(attempt) if attempt else pace.watch_s)
            try:
                now = await self._cli.machine()
                if now.dns_name != machine.dns_name:
                    self._tell(ExposureState.MOVED, self._renamed(machine, now))
                    return
                missing = await self._missing(machine)
                if missing and not attempt:
                    self._tell(ExposureState.LOST, f"no route to here: {', '.join(missing)}")
                if missing:
                    attempt += 1
                    await self._mount_all(machine)
            except ExposureFailed as failed:
                if not attempt:
                    self._tell(ExposureState.LOST, failed.reason)
                attempt += 1
                continue
            if attempt:
                attempt = 0
                self._tell(ExposureState.RESTORED, "Tailscale leads here again")

    def _renamed(self, before: Machine, now: Machine) -> str:
        return (
            f"this machine is called {now.dns_name} now and not {before.dns_name}, which carriers "
            "were given; that is taken up when no call is up. Point the number there with: "
            "openclaw voicecall setup --apply"
        )

    def _tell(self, state: ExposureState, reason: str) -> None:
        self._setup.report(ExposureNews(self.name, state, reason))
