"""What commands print: data on stdout, everything else on stderr, and errors with a way out."""

from __future__ import annotations

import json
from typing import NoReturn
from urllib.parse import urlsplit

import click

from openclaw.errors import (
    ConfigError,
    GatewayRefused,
    GatewayRunning,
    GatewayTimeout,
    GatewayUnreachable,
    OpenClawError,
    PluginInstallError,
    RpcFailed,
)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def print_json(value: object) -> None:
    """Print a value for scripts: JSON, two spaces."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def complain(text: str, remedy: str | None = None) -> None:
    """Say on stderr what is wrong, and on a line of its own what to do about it."""
    click.echo(f"error: {text}", err=True)
    if remedy:
        click.echo(remedy, err=True)


def fail(text: str, remedy: str | None = None, code: int = 1) -> NoReturn:
    """End the command with a complaint and this exit status."""
    complain(text, remedy)
    raise SystemExit(code)


def explained(error: OpenClawError) -> tuple[str, str | None]:
    """What to print of any of the host's errors: what went wrong, what to do about it."""
    text, remedy = told(error)
    # Remedies from the gateway are said in its words, which need not read as a line of their own.
    if remedy and isinstance(error, GatewayRefused | RpcFailed):
        remedy = f"Remedy: {remedy}"
    return text, remedy


def told(error: OpenClawError) -> tuple[str, str | None]:
    """What went wrong and what to do about it, as scripts get it."""
    match error:
        case GatewayUnreachable(refused=True) if urlsplit(error.url).hostname in _LOOPBACK:
            return f"no gateway is running at {error.url}", "Start it with: openclaw gateway run"
        case GatewayUnreachable():
            return str(error), "See what is there with: openclaw gateway status"
        case GatewayTimeout():
            return str(error), "See what it is doing with: openclaw gateway status, openclaw logs"
        case GatewayRefused():
            return f"the gateway refused: {error.message}", error.remedy
        case RpcFailed():
            remedy = error.details.get("remedy")
            return error.message, remedy if isinstance(remedy, str) else None
        case GatewayRunning():
            return str(error), "Stop it first; see: openclaw gateway status"
        case PluginInstallError():
            return str(error), error.remedy
        case ConfigError():
            lines = [problem.render() for problem in error.problems]
            if len(lines) == 1:
                return lines[0], "Check the file with: openclaw config validate"
            listed = "".join(f"\n  x {line}" for line in lines)
            return f"the configuration has {len(lines)} problems:{listed}", (
                "Check the file with: openclaw config validate"
            )
        case _:
            return str(error), None


def error_json(error: OpenClawError) -> dict[str, object]:
    """The error as scripts get it: `{ok: false, error: {type, code, message, ...}}`."""
    text, remedy = told(error)
    shape: dict[str, object] = {"type": type(error).__name__, "code": _code(error), "message": text}
    if isinstance(error, RpcFailed):
        shape["details"] = dict(error.details)
        shape["retryable"] = bool(error.retryable)
    if remedy:
        shape["remedy"] = remedy
    return {"ok": False, "error": shape}


def _code(error: OpenClawError) -> str:
    match error:
        case GatewayUnreachable():
            return "GATEWAY_UNREACHABLE"
        case GatewayTimeout():
            return "GATEWAY_TIMEOUT"
        case GatewayRefused() | RpcFailed():
            return error.code
        case ConfigError():
            return "CONFIG_INVALID"
        case _:
            return "ERROR"
