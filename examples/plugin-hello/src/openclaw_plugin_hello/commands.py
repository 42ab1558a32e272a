"""`openclaw hello ...`. Imported whenever the command is used, so nothing heavy stands here."""

import click

from openclaw.sdk_cli import connect, print_json


@click.group()
def hello() -> None:
    """Greet people."""


@hello.command()
@click.argument("name")
@click.pass_context
def greet(ctx: click.Context, name: str) -> None:
    """Have the running gateway greet NAME."""
    with connect(ctx) as client:
        print_json(client.call("hello.greet", {"name": name}))
