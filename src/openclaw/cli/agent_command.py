"""`openclaw agent`: one message to an agent of the running gateway."""

from __future__ import annotations

import uuid

import click

from openclaw.cli.output import print_json
from openclaw.cli.rpc import connect
from openclaw.config.tree import is_list, is_tree, lookup

_GRACE_S = 30.0


@click.command()
@click.option("-m", "--message", required=True, metavar="<text>", help="What to say to the agent.")
@click.option("--agent", "agent_id", metavar="<id>", help="Which agent; else the default one.")
@click.option("--session-id", metavar="<id>", help="Continue this conversation.")
@click.option(
    "--timeout",
    "seconds",
    type=click.IntRange(min=1),
    default=600,
    metavar="<seconds>",
    help="How long the agent may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole result.")
@click.pass_context
def agent(
    ctx: click.Context,
    message: str,
    agent_id: str | None,
    session_id: str | None,
    seconds: int,
    as_json: bool,
) -> None:
    """Say something to an agent and print its reply."""
    params: dict[str, object] = {
        "message": message,
        "deliver": False,
        "timeout": seconds,
        "idempotencyKey": str(uuid.uuid4()),
    }
    if agent_id:
        params["agentId"] = agent_id
    if session_id:
        params["sessionId"] = session_id
    with connect(ctx) as client:
        answer = client.call("agent", params, timeout=seconds + _GRACE_S, expect_final=True)
    if as_json:
        print_json(answer)
        return
    payloads = lookup(answer, ("result", "payloads"))
    for payload in payloads if is_list(payloads) else ():
        if is_tree(payload):
            click.echo(payload.get("text"))
