"""`openclaw voicecall expose`: Tailscale's routes to the webhook server, by hand.

Works without a gateway. Light: what it needs is imported when it runs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from openclaw.sdk_cli import fail, plugin_section, print_json
from openclaw_voice_call.errors import ExposureFailed
from openclaw_voice_call.surfaces.cli_gateway import tell
from openclaw_voice_call.surfaces.cli_journal import PLUGIN
from openclaw_voice_call.surfaces.doors import failure_of

if TYPE_CHECKING:
    from openclaw_voice_call.config.model import VoiceCallConfig
    from openclaw_voice_call.exposure.tailscale_cli import Machine, Mode, Mount, TailscaleCli
    from openclaw_voice_call.interfaces.exposure import PublicUrls

NOTE: Final = "Tailscale serve/funnel may be disabled on this tailnet (or require admin enable)."


@click.command("expose")
@click.option(
    "--mode",
    type=click.Choice(["off", "serve", "funnel"]),
    default="funnel",
    show_default=True,
    help="serve: the tailnet; funnel: everybody, as carriers need it; off: nobody.",
)
@click.option("--path", metavar="<path>", help="At Tailscale's side; default: tailscale.path.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="<port>",
    help="Of the webhook server; default: serve.port.",
)
@click.option("--serve-path", metavar="<path>", help="Of the webhook; default: serve.path.")
@click.option("--json", is_flag=True, expose_value=False, help="Print JSON, as it always does.")
@click.pass_context
def expose(
    ctx: click.Context, mode: str, path: str | None, port: int | None, serve_path: str | None
) -> None:
    """Publish the webhook and the stream path through Tailscale, or withdraw both.

    Prints JSON. It stays until it is withdrawn; for as long as the gateway runs, `tailscale.mode`
    in the configuration does the same.
    """
    from openclaw_voice_call.exposure.tailscale import mounts_of
    from openclaw_voice_call.exposure.tailscale_cli import TailscaleCli

    for option, value in (("--path", path), ("--serve-path", serve_path)):
        if value is not None and not value.startswith("/"):
            raise click.BadParameter("must begin with /", param_hint=option)
    config = _config(ctx)
    local_port = port or config.serve.port or None
    if local_port is None:
        fail("serve.port is 0, which takes any free port", "Give the port with --port.")
    mounts = mounts_of(config, path=path, port=local_port, serve_path=serve_path)
    _warn(config, mode)
    cli = TailscaleCli(os.environ)
    https_port = config.tailscale.port
    shown: dict[str, object] = {"ok": True, "mode": mode, "path": mounts[0].path}
    try:
        if mode == "serve" or mode == "funnel":
            urls = asyncio.run(_publish(cli, mode, https_port, mounts, config))
            shown |= {"localUrl": mounts[0].target, "publicUrl": urls.webhook}
            shown["streamUrl"] = urls.stream
        else:
            asyncio.run(_withdraw(cli, https_port, mounts))
    except _NotPublished as refused:
        hint = {"note": NOTE, "enableUrl": refused.enable_url}
        shown |= {"ok": False, "localUrl": mounts[0].target, "publicUrl": None, "hint": hint}
        print_json(shown)
        tell(failure_of(refused.failed))
    except ExposureFailed as failed:
        tell(failure_of(failed))
    print_json(shown)
    if mode != "off" and shown["publicUrl"] != config.public_url:
        where = "plugins.entries.voice-call.config.publicUrl"
        told = f"have calls use it with: openclaw config set {where} {shown['publicUrl']}"
        click.echo(told, err=True)


class _NotPublished(Exception):
    """Tailscale runs and did not take the routes."""

    def __init__(self, failed: ExposureFailed, enable_url: str | None) -> None:
        super().__init__(str(failed))
        self.failed = failed
        self.enable_url = enable_url


async def _publish(
    cli: TailscaleCli,
    mode: Mode,
    https_port: int,
    mounts: Sequence[Mount],
    config: VoiceCallConfig,
) -> PublicUrls:
    """Both or none. Raises ExposureFailed or _NotPublished."""
    from openclaw_voice_call.exposure.urls import plan_urls

    machine: Machine = await cli.machine()
    done: list[Mount] = []
    try:
        for mount in mounts:
            await cli.mount(mode, https_port, mount)
            done.append(mount)
    except ExposureFailed as failed:
        for mount in done:
            await cli.unmount(mode, https_port, mount.path)
        raise _NotPublished(failed, failed.enable_url or machine.enable_url(mode)) from failed
    return plan_urls(machine.origin(https_port), config, mounts[0].path)


async def _withdraw(cli: TailscaleCli, https_port: int, mounts: Sequence[Mount]) -> None:
    """In both modes: which one it was is not known here. Raises ExposureFailed."""
    modes: tuple[Mode, ...] = ("serve", "funnel")
    for mode in modes:
        for mount in mounts:
            await cli.unmount(mode, https_port, mount.path)


def _config(ctx: click.Context) -> VoiceCallConfig:
    """The plugin's section, which must be valid."""
    from openclaw_voice_call.config.parse import parse_config

    parsed = parse_config(plugin_section(ctx, PLUGIN).config, os.environ)
    if parsed.config is None:
        fail("; ".join(problem.render() for problem in parsed.problems))
    return parsed.config


def _warn(config: VoiceCallConfig, mode: str) -> None:
    from openclaw_voice_call.exposure.checks import chosen_tunnel

    if mode != "off" and config.skip_signature_verification:
        click.echo(
            "warning: DANGER: skipSignatureVerification is on: whoever reaches the public URL can "
            "fake calls to your agent, unsigned",
            err=True,
        )
    if mode == "serve":
        click.echo(
            "warning: only your tailnet reaches serve; carriers need --mode funnel", err=True
        )
    tunnel = chosen_tunnel(config)
    if mode == "off" and tunnel is not None and tunnel.startswith("tailscale"):
        by_tunnel = config.tunnel.provider != "none"
        setting = "tunnel.provider none" if by_tunnel else "tailscale.mode off"
        click.echo(
            "warning: a running gateway opens it again, because the configuration says so; "
            f"change that with: openclaw config set plugins.entries.voice-call.config.{setting}",
            err=True,
        )
