"""`openclaw logs`: the log of the running gateway, or of the last one when none runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from openclaw.cli.log_view import parse_line
from openclaw.cli.output import fail
from openclaw.cli.rpc import GatewayChoice, connect, gateway_options, target_of
from openclaw.config.tree import Tree, is_list, is_tree
from openclaw.errors import GatewayUnreachable
from openclaw.log_lines import escaped

if TYPE_CHECKING:
    from openclaw.config.light import GatewayTarget

_MAX_BYTES = 1_000_000
_POLL_S = 0.5

Fetch = Callable[[int | None], Tree]
"""Gives what `logs.tail` answers for a cursor."""


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "--limit",
    type=click.IntRange(1, 5000),
    default=200,
    metavar="<n>",
    help="How many of the last lines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@gateway_options
@click.pass_context
def logs(
    ctx: click.Context,
    follow: bool,
    limit: int,
    as_json: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Show the gateway's log."""
    target = target_of(ctx, choice)
    try:
        client = connect(ctx, choice)
    except GatewayUnreachable as error:
        file = _last_log(target) if target.local and error.refused else None
        if file is None:
            raise
        click.echo(f"No gateway is running; the last log is {file}", err=True)
        _show(_from_file(file, limit), follow=follow, as_json=as_json)
        return
    with client:

        def fetch(cursor: int | None) -> Tree:
            params: dict[str, object] = {"limit": limit, "maxBytes": _MAX_BYTES}
            if cursor is not None:
                params["cursor"] = cursor
            answer = client.call("logs.tail", params, timeout=choice["timeout"] / 1000)
            return answer if is_tree(answer) else {}

        _show(fetch, follow=follow, as_json=as_json)


def _last_log(target: GatewayTarget) -> Path | None:
    if target.log_file is not None:
        return target.log_file if target.log_file.is_file() else None
    return newest_log(target.state_dir / "logs")


def newest_log(folder: Path) -> Path | None:
    """The newest daily log in a folder, None if there is none."""
    try:
        return max(folder.glob("openclaw-*.log"), default=None)
    except OSError:
        return None


def _from_file(file: Path, limit: int) -> Fetch:
    from openclaw.rpc.log_tail import read_log

    def fetch(cursor: int | None) -> Tree:
        try:
            found = read_log(file, cursor, limit, _MAX_BYTES)
        except OSError as error:
            fail(f"cannot read {file}: {error.strerror}")
        return {"lines": found.lines, "cursor": found.cursor}

    return fetch


def _show(fetch: Fetch, *, follow: bool, as_json: bool) -> None:
    for line in _lines(fetch, follow):
        parsed = parse_line(line)
        if as_json:
            shown = parsed.as_json() if parsed else {"type": "raw", "raw": line}
            click.echo(json.dumps(shown, ensure_ascii=False))
        else:
            # What a log holds may come from strangers: nothing of it may steer the terminal.
            click.echo(escaped(parsed.readable() if parsed else line))


def _lines(fetch: Fetch, follow: bool) -> Iterator[str]:
    cursor: int | None = None
    while True:
        found = fetch(cursor)
        lines = found.get("lines")
        yield from (str(line) for line in lines) if is_list(lines) else ()
        if not follow:
            return
        position = found.get("cursor")
        cursor = position if isinstance(position, int) else None
        time.sleep(_POLL_S)
