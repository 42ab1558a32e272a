"""What a command-line client needs to reach the gateway, found without the typed models.

Start-up time counts here: importing pydantic takes longer than everything else that a short command
does. So this module reads the few values it needs by hand, from the same source as `load`.

Which gateway, the first that applies: `--url`; `OPENCLAW_GATEWAY_URL` of the process environment;
`gateway.remote.url` when `gateway.mode` is remote; else this machine's, at `--port`,
`OPENCLAW_GATEWAY_PORT` or `gateway.port`. Secrets: given ones; else the file's, else the
environment's, else the generated token file. A URL from flag or environment never gets the file's
secrets: they belong to another gateway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from openclaw.config.access import (
    PASSWORD_ENV,
    PORT_ENV,
    TOKEN_ENV,
    URL_ENV,
    bind_host,
    choose_access,
    is_loopback,
    port_from_env,
)
from openclaw.config.paths import expand
from openclaw.config.problem import ConfigProblem
from openclaw.config.source import ConfigSource, read_source
from openclaw.config.token import read_token
from openclaw.config.tree import format_path, lookup
from openclaw.errors import ConfigError

ALLOW_INSECURE_ENV = "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS"

# The addresses that mean "every one" to a listener; a client goes to loopback instead.
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104


@dataclass(frozen=True, slots=True)
class GatewayTarget:
    """A gateway, and what it takes to be let in."""

    url: str
    token: str | None = field(repr=False)
    password: str | None = field(repr=False)
    identity_path: Path
    """The Ed25519 identity of this device, `identity/device.json` in the state folder."""
    state_dir: Path
    config_path: Path
    local: bool
    """Whether this is the gateway that this configuration starts, on this machine."""
    log_file: Path | None = None
    """`logging.file` of the configuration, None for the daily files in `state_dir`/logs."""


def find_gateway(
    env: Mapping[str, str],
    cwd: Path,
    *,
    url: str | None = None,
    token: str | None = None,
    password: str | None = None,
    port: int | None = None,
    profile: str | None = None,
) -> GatewayTarget:
    """The gateway to talk to; the keywords are command-line flags.

    Raises ConfigError when the file cannot be read or a needed value is wrong, when a URL comes
    without its own credentials, and for an unencrypted URL to another machine.
    """
    source = read_source(env, cwd, profile)
    if url:
        return _explicit(source, url, "--url", token, password)
    # A .env file in some working directory must not lead clients to another gateway.
    if env.get(URL_ENV):
        variables = source.env
        token = token or variables.get(TOKEN_ENV)
        password = password or variables.get(PASSWORD_ENV)
        return _explicit(source, env[URL_ENV], URL_ENV, token, password)
    if _text(source, "gateway", "mode") == "remote" and port is None:
        return _remote(source, token, password)
    return _local(source, token, password, port)


def _explicit(
    source: ConfigSource, url: str, named_by: str, token: str | None, password: str | None
) -> GatewayTarget:
    if not (token or password):
        raise _wrong(
            named_by,
            "gateway url override requires explicit credentials",
            f"pass --token or --password, or set {TOKEN_ENV} beside {URL_ENV}",
        )
    _check_url(url, named_by, source.env)
    return _target(source, url, token or None, password or None, local=False)


def _remote(source: ConfigSource, token: str | None, password: str | None) -> GatewayTarget:
    url = _text(source, "gateway", "remote", "url")
    if not url:
        raise _wrong("gateway.remote.url", "Required when gateway.mode is remote")
    _check_url(url, "gateway.remote.url", source.env)
    access = choose_access(
        None,
        token or _secret(source, "gateway", "remote", "token"),
        password or _secret(source, "gateway", "remote", "password"),
        source.env,
    )
    _require_unless(access.token or access.password, source, "gateway.remote")
    return _target(source, url, access.token, access.password, local=False)


def _local(
    source: ConfigSource,
    token: str | None,
    password: str | None,
    port: int | None,
) -> GatewayTarget:
    access = choose_access(
        _text(source, "gateway", "auth", "mode"),
        token or _secret(source, "gateway", "auth", "token"),
        password or _secret(source, "gateway", "auth", "password"),
        source.env,
    )
    _require_unless(access.token or access.password, source, "gateway.auth")
    found = access.token
    if access.mode == "token" and not found:
        found = read_token(source.state_dir)
    host = bind_host(
        _text(source, "gateway", "bind") or "loopback",
        _text(source, "gateway", "customBindHost"),
    )
    if isinstance(host, ConfigProblem) or host in _WILDCARDS:
        host = "127.0.0.1"
    url = f"ws://{f'[{host}]' if ':' in host else host}:{_port(source, port)}"
    configured = _text(source, "logging", "file")
    log_file = expand(configured, source.env) if configured else None
    return replace(_target(source, url, found, access.password, local=True), log_file=log_file)


def _target(
    source: ConfigSource, url: str, token: str | None, password: str | None, *, local: bool
) -> GatewayTarget:
    identity = source.state_dir / "identity" / "device.json"
    return GatewayTarget(url, token, password, identity, source.state_dir, source.path, local)


def _port(source: ConfigSource, flag: int | None) -> int:
    if flag is not None:
        return flag
    from_env = source.env.get(PORT_ENV)
    if from_env:
        port = port_from_env(from_env)
        if isinstance(port, ConfigProblem):
            raise ConfigError([port])
        return port
    configured = lookup(source.resolved, ("gateway", "port"))
    if configured is None:
        return source.default_port
    if not isinstance(configured, int) or not 1 <= configured <= 65535:
        raise ConfigError(
            [ConfigProblem("gateway.port", "expected a port from 1 to 65535, received", configured)]
        )
    return configured


def _text(source: ConfigSource, *parts: str) -> str | None:
    value = lookup(source.resolved, parts)
    return value if isinstance(value, str) else None


def _secret(source: ConfigSource, *parts: str) -> str | None:
    """The secret at these keys; None when it is missing or could not be filled in."""
    return None if _reasons(source, format_path(parts)) else _text(source, *parts)


def _require_unless(found: str | None, source: ConfigSource, section: str) -> None:
    """Without any secret, say what was meant to give one."""
    reasons = [*_reasons(source, f"{section}.token"), *_reasons(source, f"{section}.password")]
    if reasons and not found:
        raise ConfigError(reasons)


def _reasons(source: ConfigSource, path: str) -> list[ConfigProblem]:
    """Why the reference at this path could not be filled in; empty when it could."""
    return [each for each in source.problems if f"{each.path}.".startswith(f"{path}.")]


def _check_url(url: str, named_by: str, env: Mapping[str, str]) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, None
    if parts is None or not host or parts.scheme not in ("ws", "wss"):
        raise _wrong(named_by, "expected a URL such as wss://gateway.example.com:18789")
    if parts.scheme == "ws" and not is_loopback(host) and env.get(ALLOW_INSECURE_ENV) != "1":
        raise _wrong(
            named_by,
            f"refusing to send credentials unencrypted to {host}",
            f"use wss://, an SSH tunnel, or {ALLOW_INSECURE_ENV}=1 in a network that you trust",
        )


def _wrong(path: str, message: str, remedy: str | None = None) -> ConfigError:
    return ConfigError([ConfigProblem(path, message, remedy=remedy)])
