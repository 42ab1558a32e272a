"""How commands reach the gateway. Light: no pydantic, no aiohttp."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from openclaw.config.light import GatewayTarget
    from openclaw.rpc.client import GatewayClient

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class CliContext:
    """The global options; found as `ctx.obj`."""

    profile: str | None = None
    log_level: str | None = None


class GatewayChoice(TypedDict):
    """What `gateway_options` gives to a command; `timeout` in ms."""

    url: str | None
    token: str | None
    password: str | None
    timeout: int


DEFAULT_CHOICE: Final = GatewayChoice(url=None, token=None, password=None, timeout=10_000)
"""The configured gateway, for commands without these options."""


def context_of(ctx: click.Context) -> CliContext:
    """The global options of this command line."""
    return ctx.find_object(CliContext) or CliContext()


def target_of(ctx: click.Context, choice: GatewayChoice = DEFAULT_CHOICE) -> GatewayTarget:
    """The gateway that this command line means. Raises ConfigError."""
    from openclaw.config.light import find_gateway

    return find_gateway(
        os.environ,
        Path.cwd(),
        url=choice["url"],
        token=choice["token"],
        password=choice["password"],
        profile=context_of(ctx).profile,
    )


def connect(
    ctx: click.Context,
    choice: GatewayChoice = DEFAULT_CHOICE,
    *,
    timeout_s: float | None = None,
) -> GatewayClient:
    """Connect to the gateway that this command line means; nothing is ever started or bound.

    `timeout_s` (seconds) stands in for the choice's own limit.

    Raises:
        ConfigError: The configuration does not say which gateway, or is unreadable.
        GatewayUnreachable: Nobody answers; `refused` is true when no gateway runs there.
        GatewayRefused: It does not let us in.
        GatewayTimeout: It does not answer in time.
    """
    from openclaw.gateway_lock import holder
    from openclaw.rpc.client import GatewayClient

    target = target_of(ctx, choice)
    # Node's gateways grant scopes only to signed devices. Ours does not ask, and signing costs
    # an import that is felt, so it is left out where our own gateway holds the lock.
    ours = target.local and holder(target.state_dir, target.config_path) is not None
    identity = None if ours else target.identity_path
    limit = choice["timeout"] / 1000 if timeout_s is None else timeout_s
    return GatewayClient.connect(
        target.url, target.token, target.password, identity_path=identity, timeout=limit
    )


def gateway_options(command: Callable[P, R]) -> Callable[P, R]:
    """The options `--url`, `--token`, `--password` and `--timeout`; see `GatewayChoice`."""
    for option in (
        click.option(
            "--timeout",
            type=click.IntRange(min=1),
            default=DEFAULT_CHOICE["timeout"],
            metavar="<ms>",
        ),
        click.option("--password", metavar="<password>", help="The gateway's password."),
        click.option("--token", metavar="<token>", help="The gateway's token."),
        click.option("--url", metavar="<url>", help="Another gateway (ws:// or wss://)."),
    ):
        command = option(command)
    return command
