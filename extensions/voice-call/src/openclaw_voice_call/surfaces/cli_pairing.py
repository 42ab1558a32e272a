"""`openclaw voicecall pairing list|approve|deny`: who may call us. Light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Unpack, cast

import click

from openclaw.sdk_cli import GatewayChoice, gateway_options, print_json
from openclaw_voice_call.surfaces.cli_gateway import voice_gateway
from openclaw_voice_call.surfaces.cli_view import aligned, local_time, masked, one_line

_HEAD: Final = ("NUMBER", "CODE", "ASKED", "EXPIRES", "CALLS")
_APPROVED_HEAD: Final = ("APPROVED", "SINCE")
_TIME: Final = "%Y-%m-%d %H:%M"


@click.group("pairing", no_args_is_help=True)
def pairing() -> None:
    """Let unknown callers in, or not (inboundPolicy "pairing").

    Whoever calls for the first time hears a code. Approve it when they tell it to you.
    """


@pairing.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--mask", is_flag=True, help="Hide phone numbers but for their end.")
@gateway_options
@click.pass_context
def list_(ctx: click.Context, as_json: bool, mask: bool, **choice: Unpack[GatewayChoice]) -> None:
    """Show who waits for approval, and who was approved."""
    with voice_gateway(ctx, choice) as gateway:
        found = gateway.ask("voicecall.pairing.list", {})
    if as_json:
        print_json(masked(found) if mask else found)
        return
    for line in pairing_lines(masked(found) if mask else found):
        click.echo(line)


@pairing.command("approve")
@click.argument("code_or_number", metavar="CODE|NUMBER")
@gateway_options
@click.pass_context
def approve(ctx: click.Context, code_or_number: str, **choice: Unpack[GatewayChoice]) -> None:
    """Let a waiting number in, for good."""
    with voice_gateway(ctx, choice) as gateway:
        print_json(gateway.ask("voicecall.pairing.approve", {"code": code_or_number}))


@pairing.command("deny")
@click.argument("code_or_number", metavar="CODE|NUMBER")
@gateway_options
@click.pass_context
def deny(ctx: click.Context, code_or_number: str, **choice: Unpack[GatewayChoice]) -> None:
    """Spend a waiting number's code, or take an approval back."""
    with voice_gateway(ctx, choice) as gateway:
        print_json(gateway.ask("voicecall.pairing.deny", {"code": code_or_number}))


def pairing_lines(found: Mapping[str, object]) -> Iterator[str]:
    """The answer of `voicecall.pairing.list` for people."""
    waiting, approved = _objects(found, "waiting"), _objects(found, "approved")
    if waiting:
        yield from aligned([_HEAD, *(_row(each) for each in waiting)])
    else:
        yield "Nobody waits for approval."
    yield ""
    if approved:
        rows = [(one_line(each.get("number")), _local(each.get("approvedAt"))) for each in approved]
        yield from aligned([_APPROVED_HEAD, *rows])
    else:
        yield "No number was approved."


def _row(request: Mapping[str, object]) -> tuple[str, ...]:
    return (
        one_line(request.get("number")),
        one_line(request.get("code")),
        _local(request.get("askedAt")),
        _local(request.get("expiresAt")),
        one_line(request.get("calls")),
    )


def _local(ms: object) -> str:
    return local_time(ms, _TIME) if isinstance(ms, int | float) else "-"


def _objects(found: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    value = found.get(name)
    return cast("list[dict[str, object]]", value if isinstance(value, list) else [])
