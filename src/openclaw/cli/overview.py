"""`openclaw health` and `openclaw status`."""

from __future__ import annotations

from typing import Unpack

import click

from openclaw.cli.output import print_json
from openclaw.cli.rpc import GatewayChoice, connect, gateway_options, target_of
from openclaw.config.tree import Tree, is_list, is_tree, subtree


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@gateway_options
@click.pass_context
def health(
    ctx: click.Context,
    as_json: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Ask the gateway how it is."""
    limit = choice["timeout"] / 1000
    with connect(ctx, choice) as client:
        answer = client.call("health", timeout=limit)
    if as_json:
        print_json(answer)
        return
    facts: Tree = answer if is_tree(answer) else {}
    click.echo(f"Gateway: {'ok' if facts.get('ok') else 'failed'}")
    _print_agents(facts)
    _print_plugins(facts)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@gateway_options
@click.pass_context
def status(
    ctx: click.Context,
    as_json: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Show gateway, agents and plugins."""
    limit = choice["timeout"] / 1000
    target = target_of(ctx, choice)
    with connect(ctx, choice) as client:
        answer = client.call("status", timeout=limit)
        well_being = client.call("health", timeout=limit)
        server = subtree(client.hello, "server")
    if as_json:
        print_json({"gateway": {"url": target.url, **server}, "status": answer})
        return
    click.echo(f"Gateway: {target.url}, version {server.get('version', 'unknown')}")
    overview: Tree = answer if is_tree(answer) else {}
    sessions = subtree(overview, "sessions")
    model = subtree(sessions, "defaults").get("model") or "default"
    click.echo(f"Sessions: {sessions.get('count', 0)}, model {model}")
    facts: Tree = well_being if is_tree(well_being) else {}
    _print_agents(facts)
    _print_plugins(facts)


def _print_agents(facts: Tree) -> None:
    agents = facts.get("agents")
    names = (
        [str(each.get("agentId")) for each in agents if is_tree(each)] if is_list(agents) else []
    )
    click.echo(f"Agents: {', '.join(names) or 'none'}")


def _print_plugins(facts: Tree) -> None:
    plugins = facts.get("plugins")
    for plugin in plugins if is_list(plugins) else ():
        if is_tree(plugin):
            click.echo(f"Plugin {plugin.get('id')}: {plugin.get('status')}")
            problems = plugin.get("problems")
            for problem in problems if is_list(problems) else ():
                click.echo(f"  x {problem}")
