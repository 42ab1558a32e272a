"""`openclaw plugins list|info|doctor`: what is installed, what is on, what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openclaw.cli.output import fail, print_json
from openclaw.cli.plugin_install import disable, enable, install, uninstall
from openclaw.cli.rpc import connect, context_of
from openclaw.config.tree import Tree, is_list, is_tree
from openclaw.errors import OpenClawError

if TYPE_CHECKING:
    from openclaw.config.load import LoadedConfig
    from openclaw.plugins.record import PluginRecord


@click.group()
def plugins() -> None:
    """Show plugins and their state; install, switch and remove them."""


for _command in (install, enable, disable, uninstall):
    plugins.add_command(_command)


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--enabled", is_flag=True, help="Only those that are on.")
@click.pass_context
def list_plugins(ctx: click.Context, as_json: bool, enabled: bool) -> None:
    """List the installed plugins."""
    records = [each for each in _inspected(ctx) if not enabled or each.off is None]
    if as_json:
        print_json({"plugins": [record.as_json() for record in records], "diagnostics": []})
        return
    loaded = sum(record.status == "loaded" for record in records)
    click.echo(f"Plugins ({loaded}/{len(records)} loaded)")
    rows = [("Name", "ID", "Status", "Source", "Version")]
    rows += [
        (_name(each), each.id, each.status, each.installed.distribution, each.installed.version)
        for each in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows if records else ():
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@plugins.command("info")
@click.argument("plugin_id", metavar="<id>")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def info(ctx: click.Context, plugin_id: str, as_json: bool) -> None:
    """Show one plugin: what it offers and what is wrong with it."""
    record = next((each for each in _inspected(ctx) if each.id == plugin_id), None)
    if record is None:
        fail(f"Plugin not found: {plugin_id}", "See: openclaw plugins list")
    facts = record.as_json()
    came = _install_records(ctx).get(plugin_id)
    if came is not None:
        facts["install"] = came
    if as_json:
        print_json(facts)
        return
    click.echo(f"{facts['name']}\nid: {record.id}\n{facts['description']}\n")
    click.echo(f"Status: {record.status}" + (f" ({record.off})" if record.off else ""))
    for label, key in _ROWS:
        value = facts[key]
        shown = ", ".join(str(each) for each in value) if is_list(value) else str(value)
        if shown:
            click.echo(f"{label}: {shown}")
    if came is not None:
        click.echo(f"Installed: {came['installedAt']} from {came['spec']}")
    for complaint in record.complaints:
        click.echo(f"  x {complaint}")


@plugins.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is wrong with plugins; exit status 1 if anything is.

    When the gateway runs, what went wrong inside it is included.
    """
    from openclaw.plugins.check import section_problems

    loaded = _loaded(ctx)
    records = _inspected(ctx, loaded)
    issues = [
        f"{record.id}: {complaint}"
        for record in records
        if record.off is None
        for complaint in record.complaints
    ]
    issues += [each.render() for each in section_problems(loaded, [each.id for each in records])]
    issues += _running_issues(ctx)
    found = list(dict.fromkeys(issues))
    if as_json:
        print_json({"ok": not found, "issues": found})
    elif found:
        for issue in found:
            click.echo(f"  x {issue}")
    else:
        click.echo("No plugin issues detected.")
    if found:
        raise SystemExit(1)


_ROWS = (
    ("Source", "source"),
    ("Origin", "origin"),
    ("Version", "version"),
    ("Tools", "toolNames"),
    ("Gateway methods", "gatewayMethods"),
    ("CLI commands", "cliCommands"),
    ("Services", "services"),
)


def _name(record: PluginRecord) -> str:
    return str(record.as_json()["name"])


def _loaded(ctx: click.Context) -> LoadedConfig:
    from openclaw.config.load import load_config

    return load_config(os.environ, Path.cwd(), profile=context_of(ctx).profile)


def _inspected(ctx: click.Context, loaded: LoadedConfig | None = None) -> list[PluginRecord]:
    """The plugins as they register here; registering is free of effects, nothing is started."""
    from openclaw.plugins.inspection import inspect_plugins

    return list(inspect_plugins(loaded or _loaded(ctx)))


def _install_records(ctx: click.Context) -> dict[str, dict[str, object]]:
    """What `plugins install` noted, as its file has it."""
    import msgspec

    from openclaw.plugins.install_records import InstallRecords

    records = InstallRecords(_loaded(ctx).state_dir).all()
    return msgspec.convert(msgspec.to_builtins(records), dict[str, dict[str, object]])


def _running_issues(ctx: click.Context) -> list[str]:
    """What the running gateway knows; nothing if none runs or it does not let us in."""
    try:
        with connect(ctx, timeout_s=3.0) as client:
            answer = client.call("plugins.list", timeout=3.0)
    except OpenClawError:
        return []
    listed = answer.get("plugins") if is_tree(answer) else None
    reports: list[Tree] = [each for each in listed if is_tree(each)] if is_list(listed) else []
    issues: list[str] = []
    for report in reports:
        problems = report.get("problems")
        if report.get("enabled") and is_list(problems):
            issues += [f"{report.get('id')}: {problem}" for problem in problems]
    return issues
