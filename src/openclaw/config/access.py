"""Where a gateway listens and who may come in, from file and environment. Pure, without pydantic.

The file wins over `OPENCLAW_GATEWAY_TOKEN` and `OPENCLAW_GATEWAY_PASSWORD`, on the server and in
the clients alike, as newer OpenClaw versions do it. (Older ones let a client's environment win over
the file, while the server did the opposite, so that one machine could disagree with itself.)
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from openclaw.config.problem import ConfigProblem

TOKEN_ENV = "OPENCLAW_GATEWAY_TOKEN"
PASSWORD_ENV = "OPENCLAW_GATEWAY_PASSWORD"
PORT_ENV = "OPENCLAW_GATEWAY_PORT"
URL_ENV = "OPENCLAW_GATEWAY_URL"


@dataclass(frozen=True, slots=True)
class Access:
    """How clients prove themselves, as it holds."""

    mode: str
    """none, token, password or trusted-proxy."""
    token: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def secret(self) -> str | None:
        """What the mode asks for, None while it is missing."""
        return {"token": self.token, "password": self.password}.get(self.mode)


def choose_access(
    mode: str | None, token: str | None, password: str | None, env: Mapping[str, str]
) -> Access:
    """The access rule from what the file says (None or empty: nothing) and the environment.

    Without a mode, a password means password, else token.
    """
    token = token or env.get(TOKEN_ENV) or None
    password = password or env.get(PASSWORD_ENV) or None
    return Access(mode or ("password" if password else "token"), token, password)


def port_from_env(text: str) -> int | ConfigProblem:
    """The port that `OPENCLAW_GATEWAY_PORT` names, or what is wrong with it."""
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if 1 <= port <= 65535:
        return port
    return ConfigProblem(PORT_ENV, "expected a port from 1 to 65535, received", text)


def bind_host(bind: str, custom_host: str | None) -> str | ConfigProblem:
    """The address to listen on for `gateway.bind`, or why there is none.

    `auto` is loopback: it is always there, and it is the one that needs no thought.
    """
    if bind in ("loopback", "auto"):
        return "127.0.0.1"
    if bind == "lan":
        return "0.0.0.0"  # noqa: S104
    if bind == "custom":
        return custom_host or ConfigProblem(
            "gateway.customBindHost", "Required when gateway.bind is custom"
        )
    return ConfigProblem(
        "gateway.bind",
        "not supported by this gateway yet:",
        bind,
        allowed=("loopback", "auto", "lan", "custom"),
        remedy="for a tailnet use custom with customBindHost",
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
