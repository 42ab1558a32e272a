"""`openclaw plugins install|enable|disable|uninstall`: what changes the installed plugins."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openclaw.cli.output import fail
from openclaw.cli.rpc import context_of

if TYPE_CHECKING:
    from openclaw.config.load import LoadedConfig
    from openclaw.plugins.install import PluginInstaller, Removal
    from openclaw.plugins.install_records import InstallRecords
    from openclaw.plugins.install_source import Folder, Package

_APPLY = "Restart the gateway to apply."


@click.command()
@click.argument("spec", metavar="<package|folder>")
@click.option("--link", "-l", is_flag=True, help="Taken for compatibility: folders are linked.")
@click.option("--no-enable", is_flag=True, help="Leave the configuration as it is.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def install(
    ctx: click.Context, spec: str, link: bool, no_enable: bool, dry_run: bool, yes: bool
) -> None:
    """Install a plugin with pip into this gateway's environment, and enable it.

    A folder is linked, not copied: what changes in it counts at the gateway's next start.
    @openclaw/voice-call is understood as openclaw-voice-call. Asks on a terminal only.
    """
    from openclaw.plugins.discovery import installed_plugins
    from openclaw.plugins.install_source import Folder, read_source

    loaded = _inspected(ctx)
    source = read_source(spec, Path.cwd(), os.environ)
    if link and not isinstance(source, Folder):
        fail(f"only a folder can be linked, and {spec} is none", "Leave out --link.")
    installer = _installer(_records(loaded))
    installer.check(source, installed_plugins())
    _show_plan(loaded, source, installer, enable=not no_enable)
    if dry_run:
        click.echo("Dry run: nothing was changed.")
        return
    if not yes and sys.stdin.isatty():
        _confirm(default=True)
    added = installer.install(source, datetime.now(UTC))
    if isinstance(source, Folder):
        click.echo(f"Linked plugin path: {source.path}")
    for plugin_id, record in added.items():
        click.echo(f"Installed plugin: {plugin_id} ({record.distribution} {record.version})")
        if no_enable:
            click.echo(f"Enable it with: openclaw plugins enable {plugin_id}")
        else:
            _switch(ctx, plugin_id, on=True)
    click.echo("Restart the gateway to load plugins.")


@click.command()
@click.argument("plugin_id", metavar="<id>")
@click.pass_context
def enable(ctx: click.Context, plugin_id: str) -> None:
    """Switch a plugin on: set plugins.entries.<id>.enabled, and nothing else."""
    _warn_if_unknown(plugin_id)
    _switch(ctx, plugin_id, on=True)
    click.echo(f'Enabled plugin "{plugin_id}". {_APPLY}')


@click.command()
@click.argument("plugin_id", metavar="<id>")
@click.pass_context
def disable(ctx: click.Context, plugin_id: str) -> None:
    """Switch a plugin off; it stays installed and keeps its settings."""
    _warn_if_unknown(plugin_id)
    _switch(ctx, plugin_id, on=False)
    click.echo(f'Disabled plugin "{plugin_id}". {_APPLY}')


@click.command()
@click.argument("plugin_id", metavar="<id>")
@click.option("--keep-config", is_flag=True, help="Leave the configuration as it is.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", "-y", "--force", "yes", is_flag=True, help="Do not ask.")
@click.pass_context
def uninstall(
    ctx: click.Context, plugin_id: str, keep_config: bool, dry_run: bool, yes: bool
) -> None:
    """Remove a plugin that `plugins install` brought: package, config entry, install record.

    A linked folder stays where it is. Without a terminal to ask on, --yes is needed.
    """
    from openclaw.plugins.discovery import installed_plugins
    from openclaw.plugins.entries import remove_entry
    from openclaw.plugins.install import plan_removal

    loaded = _inspected(ctx)
    records = _records(loaded)
    entries = loaded.config.plugins.entries
    removal = plan_removal(plugin_id, records.all(), installed_plugins(), entries)
    dropped = [] if keep_config else [each for each in removal.ids if each in entries]
    parts = _parts(removal, dropped)
    click.echo(f"Will remove: {'; '.join(parts) or 'nothing'}")
    if removal.source_path:
        click.echo(f"Will stay: {removal.source_path}")
    if dry_run:
        click.echo("Dry run: nothing was changed.")
        return
    if not yes:
        if not sys.stdin.isatty():
            fail("there is no terminal to ask on", "Say --yes to remove it.")
        _confirm(default=False)
    _installer(records).remove(removal)
    for each in dropped:
        remove_entry(os.environ, Path.cwd(), each)
    click.echo(f'Uninstalled plugin "{plugin_id}". Removed: {"; ".join(parts)}.')
    for each in removal.ids:
        if each in loaded.config.plugins.allow:
            _warn(f"plugins.allow still names {each}; the gateway does not start until it is out")
    click.echo(_APPLY)


def _confirm(*, default: bool) -> None:
    if not click.confirm("Continue?", default=default, err=True):
        click.echo("Cancelled: nothing was changed.", err=True)
        raise SystemExit(1)


def _inspected(ctx: click.Context) -> LoadedConfig:
    """The configuration, problems included: it must be readable before anything is changed."""
    from openclaw.config.load import inspect_config

    return inspect_config(os.environ, Path.cwd(), profile=context_of(ctx).profile)


def _records(loaded: LoadedConfig) -> InstallRecords:
    from openclaw.plugins.install_records import InstallRecords

    return InstallRecords(loaded.state_dir)


def _installer(records: InstallRecords) -> PluginInstaller:
    from openclaw.plugins.install import PluginInstaller
    from openclaw.plugins.pip import Pip

    return PluginInstaller(Pip(), records, lambda text: click.echo(text, err=True))


def _show_plan(
    loaded: LoadedConfig, source: Package | Folder, installer: PluginInstaller, *, enable: bool
) -> None:
    from openclaw.plugins.install_source import Folder

    # Of a package the id is known when it is there.
    ids = source.ids if isinstance(source, Folder) else ("<id>",)
    named = f" ({', '.join(ids)})" if isinstance(source, Folder) else ""
    click.echo(f"Plugin package: {source.distribution}{named}")
    click.echo(f"Will run: {installer.command(source)}")
    for plugin_id in ids if enable else ():
        click.echo(f"Will set: plugins.entries.{plugin_id}.enabled = true in {loaded.path}")
    click.echo(f"Will note it in: {_records(loaded).path}")


def _switch(ctx: click.Context, plugin_id: str, *, on: bool) -> None:
    from openclaw.plugins.entries import switch
    from openclaw.plugins.rules import reason_off

    switch(os.environ, Path.cwd(), plugin_id, on=on)
    off = reason_off(plugin_id, _inspected(ctx).config.plugins)
    if on and off:
        _warn(f"{plugin_id} stays off: {off}")


def _warn_if_unknown(plugin_id: str) -> None:
    from openclaw.plugins.discovery import installed_plugins

    if plugin_id not in {each.id for each in installed_plugins()}:
        _warn(f"plugin not found: {plugin_id}; see: openclaw plugins list")


def _parts(removal: Removal, dropped: list[str]) -> list[str]:
    parts = [f"package {removal.distribution}"] if removal.distribution else []
    parts += [f"config entry plugins.entries.{each}" for each in dropped]
    return [*parts, "install record"] if removal.recorded else parts


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
