"""`openclaw voicecall ...`: the owner's door on the command line.

All verbs talk to the running gateway, which owns the calls and the ports; none opens a port. Data
goes to stdout, all else to stderr, and an error ends in exit status 1. Light: what a verb alone
needs is imported by that verb.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar, Unpack

import click

from openclaw.sdk_cli import (
    GatewayChoice,
    GatewayUnreachable,
    fail,
    gateway_options,
    print_json,
)
from openclaw_voice_call.surfaces.cli_expose import expose
from openclaw_voice_call.surfaces.cli_gateway import VoiceGateway, voice_gateway
from openclaw_voice_call.surfaces.cli_journal import (
    latency,
    stored_explanation,
    stored_status,
    tail,
)
from openclaw_voice_call.surfaces.cli_pairing import pairing
from openclaw_voice_call.surfaces.cli_recordings import recordings
from openclaw_voice_call.surfaces.cli_setup import setup, smoke
from openclaw_voice_call.surfaces.cli_view import masked, table
from openclaw_voice_call.surfaces.cli_waiting import await_answer, await_end, shortfall

P = ParamSpec("P")
R = TypeVar("R")

PLACING_S = 30.0
"""A carrier may take its time to say whether it takes an order."""
FAREWELL_S = 60.0
"""`end` answers when what is being said has been heard."""
SPEAKING_S = 4 * 3600.0
"""`speak --wait` ends with the utterance or the call; the gateway says which."""

_call_id = click.option("--call-id", required=True, metavar="<id>", help="Ours or the carrier's.")
_masked = click.option("--mask", is_flag=True, help="Hide phone numbers but for their end.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _placing(command: Callable[P, R]) -> Callable[P, R]:
    """The options that `call` and `start` share."""
    for option in (
        click.option(
            "--record/--no-record",
            default=None,
            help="Record both legs, or do not; default: as configured (recording.enabled).",
        ),
        click.option("--wait", is_flag=True, help="Stay until the call is over; print its record."),
        click.option(
            "--mode",
            type=click.Choice(["notify", "conversation"]),
            default="conversation",
            show_default=True,
            help="notify says the message and hangs up.",
        ),
    ):
        command = option(command)
    return command


@click.group("voicecall", no_args_is_help=True)
def voicecall() -> None:
    """Place and steer phone calls through the running gateway."""


voicecall.add_command(tail)
voicecall.add_command(latency)
voicecall.add_command(expose)
voicecall.add_command(pairing)
voicecall.add_command(recordings)
voicecall.add_command(setup)
voicecall.add_command(smoke)


@voicecall.command("call")
@click.option("-m", "--message", required=True, metavar="<text>", help="The first thing to say.")
@click.option("-t", "--to", metavar="<number>", help="E.164; default: the configured toNumber.")
@_placing
@gateway_options
@click.pass_context
def call(
    ctx: click.Context,
    message: str,
    to: str | None,
    mode: str,
    wait: bool,
    record: bool | None,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Place a call. Prints its id at once; with --wait the record when it is over.

    With --wait the exit status is 0 when somebody was reached and the message was said.
    """
    asked = {"to": to, "message": message, "mode": mode, "record": record}
    with voice_gateway(ctx, choice) as gateway:
        _place(gateway, "voicecall.initiate", asked, wait)


@voicecall.command("start")
@click.option("--to", required=True, metavar="<number>", help="E.164.")
@click.option("--message", metavar="<text>", help="The first thing to say.")
@_placing
@gateway_options
@click.pass_context
def start(
    ctx: click.Context,
    to: str,
    message: str | None,
    mode: str,
    wait: bool,
    record: bool | None,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Place a call that may begin by listening."""
    asked = {"to": to, "message": message, "mode": mode, "record": record}
    with voice_gateway(ctx, choice) as gateway:
        _place(gateway, "voicecall.start", asked, wait)


def _place(
    gateway: VoiceGateway, method: str, asked: Mapping[str, str | bool | None], wait: bool
) -> None:
    params = {name: value for name, value in asked.items() if value is not None}
    placed = gateway.ask(method, params, at_least_s=PLACING_S)
    call_id = str(placed.get("callId"))
    if placed.get("pending"):
        note = f"the carrier has not confirmed the order yet; see: {_status_of(call_id)}"
        click.echo(note, err=True)
    if not wait:
        shown: dict[str, object] = {"callId": call_id}
        print_json({**shown, "pending": True} if placed.get("pending") else shown)
        return
    click.echo(f"call {call_id}", err=True)
    try:
        record = await_end(gateway, call_id)
    except KeyboardInterrupt:
        click.echo(
            f"The call goes on. End it with: openclaw voicecall end --call-id {call_id}", err=True
        )
        raise SystemExit(130) from None
    print_json(record)
    missed = shortfall(record)
    if missed is not None:
        fail(missed)


@voicecall.command("continue")
@_call_id
@click.option("--message", required=True, metavar="<text>", help="What to say.")
@gateway_options
@click.pass_context
def continue_(
    ctx: click.Context, call_id: str, message: str, **choice: Unpack[GatewayChoice]
) -> None:
    """Say something on a call and wait for the answer, however long that takes."""
    with voice_gateway(ctx, choice) as gateway:
        print_json(await_answer(gateway, call_id, message))


@voicecall.command("speak")
@_call_id
@click.option("--message", required=True, metavar="<text>", help="What to say.")
@click.option("--wait", is_flag=True, help="Stay until it was played.")
@gateway_options
@click.pass_context
def speak(
    ctx: click.Context, call_id: str, message: str, wait: bool, **choice: Unpack[GatewayChoice]
) -> None:
    """Say something on a call."""
    params: dict[str, object] = {"callId": call_id, "message": message}
    with voice_gateway(ctx, choice) as gateway:
        if wait:
            params["wait"] = True
        print_json(gateway.ask("voicecall.speak", params, at_least_s=SPEAKING_S if wait else 0.0))


@voicecall.command("dtmf")
@_call_id
@click.option("--digits", required=True, metavar="<digits>", help="0-9, *, #, w for a pause.")
@gateway_options
@click.pass_context
def dtmf(ctx: click.Context, call_id: str, digits: str, **choice: Unpack[GatewayChoice]) -> None:
    """Press keys on an answered call."""
    with voice_gateway(ctx, choice) as gateway:
        print_json(gateway.ask("voicecall.dtmf", {"callId": call_id, "digits": digits}))


@voicecall.command("end")
@_call_id
@click.option("--now", is_flag=True, help="Do not let what is being said be heard first.")
@gateway_options
@click.pass_context
def end(ctx: click.Context, call_id: str, now: bool, **choice: Unpack[GatewayChoice]) -> None:
    """Hang up."""
    params: dict[str, object] = {"callId": call_id}
    if now:
        params["atOnce"] = True
    with voice_gateway(ctx, choice) as gateway:
        print_json(gateway.ask("voicecall.end", params, at_least_s=FAREWELL_S))


@voicecall.command("status")
@click.option("--call-id", metavar="<id>", help="Ours or the carrier's; default: list the calls.")
@_as_json
@_masked
@gateway_options
@click.pass_context
def status(
    ctx: click.Context,
    call_id: str | None,
    as_json: bool,
    mask: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Show a call's record as JSON, or list the live and the newest calls.

    Without a gateway the journal is read.
    """
    try:
        with voice_gateway(ctx, choice) as gateway:
            found = gateway.ask("voicecall.status", {"callId": call_id} if call_id else {})
    except GatewayUnreachable as error:
        if not error.refused:
            raise
        found = stored_status(ctx, choice, call_id, error)
    if mask:
        found = masked(found)
    if call_id is not None:
        print_json(found.get("call") if found.get("found") else {"found": False})
    elif as_json:
        print_json(found)
    else:
        for line in table(found.get("calls"), now_ms=round(time.time() * 1000)):
            click.echo(line)


@voicecall.command("explain")
@click.argument("call_id", metavar="CALL-ID")
@_as_json
@_masked
@gateway_options
@click.pass_context
def explain(
    ctx: click.Context,
    call_id: str,
    as_json: bool,
    mask: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Show what happened on a call, when, and what went wrong first.

    Without a gateway the journal is read.
    """
    from openclaw_voice_call.surfaces.explaining import explanation_lines

    try:
        with voice_gateway(ctx, choice) as gateway:
            found = gateway.ask("voicecall.explain", {"callId": call_id})
    except GatewayUnreachable as error:
        if not error.refused:
            raise
        found = stored_explanation(ctx, choice, call_id, error)
    if not found.get("found"):
        fail(
            "Call not found (call_not_found)",
            "Remedy: List the calls with: openclaw voicecall status",
        )
    if mask:
        found = masked(found)
    if as_json:
        print_json(found)
    else:
        for line in explanation_lines(found):
            click.echo(line)


def _status_of(call_id: str) -> str:
    return f"openclaw voicecall status --call-id {call_id}"
