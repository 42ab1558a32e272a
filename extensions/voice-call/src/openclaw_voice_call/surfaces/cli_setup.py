"""`openclaw voicecall setup` and `smoke`: is everything in order, and does a call work.

The gateway is asked where one runs; else this process looks for itself, as far as it can. Light:
what only a process of its own needs is imported there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final, TypeAlias, Unpack, cast

import click

from openclaw.sdk_cli import (
    GatewayChoice,
    GatewayUnreachable,
    fail,
    gateway_options,
    plugin_section,
    print_json,
    target_of,
)
from openclaw_voice_call.errors import VoiceCallError
from openclaw_voice_call.surfaces.cli_gateway import VoiceGateway, tell, voice_gateway
from openclaw_voice_call.surfaces.cli_journal import PLUGIN, journal_path
from openclaw_voice_call.surfaces.cli_view import one_line
from openclaw_voice_call.surfaces.cli_waiting import await_end, shortfall
from openclaw_voice_call.surfaces.doors import failure_of

LOOKING_S: Final = 60.0
"""Carriers, proxies and certificates are asked at the same time, each for a bounded while."""
PLACING_S: Final = 30.0
MESSAGE: Final = "This is a test call of OpenClaw. If you hear this, all is well. Good bye."

Ask: TypeAlias = Callable[[str, Mapping[str, object]], dict[str, object]]
"""Calls a method of `voicecall.`, wherever it is answered."""


@click.command("setup")
@click.option("--apply", "pointing", is_flag=True, help="Point the number at this gateway.")
@click.option("--restore", metavar="<file>", help="Give the number its old settings back.")
@click.option("--yes", is_flag=True, help="Do not ask before changing anything.")
@click.option("--offline", is_flag=True, help="Ask nobody outside of this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@gateway_options
@click.pass_context
def setup(
    ctx: click.Context,
    pointing: bool,
    restore: str | None,
    yes: bool,
    offline: bool,
    as_json: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Check everything that can be known, and say what to do about it.

    The exit status is 1 when something fails. With --apply the number's calls are led to this
    gateway: the difference is shown first, and the old values are kept.
    """
    with _asking(ctx, choice) as ask:
        if pointing or restore is not None:
            _point(ask, restore, yes=yes, as_json=as_json)
            return
        report = ask("setup", {"offline": True} if offline else {})
    if as_json:
        print_json(report)
    else:
        for line in report_lines(report):
            click.echo(line)
    if not report.get("ok"):
        raise SystemExit(1)


@click.command("smoke")
@click.option("-t", "--to", metavar="<number>", help="E.164; default: the configured toNumber.")
@click.option("--message", default=MESSAGE, metavar="<text>", help="What to say.")
@click.option(
    "--mode",
    type=click.Choice(["notify", "conversation"]),
    default="notify",
    show_default=True,
    help="notify says the message and hangs up.",
)
@click.option("--yes", is_flag=True, help="Place the call: it rings a phone and costs money.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@gateway_options
@click.pass_context
def smoke(
    ctx: click.Context,
    to: str | None,
    message: str,
    mode: str,
    yes: bool,
    as_json: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Check the setup, then place one short call, if --yes says so.

    The exit status is 1 when something fails: a check, or the call.
    """
    with _asking(ctx, choice) as ask:
        report = ask("setup", {})
    if not as_json:
        for line in report_lines(report):
            click.echo(line)
    to = to or _configured_number(ctx, choice)
    call: dict[str, object] = {"started": False, "to": to}
    problem = None
    if not report.get("ok"):
        problem, note = "the setup needs attention", "live-call: skipped"
    elif to is None:
        note = "live-call: skipped (give --to, or set toNumber)"
    elif not yes:
        note = f"live-call: dry run for {to} (add --yes to place it)"
    else:
        call, problem = _place(ctx, choice, {"to": to, "message": message, "mode": mode})
        note = f"live-call: started {call['callId']}, {call['outcome']}"
    if as_json:
        print_json({"ok": problem is None, "setup": report, "liveCall": call})
    else:
        click.echo(note)
    if problem is not None:
        fail(problem)


def report_lines(report: Mapping[str, object]) -> Iterator[str]:
    """The answer of `voicecall.setup` for people: a line for each point, its remedy below."""
    found = report.get("checks")
    yield f"Voice Call setup: {'OK' if report.get('ok') else 'needs attention'}"
    for check in cast("list[dict[str, object]]", found if isinstance(found, list) else []):
        level = one_line(check.get("level")).upper()
        yield f"{level} {one_line(check.get('id'))}: {one_line(check.get('message'))}"
        if check.get("remedy"):
            yield f"     {one_line(check['remedy'])}"


def _point(ask: Ask, restore: str | None, *, yes: bool, as_json: bool) -> None:
    params = {} if restore is None else {"restore": restore}
    plan = ask("setup.plan", params)
    changes = _changes(plan, "changes")
    # What is asked and shown goes to stderr, so that stdout is one JSON object with --json.
    for line in _plan_lines(plan, changes):
        click.echo(line, err=as_json)
    if not changes:
        if as_json:
            print_json({**plan, "applied": True, "notTaken": []})
        return
    if not yes:
        _agree()
    done = ask("setup.apply", {**params, "change": plan.get("change")})
    if as_json:
        print_json(done)
    else:
        click.echo("Done.")
        click.echo(f"To give the old values back: {one_line(done.get('restoreCommand'))}")
    left = _changes(done, "notTaken")
    if left:
        names = ", ".join(one_line(each.get("name")) for each in left)
        fail(f"the carrier did not take: {names}", "Look at the number in the carrier's console.")


def _agree() -> None:
    """Ask; whatever is not a yes ends the verb."""
    try:
        agreed = click.confirm("Write this?", err=True)
    except click.Abort:
        fail("nobody answered; nothing was changed", "Give --yes to write without being asked.")
    if not agreed:
        fail("nothing was changed")


def _plan_lines(
    plan: Mapping[str, object], changes: Sequence[Mapping[str, object]]
) -> Iterator[str]:
    number, carrier = one_line(plan.get("number")), one_line(plan.get("carrier"))
    if not changes:
        yield f"{number} at {carrier}: nothing to change."
        return
    yield f"{number} at {carrier}:"
    for each in changes:
        yield f"  {one_line(each.get('name'))} ({one_line(each.get('resource'))})"
        yield f"    - {one_line(each.get('from')) or '(not set)'}"
        yield f"    + {one_line(each.get('to')) or '(not set)'}"
    remarks = plan.get("remarks")
    for remark in cast("list[object]", remarks if isinstance(remarks, list) else []):
        yield f"  Note: {one_line(remark)}"


def _place(
    ctx: click.Context, choice: GatewayChoice, asked: Mapping[str, object]
) -> tuple[dict[str, object], str | None]:
    """Place the call and stay until it is over: what became of it, and what went wrong."""
    with voice_gateway(ctx, choice) as gateway:
        placed = gateway.ask("voicecall.initiate", asked, at_least_s=PLACING_S)
        call_id = str(placed.get("callId"))
        click.echo(f"call {call_id}", err=True)
        record = await_end(gateway, call_id)
    outcome = record.get("endReason") or "unknown"
    call = {"started": True, "to": asked["to"], "callId": call_id, "outcome": outcome}
    return call, shortfall(record)


@contextmanager
def _asking(ctx: click.Context, choice: GatewayChoice) -> Generator[Ask]:
    """The gateway's methods, or this process's own when this machine's gateway does not run."""
    with ExitStack() as stack:
        try:
            gateway = stack.enter_context(voice_gateway(ctx, choice))
        except GatewayUnreachable as error:
            if not error.refused or not target_of(ctx, choice).local:
                raise
            gateway = None
        if gateway is not None:
            yield partial(_over_rpc, gateway)
            return
        click.echo("no gateway is running; looking from here", err=True)
        try:
            yield _methods_here(ctx)
        except VoiceCallError as error:
            tell(failure_of(error))


def _over_rpc(
    gateway: VoiceGateway, method: str, params: Mapping[str, object]
) -> dict[str, object]:
    return gateway.ask(f"voicecall.{method}", params, at_least_s=LOOKING_S)


def _methods_here(ctx: click.Context) -> Ask:
    """What the gateway would answer, from this process. Raises ConfigError."""
    import asyncio
    import time

    from openclaw_voice_call.setup.desk import Ground
    from openclaw_voice_call.surfaces.setup_methods import SetupMethods

    found = plugin_section(ctx, PLUGIN)
    folder = journal_path(ctx).parent
    ground = Ground(
        found.config, found.host_config, found.environ, found.enabled, folder, time.time
    )
    methods = SetupMethods(lambda: ground)
    by_name = {
        "setup": methods.setup,
        "setup.plan": methods.plan,
        "setup.apply": methods.apply,
    }
    return lambda method, params: asyncio.run(by_name[method](params))


def _configured_number(ctx: click.Context, choice: GatewayChoice) -> str | None:
    """`toNumber` of this machine's configuration, which is the gateway's when it is local."""
    number = plugin_section(ctx, PLUGIN).config.get("toNumber")
    return number if isinstance(number, str) and target_of(ctx, choice).local else None


def _changes(told: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    value = told.get(name)
    return cast("list[dict[str, object]]", value if isinstance(value, list) else [])
