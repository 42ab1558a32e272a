"""The plugin's verbs: light, and through the running gateway only."""

import click

from openclaw.sdk_cli import connect, print_json


@click.group()
def tiny() -> None:
    """Greetings."""


@tiny.command()
@click.argument("name")
@click.pass_context
def greet(ctx: click.Context, name: str) -> None:
    """Let the gateway greet NAME."""
    with connect(ctx) as client:
        print_json(client.call("tiny.greet", {"name": name}))
