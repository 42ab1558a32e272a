"""`openclaw gateway ...`: run it, look at it, call it."""

from __future__ import annotations

import json
import time
from typing import Unpack, cast

import click

from openclaw.cli.output import complain, error_json, explained, fail, print_json, told
from openclaw.cli.rpc import GatewayChoice, connect, context_of, gateway_options, target_of
from openclaw.errors import GatewayCallError, OpenClawError

_PROBE_TIMEOUT_S = 5.0


class _RunByDefault(click.Group):
    """`openclaw gateway` alone, or with options of `run`, means `gateway run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_RunByDefault)
def gateway() -> None:
    """Run the gateway, or look at it. Without a verb: run."""


@gateway.command("run")
@click.option("--port", type=click.IntRange(1, 65535), metavar="<port>", help="Where to listen.")
@click.option(
    "--bind", type=click.Choice(["loopback", "lan", "auto", "custom"]), help="Which interfaces."
)
@click.option("--token", metavar="<token>", help="The token that clients must send.")
@click.option("--password", metavar="<password>", help="The password that clients must send.")
@click.option("--verbose", is_flag=True, help="Log at level debug.")
@click.option(
    "--allow-unconfigured",
    is_flag=True,
    help="Taken for compatibility: a start without a configuration file is always allowed.",
)
@click.pass_context
def run(
    ctx: click.Context,
    port: int | None,
    bind: str | None,
    token: str | None,
    password: str | None,
    verbose: bool,
    allow_unconfigured: bool,
) -> None:
    """Run the gateway in the foreground until it is stopped (Ctrl-C, SIGTERM)."""
    del allow_unconfigured
    from openclaw.cli.gateway_process import run_gateway

    level = "debug" if verbose else context_of(ctx).log_level
    overrides: dict[str, object] = {
        "gateway.port": port,
        "gateway.bind": bind,
        "gateway.auth.token": token,
        "gateway.auth.password": password,
        "logging.level": level,
    }
    given = {path: value for path, value in overrides.items() if value is not None}
    if (token or password) and not (token and password):
        given["gateway.auth.mode"] = "token" if token else "password"
    run_gateway(given, context_of(ctx).profile)


@gateway.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--no-probe", is_flag=True, help="Do not connect.")
@gateway_options
@click.pass_context
def status(
    ctx: click.Context,
    as_json: bool,
    no_probe: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Show which gateway is meant and whether it answers; the exit status is 0 either way."""
    from openclaw.gateway_lock import holder

    target = target_of(ctx, choice)
    facts = holder(target.state_dir, target.config_path) if target.local else None
    report: dict[str, object] = {
        "config": {"path": str(target.config_path), "exists": target.config_path.exists()},
        "gateway": {"url": target.url, "local": target.local, "pid": facts.pid if facts else None},
    }
    lines = [
        f"Config: {target.config_path}{'' if target.config_path.exists() else ' (missing)'}",
        f"Gateway: {target.url}" + (f" (PID {facts.pid})" if facts else ""),
    ]
    if not no_probe:
        failure = _probe(ctx, choice)
        if failure is None:
            report["rpc"] = {"ok": True}
            lines.append("RPC probe: ok")
        else:
            (text, remedy), (_, printed) = told(failure), explained(failure)
            report["rpc"] = {"ok": False, "error": text, "remedy": remedy}
            lines += [f"RPC probe: failed: {text}", *([printed] if printed else [])]
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(lines))


def _probe(ctx: click.Context, choice: GatewayChoice) -> OpenClawError | None:
    try:
        with connect(ctx, choice) as client:
            client.call("status", timeout=choice["timeout"] / 1000)
    except OpenClawError as error:
        return error
    return None


@gateway.command("probe")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@gateway_options
@click.pass_context
def probe(
    ctx: click.Context,
    as_json: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Connect and read what there is to read; exit status 1 if that fails."""
    target = target_of(ctx, choice)
    limit = min(choice["timeout"] / 1000, _PROBE_TIMEOUT_S)
    started = time.monotonic()
    try:
        with connect(ctx, choice, timeout_s=limit) as client:
            for method in ("health", "status", "system-presence", "config.get"):
                client.call(method, timeout=limit)
    except GatewayCallError as error:
        if as_json:
            print_json({"url": target.url, **error_json(error)})
            raise SystemExit(1) from None
        click.echo(f"{target.url}\n  RPC: failed")
        raise
    latency = round((time.monotonic() - started) * 1000)
    if as_json:
        print_json({"ok": True, "url": target.url, "latencyMs": latency})
    else:
        click.echo(f"{target.url}\n  RPC: ok ({latency}ms)")


@gateway.command("health")
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
    facts = cast("dict[str, object]", answer) if isinstance(answer, dict) else {}
    click.echo("Gateway Health")
    click.echo(f"{'OK' if facts.get('ok') else 'FAILED'} ({facts.get('durationMs', 0)}ms)")


@gateway.command("call")
@click.argument("method")
@click.option("--params", default="{}", metavar="<json>", help="The parameters, a JSON object.")
@click.option("--json", "as_json", is_flag=True, help="Print only the answer.")
@click.option("--expect-final", is_flag=True, help="Wait for the result of what was accepted.")
@gateway_options
@click.pass_context
def call(
    ctx: click.Context,
    method: str,
    params: str,
    as_json: bool,
    expect_final: bool,
    **choice: Unpack[GatewayChoice],
) -> None:
    """Call an RPC method, e.g. `openclaw gateway call health`.

    --timeout is 10000 ms; a method that waits for a caller's words needs more.
    """
    parsed = _parameters(params)
    limit = choice["timeout"] / 1000
    try:
        with connect(ctx, choice) as client:
            answer = client.call(method, parsed, timeout=limit, expect_final=expect_final)
    except GatewayCallError as error:
        if as_json:
            print_json(error_json(error))
        text, remedy = explained(error)
        complain(f"Gateway call failed: {type(error).__name__}: {text}", remedy)
        raise SystemExit(1) from None
    if not as_json:
        click.echo(f"Gateway call: {method}")
    print_json(answer)


def _parameters(text: str) -> dict[str, object]:
    try:
        parsed: object = json.loads(text)
    except ValueError as error:
        fail(f"--params is not JSON: {error}", """Write it like: --params '{"callId": "..."}'""")
    if not isinstance(parsed, dict):
        fail("--params must be a JSON object", """Write it like: --params '{"callId": "..."}'""")
    return cast("dict[str, object]", parsed)
